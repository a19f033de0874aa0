"""A blockchain and a facilitator in memory, for tests of payments.

The facilitator verifies as the official ones do (x402 2.25, @x402/evm 2.27), and simulates
their failures.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import FetchFailed
from core.ports import Fetched, Json
from payments.chain.evm.logs import TRANSFER
from payments.chain.evm.outcome import _AUTHORIZATION_STATE, _CANCELED, _USED
from payments.chain.evm.permit2 import _NONCE_BITMAP
from tests.support.fakes import NOON_MS, FakeClock

NETWORK = "eip155:84532"
USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
PAYEE = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C"
PAYER = "0x857b06519E91e3A54538791bDbb0E22373e36b66"
FACILITATOR_ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
FACILITATOR_URL = "http://facilitator.example"
RPC_URL = "http://node.example"


def abi_text(value: str) -> str:
    """Encode a string as a function returns it."""
    content = value.encode()
    return f"0x{32:064x}{len(content):064x}" + content.hex().ljust(64, "0")


TOKEN: Mapping[str, Json] = {
    "0x06fdde03": abi_text("USDC"),
    "0x54fd4d50": abi_text("2"),
    "0x313ce567": f"0x{6:064x}",
    "0x3644e515": "0x71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818",
    "0xe94a0102": f"0x{0:064x}",
}
"""What `name`, `version`, `decimals`, `DOMAIN_SEPARATOR` and `authorizationState(0, 0)` of USDC on
Base Sepolia return, by the function's selector."""


@dataclass
class Chain:
    """Balances, and the transaction of each used authorization by payer and nonce."""

    balances: dict[str, int] = field(default_factory=lambda: {PAYER.lower(): 10**9})
    used: dict[tuple[str, str], str] = field(default_factory=dict)
    canceled: set[tuple[str, str]] = field(default_factory=set)
    transfers: list[dict[str, Any]] = field(default_factory=list)
    block_seconds: int = NOON_MS // 1000
    """The time of the latest block."""
    chain_id: Json = "0x14a34"
    calls: dict[str, dict[str, str]] = field(default_factory=dict)
    """What was called by transactions that used Permit2."""
    token: dict[str, Json] = field(default_factory=lambda: dict(TOKEN))
    """What the token's other functions return, by selector."""

    def transfer(self, authorization: Mapping[str, Any]) -> str | None:
        """Move money once per nonce; return the transaction, or None if that is impossible."""
        payer, nonce = authorization["from"].lower(), authorization["nonce"].lower()
        value = int(authorization["value"])
        if (payer, nonce) in self.used or self.balances.get(payer, 0) < value:
            return None
        payee = authorization["to"].lower()
        self.balances[payer] -= value
        self.balances[payee] = self.balances.get(payee, 0) + value
        transaction = f"0x{len(self.transfers) + 1:064x}"
        self.used[payer, nonce] = transaction
        self.transfers.append({"payer": payer, "payee": payee, "value": value, "nonce": nonce})
        return transaction

    def cancel(self, payer: str, nonce: str) -> None:
        """Cancel an authorization, as its payer can."""
        self.used[payer.lower(), nonce.lower()] = f"0x{'c' * 64}"
        self.canceled.add((payer.lower(), nonce.lower()))

    def permit(self, permit: Mapping[str, Any], value: str) -> str | None:
        """Move money with Permit2, by a call of a proxy, like `transfer`."""
        nonce, witness = f"0x{int(permit['nonce']):064x}", permit["witness"]
        parts = {"from": permit["from"], "to": witness["to"], "nonce": nonce, "value": value}
        transaction = self.transfer(parts)
        if transaction is not None:
            permitted = permit["permitted"]
            is_upto = "facilitator" in witness
            words = [
                int(permitted["token"], 16),
                int(permitted["amount"]),
                int(permit["nonce"]),
                int(permit["deadline"]),
                *([int(value)] if is_upto else []),
                int(permit["from"], 16),
            ]
            selector = "0xff11e7b4" if is_upto else "0x13cd3b53"
            data = selector + "".join(f"{one:064x}" for one in words)
            self.calls[transaction] = {"hash": transaction, "to": permit["spender"], "input": data}
        return transaction

    def rpc(self, method: str, parameters: list[Any]) -> Json:
        """Return the result of a JSON-RPC call, as a node does."""
        if method in ("eth_chainId", "eth_getTransactionReceipt"):
            return self._receipt(parameters[0]) if parameters else self.chain_id
        if method == "eth_getBlockByNumber":
            assert parameters == ["latest", False]
            return {"number": "0x1000", "timestamp": hex(self.block_seconds)}
        if method == "eth_call":
            return self._call(parameters[0]["data"], parameters[1])
        if method == "eth_getTransactionByHash":
            return self.calls.get(parameters[0])
        assert method == "eth_getLogs"
        return self._logs(parameters)

    def _call(self, data: str, block: str) -> Json:
        if block == "latest":
            return self.token.get(data[:10], "0x")
        assert block == "0x1000"
        if data.startswith(_NONCE_BITMAP):
            return self._nonces(data.removeprefix(_NONCE_BITMAP))
        data = data.removeprefix(_AUTHORIZATION_STATE)
        key = ("0x" + data[24:64], "0x" + data[64:])
        return f"0x{int(key in self.used):064x}"

    def _logs(self, parameters: list[Any]) -> Json:
        kinds, owner, nonce = parameters[0]["topics"]
        if kinds == TRANSFER:
            return [
                transfer_log(USDC, moved["payer"], moved["payee"], moved["value"], f"0x{at:064x}")
                for at, moved in enumerate(self.transfers, 1)
                if (_word(moved["payer"]), _word(moved["payee"])) == (owner, nonce)
            ]
        assert kinds == [_USED, _CANCELED]
        key = ("0x" + owner[26:], nonce)
        if key not in self.used:
            return []
        return [use_log(USDC, key, self.used[key], is_canceled=key in self.canceled)]

    def _nonces(self, data: str) -> str:
        """Return a word of an owner's bitmap of used nonces."""
        owner, position = "0x" + data[24:64], int(data[64:], 16)
        nonces = [int(nonce, 16) for payer, nonce in self.used if payer == owner]
        bits = (1 << (nonce & 0xFF) for nonce in nonces if nonce >> 8 == position)
        return f"0x{sum(bits):064x}"

    def _receipt(self, transaction: str) -> Json:
        (key,) = (key for key, used_by in self.used.items() if used_by == transaction)
        if key in self.canceled:
            return receipt(transaction, use_log(USDC, key, transaction, is_canceled=True))
        moved = self.transfers[int(transaction, 16) - 1]
        return receipt(
            transaction,
            use_log(USDC, key, transaction),
            transfer_log(USDC, moved["payer"], moved["payee"], moved["value"], transaction),
        )


def use_log(
    token: str, name: tuple[str, str], transaction: str, *, is_canceled: bool = False
) -> dict[str, Any]:
    """Return the event of a token that an authorization was used; `name` is payer and nonce."""
    topics = [_CANCELED if is_canceled else _USED, _word(name[0]), name[1]]
    return _log(token, topics, "0x", transaction)


def transfer_log(
    token: str, payer: str, payee: str, value: int, transaction: str
) -> dict[str, Any]:
    """Return the event of a transfer of a token."""
    return _log(token, [TRANSFER, _word(payer), _word(payee)], f"0x{value:064x}", transaction)


def receipt(transaction: str, *logs: dict[str, Any]) -> dict[str, Any]:
    """Return the receipt of a successful transaction."""
    return {"status": "0x1", "transactionHash": transaction, "logs": [*logs]}


def _log(token: str, topics: list[str], data: str, transaction: str) -> dict[str, Any]:
    return {
        "address": token,
        "topics": topics,
        "data": data,
        "transactionHash": transaction,
        "removed": False,
    }


def _word(address: str) -> str:
    return "0x" + address[2:].lower().rjust(64, "0")


BROKEN_RESPONSES = {
    "500": Fetched(500, '{"error": "internal"}'),
    "nonsense": Fetched(200, "<html>an error page</html>"),
    "success without transaction": Fetched(200, json.dumps({"success": True, "network": NETWORK})),
}
"""What a broken facilitator may respond with after it did its work."""


@dataclass
class Facilitator:
    """A facilitator that settles on `chain`.

    `faults` lists faults by step (`verify` or `settle`); each call takes the next one:
    `down` (no response and no effect), `lost` (no response after taking effect), `500` and
    `nonsense` (such a response after taking effect), `pending` (the transaction was sent and
    is not confirmed), `reverted`, `refused:REASON`.
    """

    chain: Chain
    clock: FakeClock
    faults: dict[str, list[str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    pending: dict[str, str] = field(default_factory=dict)
    latency_ms: int = 0
    kinds: list[dict[str, Any]] | None = None
    """The payer of the latest call; responses are made without an `await` after it is set."""

    async def respond(self, url: str, body: Json) -> Fetched:
        if url == RPC_URL:
            self.chain.block_seconds = self.clock.at_ms // 1000
            result = self.chain.rpc(body["method"], body["params"])
            return Fetched(200, json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}))
        return await self._respond_to(url, body)

    async def _respond_to(self, url: str, body: Json) -> Fetched:
        step = url.rpartition("/")[2]
        if step == "supported":
            return Fetched(404 if self.kinds is None else 200, json.dumps({"kinds": self.kinds}))
        self.calls.append(step)
        queue = self.faults.get(step, [])
        fault = queue.pop(0) if queue else ""
        if fault == "down":
            raise FetchFailed("timed out")
        if not fault.startswith("refused:"):
            await self.clock.sleep_ms(self.latency_ms)
        if fault.startswith("refused:"):
            return self._result(body, step, fault.removeprefix("refused:"))
        response = self._verify(body) if step == "verify" else self._settle(body, fault)
        if fault == "lost":
            raise FetchFailed("timed out")
        return BROKEN_RESPONSES.get(fault, response)

    def _rejection(self, body: Json) -> str | None:
        if "permit2Authorization" in body["paymentPayload"]["payload"]:
            return self._permit2_rejection(body)
        authorization = body["paymentPayload"]["payload"]["authorization"]
        wanted = body["paymentRequirements"]
        amount = wanted.get("amount", wanted.get("maxAmountRequired"))
        key = (authorization["from"].lower(), authorization["nonce"].lower())
        checks = {
            "invalid_exact_evm_payload_recipient_mismatch": authorization["to"].lower()
            != wanted["payTo"].lower(),
            "invalid_exact_evm_payload_authorization_value_mismatch": authorization["value"]
            != amount,
            "invalid_exact_evm_payload_authorization_valid_before": int(
                authorization["validBefore"]
            )
            < self.clock.at_ms // 1000 + 6,
            "invalid_exact_evm_payload_signature": body["paymentPayload"]["payload"]["signature"]
            != signature(authorization),
            "invalid_exact_evm_nonce_already_used": key in self.chain.used,
            "invalid_exact_evm_insufficient_balance": self.chain.balances.get(key[0], 0)
            < int(amount),
        }
        return next((reason for reason, fails in checks.items() if fails), None)

    def _permit2_rejection(self, body: Json) -> str | None:
        payload, wanted = body["paymentPayload"]["payload"], body["paymentRequirements"]
        permit = payload["permit2Authorization"]
        amount, witness = permit["permitted"]["amount"], permit["witness"]
        payer = permit["from"].lower()
        is_foreign = witness.get("facilitator") not in (None, FACILITATOR_ADDRESS)
        checks = {
            "invalid_permit2_recipient_mismatch": witness["to"].lower() != wanted["payTo"].lower(),
            "upto_facilitator_mismatch": is_foreign,
            "permit2_deadline_expired": int(permit["deadline"]) < self.clock.at_ms // 1000 + 6,
            "permit2_amount_mismatch": amount != wanted["amount"],
            "invalid_permit2_signature": payload["signature"] != signature(permit),
            "permit2_simulation_failed": (payer, f"0x{int(permit['nonce']):064x}")
            in self.chain.used,
            "permit2_insufficient_balance": self.chain.balances.get(payer, 0) < int(amount),
        }
        return next((reason for reason, fails in checks.items() if fails), None)

    def _verify(self, body: Json) -> Fetched:
        return self._result(body, "verify", self._rejection(body))

    def _settle(self, body: Json, fault: str) -> Fetched:
        payload = body["paymentPayload"]["payload"]
        known = self.pending.pop(payload["signature"], None)
        if known is not None:
            return self._result(body, "settle", None, known)
        permit, wanted = payload.get("permit2Authorization"), body["paymentRequirements"]
        asked = wanted.get("amount", "0")
        if wanted["scheme"] == "upto":
            # As the official one: it verifies what was signed, and then settles what is asked for.
            signed = permit["permitted"]["amount"]
            body = {**body, "paymentRequirements": {**wanted, "amount": signed}}
            if int(asked) > int(signed):
                return self._result(body, "settle", "invalid_upto_evm_payload_settlement_exceeds")
        reason = self._rejection(body)
        if reason is not None:
            return self._result(body, "settle", reason)
        if fault == "reverted":
            return self._result(
                body, "settle", "invalid_exact_evm_transaction_failed", "0x" + 64 * "d"
            )
        if permit is None:
            transaction = self.chain.transfer(payload["authorization"])
        else:
            transaction = self.chain.permit(permit, asked)
        assert transaction is not None
        if fault == "pending":
            self.pending[payload["signature"]] = transaction
            return self._result(body, "settle", "settlement_pending", transaction)
        return self._result(body, "settle", None, transaction)

    def _result(self, body: Json, step: str, reason: str | None, transaction: str = "") -> Fetched:
        payload = body["paymentPayload"]["payload"]
        payer = (payload.get("permit2Authorization") or payload["authorization"])["from"]
        if step == "verify":
            document: Json = {"isValid": reason is None, "payer": payer, "invalidReason": reason}
        else:
            document = {
                "success": reason is None,
                "errorReason": reason,
                "transaction": transaction,
                "network": body["paymentRequirements"]["network"],
                "payer": payer,
            }
        response = {name: value for name, value in document.items() if value is not None}
        return Fetched(200, json.dumps(response))


def signature(authorization: Mapping[str, Any]) -> str:
    """Return a stand-in for a signature, which differs if what was signed differs."""
    text = json.dumps(authorization, sort_keys=True).encode()
    return "0x" + base64.b16encode(text).decode().lower()[:130].ljust(130, "0")

"""A chain and a facilitator in memory, for the tests of payments.

The facilitator judges as the official ones do (x402 2.25, @x402/evm 2.27) and can be told
to misbehave as they may.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import FetchFailed
from core.ports import Fetched, Json
from payments.chain import _AUTHORIZATION_STATE, _CANCELED, _TRANSFER, _USED
from tests.support.fakes import NOON_MS, FakeClock

NETWORK = "eip155:84532"
USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
PAYEE = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C"
PAYER = "0x857b06519E91e3A54538791bDbb0E22373e36b66"
URL = "http://facilitator.example"
RPC_URL = "http://node.example"


@dataclass
class Chain:
    """Balances, and what became of each authorization by payer and nonce."""

    balances: dict[str, int] = field(default_factory=lambda: {PAYER.lower(): 10**9})
    used: dict[tuple[str, str], str] = field(default_factory=dict)
    canceled: set[tuple[str, str]] = field(default_factory=set)
    transfers: list[dict[str, Any]] = field(default_factory=list)
    block_seconds: int = NOON_MS // 1000
    """When the newest block was made."""

    def transfer(self, authorization: Mapping[str, Any]) -> str | None:
        """Move money once for each nonce; the transaction, or None with the reason kept."""
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
        """The payer makes an authorization void, at its own cost."""
        self.used[payer.lower(), nonce.lower()] = f"0x{'c' * 64}"
        self.canceled.add((payer.lower(), nonce.lower()))

    def rpc(self, method: str, parameters: list[Any]) -> Json:
        """Answer as a node does."""
        if method == "eth_getBlockByNumber":
            assert parameters == ["latest", False]
            return {"number": "0x1000", "timestamp": hex(self.block_seconds)}
        if method == "eth_call":
            assert parameters[1] == "0x1000"
            data = parameters[0]["data"].removeprefix(_AUTHORIZATION_STATE)
            key = ("0x" + data[24:64], "0x" + data[64:])
            return f"0x{int(key in self.used):064x}"
        if method == "eth_getLogs":
            kinds, owner, nonce = parameters[0]["topics"]
            assert kinds == [_USED, _CANCELED]
            key = ("0x" + owner[26:], nonce)
            if key not in self.used:
                return []
            topic = _CANCELED if key in self.canceled else _USED
            return [{"topics": [topic, owner, nonce], "transactionHash": self.used[key]}]
        assert method == "eth_getTransactionReceipt"
        number = int(parameters[0], 16)
        moved = self.transfers[number - 1]
        topics = [_TRANSFER, *("0x" + moved[one][2:].rjust(64, "0") for one in ("payer", "payee"))]
        return {"logs": [{"address": USDC, "topics": topics, "data": hex(moved["value"])}]}


SPOILT = {
    "500": Fetched(500, '{"error": "internal"}'),
    "nonsense": Fetched(200, "<html>not what you think</html>"),
    "success without transaction": Fetched(200, json.dumps({"success": True, "network": NETWORK})),
}
"""What a facilitator may answer after having done its work."""


@dataclass
class Facilitator:
    """A facilitator before a chain.

    `faults` are taken one for each question to the step that they name:
    `down` (no answer, no effect), `lost` (no answer, but the effect), `500`
    (the effect, then an error), `nonsense` (the effect, then rubbish),
    `pending` (the transaction is sent and not seen), `reverted`, `refused:REASON`.
    """

    chain: Chain
    clock: FakeClock
    faults: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    pending: dict[str, str] = field(default_factory=dict)
    latency_ms: int = 0
    kinds: list[dict[str, Any]] | None = None

    async def answer(self, url: str, asked: Json) -> Fetched:
        if url == RPC_URL:
            self.chain.block_seconds = self.clock.at_ms // 1000
            result = self.chain.rpc(asked["method"], asked["params"])
            return Fetched(200, json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}))
        return await self._answer(url, asked)

    async def _answer(self, url: str, asked: Json) -> Fetched:
        step = url.rpartition("/")[2]
        if step == "supported":
            return Fetched(404 if self.kinds is None else 200, json.dumps({"kinds": self.kinds}))
        self.asked.append(step)
        queue = self.faults.get(step, [])
        fault = queue.pop(0) if queue else ""
        if fault == "down":
            raise FetchFailed("timed out")
        if fault.startswith("refused:"):
            return self._say(step, fault.removeprefix("refused:"))
        await self.clock.sleep_ms(self.latency_ms)
        said = self._verify(asked) if step == "verify" else self._settle(asked, fault)
        if fault == "lost":
            raise FetchFailed("timed out")
        return SPOILT.get(fault, said)

    def _refusal(self, asked: Json) -> str | None:
        authorization = asked["paymentPayload"]["payload"]["authorization"]
        wanted = asked["paymentRequirements"]
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
            "invalid_exact_evm_payload_signature": asked["paymentPayload"]["payload"]["signature"]
            != signature(authorization),
            "invalid_exact_evm_nonce_already_used": key in self.chain.used,
            "invalid_exact_evm_insufficient_balance": self.chain.balances.get(key[0], 0)
            < int(amount),
        }
        return next((reason for reason, fails in checks.items() if fails), None)

    def _verify(self, asked: Json) -> Fetched:
        return self._say("verify", self._refusal(asked))

    def _settle(self, asked: Json, fault: str) -> Fetched:
        payload = asked["paymentPayload"]["payload"]
        known = self.pending.pop(payload["signature"], None)
        if known is not None:
            return self._say("settle", None, known)
        reason = self._refusal(asked)
        if reason is not None:
            return self._say("settle", reason)
        if fault == "reverted":
            return self._say("settle", "invalid_exact_evm_transaction_failed", "0xdead")
        transaction = self.chain.transfer(payload["authorization"])
        assert transaction is not None
        if fault == "pending":
            self.pending[payload["signature"]] = transaction
            return self._say("settle", "settlement_pending", transaction)
        return self._say("settle", None, transaction)

    def _say(self, step: str, reason: str | None, transaction: str = "") -> Fetched:
        if step == "verify":
            body: Json = {"isValid": reason is None, "payer": PAYER, "invalidReason": reason}
        else:
            body = {
                "success": reason is None,
                "errorReason": reason,
                "transaction": transaction,
                "network": NETWORK,
                "payer": PAYER,
            }
        said = {name: value for name, value in body.items() if value is not None}
        return Fetched(200, json.dumps(said))


def signature(authorization: Mapping[str, Any]) -> str:
    """What stands for a signature: whoever changes what was signed has another."""
    text = json.dumps(authorization, sort_keys=True).encode()
    return "0x" + base64.b16encode(text).decode().lower()[:130].ljust(130, "0")

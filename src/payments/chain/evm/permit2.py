"""Reads what a payer signed for Permit2, and finds the transaction that used it.

Any token that the payer has approved can be paid so. Permit2 knows each nonce of an owner once, for
all tokens. It emits no event of its use, so the transaction is recognized by its call.

Sources: the schemes `exact` and `upto` for EVM networks (https://github.com/coinbase/x402, folder
specs/schemes), the addresses and ABIs of the npm package @x402/evm 2.27.0, and Permit2's
documentation (https://docs.uniswap.org/contracts/permit2/reference/signature-transfer).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from core.errors import FetchFailed
from core.ports import Json
from payments.chain.authorization import InvalidPayload, check, match
from payments.chain.evm.calls import contract_call
from payments.chain.evm.logs import TRANSFER, find_logs, word
from payments.chain.node import Node
from payments.chain.outcome import NO_PROOF, AuthorizationState, ChainProof, ClaimedPayment
from payments.requirements import PaymentRequirements
from tenants.addresses import ADDRESS
from tenants.pricing import EXACT, UPTO

_PERMIT2 = "0x000000000022d473030f116ddee9f6b43ac78ba3"
_PROXIES = {
    EXACT: "0x402085c248eea27d92e8b30b2c58ed07f9e20001",
    UPTO: "0x4020a4f3b7b90cca423b9fabcc0ce57c6c240002",
}
"""What transfers with Permit2, by scheme; the addresses are the same on all networks."""

_SIGNATURE = re.compile(r"0x(?:[0-9a-fA-F]{2}){1,8192}", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,78}", re.ASCII)
_NUMBERS = 2**256
_SECONDS_MAX = 2**43
"""As of EIP-3009."""

_NONCE_BITMAP = "0x4fe02b44"
"""The selector of `nonceBitmap(address,uint256)`."""

_TRANSFERS_MAX = 8
"""Transfers of the same amount from the payer to the payee whose transactions are read."""

_WORD_LENGTH = 64
_SORTING_ENCODER = json.JSONEncoder(separators=(",", ":"), sort_keys=True)


class _Call(NamedTuple):
    """Where a call of a proxy has its arguments, in words after the selector.

    The permitted token, its amount, the nonce and the deadline are from `permit` on; `amount` is
    that of the transfer.
    """

    permit: int
    amount: int
    owner: int


_CALLS = {
    (EXACT, "0x13cd3b53"): _Call(permit=0, amount=1, owner=4),
    (EXACT, "0xfa340378"): _Call(permit=5, amount=6, owner=9),
    (UPTO, "0xff11e7b4"): _Call(permit=0, amount=4, owner=5),
    (UPTO, "0x016c1748"): _Call(permit=5, amount=9, owner=10),
}
"""`settle` and `settleWithPermit` of each proxy, by their selectors."""


@dataclass(frozen=True, slots=True)
class Permit2Authorization:
    """A permit with a witness; payer and nonce (32 bytes in hexadecimal) are in lower case.

    `payload` has it and its signature as received; its texts have the form that they need.
    """

    payload: Mapping[str, Json]
    payer: str
    nonce: str
    valid_before_ms: int
    asset: str = _PERMIT2
    expired: str = "permit2_deadline_expired"

    @property
    def extra(self) -> Mapping[str, Json]:
        """The facilitator that alone may settle it, if it names one."""
        witness = self.payload["permit2Authorization"]["witness"]
        found = witness.get("facilitator")
        return {} if found is None else {"facilitatorAddress": found}

    @property
    def digest(self) -> str:
        """A hash of what was signed and of the payer's signature, to recognize the payment."""
        return hashlib.sha256(_SORTING_ENCODER.encode(self.payload).encode()).hexdigest()

    def check_terms(self, requirements: PaymentRequirements) -> None:
        """Raise `InvalidPayload` if it does not pay what is required to the required payee."""
        if not requirements.is_permit2:
            message = "The payment must be signed for the token (EIP-3009), not for Permit2."
            raise InvalidPayload("payment_mismatch", message)
        permit = self.payload["permit2Authorization"]
        permitted, witness = permit["permitted"], permit["witness"]
        match("permitted.token", permitted["token"], requirements.asset)
        match("permitted.amount", str(int(permitted["amount"])), requirements.amount)
        match("spender", permit["spender"], _PROXIES[requirements.scheme])
        match("witness.to", witness["to"], requirements.pay_to)
        if requirements.scheme == UPTO:
            check("witness.facilitator", witness.get("facilitator"), ADDRESS, "an address")


def read_permit2(payload: Mapping[str, Json]) -> Permit2Authorization:
    """Read the field `payload` of a payment. Raises `InvalidPayload` if it is malformed.

    Everything must be text: facilitators fail on other types, or refuse them as unsupported.
    """
    permit = payload["permit2Authorization"]
    permitted = permit.get("permitted") if isinstance(permit, dict) else None
    witness = permit.get("witness") if isinstance(permit, dict) else None
    if (
        not isinstance(permitted, dict)
        or not isinstance(witness, dict)
        or "authorization" in payload
    ):
        raise InvalidPayload(
            "invalid_payload",
            "`payload.permit2Authorization` must have the objects `permitted` and `witness`, and"
            " there must be no `payload.authorization`.",
        )
    check("payload.signature", payload.get("signature"), _SIGNATURE, "0x and hexadecimal digits")
    addresses = {
        "from": permit.get("from"),
        "spender": permit.get("spender"),
        "permitted.token": permitted.get("token"),
        "witness.to": witness.get("to"),
    }
    if "facilitator" in witness:
        addresses["witness.facilitator"] = witness["facilitator"]
    for name, found in addresses.items():
        check(name, found, ADDRESS, "an address")
    given = {
        "nonce": permit.get("nonce"),
        "deadline": permit.get("deadline"),
        "permitted.amount": permitted.get("amount"),
        "witness.validAfter": witness.get("validAfter"),
    }
    numbers = {name: int(check(name, given[name], _DIGITS, "a whole number")) for name in given}
    if max(numbers.values()) >= _NUMBERS:
        raise InvalidPayload("invalid_payload", f"{', '.join(numbers)} must be below 2^256.")
    valid_before_ms = min(numbers["deadline"], _SECONDS_MAX) * 1000
    payer, nonce = permit["from"].lower(), f"0x{numbers['nonce']:064x}"
    return Permit2Authorization(payload, payer, nonce, valid_before_ms)


async def is_nonce_used(node: Node, payment: ClaimedPayment, block: str) -> bool:
    """Tell whether the nonce of a payment is used as of a block. Raises `FetchFailed`."""
    nonce = int(payment.nonce, 16)
    data = f"{_NONCE_BITMAP}{word(payment.payer)[2:]}{nonce >> 8:064x}"
    bitmap = await contract_call(node, _PERMIT2, data, block)
    if len(bitmap) * 2 != _WORD_LENGTH:
        raise FetchFailed("Permit2 returned no nonces")
    return bool(int.from_bytes(bitmap, "big") >> (nonce & 0xFF) & 1)


async def find_settlement(
    node: Node, payment: ClaimedPayment, scheme: str, latest: int
) -> ChainProof:
    """Find the call of the scheme's proxy that used the nonce and moved the payment's amount.

    Nothing else proves anything: a nonce may have been used up by its owner, and a transfer may
    be of another payment. Raises `FetchFailed`.
    """
    amount = f"0x{int(payment.amount):064x}"
    topics = [TRANSFER, word(payment.payer), word(payment.pay_to)]
    found = await find_logs(node, payment, latest, topics)
    transactions = dict.fromkeys(log.transaction for log in found if log.data == amount)
    for name in [*transactions][:_TRANSFERS_MAX]:
        transaction = await node.call("eth_getTransactionByHash", [name])
        if _settles(transaction, payment, scheme, name):
            return ChainProof(AuthorizationState.MOVED, name)
    return NO_PROOF


def _settles(transaction: Json, payment: ClaimedPayment, scheme: str, name: str) -> bool:
    """Tell whether a transaction, which has succeeded, is the call that settles a payment."""
    if not isinstance(transaction, dict):
        return False
    texts = [str(transaction.get(field)).lower() for field in ("hash", "to", "input")]
    call = _CALLS.get((scheme, texts[2][:10]))
    if texts[:2] != [name, _PROXIES[scheme]] or call is None:
        return False

    def argument(index: int) -> str:
        start = 10 + index * _WORD_LENGTH
        return f"0x{texts[2][start : start + _WORD_LENGTH]}"

    return (
        argument(call.permit) == word(payment.asset)
        and argument(call.permit + 2) == payment.nonce
        and argument(call.owner) == word(payment.payer)
        and argument(call.amount) == f"0x{int(payment.amount):064x}"
    )

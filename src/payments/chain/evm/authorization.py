"""Reads what a payer signed: EIP-3009 (https://eips.ethereum.org/EIPS/eip-3009), or Permit2."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.ports import Json
from payments.chain.authorization import Authorization, InvalidPayload, check, match
from payments.requirements import PaymentRequirements
from tenants.addresses import ADDRESS

_NONCE = re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII)
_SIGNATURE = re.compile(r"0x(?:[0-9a-fA-F]{2}){1,8192}", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,78}", re.ASCII)
_NUMBERS = 2**256
_SECONDS_MAX = 2**43
"""Clients that mean "forever" sign larger numbers. In milliseconds this is below 2^53, above which
JavaScript has no exact integers and D1 accepts none."""

# Made once, because `json.dumps` makes an encoder for each call.
_SORTING_ENCODER = json.JSONEncoder(separators=(",", ":"), sort_keys=True)


@dataclass(frozen=True, slots=True)
class EvmAuthorization:
    """An authorization to transfer tokens; payer and nonce are in lower case.

    `payload` has it and its signature as received.
    """

    payload: Mapping[str, Json]
    payer: str
    nonce: str
    amount: str
    valid_before_ms: int
    asset: None = None
    expired: str = "invalid_exact_evm_payload_authorization_valid_before"
    extra: Mapping[str, Json] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A hash of what was signed and of the payer's signature, to recognize the payment."""
        return hashlib.sha256(_SORTING_ENCODER.encode(self.payload).encode()).hexdigest()

    def check_terms(self, requirements: PaymentRequirements) -> None:
        """Raise `InvalidPayload` if it does not pay what is required to the required payee."""
        if requirements.is_permit2:
            raise InvalidPayload("payment_mismatch", "The payment must be signed for Permit2.")
        pay_to = self.payload["authorization"].get("to")
        match("authorization.to", pay_to, requirements.pay_to)
        match("authorization.value", self.amount, requirements.amount)


def read_authorization(payload: Json) -> Authorization:
    """Read the field `payload` of a payment. Raises `InvalidPayload` if it is malformed."""
    if isinstance(payload, dict) and "permit2Authorization" in payload:
        # Imported here, because most deployments have no payments with Permit2.
        from payments.chain.evm.permit2 import read_permit2  # noqa: PLC0415

        return read_permit2(payload)
    authorization = payload.get("authorization") if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or not isinstance(authorization, dict):
        raise InvalidPayload(
            "invalid_payload",
            "The payment lacks the object `payload.authorization` (EIP-3009), or"
            " `payload.permit2Authorization`.",
        )
    check("payload.signature", payload.get("signature"), _SIGNATURE, "0x and hexadecimal digits")
    payer = check("from", authorization.get("from"), ADDRESS, "an address").lower()
    nonce = check("nonce", authorization.get("nonce"), _NONCE, "0x and 64 hexadecimal digits")
    value = check("value", _digits(authorization.get("value")), _DIGITS, "a whole number")
    times = [
        int(check(name, _digits(authorization.get(name)), _DIGITS, "seconds since 1970"))
        for name in ("validAfter", "validBefore")
    ]
    if max(times) >= _NUMBERS:
        raise InvalidPayload("invalid_payload", "`validAfter`, `validBefore` must be below 2^256.")
    # Later times make no difference, and the value must fit into the ledger.
    valid_before_ms = min(times[1], _SECONDS_MAX) * 1000
    return EvmAuthorization(payload, payer, nonce.lower(), str(int(value)), valid_before_ms)


def _digits(value: Json) -> Json:
    # Some clients send numbers instead of strings.
    return str(value) if type(value) is int else value

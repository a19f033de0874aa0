"""Payments as they arrive on the wire, in versions 2 and 1 of x402.

Owns what may be wrong with one. Compares known fields only: clients reorder
what they echo, and drop what they do not know. Refuses to know whether a
payment is good; that is for a facilitator.

Sources: the specification of version 2, its HTTP transport and its extension
`payment-identifier` (https://github.com/coinbase/x402, folder specs).
"""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from core import constants
from core.errors import DataError
from core.ports import Json
from core.responses import PAYMENT_SIGNATURE_HEADER, PAYMENT_SIGNATURE_HEADER_V1
from core.safe_json import read_json
from payments.requirements import (
    PAYMENT_IDENTIFIER,
    SCHEME,
    PaymentRequirements,
    Resource,
    requirements,
    requirements_v1,
)
from tenants.records import ADDRESS

_NONCE = re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII)
_SIGNATURE = re.compile(r"0x(?:[0-9a-fA-F]{2}){1,8192}", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,78}", re.ASCII)
_IDENTIFIER = re.compile(r"[a-zA-Z0-9_-]{16,128}", re.ASCII)
_TIMES_MAX = 2**48
"""Seconds; clients that mean "for ever" sign larger numbers."""


class InvalidPayload(DataError):
    """A payment header that cannot be a payment for this; `reason` is a word for programs."""

    def __init__(self, reason: str, message: str) -> None:
        """Take the word and the sentence for a developer."""
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class PaymentPayload:
    """A payment as a client presented it; whether it is good is not known yet.

    `document` is the whole payload as it came, `payer` and `nonce` are in lower
    case, `identifier` is the client's own name for the payment, if it gave one.
    """

    version: int
    document: Mapping[str, Json]
    payer: str
    nonce: str
    valid_before_ms: int
    identifier: str | None

    def payment_id(self, offer: PaymentRequirements) -> str:
        """Name the authorization that was signed: 32 hexadecimal digits.

        A token lets an authorization through once for each payer and nonce,
        so two payments of one name could never both be settled.
        """
        parts = (offer.network, offer.asset.lower(), self.payer, self.nonce)
        return hashlib.blake2b("|".join(parts).encode(), digest_size=16).hexdigest()

    def check_time(self, now_ms: int) -> None:
        """Raise `InvalidPayload` when the authorization has expired."""
        if self.valid_before_ms <= now_ms:
            seconds = (now_ms - self.valid_before_ms) // 1000
            raise InvalidPayload(
                "invalid_exact_evm_payload_authorization_valid_before",
                f"The authorization expired {seconds} s ago: sign a new one.",
            )

    @property
    def digest(self) -> str:
        """A hash of what was signed and the signature, by which it is known again."""
        signed = json.dumps(self.document["payload"], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(signed.encode()).hexdigest()

    def proof(self, offer: PaymentRequirements, resource: Resource) -> Mapping[str, Json]:
        """Write what a facilitator is asked with: the payment, and what we demand of it."""
        wanted = requirements(offer) if self.version > 1 else requirements_v1(offer, resource)
        return {
            "x402Version": self.version,
            "paymentPayload": self.document,
            "paymentRequirements": wanted,
        }


def read_payment(headers: Mapping[str, str], offer: PaymentRequirements) -> PaymentPayload | None:
    """Read the payment of a request whose headers are named in lower case.

    None when there is no payment header. Raises `InvalidPayload` when there
    is one that is not a payment by this offer. Whether it has expired is not
    looked at: also an expired one may have been settled before.
    """
    if PAYMENT_SIGNATURE_HEADER in headers:
        document = _decode_header("PAYMENT-SIGNATURE", headers[PAYMENT_SIGNATURE_HEADER], 2)
        accepted = document.get("accepted")
        if not isinstance(accepted, dict):
            raise InvalidPayload("invalid_payload", "The payment lacks the object `accepted`.")
        amount = accepted.get("amount")
        _match_terms(accepted, offer, offer.network)
        _match("amount", str(amount), offer.amount)
        return _payment(2, document, offer)
    if PAYMENT_SIGNATURE_HEADER_V1 in headers:
        document = _decode_header("X-PAYMENT", headers[PAYMENT_SIGNATURE_HEADER_V1], 1)
        if offer.network_v1 is None:
            raise InvalidPayload(
                "invalid_x402_version", f"Version 1 has no name for {offer.network}: use version 2."
            )
        _match("scheme", document.get("scheme"), SCHEME)
        _match("network", document.get("network"), offer.network_v1)
        return _payment(1, document, offer)
    return None


def _decode_header(name: str, value: str, version: int) -> dict[str, Json]:
    if len(value) > constants.PAYMENT_HEADER_LENGTH_MAX:
        raise InvalidPayload(
            "payment_too_long",
            f"{name} has {len(value)} characters;"
            f" {constants.PAYMENT_HEADER_LENGTH_MAX} are allowed.",
        )
    try:
        raw = binascii.a2b_base64(value.strip().encode("ascii"), strict_mode=True)
    except (ValueError, binascii.Error) as error:
        raise InvalidPayload(
            "invalid_payload", f"{name} is not standard base64 with padding: {error}."
        ) from error
    try:
        document = read_json(raw.decode())
    except ValueError as error:
        raise InvalidPayload("invalid_payload", f"{name} holds no JSON: {error}.") from error
    if not isinstance(document, dict):
        raise InvalidPayload("invalid_payload", f"{name} holds no JSON object.")
    found = document.get("x402Version")
    if type(found) is not int or found != version:
        raise InvalidPayload(
            "invalid_x402_version",
            f"{name} has x402Version {_shown(found)}; this header carries version {version}.",
        )
    return document


def _payment(
    version: int, document: Mapping[str, Json], offer: PaymentRequirements
) -> PaymentPayload:
    payload = document.get("payload")
    authorization = payload.get("authorization") if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or not isinstance(authorization, dict):
        raise InvalidPayload(
            "invalid_payload",
            "The payment lacks the object `payload.authorization` (EIP-3009 is what is asked for).",
        )
    _shape("payload.signature", payload.get("signature"), _SIGNATURE, "0x and hexadecimal digits")
    payer = _shape("from", authorization.get("from"), ADDRESS, "an address").lower()
    nonce = _shape("nonce", authorization.get("nonce"), _NONCE, "0x and 64 hexadecimal digits")
    _match("authorization.to", authorization.get("to"), offer.pay_to)
    value = _shape("value", _digits(authorization.get("value")), _DIGITS, "a whole number")
    _match("authorization.value", str(int(value)), offer.amount)
    times = [
        int(_shape(name, _digits(authorization.get(name)), _DIGITS, "seconds since 1970"))
        for name in ("validAfter", "validBefore")
    ]
    # Later times are all the same to us, and must fit the ledger.
    valid_before_ms = min(times[1], _TIMES_MAX) * 1000
    return PaymentPayload(
        version, document, payer, nonce.lower(), valid_before_ms, _read_identifier(document)
    )


def _match_terms(accepted: Mapping[str, Json], offer: PaymentRequirements, network: str) -> None:
    _match("scheme", accepted.get("scheme"), SCHEME)
    _match("network", accepted.get("network"), network)
    _match("asset", accepted.get("asset"), offer.asset)
    _match("payTo", accepted.get("payTo"), offer.pay_to)


def _match(name: str, found: Json, wanted: str) -> None:
    # Addresses are the same in any case; nothing else that is compared has letters to mix.
    if not isinstance(found, str) or found.lower() != wanted.lower():
        raise InvalidPayload(
            "payment_mismatch",
            f"The payment has {name} {_shown(found)}; what is asked for is {wanted!r}.",
        )


def _shape(name: str, found: Json, pattern: re.Pattern[str], demand: str) -> str:
    if not isinstance(found, str) or not pattern.fullmatch(found):
        raise InvalidPayload("invalid_payload", f"`{name}` must be {demand}, is {_shown(found)}.")
    return found


def _digits(value: Json) -> Json:
    # Some clients write numbers as numbers.
    return str(value) if type(value) is int else value


def _read_identifier(document: Mapping[str, Json]) -> str | None:
    extensions = document.get("extensions")
    extension = extensions.get(PAYMENT_IDENTIFIER) if isinstance(extensions, dict) else None
    info = extension.get("info") if isinstance(extension, dict) else None
    identifier = info.get("id") if isinstance(info, dict) else None
    if identifier is None:
        return None
    return _shape(
        f"extensions.{PAYMENT_IDENTIFIER}.info.id",
        identifier,
        _IDENTIFIER,
        "16 to 128 letters, digits, - or _",
    )


def _shown(value: Json) -> str:
    text = json.dumps(value)
    return (
        text
        if len(text) <= constants.ECHOED_VALUE_LENGTH_MAX
        else text[: constants.ECHOED_VALUE_LENGTH_MAX] + "…"
    )

"""Parses the payment header of a request, in versions 2 and 1 of x402.

Only known fields are compared with the requirements: clients reorder what they echo, and drop
what they do not know. A facilitator decides whether the payment is valid.

Sources: the specification of version 2, its HTTP transport and its extension
`payment-identifier` (https://github.com/coinbase/x402, folder specs).
"""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from core import constants
from core.ports import Json
from core.responses import PAYMENT_SIGNATURE_HEADER, PAYMENT_SIGNATURE_HEADER_V1
from core.safe_json import read_json
from payments.chain.authorization import (
    Authorization,
    InvalidPayload,
    check,
    match,
    unlike_version,
)
from payments.chain.families import chain_family
from payments.requirements import (
    PAYMENT_IDENTIFIER,
    PaymentRequirements,
    Resource,
    accepts_entry,
    accepts_entry_v1,
)
from tenants.networks import NETWORKS_V1, normal_address
from tenants.pricing import EXACT

_IDENTIFIER = re.compile(r"[a-zA-Z0-9_-]{16,128}", re.ASCII)
# Made once, because `json.dumps` makes an encoder for each call.
_ENCODER = json.JSONEncoder(separators=(",", ":"))
_TO_STANDARD = str.maketrans("-_", "+/")
"""The two characters in which base64url differs from standard base64."""


class Proof(NamedTuple):
    """What a facilitator gets about a payment, and what its results are compared with.

    `text` is the body of its calls: the payment and its requirements as JSON.
    """

    text: str
    payer: str
    network: str
    asset: str
    amount: str


@dataclass(frozen=True, slots=True)
class PaymentPayload:
    """A payment as a client presented it, not verified yet.

    `document` is the whole payload as received; `network` is in CAIP-2 form, empty if it has none;
    `asset` is None in version 1, whose payments do not name their token; `identifier` is the
    client's own name for the payment, if it has one.
    """

    version: int
    document: Mapping[str, Json]
    network: str
    asset: str | None
    authorization: Authorization
    identifier: str | None

    @property
    def payer(self) -> str:
        """The payer's address, in the form in which addresses are compared."""
        return self.authorization.payer

    def payment_id(self, default_asset: str) -> str:
        """Return the id of the signed authorization: 32 hexadecimal digits.

        A token, or Permit2, accepts one authorization per payer and nonce, so two payments with
        the same id can never both be settled. `default_asset` is the token of a payment that names
        none.
        """
        signed, asset = self.authorization, self.authorization.asset or self.asset
        asset = normal_address(self.network, default_asset if asset is None else asset)
        parts = (self.network, asset, signed.payer, signed.nonce)
        # What a client sends may have no UTF-8; no payment that is accepted has such a text.
        named = "|".join(parts).encode(errors="surrogatepass")
        return hashlib.blake2b(named, digest_size=16).hexdigest()

    @property
    def _scheme(self) -> Json:
        # Only version 2 has `accepted`; what a payment of version 1 has there is not checked.
        return self.document["accepted"].get("scheme") if self.version != 1 else None

    def match(self, accepts: Sequence[PaymentRequirements]) -> PaymentRequirements:
        """Return the requirements that the payment meets; raise `InvalidPayload` if there are none.

        Expiry is not checked, because an expired payment may have been settled before.
        """
        refusals: list[InvalidPayload] = []
        for one in accepts:
            try:
                self._check_terms(one)
            except InvalidPayload as error:
                # What is wrong with it is said by the requirements in its token, if there are any.
                named = (self.network, self.asset, self._scheme)
                is_likely = named == (one.network, one.asset, one.scheme)
                refusals.insert(0 if is_likely else len(refusals), error)
            else:
                return one
        raise refusals[0]

    def _check_terms(self, requirements: PaymentRequirements) -> None:
        if self.version == 1:
            if requirements.network_v1 is None:
                raise InvalidPayload(
                    "invalid_x402_version",
                    f"Version 1 has no name for {requirements.network}: use version 2.",
                )
            match("scheme", self.document.get("scheme"), EXACT)
            match("network", self.document.get("network"), requirements.network_v1)
        else:
            accepted, network = self.document["accepted"], requirements.network
            match("scheme", accepted.get("scheme"), requirements.scheme)
            match("network", accepted.get("network"), network, network)
            match("asset", accepted.get("asset"), requirements.asset, network)
            match("payTo", accepted.get("payTo"), requirements.pay_to, network)
            match("amount", str(accepted.get("amount")), requirements.amount)
        self.authorization.check_terms(requirements)

    def check_expiry(self, now_ms: int) -> None:
        """Raise `InvalidPayload` if the authorization says that it has expired."""
        end_ms = self.authorization.valid_before_ms
        if end_ms is not None and end_ms <= now_ms:
            raise InvalidPayload(
                self.authorization.expired,
                f"The authorization expired {(now_ms - end_ms) // 1000} s ago: sign a new one.",
            )

    def check_identifier(self, resource: Resource) -> None:
        """Raise `InvalidPayload` if it has no identifier, and needs one."""
        if resource.needs_identifier and self.identifier is None:
            raise InvalidPayload(
                "payment_identifier_required",
                f"This API demands a payment with an `id` in the extension {PAYMENT_IDENTIFIER}.",
            )

    @property
    def digest(self) -> str:
        """A hash of what was signed and of the payer's signature, to recognize the payment."""
        return self.authorization.digest

    def proof(self, requirements: PaymentRequirements, resource: Resource) -> Proof:
        """Return what a facilitator gets about this payment, which meets the requirements."""
        if self.authorization.extra:
            extra = {**requirements.extra, **self.authorization.extra}
            requirements = replace(requirements, extra=extra)
        wanted = (
            accepts_entry(requirements)
            if self.version > 1
            else accepts_entry_v1(requirements, resource)
        )
        body = {
            "x402Version": self.version,
            "paymentPayload": self.document,
            "paymentRequirements": wanted,
        }
        terms = (requirements.network, requirements.asset, requirements.amount)
        return Proof(_ENCODER.encode(body), self.payer, *terms)


def has_payment(headers: Mapping[str, str]) -> bool:
    """Tell whether a request, whose `headers` are by lower-case name, has a payment header."""
    return PAYMENT_SIGNATURE_HEADER in headers or PAYMENT_SIGNATURE_HEADER_V1 in headers


def read_payment(headers: Mapping[str, str]) -> PaymentPayload | None:
    """Parse the payment of a request whose `headers` are by lower-case name.

    Returns None if there is no payment header. Raises `InvalidPayload` if it is malformed.
    """
    if PAYMENT_SIGNATURE_HEADER in headers:
        document = _decode_header("PAYMENT-SIGNATURE", headers[PAYMENT_SIGNATURE_HEADER], 2)
        accepted = document.get("accepted")
        if not isinstance(accepted, dict):
            raise InvalidPayload("invalid_payload", "The payment lacks the object `accepted`.")
        network, asset = str(accepted.get("network")), str(accepted.get("asset"))
        return _parse(2, document, normal_address(network, network), asset)
    if PAYMENT_SIGNATURE_HEADER_V1 in headers:
        document = _decode_header("X-PAYMENT", headers[PAYMENT_SIGNATURE_HEADER_V1], 1)
        return _parse(1, document, NETWORKS_V1.get(str(document.get("network")).lower(), ""), None)
    return None


def _decode_header(name: str, value: str, version: int) -> dict[str, Json]:
    if len(value) > constants.PAYMENT_HEADER_LENGTH_MAX:
        raise InvalidPayload(
            "payment_too_long",
            f"{name} has {len(value)} characters;"
            f" {constants.PAYMENT_HEADER_LENGTH_MAX} are allowed.",
        )
    try:
        text = value.strip().translate(_TO_STANDARD)
        if "=" not in text:
            text += "=" * (-len(text) % 4)
        raw = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (ValueError, binascii.Error) as error:
        raise InvalidPayload("invalid_payload", f"{name} is not base64: {error}.") from error
    try:
        document = read_json(raw.decode())
    except ValueError as error:
        raise InvalidPayload(
            "invalid_payload", f"{name} does not contain JSON: {error}."
        ) from error
    if not isinstance(document, dict):
        raise InvalidPayload("invalid_payload", f"{name} does not contain a JSON object.")
    found = document.get("x402Version")
    if type(found) is not int or found != version:
        raise unlike_version(name, found, version)
    return document


def _parse(
    version: int, document: Mapping[str, Json], network: str, asset: str | None
) -> PaymentPayload:
    signed = chain_family(network).read_authorization(document.get("payload"))
    return PaymentPayload(version, document, network, asset, signed, _read_identifier(document))


def _read_identifier(document: Mapping[str, Json]) -> str | None:
    extensions = document.get("extensions")
    extension = extensions.get(PAYMENT_IDENTIFIER) if isinstance(extensions, dict) else None
    info = extension.get("info") if isinstance(extension, dict) else None
    identifier = info.get("id") if isinstance(info, dict) else None
    if identifier is None:
        return None
    return check(
        f"extensions.{PAYMENT_IDENTIFIER}.info.id",
        identifier,
        _IDENTIFIER,
        "16 to 128 letters, digits, - or _",
    )

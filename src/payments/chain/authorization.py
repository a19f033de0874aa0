"""What a payer signed, and the checks that all families of chains make of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Protocol

from core import constants
from core.errors import DataError
from core.ports import Json
from payments.requirements import PaymentRequirements
from tenants.networks import normal_address


class InvalidPayload(DataError):
    """A header that is not a payment for this request; `reason` is a code for programs."""

    def __init__(self, reason: str, message: str) -> None:
        """Take the code, and the message for developers."""
        super().__init__(message)
        self.reason = reason


class Authorization(Protocol):
    """What a payer signed; a chain accepts one with the same payer and nonce at most once."""

    @property
    def payer(self) -> str:
        """The payer's address, in the form in which addresses are compared."""

    @property
    def nonce(self) -> str:
        """What distinguishes it from the payer's others."""

    @property
    def asset(self) -> str | None:
        """The contract that accepts it once; None if that is the token that the payment names."""

    @property
    def valid_before_ms(self) -> int | None:
        """When it expires, in milliseconds since 1970; None if it does not say."""

    @property
    def expired(self) -> str:
        """The reason for which facilitators refuse an expired one."""

    @property
    def extra(self) -> Mapping[str, Json]:
        """What `extra` of the payment requirements has only once it is known."""

    @property
    def digest(self) -> str:
        """A hash of what was signed and of the payer's signature, to recognize the payment."""

    def check_terms(self, requirements: PaymentRequirements) -> None:
        """Raise `InvalidPayload` if it does not pay what is required to the required payee."""


def match(name: str, found: Json, wanted: str, network: str = "") -> None:
    """Raise `InvalidPayload` if a field is not as wanted.

    Letter case counts if it does in the addresses of `network`.
    """
    if not isinstance(found, str) or (
        normal_address(network, found) != normal_address(network, wanted)
    ):
        raise InvalidPayload(
            "payment_mismatch",
            f"The payment has {name} {_excerpt(found)}; {wanted!r} is required.",
        )


def check(name: str, found: Json, pattern: re.Pattern[str], expected: str) -> str:
    """Return a field whose text must match a pattern; raise `InvalidPayload` otherwise."""
    if not isinstance(found, str) or not pattern.fullmatch(found):
        raise InvalidPayload(
            "invalid_payload", f"`{name}` must be {expected}, is {_excerpt(found)}."
        )
    return found


def unlike_version(name: str, found: Json, version: int) -> InvalidPayload:
    """Return the error of a header of another version of x402."""
    return InvalidPayload(
        "invalid_x402_version",
        f"{name} has x402Version {_excerpt(found)}; this header carries version {version}.",
    )


def _excerpt(value: Json) -> str:
    text, most = json.dumps(value), constants.ECHOED_VALUE_LENGTH_MAX
    return text if len(text) <= most else text[:most] + "…"

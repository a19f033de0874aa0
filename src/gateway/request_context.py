"""One request on its way through the dispatcher, and what it leaves in the log.

Owns what is known of a request so far, and the hygiene of headers around it.
Refuses to know where it goes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core import constants
from core.errors import ConfigurationError
from core.ports import Environment, Request
from core.responses import (
    PLATFORM_TOKEN_HEADER,
    REQUEST_ID,
    REQUIRED_HEADER,
    RESPONSE_HEADER,
    RESPONSE_HEADER_V1,
    SIGNATURE_HEADER,
    SIGNATURE_HEADER_V1,
)
from gateway.urls import ParsedUrl
from metering.events import UsageEvent
from tenants.records import Tenant

SECRET_SETTING = "CALLER_HASH_SECRET"  # noqa: S105

_SIGNS = (
    ("x-api-key", "key"),
    ("authorization", "key"),
    ("x-agent-id", "agent"),
    ("x-caller-id", "agent"),
    ("cf-connecting-ip", "ip"),
)
"""The headers that tell callers apart, the surest first, and the kind of what each says."""


def caller_identity(headers: Mapping[str, str]) -> str:
    """Tell who calls, as well as the request's headers (by lower-case name) can.

    The kind stands before the value, so that an API key and an agent's name
    that happen to be alike stay two callers.
    """
    for name, kind in _SIGNS:
        value = headers.get(name)
        if value and name == "authorization":
            scheme, _, credentials = value.partition(" ")
            value = credentials.strip() if scheme.lower() == "bearer" else None
        if value:
            return f"{kind}:{value[: constants.IDENTITY_LENGTH_MAX]}"
    return "unknown:"


def payer_identity(address: str) -> str:
    """Tell who calls by the address that a verified payment is from."""
    return f"payer:{address.lower()}"


@dataclass(slots=True)
class CallerHash:
    """Hashes callers under the deployment's secret."""

    environment: Environment
    _key: bytes = b""

    def of(self, identity: str) -> str:
        """Hash an identity to 16 hexadecimal digits. Raises `ConfigurationError`."""
        if not self._key:
            secret = self.environment.setting(SECRET_SETTING)
            if secret is None:
                raise ConfigurationError(
                    SECRET_SETTING,
                    f"Set it to a long random text (`wrangler secret put {SECRET_SETTING}`):"
                    " callers are told apart by a hash under this key.",
                )
            self._key = hashlib.sha256(secret.encode()).digest()
        return hashlib.blake2b(identity.encode(), key=self._key, digest_size=8).hexdigest()


TENANT_ID = "x-tenant-id"
SERVED = "served"
_RESERVED = frozenset((REQUEST_ID, TENANT_ID, PLATFORM_TOKEN_HEADER))

_RESERVED_IF_PRICED = _RESERVED | {
    REQUIRED_HEADER,
    RESPONSE_HEADER,
    RESPONSE_HEADER_V1,
    SIGNATURE_HEADER,
    SIGNATURE_HEADER_V1,
}


def reserved_headers(names: Iterable[str], *, is_priced: bool = False) -> Sequence[str]:
    """Pick, of lower-case header names, those that only the dispatcher may set or see.

    Where it takes the payment, what speaks of payments is its own as well: a
    script must not settle behind its back, nor write receipts in its name.
    """
    reserved = _RESERVED_IF_PRICED if is_priced else _RESERVED
    return [name for name in names if name in reserved or name.startswith("x-clawr-")]


@dataclass(slots=True)
class RequestContext:
    """What is known so far of one request on a tenant's route.

    `url` is what the script is to see in place of the request's own, `target`
    the path and query of that, `caller` the caller's hash once it is known, `answered_ms`
    when its event says that it was answered.
    """

    request: Request
    request_id: str
    arrived_ms: int
    location: ParsedUrl
    tenant: Tenant | None = None
    url: str | None = None
    caller: str = ""
    answered_ms: int | None = None

    @property
    def target(self) -> str:
        """The path and query that the script sees."""
        if self.url is None:
            return self.location.path + self.location.query
        return self.url[len(self.location.origin) :]

    def event(
        self,
        at_ms: int,
        status: int,
        outcome: str,
        *,
        is_call: bool = True,
        revenue_micros: int = 0,
    ) -> UsageEvent:
        """Make the one event that this request leaves in the log."""
        return UsageEvent(
            request_id=self.request_id,
            at_ms=at_ms,
            api=self.tenant.api if self.tenant else None,
            method=self.request.method,
            status=status,
            latency_ms=max(0, at_ms - self.arrived_ms),
            caller=self.caller,
            outcome=outcome,
            counted=is_call,
            revenue_micros=revenue_micros,
        )

"""What the dispatcher knows of one request, its reserved headers, and its usage event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.ports import Request
from core.responses import (
    PAYMENT_REQUIRED_HEADER,
    PAYMENT_RESPONSE_HEADER,
    PAYMENT_RESPONSE_HEADER_V1,
    PAYMENT_SIGNATURE_HEADER,
    PAYMENT_SIGNATURE_HEADER_V1,
    PLATFORM_TOKEN_HEADER,
    REQUEST_ID_HEADER,
    SETTLEMENT_OVERRIDES_HEADER,
)
from gateway.urls import ParsedUrl
from metering.events import UsageEvent
from tenants.records import Tenant

TENANT_ID_HEADER = "x-tenant-id"

_CACHING = frozenset(
    (
        "cdn-cache-control",
        "cloudflare-cdn-cache-control",
        "edge-control",
        "expires",
        "pragma",
        "surrogate-control",
        "x-accel-expires",
    )
)
"""Headers beside `cache-control` that let a cache keep a response (RFC 9111, RFC 9213)."""

_RESERVED = frozenset(
    (
        REQUEST_ID_HEADER,
        TENANT_ID_HEADER,
        PLATFORM_TOKEN_HEADER,
        SETTLEMENT_OVERRIDES_HEADER,
    )
)

_RESERVED_IF_PRICED = _RESERVED | {
    PAYMENT_REQUIRED_HEADER,
    PAYMENT_RESPONSE_HEADER,
    PAYMENT_RESPONSE_HEADER_V1,
    PAYMENT_SIGNATURE_HEADER,
    PAYMENT_SIGNATURE_HEADER_V1,
}

_FORWARDED_PREFIX = "x-forwarded-prefix"
"""Tells a script which path before its own it is reached under."""

_REMOVED = _RESERVED | {_FORWARDED_PREFIX}
_REMOVED_IF_PRICED = _RESERVED_IF_PRICED | {_FORWARDED_PREFIX}


@dataclass(slots=True)
class RequestContext:
    """What is known so far of one request.

    `parsed_url` is the request's own URL; `upstream_url` is the URL that the script receives
    instead, None for the same. `tenant`, `caller` and `network` (hashes, see `core.callers`) are
    set once known, `payment_id` once the request has claimed its payment. `responded_ms` is the
    time of the usage event, None if none was recorded. `is_counted` is False for requests that
    are no calls unless they pay: preflights, and those of monitors and bots.
    """

    request: Request
    request_id: str
    arrived_ms: int
    parsed_url: ParsedUrl
    tenant: Tenant | None = None
    upstream_url: str | None = None
    caller: str = ""
    network: str = ""
    payment_id: str = ""
    responded_ms: int | None = None
    is_counted: bool = True

    @property
    def target(self) -> str:
        """The path and query that the script receives."""
        if self.upstream_url is None:
            return self.parsed_url.path + self.parsed_url.query
        return self.upstream_url[len(self.parsed_url.origin) :]

    def event(
        self,
        at_ms: int,
        status: int,
        outcome: str,
        *,
        is_call: bool = True,
        revenue_micros: int = 0,
    ) -> UsageEvent:
        """Build the usage event of this request; each request records at most one."""
        return UsageEvent(
            request_id=self.request_id,
            at_ms=at_ms,
            api=self.tenant.api if self.tenant else None,
            method=self.request.method,
            status=status,
            latency_ms=max(0, at_ms - self.arrived_ms),
            caller=self.caller,
            outcome=outcome,
            counted=is_call and (self.is_counted or revenue_micros > 0),
            revenue_micros=revenue_micros,
            network=self.network,
        )


def removed_from_request(names: Iterable[str], *, is_priced: bool) -> Sequence[str]:
    """Select the headers that a script must not get from a caller, from lower-case names.

    For a priced tenant this includes the payment headers: its script must not settle a payment
    itself. Many servers take an underscore in a name for a hyphen, so the names with underscores
    are the same headers.
    """
    reserved = _REMOVED_IF_PRICED if is_priced else _REMOVED
    return [
        name
        for name in names
        if (usual := name.replace("_", "-")) in reserved or usual.startswith("x-clawr-")
    ]


def reserved_headers(names: Iterable[str]) -> Sequence[str]:
    """Select the headers that a free API's script must not send, from lower-case names."""
    return [name for name in names if name in _RESERVED or name.startswith("x-clawr-")]


def replaced_headers(names: Iterable[str]) -> Sequence[str]:
    """Select the headers to remove from the response of a priced API's script.

    A cache in front of the dispatcher must not give what one caller paid for to another.
    """
    return [
        name
        for name in names
        if name in _RESERVED_IF_PRICED or name in _CACHING or name.startswith("x-clawr-")
    ]

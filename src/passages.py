"""One request on its way through the dispatcher, and what it leaves in the log.

Owns what is known of a request so far, and the hygiene of headers around it.
Refuses to know where it goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from events import UsageEvent
from locations import Location
from payment_errors import (
    REQUIRED_HEADER,
    RESPONSE_HEADER,
    RESPONSE_HEADER_V1,
    SIGNATURE_HEADER,
    SIGNATURE_HEADER_V1,
)
from ports import Request
from responses import PLATFORM_TOKEN_HEADER, REQUEST_ID
from tenants import Tenant

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
class Passage:
    """What is known so far of one request on a tenant's route.

    `url` is what the script is to see in place of the request's own, `target`
    the path and query of that, `caller` the caller's hash once it is known, `answered_ms`
    when its event says that it was answered.
    """

    request: Request
    request_id: str
    arrived_ms: int
    location: Location
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

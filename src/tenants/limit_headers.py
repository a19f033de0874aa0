"""Limits in words that programs read: the fields `RateLimit-Policy` and `RateLimit`.

Owns their form, draft-ietf-httpapi-ratelimit-headers-10: lists of structured
field values (RFC 9651), one item for each limit. Refuses to count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core import quotas
from core.calendar import DAY_MS
from core.quotas import QuotaLimits, Usage
from tenants.records import Tenant

FIELDS_EXPOSED = "RateLimit, RateLimit-Policy, Retry-After"
"""What scripts in browsers need to read of an answer to know an API's limits."""

_NAMES = {
    "daily_requests": "day",
    "monthly_requests": "month",
    "daily_micros": "day-spend",
    "monthly_micros": "month-spend",
}


@dataclass(frozen=True, slots=True)
class LimitState:
    """One limit in requests; `remaining` and `reset_seconds` are None where nobody knows."""

    name: str
    quota: int
    window_seconds: int
    remaining: int | None = None
    reset_seconds: int | None = None


def rate_state(tenant: Tenant, *, is_used_up: bool = False) -> Sequence[LimitState]:
    """Describe a tenant's rate limit: its bindings tell no more than that it is used up."""
    rate = tenant.rate_limit
    if rate is None:
        return ()
    seconds = rate.window_seconds
    left = (0, seconds) if is_used_up else (None, None)
    return (LimitState("caller", rate.requests, seconds, *left),)


def quota_states(
    tenant: Tenant, at_ms: int, use: Usage | None, exceeded: str = ""
) -> Sequence[LimitState]:
    """Describe a tenant's quotas and caps, with what is left of each when `use` is known.

    Money is told in requests at the tenant's price, which is what a caller
    can use it for.
    """
    day = at_ms // DAY_MS if use is None else use.day
    states = []
    for name, bound in zip(QuotaLimits._fields, tenant.counted_bounds, strict=True):
        if bound is None:
            continue
        start_ms, end_ms = quotas.period_ms(name, day)
        unit = tenant.price_micros if name.endswith("micros") else 1
        left = reset_seconds = None
        if use is not None:
            used: int = getattr(use, name)
            left = 0 if name == exceeded else max(0, bound - used) // unit
            reset_seconds = seconds_until(end_ms, at_ms)
        window_seconds = (end_ms - start_ms) // 1000
        states.append(LimitState(_NAMES[name], bound // unit, window_seconds, left, reset_seconds))
    return states


def seconds_until(end_ms: int, at_ms: int) -> int:
    """Count the whole seconds after which a time has come, one at the least."""
    return max(1, -((at_ms - end_ms) // 1000))


def limit_fields(states: Sequence[LimitState]) -> Sequence[tuple[str, str]]:
    """Write the header fields of some limits; no `RateLimit` where nothing is known of any."""
    policies = [f'"{one.name}";q={one.quota};w={one.window_seconds}' for one in states]
    known = [
        f'"{one.name}";r={one.remaining};t={one.reset_seconds}'
        for one in states
        if one.remaining is not None
    ]
    fields = [("ratelimit-policy", ", ".join(policies)), ("ratelimit", ", ".join(known))]
    return [(name, value) for name, value in fields if value]

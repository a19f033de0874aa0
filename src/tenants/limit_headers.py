"""Writes the headers `RateLimit-Policy` and `RateLimit`, which state an API's limits.

Source: draft-ietf-httpapi-ratelimit-headers-10; each is a list of structured field values
(RFC 9651), one item for each limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core import quotas
from core.calendar import DAY_MS
from core.quotas import QuotaLimits, Usage
from tenants.records import Tenant

FIELDS_EXPOSED = "RateLimit, RateLimit-Policy, Retry-After"
"""The headers that browsers must let scripts read, so that they know an API's limits."""

_NAMES = {
    "daily_requests": "day",
    "monthly_requests": "month",
    "daily_micros": "day-spend",
    "monthly_micros": "month-spend",
}


@dataclass(frozen=True, slots=True)
class LimitState:
    """One limit, in requests; `remaining` and `reset_seconds` are None if unknown."""

    name: str
    quota: int
    window_seconds: int
    remaining: int | None = None
    reset_seconds: int | None = None


def rate_state(tenant: Tenant, *, is_used_up: bool = False) -> Sequence[LimitState]:
    """Describe a tenant's rate limit; a binding reports only whether it is used up."""
    rate = tenant.rate_limit
    if rate is None:
        return ()
    seconds = rate.window_seconds
    remaining = (0, seconds) if is_used_up else (None, None)
    return (LimitState("caller", rate.requests, seconds, *remaining),)


def quota_states(
    tenant: Tenant, at_ms: int, usage: Usage | None, exceeded: str = ""
) -> Sequence[LimitState]:
    """Describe a tenant's quotas and caps, with what remains of each if `usage` is known.

    Caps are converted to requests at the tenant's price. `exceeded` names the limit that
    refused the request, if one did.
    """
    day = at_ms // DAY_MS if usage is None else usage.day
    states = []
    for name, bound in zip(QuotaLimits._fields, tenant.counted_limits, strict=True):
        if bound is None:
            continue
        start_ms, end_ms = quotas.period_ms(name, day)
        unit = tenant.price_micros if name.endswith("micros") else 1
        remaining = reset_seconds = None
        if usage is not None:
            used: int = getattr(usage, name)
            remaining = 0 if name == exceeded else max(0, bound - used) // unit
            reset_seconds = seconds_until(end_ms, at_ms)
        window_seconds = (end_ms - start_ms) // 1000
        quota = bound // unit
        states.append(LimitState(_NAMES[name], quota, window_seconds, remaining, reset_seconds))
    return states


def limit_headers(states: Sequence[LimitState]) -> Sequence[tuple[str, str]]:
    """Write the headers of some limits; `RateLimit` is omitted if nothing is known of any."""
    policies = [f'"{state.name}";q={state.quota};w={state.window_seconds}' for state in states]
    known = [
        f'"{state.name}";r={state.remaining};t={state.reset_seconds}'
        for state in states
        if state.remaining is not None
    ]
    headers = [("ratelimit-policy", ", ".join(policies)), ("ratelimit", ", ".join(known))]
    return [(name, value) for name, value in headers if value]


def seconds_until(end_ms: int, at_ms: int) -> int:
    """Count the whole seconds from `at_ms` until after `end_ms`, at least one."""
    return max(1, -((at_ms - end_ms) // 1000))

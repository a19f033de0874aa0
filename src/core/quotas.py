"""The counting rules of quotas and spending caps, as pure functions.

`reserve` and `release` are applied to an API's `Usage` one at a time, by its Durable Object.
A reservation counts as soon as it is made. If the isolate dies it is never released, so a
limit may be reached too early but never too late.
"""

from __future__ import annotations

from typing import NamedTuple

from core.calendar import DAY_MS, month_of, month_start_ms


class CounterUnavailable(Exception):
    """A rate or quota counter did not respond; whether it counted is not known."""


class QuotaLimits(NamedTuple):
    """The limits of an API's requests and of their price in micro-dollars; None is unlimited."""

    monthly_requests: int | None = None
    daily_requests: int | None = None
    monthly_micros: int | None = None
    daily_micros: int | None = None


UNBOUNDED = QuotaLimits()


class Usage(NamedTuple):
    """What is reserved in one UTC day (days since 1970-01-01) and in the month it is in."""

    day: int = 0
    monthly_requests: int = 0
    daily_requests: int = 0
    monthly_micros: int = 0
    daily_micros: int = 0


class Reserved(NamedTuple):
    """The usage after a reservation; `exceeded` names the limit that rejected it, if one did."""

    usage: Usage
    exceeded: str = ""


def reserve(usage: Usage, at_ms: int, limits: QuotaLimits, micros: int) -> Reserved:
    """Count one request that costs `micros`, unless that exceeds a limit.

    If it exceeds several, `exceeded` names the one with the longest period.
    """
    usage = _roll_over(usage, at_ms // DAY_MS)
    wanted = Usage(
        usage.day,
        usage.monthly_requests + 1,
        usage.daily_requests + 1,
        usage.monthly_micros + micros,
        usage.daily_micros + micros,
    )
    for name, limit, value in zip(QuotaLimits._fields, limits, wanted[1:], strict=True):
        if limit is not None and value > limit:
            return Reserved(usage, name)
    return Reserved(wanted)


def release(usage: Usage, day: int, requests: int, micros: int) -> Usage:
    """Undo a reservation made on `day`, unless that day or its month is over."""
    if month_of(day) == month_of(usage.day):
        usage = usage._replace(
            monthly_requests=max(0, usage.monthly_requests - requests),
            monthly_micros=max(0, usage.monthly_micros - micros),
        )
    if day == usage.day:
        usage = usage._replace(
            daily_requests=max(0, usage.daily_requests - requests),
            daily_micros=max(0, usage.daily_micros - micros),
        )
    return usage


def period_ms(name: str, day: int) -> tuple[int, int]:
    """Return when the period of the limit `name` that contains `day` starts and ends."""
    if name.startswith("daily"):
        return day * DAY_MS, (day + 1) * DAY_MS
    month = month_of(day)
    return month_start_ms(month), month_start_ms(month + 1)


def _roll_over(usage: Usage, day: int) -> Usage:
    """Reset the counts of periods that ended; `day` may be earlier if a clock is behind."""
    if day <= usage.day:
        return usage
    if month_of(day) == month_of(usage.day):
        return usage._replace(day=day, daily_requests=0, daily_micros=0)
    return Usage(day)

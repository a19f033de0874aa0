"""How much of an API's quotas and caps is used: the rules of counting, as pure functions.

Owns the arithmetic of a UTC day and a calendar month. Whoever keeps an API's
`Usage` applies `reserve` and `release` to it, one at a time. A reservation
counts from the moment it is made, so that a request which dies stays counted:
a bound may be met too early, and never too late.
"""

from __future__ import annotations

from typing import NamedTuple

from core.calendar import DAY_MS, month_of, month_start_ms


class CounterUnavailable(Exception):
    """What counts rates or quotas did not answer; whether it counted is not known."""


class QuotaLimits(NamedTuple):
    """What an API may be asked and may cost; None is without a bound. Money in micro-dollars."""

    monthly_requests: int | None = None
    daily_requests: int | None = None
    monthly_micros: int | None = None
    daily_micros: int | None = None


UNBOUNDED = QuotaLimits()


class Usage(NamedTuple):
    """What is reserved of one UTC day (days since 1970-01-01) and of the month it is in."""

    day: int = 0
    monthly_requests: int = 0
    daily_requests: int = 0
    monthly_micros: int = 0
    daily_micros: int = 0


class Reserved(NamedTuple):
    """The use after a reservation; `exceeded` names the bound that refused it, if one did."""

    use: Usage
    exceeded: str = ""


def reserve(use: Usage, at_ms: int, bounds: QuotaLimits, micros: int) -> Reserved:
    """Count one request that costs `micros`, unless a bound has no room for it.

    Of several bounds without room the one that lasts longest is named.
    """
    use = _turned(use, at_ms // DAY_MS)
    wanted = Usage(
        use.day,
        use.monthly_requests + 1,
        use.daily_requests + 1,
        use.monthly_micros + micros,
        use.daily_micros + micros,
    )
    for name, bound, value in zip(QuotaLimits._fields, bounds, wanted[1:], strict=True):
        if bound is not None and value > bound:
            return Reserved(use, name)
    return Reserved(wanted)


def release(use: Usage, day: int, requests: int, micros: int) -> Usage:
    """Take back what was reserved on `day`, as far as that day and month still run."""
    if month_of(day) == month_of(use.day):
        use = use._replace(
            monthly_requests=max(0, use.monthly_requests - requests),
            monthly_micros=max(0, use.monthly_micros - micros),
        )
    if day == use.day:
        use = use._replace(
            daily_requests=max(0, use.daily_requests - requests),
            daily_micros=max(0, use.daily_micros - micros),
        )
    return use


def period_ms(name: str, day: int) -> tuple[int, int]:
    """Tell when the period of the bound `name` that has `day` starts and ends."""
    if name.startswith("daily"):
        return day * DAY_MS, (day + 1) * DAY_MS
    month = month_of(day)
    return month_start_ms(month), month_start_ms(month + 1)


def _turned(use: Usage, day: int) -> Usage:
    """Begin a new day, and a new month with it; a clock that is behind begins none."""
    if day <= use.day:
        return use
    if month_of(day) == month_of(use.day):
        return use._replace(day=day, daily_requests=0, daily_micros=0)
    return Usage(day)

"""The counting rules of quotas and spending caps, as pure functions.

`reserve`, `hold` and `release` are applied to an API's `Usage` one at a time, by its Durable
Object. A request is counted when it is reserved, before its script runs. Its price is held only
while it is being settled: a payment that is worth nothing must not use up a cap while a script
takes its time. If the isolate dies, nothing is released, so a limit may be reached too early but
never too late.
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
    """What is counted in one UTC day (days since 1970-01-01) and in the month it is in.

    The amounts are what was paid and what is held; `held_micros` is what is held now.
    """

    day: int = 0
    monthly_requests: int = 0
    daily_requests: int = 0
    monthly_micros: int = 0
    daily_micros: int = 0
    held_micros: int = 0


class Reserved(NamedTuple):
    """The usage after a reservation; `exceeded` names the limit that rejected it, if one did.

    With `is_busy`, the limit is exceeded only by what others hold, and they may release it.
    """

    usage: Usage
    exceeded: str = ""
    is_busy: bool = False


class Release(NamedTuple):
    """What a request that has ended releases.

    `requests` of the UTC day `day` are no longer counted. `micros`, held on `held_day`, are
    no longer held; they stay counted if they are paid.
    """

    day: int
    requests: int
    held_day: int
    micros: int
    is_paid: bool


def reserve(usage: Usage, at_ms: int, limits: QuotaLimits, micros: int) -> Reserved:
    """Count one request, unless it exceeds a limit; its price `micros` must fit, if it is paid.

    What others hold does not matter yet. If the request exceeds several limits, `exceeded` names
    the one with the longest period.
    """
    usage = _roll_over(usage, at_ms // DAY_MS)
    counted = usage._replace(
        monthly_requests=usage.monthly_requests + 1, daily_requests=usage.daily_requests + 1
    )
    free = usage.held_micros - micros
    wanted = (*counted[1:3], usage.monthly_micros - free, usage.daily_micros - free)
    for name, limit, value in zip(QuotaLimits._fields, limits, wanted, strict=True):
        if limit is not None and value > limit:
            return Reserved(usage, name)
    return Reserved(counted)


def hold(usage: Usage, at_ms: int, limits: QuotaLimits, micros: int) -> Reserved:
    """Hold the price of a request that is about to be settled, unless that exceeds a cap."""
    usage = _roll_over(usage, at_ms // DAY_MS)
    wanted = usage._replace(
        monthly_micros=usage.monthly_micros + micros,
        daily_micros=usage.daily_micros + micros,
        held_micros=usage.held_micros + micros,
    )
    exceeded = [
        (name, value - usage.held_micros > limit)
        for name, limit, value in zip(QuotaLimits._fields[2:], limits[2:], wanted[3:5], strict=True)
        if limit is not None and value > limit
    ]
    if not exceeded:
        return Reserved(wanted)
    # A cap that even what was paid exceeds is named before one that is only busy.
    name, is_final = max(exceeded, key=lambda one: one[1])
    return Reserved(usage, name, is_busy=not is_final)


def release(usage: Usage, released: Release) -> Usage:
    """Undo what a request released, in each period that is not over."""
    held_day, micros = released.held_day, released.micros
    unpaid = 0 if released.is_paid else micros
    is_month, is_held_month = (
        month_of(day) == month_of(usage.day) for day in (released.day, held_day)
    )
    is_day, is_held_day = released.day == usage.day, held_day == usage.day
    return usage._replace(
        monthly_requests=_less(usage.monthly_requests, released.requests * is_month),
        daily_requests=_less(usage.daily_requests, released.requests * is_day),
        monthly_micros=_less(usage.monthly_micros, unpaid * is_held_month),
        daily_micros=_less(usage.daily_micros, unpaid * is_held_day),
        held_micros=_less(usage.held_micros, micros * is_held_day),
    )


def _less(count: int, by: int) -> int:
    return max(0, count - by)


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
        return usage._replace(day=day, daily_requests=0, daily_micros=0, held_micros=0)
    return Usage(day)

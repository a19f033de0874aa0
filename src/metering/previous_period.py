"""The totals of each window a day or a week ago, for comparison.

Whenever bases are written, a small record for that hour is written too: the totals of each
window until then. The totals at a moment are interpolated between the records before and after
it. There may be no record for an hour, because no bases are written during a backlog. So these
totals are for display only, never for billing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core import constants, keys
from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from core.ports import KeyValueStore
from metering.totals import Totals, directory_of

TOMORROWS_WEEK = "tomorrow"
"""In a record: the first six days of the week window of the next day."""

_VERSION = 1
_HOUR_MINUTES = HOUR_MS // MINUTE_MS
_NAMES = ("today", TOMORROWS_WEEK, "week", "overall")
_BACK_MS = {"today": DAY_MS, "week": 7 * DAY_MS, "overall": 7 * DAY_MS}


class PeriodTotals(NamedTuple):
    """The totals of a window: distinct callers, APIs with calls, categories, calls, revenue."""

    callers: int
    apis: int
    directories: int
    calls: int
    revenue_micros: int


_NOTHING = PeriodTotals(0, 0, 0, 0, 0)


class PreviousPeriod(NamedTuple):
    """The totals of a window as of `end_ms`, in milliseconds since 1970 UTC."""

    end_ms: int
    totals: PeriodTotals


def totals_of(totals: Totals) -> PeriodTotals:
    """Return the totals that a snapshot shows for a window."""
    shown = [one for one in totals.apis.values() if one.calls or one.revenue_micros]
    return PeriodTotals(
        totals.callers.distinct(),
        sum(one.calls > 0 for one in shown),
        len({directory_of(one.described_by) for one in shown}),
        sum(one.calls for one in shown),
        sum(one.revenue_micros for one in shown),
    )


async def put_previous_record(
    store: KeyValueStore, end: int, totals: Mapping[str, PeriodTotals]
) -> None:
    """Write the record of the hour that ends at the minute `end`. Raises `StoreUnavailable`."""
    value = json.dumps([_VERSION, totals], separators=(",", ":"))
    await store.put(keys.previous_record(end), value, {}, constants.PREVIOUS_PERIOD_TTL_SECONDS)


def previous_record_keys(now_ms: int) -> Sequence[str]:
    """Return the keys of the records that `previous_period` needs for any window."""
    return [
        keys.previous_record(end)
        for back_ms in set(_BACK_MS.values())
        for end in _hours_around(now_ms - back_ms)
    ]


def previous_period(
    window: str, values: Mapping[str, str | None], now_ms: int
) -> PreviousPeriod | None:
    """Return the totals of `window` a day ago (today) or a week ago (the others).

    Args:
        window: `today`, `week` or `overall`.
        values: The records, by the keys that `previous_record_keys` returned.
        now_ms: The current time, in milliseconds since 1970 UTC.

    Returns:
        The totals; None if a record is missing or has another version.
    """
    at_ms = now_ms - _BACK_MS[window]
    before, after = (_decode(values.get(keys.previous_record(end))) for end in _hours_around(at_ms))
    # A record of midnight has the day before, but the window starts with the new day.
    is_first_hour = at_ms % DAY_MS < HOUR_MS
    name = TOMORROWS_WEEK if is_first_hour and window == "week" else window
    start = before[name] if before else None
    if is_first_hour and window == "today":
        start = _NOTHING
    if start is None or after is None:
        return None
    share = at_ms % HOUR_MS / HOUR_MS
    pairs = zip(start, after[window], strict=True)
    return PreviousPeriod(
        at_ms, PeriodTotals(*(round(one + (other - one) * share) for one, other in pairs))
    )


def _hours_around(at_ms: int) -> tuple[int, int]:
    start = at_ms // HOUR_MS * _HOUR_MINUTES
    return start, start + _HOUR_MINUTES


def _decode(value: str | None) -> Mapping[str, PeriodTotals] | None:
    if value is None:
        return None
    try:
        version, totals = json.loads(value)
        if version != _VERSION:
            return None
        return {name: PeriodTotals(*map(int, totals[name])) for name in _NAMES}
    except (ValueError, TypeError, LookupError):
        return None

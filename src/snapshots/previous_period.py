"""The calls and revenue of each window a day or a week ago, for comparison.

Manifests have them by hour for the last two weeks. The hour that was under way is interpolated, so
these totals are for display only, never for billing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from core.calendar import DAY_MS, HOUR_MS, HOURS_PER_DAY, MINUTE_MS
from metering.totals import Series
from snapshots.shard_reader import ShardState
from snapshots.window_parts import days_of

_BACK_MS = {"today": DAY_MS, "week": 7 * DAY_MS, "overall": 7 * DAY_MS}


class PreviousPeriod(NamedTuple):
    """The totals of a window as of `end_ms`, in milliseconds since 1970 UTC."""

    end_ms: int
    calls: int
    revenue_micros: int


def previous_period(
    window: str, states: Iterable[ShardState], series: Series, now_ms: int
) -> PreviousPeriod | None:
    """Return a window's totals a day or a week before `now_ms`; None if there was nothing yet.

    Args:
        window: One of `WINDOWS`.
        states: The states of all shards.
        series: The series of the window.
        now_ms: The time of the read. Its seconds are ignored, so that the result changes rarely.
    """
    end_ms = now_ms - now_ms % MINUTE_MS - _BACK_MS[window]
    hours = _hours(states, end_ms // DAY_MS)
    days = days_of(window, end_ms)
    first = end_ms // DAY_MS if days is None else days[0]
    calls = revenue = 0.0
    for hour, counts in hours.items():
        if first * HOURS_PER_DAY <= hour <= end_ms // HOUR_MS:
            share = min(1.0, (end_ms - hour * HOUR_MS) / HOUR_MS)
            calls += share * counts[0]
            revenue += share * counts[1]
    if days is None:
        for day, total in series.by_day().items():
            if day < first:
                calls += total.calls
                revenue += total.revenue_micros
    if not calls and not revenue:
        return None
    return PreviousPeriod(end_ms, round(calls), round(revenue))


def _hours(states: Iterable[ShardState], last_day: int) -> Mapping[int, tuple[int, int]]:
    """Return calls and revenue by hour, until the end of a day."""
    found: dict[int, tuple[int, int]] = {}

    def add(hour: int, calls: int, revenue_micros: int) -> None:
        known = found.get(hour, (0, 0))
        found[hour] = (known[0] + calls, known[1] + revenue_micros)

    for state in states:
        for day, counts in state.manifest.hours.items():
            if day <= last_day:
                for hour, one in enumerate(counts, start=day * HOURS_PER_DAY):
                    add(hour, *one)
        for name, part in state.parts.items():
            if name.day <= last_day:
                for hour, total in part.header.series.hours.items():
                    add(hour, total.calls, total.revenue_micros)
    return found

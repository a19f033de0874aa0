"""Renders the data of a window as the snapshot that docs/reference/api.md describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core import constants
from core.calendar import DAY_MS, HOUR_MS, timestamp
from core.ports import Json
from metering.sketches import distinct, heavy_hitters, latency
from metering.sketches.callers import EXACT_CALLERS_MAX
from metering.sketches.periods import Counts
from metering.totals import Series
from snapshots.measures import TrendRange
from snapshots.previous_period import PreviousPeriod
from snapshots.ranking import shown_revenue
from snapshots.window_parts import days_of
from snapshots.window_totals import Shown


@dataclass(frozen=True, slots=True)
class Freshness:
    """What a read may lack.

    Attributes:
        as_of_ms: Everything that was acknowledged before this time is counted, in milliseconds
            since 1970 UTC.
        unavailable: The numbers of the shards that did not respond.
        damaged: The keys of the totals that are missing or damaged.
    """

    as_of_ms: int
    unavailable: Sequence[int] = ()
    damaged: Sequence[str] = field(default_factory=list)


def trend_range(window: str, now_ms: int) -> TrendRange:
    """Return the periods of the APIs' trends: the hours of today, seven days, or thirty."""
    today = now_ms // DAY_MS
    if window == "today":
        return TrendRange("hour", today * DAY_MS // HOUR_MS, now_ms // HOUR_MS + 1)
    days = days_of(window, now_ms) or range(today - constants.TREND_DAYS + 1, today + 1)
    return TrendRange("day", days[0], today + 1)


def snapshot(
    window: str,
    shown: Shown,
    previous: PreviousPeriod | None,
    freshness: Freshness,
    now_ms: int,
    top: int,
) -> Mapping[str, Json]:
    """Return the snapshot of a window.

    Args:
        window: One of `WINDOWS`.
        shown: Its totals.
        previous: Its totals a day or a week ago, if they are known.
        freshness: What the totals may lack.
        now_ms: The time of the read, in milliseconds since 1970 UTC.
        top: The length of `topApis`, 1 to 100.
    """
    days = days_of(window, now_ms)
    rows = shown.rows[: constants.ALL_APIS_MAX]
    ranked = [row.ranked(rank) for rank, row in enumerate(rows, start=1)]
    return {
        "window": window,
        "generatedAt": timestamp(now_ms),
        "range": {
            "startAt": None if days is None else timestamp(days[0] * DAY_MS),
            "endAt": timestamp(now_ms),
        },
        "heroStats": {
            "activeAgents": shown.callers,
            "publishedApis": sum(row.calls > 0 for row in shown.rows),
            "directories": len(shown.directories),
            "calls": sum(row.calls for row in shown.rows),
            **shown_revenue(sum(row.revenue_micros for row in shown.rows)),
        },
        "previous": _previous(window, previous),
        "apis": {"total": len(shown.rows), "shown": len(ranked)},
        "topApis": ranked[:top],
        "allApis": ranked,
        "directories": [
            {
                "directory": directory.name,
                "calls": directory.calls,
                **shown_revenue(directory.revenue_micros),
                "apis": directory.apis,
                "uniqueCallers": directory.callers,
            }
            for directory in shown.directories
        ],
        "series": _series(shown.series, days, window, now_ms),
        "freshness": {
            "asOf": timestamp(freshness.as_of_ms),
            "lagSeconds": max(0, now_ms - freshness.as_of_ms) // 1000,
            "complete": not (shown.dropped or freshness.unavailable or freshness.damaged),
            "droppedEvents": shown.dropped,
            "unavailableShards": list(freshness.unavailable),
            "damagedTotals": list(freshness.damaged),
        },
        "accuracy": {
            "uniqueCallersExactUpTo": EXACT_CALLERS_MAX,
            "uniqueCallersRelativeErrorMax": distinct.RELATIVE_ERROR_MAX,
            "p95RelativeErrorMax": latency.RELATIVE_ERROR_MAX,
            "topCallerShareErrorMax": heavy_hitters.SHARE_ERROR_MAX,
        },
    }


def _previous(window: str, previous: PreviousPeriod | None) -> Mapping[str, Json] | None:
    """Return the totals a day or a week ago; distinct counts of a part of a day are not known."""
    if previous is None:
        return None
    days = days_of(window, previous.end_ms)
    return {
        "range": {
            "startAt": None if days is None else timestamp(days[0] * DAY_MS),
            "endAt": timestamp(previous.end_ms),
        },
        "heroStats": {
            "activeAgents": None,
            "publishedApis": None,
            "directories": None,
            "calls": previous.calls,
            **shown_revenue(previous.revenue_micros),
        },
    }


def _series(
    series: Series, days: Sequence[int] | None, window: str, now_ms: int
) -> Sequence[Mapping[str, Json]]:
    is_hourly = window == "today"
    period_ms = HOUR_MS if is_hourly else DAY_MS
    counts = dict((series.hours if is_hourly else series.by_day()).items())
    today = now_ms // DAY_MS
    first_day = min(counts, default=today) if days is None else days[0]
    first = first_day * DAY_MS // period_ms
    last = max(now_ms // period_ms, max(counts, default=0))
    return [
        {
            "startAt": timestamp(period * period_ms),
            "calls": found.calls,
            **shown_revenue(found.revenue_micros),
            "errors": found.errors,
        }
        for period in range(first, last + 1)
        for found in [counts.get(period, Counts())]
    ]

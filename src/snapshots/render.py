"""Renders the data of a window as the snapshot that docs/reference/api.md describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core import constants
from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS, timestamp
from core.ports import Json
from metering.previous_period import PeriodTotals, previous_period
from metering.sketches import distinct, heavy_hitters, latency
from metering.sketches.callers import EXACT_CALLERS_MAX
from metering.totals import NO_COUNTS, Series
from snapshots.ranking import TrendRange, shown_revenue
from snapshots.window_cache import WindowCache
from snapshots.window_reader import WindowData

WINDOWS = ("today", "week", "overall")
"""The values of the parameter `window`."""


def days_of(window: str, now_ms: int) -> Sequence[int] | None:
    """Return the UTC days of `window` at `now_ms`, oldest first; None means all days.

    A window ends with the current day, not with the current instant, because the clocks of
    isolates differ: an event may be some milliseconds ahead of the reader's clock. Events of
    later days are only in `overall`.
    """
    today = now_ms // DAY_MS
    match window:
        case "today":
            return [today]
        case "week":
            return range(today - 6, today + 1)
        case _:
            return None


def trend_range(window: str, now_ms: int) -> TrendRange:
    """Return the periods of the APIs' trends: the hours of today, seven days, or thirty."""
    today = now_ms // DAY_MS
    if window == "today":
        return TrendRange("hour", today * DAY_MS // HOUR_MS, now_ms // HOUR_MS + 1)
    days = days_of(window, now_ms) or range(today - constants.TREND_DAYS + 1, today + 1)
    return TrendRange("day", days[0], today + 1)


def snapshot(
    window: str, data: WindowData, cache: WindowCache, now_ms: int, top: int
) -> Mapping[str, Json]:
    """Return the snapshot of a window.

    Args:
        window: One of `WINDOWS`.
        data: What was read of this window.
        cache: The isolate's cache of this window; it may be empty.
        now_ms: The time of the read, in milliseconds since 1970 UTC.
        top: The length of `topApis`, 1 to 100.
    """
    days = days_of(window, now_ms)
    rows, directories, callers, series, dropped = cache.show(
        data.summaries, data.batches, trend_range(window, now_ms)
    )
    ranked = [row.ranked(rank) for rank, row in enumerate(rows, start=1)]
    return {
        "window": window,
        "generatedAt": timestamp(now_ms),
        "range": {
            "startAt": None if days is None else timestamp(days[0] * DAY_MS),
            "endAt": timestamp(now_ms),
        },
        "heroStats": _hero_stats(
            PeriodTotals(
                callers,
                sum(row.calls > 0 for row in rows),
                len(directories),
                sum(row.calls for row in rows),
                sum(row.revenue_micros for row in rows),
            )
        ),
        "previous": _previous(window, data, now_ms),
        "topApis": ranked[:top],
        "allApis": ranked[: constants.ALL_APIS_MAX],
        "directories": [
            {
                "directory": directory.name,
                "calls": directory.calls,
                **shown_revenue(directory.revenue_micros),
                "apis": directory.apis,
                "uniqueCallers": directory.callers,
            }
            for directory in directories
        ],
        "series": _series(series, days, window, now_ms),
        "freshness": _freshness(data, dropped, now_ms),
        "accuracy": {
            "uniqueCallersExactUpTo": EXACT_CALLERS_MAX,
            "uniqueCallersRelativeErrorMax": distinct.RELATIVE_ERROR_MAX,
            "p95RelativeErrorMax": latency.RELATIVE_ERROR_MAX,
            "topCallerShareErrorMax": heavy_hitters.SHARE_ERROR_MAX,
        },
    }


def _hero_stats(totals: PeriodTotals) -> Mapping[str, Json]:
    return {
        "activeAgents": totals.callers,
        "publishedApis": totals.apis,
        "directories": totals.directories,
        "calls": totals.calls,
        **shown_revenue(totals.revenue_micros),
    }


def _previous(window: str, data: WindowData, now_ms: int) -> Mapping[str, Json] | None:
    """Return the window's totals of a day ago (today) or a week ago; None if they are unknown."""
    previous = previous_period(window, data.previous_records, now_ms)
    if previous is None:
        return None
    days = days_of(window, previous.end_ms)
    return {
        "range": {
            "startAt": None if days is None else timestamp(days[0] * DAY_MS),
            "endAt": timestamp(previous.end_ms),
        },
        "heroStats": _hero_stats(previous.totals),
    }


def _series(
    series: Series, days: Sequence[int] | None, window: str, now_ms: int
) -> Sequence[Mapping[str, Json]]:
    period_ms, counts = (HOUR_MS, series.hours) if window == "today" else (DAY_MS, series.by_day())
    today = now_ms // DAY_MS
    first_day = min(counts, default=today) if days is None else days[0]
    first = first_day * DAY_MS // period_ms
    last = max(now_ms // period_ms, max(counts, default=0))
    return [
        {
            "startAt": timestamp(period * period_ms),
            "calls": (counts.get(period) or NO_COUNTS).calls,
            **shown_revenue((counts.get(period) or NO_COUNTS).revenue_micros),
            "errors": (counts.get(period) or NO_COUNTS).errors,
        }
        for period in range(first, last + 1)
    ]


def _freshness(data: WindowData, dropped: int, now_ms: int) -> Mapping[str, Json]:
    # After this long, KV lists everything that other isolates wrote.
    as_of_ms = now_ms - constants.KV_SETTLE_SECONDS * 1000
    if data.as_of is not None:
        as_of_ms = min(as_of_ms, data.as_of * MINUTE_MS)
    if data.seen_until_ms is not None:
        as_of_ms = min(as_of_ms, data.seen_until_ms)
    return {
        "asOf": timestamp(as_of_ms),
        "lagSeconds": (now_ms - as_of_ms) // 1000,
        "complete": data.complete and not dropped and not data.unreadable,
        "droppedEvents": dropped,
        "missingBatches": len(data.missing),
        "unreadableBatches": len(data.unreadable),
        "behind": data.behind,
        "reconciledThrough": None
        if data.reconciled_through_ms is None
        else timestamp(data.reconciled_through_ms),
    }

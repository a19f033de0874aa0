"""Windows and snapshots: what the log says, as people are shown it.

Owns the definitions of the contract (CONTRACT, "Snapshot") that concern a
whole window: which days it has, its series, how fresh it is. Everything here
is a pure function of what was read. Refuses to read anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core import constants
from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS, timestamp
from core.ports import Json
from metering.previous_period import PeriodTotals, past_of
from metering.sketches import distinct, heavy_hitters, latency
from metering.sketches.callers import EXACT_CALLERS_MAX
from metering.totals import NOTHING, Series
from snapshots.ranking import TrendRange, shown_revenue
from snapshots.window_cache import WindowCache
from snapshots.window_reader import WindowData

WINDOWS = ("today", "week", "overall")


def days_of(window: str, now_ms: int) -> Sequence[int] | None:
    """Tell which UTC days `window` has at `now_ms`, oldest first; None means all.

    A window ends with the current day, not with the current instant: clocks of
    different isolates differ a little, and an event of this day that is some
    milliseconds ahead of the reader's clock is no less real. Events of later
    days are in `overall` alone.
    """
    today = now_ms // DAY_MS
    match window:
        case "today":
            return [today]
        case "week":
            return range(today - 6, today + 1)
        case _:
            return None


def trend_span(window: str, now_ms: int) -> TrendRange:
    """Tell what the trends of APIs show: the hours of today, seven days, or thirty."""
    today = now_ms // DAY_MS
    if window == "today":
        return TrendRange("hour", today * DAY_MS // HOUR_MS, now_ms // HOUR_MS + 1)
    days = days_of(window, now_ms) or range(today - constants.TREND_DAYS + 1, today + 1)
    return TrendRange("day", days[0], today + 1)


def snapshot(
    window: str, reading: WindowData, view: WindowCache, now_ms: int, top: int
) -> Mapping[str, Json]:
    """Make the snapshot of `window` as the contract has it.

    `reading` has the figures of that window and no others, and `view` what the
    isolate kept of the one before, which may be nothing; `top` is the length of
    `topApis`, 1 to 100.
    """
    wanted = days_of(window, now_ms)
    rows, directories, callers, series, dropped = view.show(
        reading.summaries, reading.batches, trend_span(window, now_ms)
    )
    ranked = [row.ranked(rank) for rank, row in enumerate(rows, start=1)]
    return {
        "window": window,
        "generatedAt": timestamp(now_ms),
        "range": {
            "startAt": None if wanted is None else timestamp(wanted[0] * DAY_MS),
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
        "previous": _previous(window, reading, now_ms),
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
        "series": _series(series, wanted, window, now_ms),
        "freshness": _freshness(reading, dropped, now_ms),
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


def _previous(window: str, reading: WindowData, now_ms: int) -> Mapping[str, Json] | None:
    """Show what the window had come to a day ago (today) or a week ago; None if nobody knows."""
    past = past_of(window, reading.past, now_ms)
    if past is None:
        return None
    days = days_of(window, past.end_ms)
    return {
        "range": {
            "startAt": None if days is None else timestamp(days[0] * DAY_MS),
            "endAt": timestamp(past.end_ms),
        },
        "heroStats": _hero_stats(past.totals),
    }


def _series(
    series: Series, wanted: Sequence[int] | None, window: str, now_ms: int
) -> Sequence[Mapping[str, Json]]:
    period_ms, totals = (HOUR_MS, series.hours) if window == "today" else (DAY_MS, series.by_day())
    today = now_ms // DAY_MS
    first_day = min(totals, default=today) if wanted is None else wanted[0]
    first = first_day * DAY_MS // period_ms
    last = max(now_ms // period_ms, max(totals, default=0))
    return [
        {
            "startAt": timestamp(period * period_ms),
            "calls": (totals.get(period) or NOTHING).calls,
            **shown_revenue((totals.get(period) or NOTHING).revenue_micros),
            "errors": (totals.get(period) or NOTHING).errors,
        }
        for period in range(first, last + 1)
    ]


def _freshness(reading: WindowData, dropped: int, now_ms: int) -> Mapping[str, Json]:
    # What other isolates wrote is sure to be listed after this long.
    as_of_ms = now_ms - constants.KV_SETTLE_SECONDS * 1000
    if reading.as_of is not None:
        as_of_ms = min(as_of_ms, reading.as_of * MINUTE_MS)
    if reading.seen_until_ms is not None:
        as_of_ms = min(as_of_ms, reading.seen_until_ms)
    return {
        "asOf": timestamp(as_of_ms),
        "lagSeconds": (now_ms - as_of_ms) // 1000,
        "complete": reading.complete and not dropped and not reading.unreadable,
        "droppedEvents": dropped,
        "missingBatches": len(reading.missing),
        "unreadableBatches": len(reading.unreadable),
        "behind": reading.behind,
        "reconciledThrough": None
        if reading.reconciled_through_ms is None
        else timestamp(reading.reconciled_through_ms),
    }

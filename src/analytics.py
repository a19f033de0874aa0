"""Windows, figures and ranking: what the log says, as people are shown it.

Owns the definitions of the contract (CONTRACT, "Snapshot"): which days a
window has, what each figure means, how APIs are ranked. Everything here is a
pure function of what was read. Refuses to read anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import busiest
import distinct
import keys
import latency
import limits
from aggregates import Aggregate, merged
from callers import EXACT_CALLERS_MAX, distinct_callers
from figures import ApiId, Figures
from ports import Json
from series import NOTHING, Series
from windows import Reading

WINDOWS = ("today", "week", "overall")

UNKNOWN_OWNER = "@unknown"
DEFAULT_DIRECTORY = "APIs"


def days_of(window: str, now_ms: int) -> Sequence[int] | None:
    """Tell which UTC days `window` has at `now_ms`, oldest first; None means all.

    A window ends with the current day, not with the current instant: clocks of
    different isolates differ a little, and an event of this day that is some
    milliseconds ahead of the reader's clock is no less real. Events of later
    days are in `overall` alone.
    """
    today = now_ms // keys.DAY_MS
    match window:
        case "today":
            return [today]
        case "week":
            return range(today - 6, today + 1)
        case _:
            return None


class _Measures(NamedTuple):
    """What an aggregate has to be searched for, found once for each snapshot."""

    callers: int
    top_caller_share: float
    p95_latency_ms: float


@dataclass(frozen=True, slots=True)
class _Row:
    """One API's figures in a window, before it has a rank."""

    identity: ApiId
    figures: Mapping[str, Json]
    score: float
    aggregate: Aggregate

    @property
    def order(self) -> tuple[float, int, int, float, str]:
        """What ranks sort by: score, calls and revenue down, error rate and endpoint up."""
        aggregate = self.aggregate
        return (
            -self.score,
            -aggregate.calls,
            -aggregate.revenue_micros,
            _share(aggregate.errors, aggregate.calls),
            str(self.figures["endpoint"]),
        )


def snapshot(window: str, reading: Reading, now_ms: int, top: int) -> Mapping[str, Json]:
    """Make the snapshot of `window` as the contract has it.

    `reading` has the figures of that window and no others; `top` is the length
    of `topApis`, 1 to 100.
    """
    wanted = days_of(window, now_ms)
    parts = reading.parts
    rows = sorted(_rows(parts), key=lambda row: row.order)
    ranked = [{"rank": rank, **row.figures} for rank, row in enumerate(rows, start=1)]
    directories = _directories(rows)
    series = Series()
    for part in parts:
        series.merge(part.series)
    return {
        "window": window,
        "generatedAt": keys.timestamp(now_ms),
        "range": {
            "startAt": None if wanted is None else keys.timestamp(wanted[0] * keys.DAY_MS),
            "endAt": keys.timestamp(now_ms),
        },
        "heroStats": {
            "activeAgents": distinct_callers(part.callers for part in parts),
            "publishedApis": sum(row.aggregate.calls > 0 for row in rows),
            "directories": len(directories),
            "calls": sum(row.aggregate.calls for row in rows),
            **_revenue(sum(row.aggregate.revenue_micros for row in rows)),
        },
        "topApis": ranked[:top],
        "allApis": ranked[: limits.ALL_APIS_MAX],
        "directories": directories,
        "series": _series(series, wanted, window, now_ms),
        "freshness": _freshness(reading, now_ms),
        "accuracy": {
            "uniqueCallersExactUpTo": EXACT_CALLERS_MAX,
            "uniqueCallersRelativeErrorMax": distinct.RELATIVE_ERROR_MAX,
            "p95RelativeErrorMax": latency.RELATIVE_ERROR_MAX,
            "topCallerShareErrorMax": busiest.SHARE_ERROR_MAX,
        },
    }


def trending_score(aggregate: Aggregate) -> float:
    """Score an API by the contract's formula, to two decimals.

    Calls, revenue and callers count by orders of magnitude; few callers behind
    many calls, bursts and slow answers cost points.
    """
    return _score(aggregate, _measure(aggregate))


def shown_owner(owner: str) -> str:
    """Write an owner as it is shown: with an `@`, or as unknown."""
    if not owner:
        return UNKNOWN_OWNER
    return owner if owner.startswith("@") else "@" + owner


def _measure(aggregate: Aggregate) -> _Measures:
    return _Measures(
        aggregate.callers.distinct(),
        _share(aggregate.busiest_caller_calls(), aggregate.calls),
        aggregate.latency.quantile_ms(0.95),
    )


def _score(aggregate: Aggregate, measures: _Measures) -> float:
    calls = aggregate.calls
    score = (
        40 * math.log10(calls + 1)
        + 25 * math.log10(100 * aggregate.revenue_micros / 1_000_000 + 1)
        + 20 * math.log10(measures.callers + 1)
        + max(0.0, 10 - 0.7 * 100 * _share(aggregate.errors, calls))
        - _clamp(120 * (0.18 - _share(measures.callers, calls)), 20)
        - _clamp(80 * (measures.top_caller_share - 0.45), 25)
        - _clamp(70 * (_share(aggregate.busiest_hour_calls(), calls) - 0.4), 20)
        - _clamp((measures.p95_latency_ms - 800) / 75, 15)
    )
    return round(score, 2)


def _rows(parts: Iterable[Figures]) -> Iterable[_Row]:
    by_api: dict[ApiId, list[Aggregate]] = {}
    for part in parts:
        for identity, aggregate in part.apis.items():
            by_api.setdefault(identity, []).append(aggregate)
    for identity, aggregates in by_api.items():
        aggregate = aggregates[0] if len(aggregates) == 1 else merged(aggregates)
        # A payment may be settled after the window in which its request was a call has ended.
        if aggregate.calls or aggregate.revenue_micros:
            yield _row(identity, aggregate)


def _row(identity: ApiId, aggregate: Aggregate) -> _Row:
    calls = aggregate.calls
    measures = _measure(aggregate)
    error_rate_pct = round(100 * _share(aggregate.errors, calls), 4)
    api = aggregate.described_by[1] if aggregate.described_by else None
    score = _score(aggregate, measures)
    figures = {
        "id": f"{identity.tenant_id}:{identity.slug}",
        "endpoint": f"/t/{identity.slug}",
        "owner": shown_owner(api.owner if api else ""),
        "tenantId": identity.tenant_id,
        "directory": (api.directory if api else "") or DEFAULT_DIRECTORY,
        "priceUsd": round(_share(aggregate.price_sum_micros, calls) / 1_000_000, 6),
        "calls": calls,
        **_revenue(aggregate.revenue_micros),
        "uniqueCallers": measures.callers,
        "latencyMs": round(aggregate.latency.mean_ms(), 2),
        "p95LatencyMs": round(measures.p95_latency_ms, 2),
        "errorRatePct": error_rate_pct,
        "uptimePct": round(100 - error_rate_pct, 4),
        "topCallerShare": round(measures.top_caller_share, 4),
        "maxHourShare": round(_share(aggregate.busiest_hour_calls(), calls), 4),
        "diversityRatio": round(_share(measures.callers, calls), 4),
        "trendingScore": score,
    }
    return _Row(identity, figures, score, aggregate)


def _directories(rows: Sequence[_Row]) -> Sequence[Mapping[str, Json]]:
    members: dict[str, list[Aggregate]] = {}
    for row in rows:
        members.setdefault(str(row.figures["directory"]), []).append(row.aggregate)
    found: list[tuple[int, str, Mapping[str, Json]]] = []
    for name, apis in members.items():
        calls = sum(api.calls for api in apis)
        figures = {
            "directory": name,
            "calls": calls,
            **_revenue(sum(api.revenue_micros for api in apis)),
            "apis": sum(api.calls > 0 for api in apis),
            "uniqueCallers": distinct_callers(api.callers for api in apis),
        }
        found.append((-calls, name, figures))
    return [figures for _, _, figures in sorted(found, key=lambda entry: entry[:2])]


def _series(
    series: Series, wanted: Sequence[int] | None, window: str, now_ms: int
) -> Sequence[Mapping[str, Json]]:
    period_ms, totals = (
        (keys.HOUR_MS, series.hours) if window == "today" else (keys.DAY_MS, series.by_day())
    )
    today = now_ms // keys.DAY_MS
    first_day = min(totals, default=today) if wanted is None else wanted[0]
    first = first_day * keys.DAY_MS // period_ms
    last = max(now_ms // period_ms, max(totals, default=0))
    return [
        {
            "startAt": keys.timestamp(period * period_ms),
            "calls": (totals.get(period) or NOTHING).calls,
            **_revenue((totals.get(period) or NOTHING).revenue_micros),
            "errors": (totals.get(period) or NOTHING).errors,
        }
        for period in range(first, last + 1)
    ]


def _freshness(reading: Reading, now_ms: int) -> Mapping[str, Json]:
    dropped = sum(part.dropped for part in reading.parts)
    # What other isolates wrote is sure to be listed after this long.
    as_of_ms = now_ms - limits.KV_SETTLE_SECONDS * 1000
    if not reading.complete:
        as_of_ms = min(as_of_ms, reading.as_of * keys.MINUTE_MS)
    return {
        "asOf": keys.timestamp(as_of_ms),
        "lagSeconds": (now_ms - as_of_ms) // 1000,
        "complete": reading.complete and not dropped and not reading.unreadable,
        "droppedEvents": dropped,
        "missingBatches": len(reading.missing),
        "unreadableBatches": len(reading.unreadable),
        "behind": reading.behind,
        "reconciledThrough": None
        if reading.reconciled_through_ms is None
        else keys.timestamp(reading.reconciled_through_ms),
    }


def _revenue(micros: int) -> Mapping[str, Json]:
    return {"revenueUsd": round(micros / 1_000_000, 2), "revenueMicros": micros}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _clamp(value: float, ceiling: float) -> float:
    return min(max(value, 0.0), ceiling)

"""The rows of a snapshot: one for each API, with its trending score, and one for each category.

docs/reference/api.md describes the fields, the score and the order ("ApiFigures").
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from core.ports import Json
from metering.aggregate import Aggregate
from metering.sketches.callers import CallerUnion
from metering.totals import ApiId, directory_of

UNKNOWN_OWNER = "@unknown"


class RankedRow(dict[str, Json]):
    """The fields of one API in a snapshot. It must not be changed, because it caches its JSON."""

    __slots__ = ("_json",)

    @property
    def json(self) -> str:
        """This row as JSON."""
        try:
            return self._json
        except AttributeError:
            self._json: str = json.dumps(self, separators=(",", ":"))
            return self._json


@dataclass(slots=True)
class ApiRow:
    """One API in a window, before it has a rank.

    `sort_key` sorts by score, calls and revenue, all descending, then by error rate and endpoint.
    `shown` has all fields of an API in a response except the rank.
    """

    directory: str
    calls: int
    revenue_micros: int
    sort_key: tuple[float, int, int, float, str]
    shown: Mapping[str, Json]
    _ranked: RankedRow | None = None

    def ranked(self, rank: int) -> RankedRow:
        """Return the fields with this rank; the same object while the rank is the same."""
        if self._ranked is None or self._ranked["rank"] != rank:
            self._ranked = RankedRow(rank=rank, **self.shown)
        return self._ranked


class TrendRange(NamedTuple):
    """The periods of a trend since 1970 UTC: `unit` is "hour" or "day", `end` is exclusive."""

    unit: str
    first: int
    end: int


class DirectoryRow(NamedTuple):
    """One category in a window."""

    name: str
    calls: int
    revenue_micros: int
    apis: int
    callers: int


class _Measures(NamedTuple):
    """Values that are expensive to compute and used twice in a row."""

    callers: int
    top_caller_share: float
    p95_latency_ms: float


def api_row(api_id: ApiId, aggregate: Aggregate, trend: TrendRange) -> ApiRow:
    """Return the row of an API, from its totals in a window and the periods of its trend."""
    calls_by = aggregate.calls_by_hour if trend.unit == "hour" else aggregate.calls_by_day
    calls = aggregate.calls
    measures = _measure(aggregate)
    error_rate = _share(aggregate.errors, calls)
    error_rate_pct = round(100 * error_rate, 4)
    owner = aggregate.described_by[1].owner if aggregate.described_by else ""
    endpoint = f"/t/{api_id.slug}"
    directory = directory_of(aggregate.described_by)
    score = _score(aggregate, measures)
    shown = {
        "id": f"{api_id.tenant_id}:{api_id.slug}",
        "endpoint": endpoint,
        "owner": shown_owner(owner),
        "tenantId": api_id.tenant_id,
        "directory": directory,
        "priceUsd": round(_share(aggregate.price_sum_micros, calls) / 1_000_000, 6),
        "calls": calls,
        **shown_revenue(aggregate.revenue_micros),
        "uniqueCallers": measures.callers,
        "latencyMs": round(aggregate.latency.mean_ms(), 2),
        "p95LatencyMs": round(measures.p95_latency_ms, 2),
        "errorRatePct": error_rate_pct,
        "uptimePct": round(100 - error_rate_pct, 4),
        "topCallerShare": round(measures.top_caller_share, 4),
        "maxHourShare": round(_share(aggregate.busiest_hour_calls(), calls), 4),
        "diversityRatio": round(_share(measures.callers, calls), 4),
        "trendingScore": score,
        "trend": calls_by(trend.first, trend.end),
    }
    sort_key = (-score, -calls, -aggregate.revenue_micros, error_rate, endpoint)
    return ApiRow(directory, calls, aggregate.revenue_micros, sort_key, shown)


def directory_rows(
    rows: Sequence[ApiRow], callers: Mapping[str, CallerUnion]
) -> Sequence[DirectoryRow]:
    """Return the categories of `rows`, the one with the most calls first.

    Args:
        rows: All APIs of the window.
        callers: The callers of each category.
    """
    members: dict[str, list[ApiRow]] = {}
    for row in rows:
        members.setdefault(row.directory, []).append(row)
    found = [
        DirectoryRow(
            name,
            sum(row.calls for row in own),
            sum(row.revenue_micros for row in own),
            sum(row.calls > 0 for row in own),
            callers[name].distinct(),
        )
        for name, own in members.items()
    ]
    return sorted(found, key=lambda row: (-row.calls, row.name))


def shown_owner(owner: str) -> str:
    """Return an owner as shown: with a leading `@`, or `@unknown`."""
    if not owner:
        return UNKNOWN_OWNER
    return owner if owner.startswith("@") else "@" + owner


def shown_revenue(micros: int) -> Mapping[str, Json]:
    """Return the two fields for an amount: dollars, rounded to cents, and exact micro-dollars."""
    return {"revenueUsd": round(micros / 1_000_000, 2), "revenueMicros": micros}


def _measure(aggregate: Aggregate) -> _Measures:
    return _Measures(
        aggregate.callers.distinct(),
        _share(aggregate.busiest_caller_calls(), aggregate.calls),
        aggregate.latency.quantile_ms(0.95),
    )


def _score(aggregate: Aggregate, measures: _Measures) -> float:
    """Return the trending score.

    Calls, revenue and callers count by orders of magnitude. Few callers for many calls, bursts
    and slow responses cost points.
    """
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


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _clamp(value: float, ceiling: float) -> float:
    return min(max(value, 0.0), ceiling)

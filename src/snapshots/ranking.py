"""One API's figures as people are shown them, and how APIs are ranked.

Owns the definitions of the contract (CONTRACT, "Snapshot") that concern a
single API: its fields, the trending score and what ranks sort by. Refuses to
know windows, and where an aggregate comes from.
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
    """What is shown of one API, which is not changed any more, and keeps its own JSON."""

    __slots__ = ("_text",)

    @property
    def text(self) -> str:
        """This row as JSON, written once."""
        try:
            return self._text
        except AttributeError:
            self._text: str = json.dumps(self, separators=(",", ":"))
            return self._text


@dataclass(slots=True)
class Row:
    """One API in a window. Money is in micro-dollars.

    `order` is what ranks sort by: score, calls and revenue down, error rate
    and endpoint up. `shown` are the fields of the contract but for the rank.
    """

    directory: str
    calls: int
    revenue_micros: int
    order: tuple[float, int, int, float, str]
    shown: Mapping[str, Json]
    _ranked: RankedRow | None = None

    def ranked(self, rank: int) -> RankedRow:
        """Give what is shown of it at this rank; while that is the same, the same object."""
        if self._ranked is None or self._ranked["rank"] != rank:
            self._ranked = RankedRow(rank=rank, **self.shown)
        return self._ranked


class TrendRange(NamedTuple):
    """What a trend shows: clock hours or days, as `unit` says, by number since 1970 UTC.

    The end is exclusive.
    """

    unit: str
    first: int
    end: int


class _Measures(NamedTuple):
    """What an aggregate has to be searched for, found once for each row."""

    callers: int
    top_caller_share: float
    p95_latency_ms: float


def api_row(identity: ApiId, aggregate: Aggregate, span: TrendRange) -> Row:
    """Make the row of an API from all that was counted of it in a window.

    Its trend are the calls in each period of `span`.
    """
    calls_by = aggregate.calls_by_hour if span.unit == "hour" else aggregate.calls_by_day
    calls = aggregate.calls
    measures = _measure(aggregate)
    error_rate = _share(aggregate.errors, calls)
    error_rate_pct = round(100 * error_rate, 4)
    owner = aggregate.described_by[1].owner if aggregate.described_by else ""
    endpoint = f"/t/{identity.slug}"
    directory = directory_of(aggregate.described_by)
    score = _score(aggregate, measures)
    shown = {
        "id": f"{identity.tenant_id}:{identity.slug}",
        "endpoint": endpoint,
        "owner": shown_owner(owner),
        "tenantId": identity.tenant_id,
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
        "trend": calls_by(span.first, span.end),
    }
    order = (-score, -calls, -aggregate.revenue_micros, error_rate, endpoint)
    return Row(directory, calls, aggregate.revenue_micros, order, shown)


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


def shown_revenue(micros: int) -> Mapping[str, Json]:
    """Show money as dollars, rounded to cents for people, and exactly beside it."""
    return {"revenueUsd": round(micros / 1_000_000, 2), "revenueMicros": micros}


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


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _clamp(value: float, ceiling: float) -> float:
    return min(max(value, 0.0), ceiling)


class DirectoryRow(NamedTuple):
    """One category in a window. Money is in micro-dollars."""

    name: str
    calls: int
    revenue_micros: int
    apis: int
    callers: int


def directory_rows(
    rows: Sequence[Row], callers: Mapping[str, CallerUnion]
) -> Sequence[DirectoryRow]:
    """Give the categories, the most called first."""
    members: dict[str, list[Row]] = {}
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

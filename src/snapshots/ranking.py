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
from metering.sketches.sets import CallerSet
from metering.totals import ApiId, directory_of
from snapshots.measures import Measures

UNKNOWN_OWNER = "@unknown"

_ENCODER = json.JSONEncoder(separators=(",", ":"))


class RankedRow(dict[str, Json]):
    """The fields of one API in a snapshot. It must not be changed, because it has its JSON.

    `unranked` has all fields but the rank: the same object as long as they are the same.
    `fields_json` is the JSON of these.
    """

    __slots__ = ("fields_json", "json", "unranked")

    def __init__(self, rank: int, fields: Mapping[str, Json], fields_json: str) -> None:
        """Take the rank, and the other fields with their JSON."""
        super().__init__({"rank": rank, **fields})
        self.unranked = fields
        self.fields_json = fields_json
        self.json = f'{{"rank":{rank},{fields_json[1:]}'
        """This row as JSON."""


@dataclass(slots=True)
class ApiRow:
    """One API in a window, before it has a rank.

    `sort_key` sorts by score, calls and revenue, all descending, then by error rate, endpoint and
    id. `shown` has all fields of an API in a response except the rank; None to save memory.
    """

    directory: str
    calls: int
    revenue_micros: int
    sort_key: tuple[float, int, int, float, str, str]
    shown: Mapping[str, Json] | None
    _json: str = ""
    _ranked: RankedRow | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not self.calls and not self.revenue_micros

    def ranked(self, rank: int) -> RankedRow:
        """Return the fields with this rank; the same object while the rank is the same."""
        assert self.shown is not None
        if self._ranked is None or self._ranked["rank"] != rank:
            self._json = self._json or _ENCODER.encode(self.shown)
            self._ranked = RankedRow(rank, self.shown, self._json)
        return self._ranked

    def forget_shown(self) -> None:
        """Keep only what is needed to rank this row."""
        self.shown = self._ranked = None
        self._json = ""


class DirectoryRow(NamedTuple):
    """One category in a window."""

    name: str
    calls: int
    revenue_micros: int
    apis: int
    callers: int


def api_row(api_id: ApiId, measures: Measures, trend: Sequence[int] | None) -> ApiRow:
    """Return the row of an API.

    Args:
        api_id: The API.
        measures: What it did in a window.
        trend: Its calls by hour or day; None if the row needs no more than its rank.
    """
    calls, revenue_micros = measures.calls, measures.revenue_micros
    error_rate = _share(measures.errors, calls)
    endpoint = f"/t/{api_id.slug}"
    directory = directory_of(measures.described_by)
    score, name = _score(measures), f"{api_id.tenant_id}:{api_id.slug}"
    sort_key = (-score, -calls, -revenue_micros, error_rate, endpoint, name)
    row = ApiRow(directory, calls, revenue_micros, sort_key, None)
    if trend is None:
        return row
    owner = measures.described_by[1].owner if measures.described_by else ""
    error_rate_pct = round(100 * error_rate, 4)
    row.shown = {
        "id": name,
        "endpoint": endpoint,
        "owner": shown_owner(owner),
        "tenantId": api_id.tenant_id,
        "directory": directory,
        "priceUsd": round(_share(measures.price_sum_micros, calls) / 1_000_000, 6),
        "calls": calls,
        **shown_revenue(revenue_micros),
        "uniqueCallers": measures.callers,
        "payingCallers": measures.paying_callers,
        "latencyMs": round(measures.mean_latency_ms, 2),
        "p95LatencyMs": round(measures.p95_latency_ms, 2),
        "errorRatePct": error_rate_pct,
        "uptimePct": round(100 - error_rate_pct, 4),
        "topCallerShare": round(_share(measures.busiest_caller_calls, calls), 4),
        "maxHourShare": round(_share(measures.busiest_hour_calls, calls), 4),
        "diversityRatio": round(_share(measures.callers, calls), 4),
        "trendingScore": score,
        "trend": trend,
    }
    return row


def directory_rows(
    rows: Sequence[ApiRow], callers: Mapping[str, CallerSet]
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
    """Return the two fields for an amount: dollars, rounded to cents, and exact micro-dollars.

    Half a cent is rounded up. `round` would round 0.015 down, which no float represents exactly.
    """
    return {"revenueUsd": (micros + 5_000) // 10_000 / 100, "revenueMicros": micros}


def _score(measures: Measures) -> float:
    """Return the trending score.

    Calls, revenue and callers count by orders of magnitude. Few callers for many calls, bursts
    and slow responses cost points.

    Of each network, only four callers that did not pay are counted in all terms with callers
    (docs/decisions/0037-four-callers-of-a-network.md). The others called at least once each, and
    these calls do not make the share of the busiest caller smaller.
    """
    calls, callers = measures.calls, measures.scored_callers
    calls_of_counted = max(callers, calls - max(0, measures.callers - callers))
    score = (
        40 * math.log10(calls + 1)
        + 25 * math.log10(100 * measures.revenue_micros / 1_000_000 + 1)
        + 20 * math.log10(callers + 1)
        + max(0.0, 10 - 0.7 * 100 * _share(measures.errors, calls))
        - _clamp(120 * (0.18 - _share(callers, calls)), 20)
        - _clamp(80 * (_share(measures.busiest_caller_calls, calls_of_counted) - 0.45), 25)
        - _clamp(70 * (_share(measures.busiest_hour_calls, calls) - 0.4), 20)
        - _clamp((measures.p95_latency_ms - 800) / 75, 15)
    )
    return round(score, 2)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _clamp(value: float, ceiling: float) -> float:
    return min(max(value, 0.0), ceiling)

"""What a snapshot shows of one API: the sum of its totals in the parts of a window.

Nothing is merged if it can be avoided, because a read by a new isolate needs this for every API.
The results equal those of the merged totals.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import NamedTuple

from metering.aggregate import Aggregate, Description, newest
from metering.sketches.callers import results_of
from metering.sketches.latency import quantile_ms
from metering.sketches.sets import NetworkSketch


class TrendRange(NamedTuple):
    """The periods of a trend since 1970 UTC: `unit` is "hour" or "day", `end` is exclusive."""

    unit: str
    first: int
    end: int


class Measures(NamedTuple):
    """An API in a window.

    `scored_callers` are those that count in the score: one machine can make up many identities.
    The other fields are as in `Aggregate`.
    """

    calls: int
    errors: int
    revenue_micros: int
    price_sum_micros: int
    described_by: Description | None
    callers: int
    paying_callers: int
    scored_callers: int
    busiest_caller_calls: int
    busiest_hour_calls: int
    mean_latency_ms: float
    p95_latency_ms: float


def measure(parts: Sequence[Aggregate], busiest_hour_calls: int = 0) -> Measures:
    """Measure an API.

    Args:
        parts: Its totals in each part of the window that has any.
        busiest_hour_calls: The calls of an hour that is only known to the caller.
    """
    callers = results_of([part.callers for part in parts])
    others = max(0, callers.distinct - callers.payers)
    if others > NetworkSketch.CALLERS_MAX:
        others = min(others, _of_networks([part.networks for part in parts], others))
    described_by: Description | None = None
    for part in parts:
        described_by = newest(described_by, part.described_by)
    latencies = sum(part.latency.count for part in parts)
    latency_ms = sum(part.latency.total_ms for part in parts)
    return Measures(
        sum(part.calls for part in parts),
        sum(part.errors for part in parts),
        sum(part.revenue_micros for part in parts),
        sum(part.price_sum_micros for part in parts),
        described_by,
        callers.distinct,
        min(callers.payers, callers.distinct),
        callers.payers + others,
        callers.busiest,
        max(busiest_hour_calls, _busiest_hour_calls(parts)),
        latency_ms / latencies if latencies else 0.0,
        quantile_ms([part.latency for part in parts], 0.95),
    )


def trend_calls(parts: Sequence[Aggregate], trend: TrendRange) -> Sequence[int]:
    """Return the calls of an API in each period of a trend."""
    found: Sequence[int] = ()
    for part in parts:
        calls_by = part.calls_by_hour if trend.unit == "hour" else part.calls_by_day
        own = calls_by(trend.first, trend.end)
        found = [*map(operator.add, found, own)] if found else own
    return found


def _busiest_hour_calls(parts: Sequence[Aggregate]) -> int:
    """Return the calls of the busiest hour; several parts may have the same hour."""
    hours: dict[int, int] = {}
    for part in parts:
        for hour, calls in part.hours.calls():
            hours[hour] = hours.get(hour, 0) + calls
    return max(0, *hours.values(), *(part.busiest_closed_hour for part in parts))


def _of_networks(networks: Sequence[NetworkSketch], others: int) -> int:
    """Return how many callers count with at most four of each network, or at least `others`."""
    most = max(one.distinct() for one in networks)
    if most >= others or len(networks) == 1:
        return most
    together = NetworkSketch()
    for one in networks:
        together.merge(one)
    return together.distinct()

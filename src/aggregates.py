"""What many events come to: figures that can be merged in any order and grouping.

Owns the sums. `Aggregate.merge` is associative and commutative and has an
empty aggregate as its identity, so that a window may be folded from events,
from batches or from summaries and come out the same. Refuses to know what a
window is or how figures are shown.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple

import keys
from events import Api, UsageEvent

LATENCY_RELATIVE_ERROR = 0.01
"""How far a quantile may be from the true one, as a share of it."""

_EXACT_BELOW_MS = 128
"""Latencies below this have a bucket each, so short ones are exact."""

_CALLER_SIDE_ERRORS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)

_GAMMA = (1 + LATENCY_RELATIVE_ERROR) / (1 - LATENCY_RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)


@dataclass(slots=True)
class LatencySketch:
    """Counts of latencies in buckets whose bounds grow by a constant factor.

    The scheme is DDSketch's (Masson, Rim and Lee, VLDB 2019): every value in a
    bucket is within 1 % of the value the bucket stands for. Whole milliseconds
    below 128 keep a bucket each. Latencies of 0 are not measurements.
    """

    buckets: Counter[int] = field(default_factory=Counter)
    count: int = 0
    total_ms: int = 0

    def add(self, latency_ms: int) -> None:
        """Count one latency in whole milliseconds; 0 is ignored."""
        if latency_ms > 0:
            self.buckets[_bucket_of(latency_ms)] += 1
            self.count += 1
            self.total_ms += latency_ms

    def merge(self, other: LatencySketch) -> None:
        """Count everything that `other` has counted."""
        for bucket, count in other.buckets.items():
            self.buckets[bucket] += count
        self.count += other.count
        self.total_ms += other.total_ms

    def mean_ms(self) -> float:
        """Exact mean, 0 when nothing was counted."""
        return self.total_ms / self.count if self.count else 0.0

    def quantile_ms(self, share: float) -> float:
        """Nearest-rank quantile within 1 %, 0 when nothing was counted.

        `share` is above 0 and at most 1: 0.95 for p95.
        """
        rank = math.ceil(share * self.count)
        for bucket in sorted(self.buckets):
            rank -= self.buckets[bucket]
            if rank <= 0:
                return _value_of(bucket)
        return 0.0


class HourTotals(NamedTuple):
    """What happened in one hour."""

    calls: int
    errors: int
    revenue_micros: int


@dataclass(slots=True)
class Aggregate:
    """The figures of one API, or of many together, over some span of time.

    Only calls count; requests that were refused before dispatch add revenue
    (which is 0 for them) and nothing else. `described_by` is the newest
    description of the API with its time.
    """

    calls: int = 0
    errors: int = 0
    revenue_micros: int = 0
    price_sum_micros: int = 0
    latency: LatencySketch = field(default_factory=LatencySketch)
    callers: Counter[str] = field(default_factory=Counter)
    hours: dict[int, HourTotals] = field(default_factory=dict)
    described_by: tuple[int, Api] | None = None

    def add(self, event: UsageEvent) -> None:
        """Count one event."""
        self.revenue_micros += event.revenue_micros
        failed = event.counted and is_error(event.status)
        self._add_hour(
            event.at_ms // keys.HOUR_MS,
            HourTotals(int(event.counted), int(failed), event.revenue_micros),
        )
        if event.api is not None:
            self._describe((event.at_ms, event.api))
        if not event.counted:
            return
        self.calls += 1
        self.errors += failed
        self.latency.add(event.latency_ms)
        self.callers[event.caller] += 1
        if event.api is not None:
            self.price_sum_micros += event.api.price_micros

    def merge(self, other: Aggregate) -> None:
        """Count everything that `other` has counted."""
        self.calls += other.calls
        self.errors += other.errors
        self.revenue_micros += other.revenue_micros
        self.price_sum_micros += other.price_sum_micros
        self.latency.merge(other.latency)
        for caller, calls in other.callers.items():
            self.callers[caller] += calls
        for hour, totals in other.hours.items():
            self._add_hour(hour, totals)
        if other.described_by is not None:
            self._describe(other.described_by)

    def busiest_hour_calls(self) -> int:
        """Calls in the clock hour with the most of them."""
        return max((totals.calls for totals in self.hours.values()), default=0)

    def busiest_caller_calls(self) -> int:
        """Calls of the caller with the most of them."""
        return max(self.callers.values(), default=0)

    def _add_hour(self, hour: int, more: HourTotals) -> None:
        known = self.hours.get(hour)
        if known is not None:
            more = HourTotals(
                known.calls + more.calls,
                known.errors + more.errors,
                known.revenue_micros + more.revenue_micros,
            )
        self.hours[hour] = more

    def _describe(self, description: tuple[int, Api]) -> None:
        # The whole pair is compared, so that two at the same time merge the same way round.
        if self.described_by is None or description > self.described_by:
            self.described_by = description


def is_error(status: int) -> bool:
    """Tell whether a call with this HTTP status counts as an error of the API."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _CALLER_SIDE_ERRORS


def merged(aggregates: Iterable[Aggregate]) -> Aggregate:
    """Merge any number of aggregates into a new one."""
    result = Aggregate()
    for aggregate in aggregates:
        result.merge(aggregate)
    return result


def _bucket_of(latency_ms: int) -> int:
    if latency_ms < _EXACT_BELOW_MS:
        return latency_ms
    return _EXACT_BELOW_MS + math.floor(math.log(latency_ms / _EXACT_BELOW_MS) / _LOG_GAMMA)


def _value_of(bucket: int) -> float:
    if bucket < _EXACT_BELOW_MS:
        return float(bucket)
    lower = _EXACT_BELOW_MS * _GAMMA ** (bucket - _EXACT_BELOW_MS)
    # The point of the bucket that is the same share away from both of its ends.
    return lower * 2 * _GAMMA / (_GAMMA + 1)

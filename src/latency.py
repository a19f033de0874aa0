"""Quantiles of latencies within 1 %, mergeable in any order.

Owns the buckets. The scheme is DDSketch's (Masson, Rim and Lee, VLDB 2019):
bucket bounds grow by a constant factor, so every value in a bucket is within
1 % of the value it stands for. Whole milliseconds below 128 keep a bucket
each. Refuses to know what was measured.
"""

from __future__ import annotations

import math
import operator
from collections import Counter
from dataclasses import dataclass, field

from errors import SummaryUnreadable
from ports import Json

RELATIVE_ERROR_MAX = 0.01
"""How far a quantile may be from the true one, as a share of it."""

_EXACT_BELOW_MS = 128
"""Latencies below this have a bucket each, so short ones are exact."""

_GAMMA = (1 + RELATIVE_ERROR_MAX) / (1 - RELATIVE_ERROR_MAX)
_LOG_GAMMA = math.log(_GAMMA)


@dataclass(slots=True)
class LatencySketch:
    """Counts of latencies in buckets. Latencies of 0 are not measurements."""

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

    def encode(self) -> Json:
        """Write the sketch as total, buckets in ascending order, and their counts."""
        buckets = sorted(self.buckets)
        return [self.total_ms, buckets, [self.buckets[bucket] for bucket in buckets]]

    @staticmethod
    def decode(value: Json) -> LatencySketch:
        """Read a sketch back. Raises `SummaryUnreadable` for what `encode` does not write."""
        match value:
            case [int(total_ms), list(buckets), list(counts)] if (
                len(buckets) == len(counts)
                and set(map(type, [total_ms, *buckets, *counts])) == {int}
                and min([1, *buckets, *counts]) == 1
                and all(map(operator.lt, buckets, buckets[1:]))
                and total_ms >= sum(counts)
            ):
                found = Counter(dict(zip(buckets, counts, strict=True)))
                return LatencySketch(found, sum(counts), total_ms)
            case _:
                raise SummaryUnreadable("its latencies are of another form")


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

"""Quantiles of latencies within 1 %, mergeable in any order: DDSketch.

Bucket bounds grow by a constant factor, so every value in a bucket is within 1 % of the bucket's
value (Masson, Rim and Lee, VLDB 2019). Latencies below 128 ms have a bucket for each millisecond.
"""

from __future__ import annotations

import math
import operator
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain

from core.errors import SummaryUnreadable
from core.ports import Json
from metering.sketches.packing import LANE_TYPES, pack_counts, unpack_counts, widened, width_of

RELATIVE_ERROR_MAX = 0.01
"""The largest relative error of a quantile."""

_EXACT_BELOW_MS = 128
"""Latencies below this have a bucket each, so they are exact."""

_GAMMA = (1 + RELATIVE_ERROR_MAX) / (1 - RELATIVE_ERROR_MAX)
_LOG_GAMMA = math.log(_GAMMA)
_LATENCY_MAX_MS = 10**9
"""Eleven days; longer latencies are counted as this, which bounds the number of buckets."""


@lru_cache(maxsize=10_000)
def _bucket_of(latency_ms: int) -> int:
    """Return the bucket of a latency that has none of its own."""
    latency_ms = min(latency_ms, _LATENCY_MAX_MS)
    return _EXACT_BELOW_MS + int(math.log(latency_ms / _EXACT_BELOW_MS) / _LOG_GAMMA)


_BUCKETS_MAX = _bucket_of(_LATENCY_MAX_MS) + 1


def _no_counts() -> array[int]:
    return array("B")


@dataclass(slots=True, eq=False)
class LatencySketch:
    """Counts of latencies by bucket. A latency of 0 is not a measurement.

    `_counts` has a count for each bucket up to the highest that has any. A decoded sketch keeps
    its encoded form until the counts are needed.
    """

    count: int = 0
    total_ms: int = 0
    _counts: array[int] = field(default_factory=_no_counts)
    _packed: str | None = None

    def add(self, latency_ms: int) -> None:
        """Count a latency; 0 is ignored."""
        if latency_ms <= 0:
            return
        counts = self._counts if self._packed is None else self._unpacked()
        bucket = latency_ms if latency_ms < _EXACT_BELOW_MS else _bucket_of(latency_ms)
        try:
            counts[bucket] += 1
        except IndexError:
            counts.frombytes(bytes((bucket + 1 - len(counts)) * counts.itemsize))
            counts[bucket] = 1
        except OverflowError:
            self._counts = widened(counts)
            self._counts[bucket] += 1
        self.count += 1
        self.total_ms += latency_ms

    def merge(self, other: LatencySketch) -> None:
        """Add the latencies of `other`."""
        if self.count == 0 and other._packed is not None:
            self._packed = other._packed
        elif other.count:
            short, long = sorted((self._unpacked(), other._unpacked()), key=len)
            both = [*map(operator.add, short, long), *long[len(short) :]]
            self._counts = array(LANE_TYPES[width_of(max(both))], both)
        self.count += other.count
        self.total_ms += other.total_ms

    def counts(self) -> Sequence[int]:
        """Return the counts by bucket, up to the highest that has any; not to be changed."""
        return self._unpacked()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LatencySketch):
            return NotImplemented
        return self.total_ms == other.total_ms and self._unpacked() == other._unpacked()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def encode(self) -> Json:
        """Encode the sketch as total, count, and the packed counts of buckets."""
        return [self.total_ms, self.count, self._packed or pack_counts(self._counts)]

    @staticmethod
    def decode(value: Json) -> LatencySketch:
        """Decode a sketch.

        Raises `SummaryUnreadable` for an invalid form; counts are checked when they are needed.
        """
        if isinstance(value, list) and tuple(map(type, value)) == (int, int, str):
            total_ms, number, packed = value
            if total_ms >= number >= 0 and packed:
                return LatencySketch(number, total_ms, _packed=packed)
        raise SummaryUnreadable("the latencies have an invalid form")

    def _unpacked(self) -> array[int]:
        """Return the counts. Raises `SummaryUnreadable`."""
        if self._packed is not None:
            counts = unpack_counts(self._packed, _BUCKETS_MAX)
            if sum(counts) != self.count or (counts and (counts[0] or not counts[-1])):
                raise SummaryUnreadable("the latencies are not as many as declared")
            self._counts, self._packed = counts, None
        return self._counts


def quantile_ms(sketches: Sequence[LatencySketch], share: float) -> float:
    """Return the nearest-rank quantile of several sketches together, within 1 %.

    Args:
        sketches: The sketches; the quantile is 0 if nothing was counted.
        share: Above 0, at most 1: 0.95 for p95.
    """
    total = sum(one.count for one in sketches)
    above = total - math.ceil(share * total)
    columns = [one.counts() for one in sketches if one.count]
    buckets = max(map(len, columns), default=0)
    # From the top, because high quantiles are the usual ones.
    from_top = (chain(bytes(buckets - len(column)), reversed(column)) for column in columns)
    for bucket, own in zip(range(buckets - 1, -1, -1), zip(*from_top, strict=True), strict=True):
        above -= sum(own)
        if above < 0:
            return _value_of(bucket)
    return 0.0


def _value_of(bucket: int) -> float:
    if bucket < _EXACT_BELOW_MS:
        return float(bucket)
    lower = _EXACT_BELOW_MS * _GAMMA ** (bucket - _EXACT_BELOW_MS)
    # The point with the same relative distance from both bounds.
    return lower * 2 * _GAMMA / (_GAMMA + 1)

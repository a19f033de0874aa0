"""Quantiles of latencies within 1 %, mergeable in any order: DDSketch.

Bucket bounds grow by a constant factor, so every value in a bucket is within 1 % of the bucket's
value (Masson, Rim and Lee, VLDB 2019). Latencies below 128 ms have a bucket for each millisecond.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core.errors import SummaryUnreadable
from core.ports import Json

RELATIVE_ERROR_MAX = 0.01
"""The largest relative error of a quantile."""

_EXACT_BELOW_MS = 128
"""Latencies below this have a bucket each, so they are exact."""

_GAMMA = (1 + RELATIVE_ERROR_MAX) / (1 - RELATIVE_ERROR_MAX)
_LOG_GAMMA = math.log(_GAMMA)


class _Encoded(NamedTuple):
    """An encoded sketch: its buckets in ascending order, and how many latencies each has."""

    total_ms: int
    measured: int
    buckets: Sequence[int]
    counts: Sequence[int]


@dataclass(slots=True, eq=False)
class LatencySketch:
    """Counts of latencies by bucket. A latency of 0 is not a measurement.

    A decoded sketch keeps its encoded form until something is added to it.
    """

    count: int = 0
    total_ms: int = 0
    _buckets: dict[int, int] = field(default_factory=dict)
    _encoded: _Encoded | None = None

    def add(self, latency_ms: int) -> None:
        """Count one latency; 0 is ignored."""
        if latency_ms > 0:
            self._decode_buckets()
            bucket = _bucket_of(latency_ms)
            self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
            self.count += 1
            self.total_ms += latency_ms

    def merge(self, other: LatencySketch) -> None:
        """Add the latencies of `other`."""
        encoded = other._encoded
        if self.count == 0 and encoded is not None:
            self._encoded = encoded
        else:
            self._decode_buckets()
            mine = self._buckets
            theirs = other._buckets.items() if encoded is None else _decoded(encoded)
            for bucket, count in theirs:
                mine[bucket] = mine.get(bucket, 0) + count
        self.count += other.count
        self.total_ms += other.total_ms

    def mean_ms(self) -> float:
        """Return the exact mean; 0 when nothing was counted."""
        return self.total_ms / self.count if self.count else 0.0

    def quantile_ms(self, share: float) -> float:
        """Return the nearest-rank quantile within 1 %; 0 when nothing was counted.

        Args:
            share: Above 0, at most 1: 0.95 for p95.
        """
        # From the top, because high quantiles are the usual ones.
        above = self.count - math.ceil(share * self.count)
        *_, buckets, counts = self._encoded_form()
        for bucket, count in zip(reversed(buckets), reversed(counts), strict=True):
            above -= count
            if above < 0:
                return _value_of(bucket)
        return 0.0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LatencySketch):
            return NotImplemented
        return self._encoded_form() == other._encoded_form()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def encode(self) -> Json:
        """Encode the sketch as total, count, buckets in ascending order, and their counts."""
        return list(self._encoded_form())

    @staticmethod
    def decode(value: Json) -> LatencySketch:
        """Decode a sketch.

        Raises `SummaryUnreadable` for an invalid form; buckets are checked when something is
        added.
        """
        match value:
            case [int(total_ms), int(count), list(buckets), list(counts)] if (
                len(buckets) == len(counts) and total_ms >= count >= 0
            ):
                encoded = _Encoded(total_ms, count, buckets, counts)
                return LatencySketch(count, total_ms, _encoded=encoded)
            case _:
                raise SummaryUnreadable("the latencies have an invalid form")

    def _encoded_form(self) -> _Encoded:
        if self._encoded is not None:
            return self._encoded
        buckets = sorted(self._buckets)
        counts = [self._buckets[bucket] for bucket in buckets]
        return _Encoded(self.total_ms, self.count, buckets, counts)

    def _decode_buckets(self) -> None:
        """Decode the buckets, because something will be added."""
        if self._encoded is not None:
            self._buckets = dict(_decoded(self._encoded))
            self._encoded = None


def _decoded(encoded: _Encoded) -> Iterable[tuple[int, int]]:
    """Return the buckets and their counts. Raises `SummaryUnreadable`."""
    _, measured, buckets, counts = encoded
    if (
        set(map(type, [*buckets, *counts])) <= {int}
        and min([1, *buckets, *counts]) == 1
        and all(map(operator.lt, buckets, buckets[1:]))
        and sum(counts) == measured
    ):
        return zip(buckets, counts, strict=True)
    raise SummaryUnreadable("the latencies have an invalid form")


def _bucket_of(latency_ms: int) -> int:
    if latency_ms < _EXACT_BELOW_MS:
        return latency_ms
    return _EXACT_BELOW_MS + math.floor(math.log(latency_ms / _EXACT_BELOW_MS) / _LOG_GAMMA)


def _value_of(bucket: int) -> float:
    if bucket < _EXACT_BELOW_MS:
        return float(bucket)
    lower = _EXACT_BELOW_MS * _GAMMA ** (bucket - _EXACT_BELOW_MS)
    # The point with the same relative distance from both bounds.
    return lower * 2 * _GAMMA / (_GAMMA + 1)

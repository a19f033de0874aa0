"""Quantiles of latencies within 1 %, mergeable in any order.

Owns the buckets. The scheme is DDSketch's (Masson, Rim and Lee, VLDB 2019):
bucket bounds grow by a constant factor, so every value in a bucket is within
1 % of the value it stands for. Whole milliseconds below 128 keep a bucket
each. Refuses to know what was measured.
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
"""How far a quantile may be from the true one, as a share of it."""

_EXACT_BELOW_MS = 128
"""Latencies below this have a bucket each, so short ones are exact."""

_GAMMA = (1 + RELATIVE_ERROR_MAX) / (1 - RELATIVE_ERROR_MAX)
_LOG_GAMMA = math.log(_GAMMA)


class _Written(NamedTuple):
    """A sketch as it is written: buckets in ascending order, and how many fell into each."""

    total_ms: int
    measured: int
    buckets: Sequence[int]
    counts: Sequence[int]


@dataclass(slots=True, eq=False)
class LatencySketch:
    """Counts of latencies in buckets. Latencies of 0 are not measurements.

    A sketch that was read stays as it was written until something is added to it.
    """

    count: int = 0
    total_ms: int = 0
    _buckets: dict[int, int] = field(default_factory=dict)
    _written: _Written | None = None

    def add(self, latency_ms: int) -> None:
        """Count one latency in whole milliseconds; 0 is ignored."""
        if latency_ms > 0:
            self._open()
            bucket = _bucket_of(latency_ms)
            self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
            self.count += 1
            self.total_ms += latency_ms

    def merge(self, other: LatencySketch) -> None:
        """Count everything that `other` has counted."""
        written = other._written
        if self.count == 0 and written is not None:
            self._written = written
        else:
            self._open()
            mine = self._buckets
            theirs = other._buckets.items() if written is None else _pairs_of(written)
            for bucket, count in theirs:
                mine[bucket] = mine.get(bucket, 0) + count
        self.count += other.count
        self.total_ms += other.total_ms

    def mean_ms(self) -> float:
        """Exact mean, 0 when nothing was counted."""
        return self.total_ms / self.count if self.count else 0.0

    def quantile_ms(self, share: float) -> float:
        """Nearest-rank quantile within 1 %, 0 when nothing was counted.

        `share` is above 0 and at most 1: 0.95 for p95.
        """
        # From the top, because the quantiles that people ask for are high ones.
        above = self.count - math.ceil(share * self.count)
        *_, buckets, counts = self._as_written()
        for bucket, count in zip(reversed(buckets), reversed(counts), strict=True):
            above -= count
            if above < 0:
                return _value_of(bucket)
        return 0.0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LatencySketch):
            return NotImplemented
        return self._as_written() == other._as_written()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def encode(self) -> Json:
        """Write the sketch as total, count, buckets in ascending order, and their counts."""
        return list(self._as_written())

    @staticmethod
    def decode(value: Json) -> LatencySketch:
        """Take over a sketch as it was written.

        Raises `SummaryUnreadable` for what `encode` does not write, here or
        when something is added to it.
        """
        match value:
            case [int(total_ms), int(count), list(buckets), list(counts)] if (
                len(buckets) == len(counts) and total_ms >= count >= 0
            ):
                written = _Written(total_ms, count, buckets, counts)
                return LatencySketch(count, total_ms, _written=written)
            case _:
                raise SummaryUnreadable("its latencies are of another form")

    def _as_written(self) -> _Written:
        if self._written is not None:
            return self._written
        buckets = sorted(self._buckets)
        counts = [self._buckets[bucket] for bucket in buckets]
        return _Written(self.total_ms, self.count, buckets, counts)

    def _open(self) -> None:
        """Unfold what was written, because something is about to be added."""
        if self._written is not None:
            self._buckets = dict(_pairs_of(self._written))
            self._written = None


def _pairs_of(written: _Written) -> Iterable[tuple[int, int]]:
    """Unfold a sketch. Raises `SummaryUnreadable` for what is not written by `encode`."""
    _, measured, buckets, counts = written
    if (
        set(map(type, [*buckets, *counts])) <= {int}
        and min([1, *buckets, *counts]) == 1
        and all(map(operator.lt, buckets, buckets[1:]))
        and sum(counts) == measured
    ):
        return zip(buckets, counts, strict=True)
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

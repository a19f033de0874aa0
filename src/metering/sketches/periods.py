"""Calls, errors, money and latencies by hour or by day, packed."""

from __future__ import annotations

import operator
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, repeat
from typing import NamedTuple

from core.errors import SummaryUnreadable
from core.ports import Json


class Counts(NamedTuple):
    """What happened in one hour or day; `latency_ms` is the sum of the `latencies` above 0."""

    calls: int = 0
    errors: int = 0
    revenue_micros: int = 0
    latencies: int = 0
    latency_ms: int = 0


_WIDTH = len(Counts._fields)
_WIDTH_MIN = 3
"""Columns of the encoding without latencies, which older roll-ups also lack."""


def _no_numbers() -> array[int]:
    return array("q")


@dataclass(slots=True, eq=False)
class Periods:
    """Counts by period, which are hours or days since 1970 UTC; others have none.

    `add` and `merge` are associative and commutative; without any period, it is their identity.
    Decoded periods keep their encoded form in `_packed` until they are needed; see `_unpack`.
    """

    _periods: array[int] = field(default_factory=_no_numbers)
    _counts: array[int] = field(default_factory=_no_numbers)
    _packed: Sequence[Sequence[int]] = ()

    def add(
        self,
        period: int,
        calls: int,
        errors: int,
        revenue_micros: int,
        latencies: int = 0,
        latency_ms: int = 0,
    ) -> None:
        """Add counts to a period."""
        if self._packed:
            self._unpack()
        periods, counts = self._periods, self._counts
        if periods and periods[-1] == period:
            at = len(counts) - _WIDTH
        else:
            index = bisect_left(periods, period)
            at = _WIDTH * index
            if index == len(periods) or periods[index] != period:
                periods.insert(index, period)
                counts[at:at] = array("q", [0] * _WIDTH)
        counts[at] += calls
        counts[at + 1] += errors
        counts[at + 2] += revenue_micros
        if latencies:
            counts[at + 3] += latencies
            counts[at + 4] += latency_ms

    def merge(self, other: Periods) -> None:
        """Add the counts of `other`. Raises `SummaryUnreadable`."""
        other._unpack()
        if self:
            self._unpack()
            for period, counts in other.items():
                self.add(period, *counts)
        else:
            self._periods, self._counts = other._periods[:], other._counts[:]

    def pop_before(self, end: int) -> list[tuple[int, Counts]]:
        """Remove the periods before `end`, and return them with their counts."""
        self._unpack()
        index = bisect_left(self._periods, end)
        popped = [*self.items()][:index]
        del self._periods[:index], self._counts[: _WIDTH * index]
        return popped

    def items(self) -> Iterator[tuple[int, Counts]]:
        """Yield the periods in ascending order, with their counts."""
        columns = self.columns()
        return zip(self._periods, map(Counts, *columns), strict=True)

    def calls(self) -> Iterator[tuple[int, int]]:
        """Return the periods in ascending order, with their calls.

        An encoded form is not checked, because this is needed for every API that is shown.
        """
        if self._packed:
            gaps, calls, *_ = self._packed
            return zip(accumulate(gaps), calls or repeat(0), strict=False)
        return zip(self._periods, self._counts[::_WIDTH], strict=True)

    def columns(self) -> Sequence[array[int]]:
        """Return each field of `Counts`, as a column with a number for each period."""
        self._unpack()
        return [self._counts[number::_WIDTH] for number in range(_WIDTH)]

    def __bool__(self) -> bool:
        return bool(self._periods or self._packed)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Periods):
            return NotImplemented
        return [*self.items()] == [*other.items()]

    __hash__ = None  # type: ignore[assignment]  # mutable

    def encode(self) -> Json:
        """Encode as lists: the periods, and their calls, errors and revenue, then the latencies.

        The first period is a number since 1970; the others are given by their distance from the one
        before. A list with only zeros is empty. Without periods, the whole is an empty list, and
        without latencies, their two lists are left out.
        """
        if self._packed or not self._periods:
            return [*self._packed]
        gaps = map(operator.sub, self._periods[1:], self._periods)
        columns = [column.tolist() if any(column) else [] for column in self.columns()]
        if not any(columns[_WIDTH_MIN:]):
            del columns[_WIDTH_MIN:]
        return [[self._periods[0], *gaps], *columns]

    @staticmethod
    def decode(value: Json) -> Periods:
        """Decode what `encode` returned.

        Raises `SummaryUnreadable` for an invalid form; numbers are checked when they are needed.
        """
        if not isinstance(value, list):
            raise SummaryUnreadable("the counts by hour or day have an invalid form")
        return Periods(_packed=value)

    def _unpack(self) -> None:
        """Decode the periods. Raises `SummaryUnreadable`."""
        if self._packed:
            try:
                self._periods, self._counts = _decoded(self._packed)
            except (TypeError, ValueError, OverflowError) as error:
                raise SummaryUnreadable(f"the counts by period are invalid: {error}") from error
            self._packed = ()


def _decoded(value: Json) -> tuple[array[int], array[int]]:
    gaps, *columns = value
    if not _WIDTH_MIN <= len(columns) <= _WIDTH:
        raise ValueError(f"{len(columns)} columns are not possible")
    periods = array("q", accumulate(gaps))
    counts = array("q", bytes(8 * _WIDTH * len(periods)))
    for number, column in enumerate(columns):
        if column:
            counts[number::_WIDTH] = array("q", column)
    calls, errors, *_ = columns
    whole = [*chain(gaps, *columns)]
    if (
        set(map(type, whole)) != {int}
        or min(whole) < 0
        or 0 in gaps[1:]
        or not all(map(operator.le, errors, calls or [0]))
    ):
        raise ValueError("a number is impossible")
    return periods, counts

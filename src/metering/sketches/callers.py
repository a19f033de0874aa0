"""Who calls, in bounded space: how many distinct callers, and the calls of the busiest.

Owns the change from exact to estimated. Up to 1,000 callers are kept by name
with their calls. When the union has more, there are registers (`distinct`)
and cells (`busiest`) instead, and names only of callers that were counted
since and not poured into them yet, which shows in nothing but speed. So the
state depends on the multiset of events alone, whatever their order and
grouping. Refuses to know who the callers are: each is a keyed hash.

A sketch that was read stays as it was written until something is added to it:
most are only asked for their figures, which are written beside the state.
"""

from __future__ import annotations

import binascii
import operator
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from core.errors import SummaryUnreadable
from core.ports import Json
from metering.sketches.distinct import (
    NOTHING,
    Planes,
    counted,
    decode_planes,
    encode_planes,
    estimate,
    union,
)
from metering.sketches.heavy_hitters import Cells, cells_of, decode_cells

EXACT_CALLERS_MAX = 1_000
"""How many distinct callers are kept by name."""

_UNKNOWN = "7c1d5a0e93b64f28"
"""A number as good as any hash for callers that are not known."""

# By bytes of the largest: the type of an array of calls.
_TYPE_OF = {1: "B", 2: "H", 4: "I", 8: "Q"}


class _Written(NamedTuple):
    """A sketch as it is written: its two figures, then its state.

    `calls` is 0 when `callers` are names and `counts` their calls; else it is
    all calls, and they are registers and cells.
    """

    distinct: int
    busiest: int
    calls: int
    callers: str
    counts: str


class SketchState(NamedTuple):
    """The state of a sketch: named callers, and what others were poured into."""

    named: Mapping[int, int]
    planes: Planes | None
    cells: Cells


@dataclass(slots=True, eq=False)
class CallerSketch:
    """Distinct callers and the calls of the busiest: exact up to 1,000 callers, then within bounds.

    `add` and `merge` are associative and commutative; an empty sketch is their
    identity.
    """

    _named: dict[int, int] = field(default_factory=dict)
    _planes: Planes | None = None
    _cells: Cells = field(default_factory=Cells)
    _written: _Written | None = None
    _estimated: tuple[Planes, int] | None = None

    def add(self, caller: str, calls: int = 1) -> None:
        """Count `calls` calls, at least 1, of `caller`, a hash in up to 16 hexadecimal digits.

        The empty caller stands for all that are not known. Raises `ValueError` for any other.
        """
        if self._written is not None:
            self._open(self._written)
        number = int(caller or _UNKNOWN, 16)
        self._named[number] = self._named.get(number, 0) + calls
        if len(self._named) > EXACT_CALLERS_MAX:
            self._pour()

    def merge(self, other: CallerSketch) -> None:
        """Count everything that `other` has counted. As dear as `other` has names."""
        if self._written is not None:
            self._open(self._written)
        elif other._written is not None and not self._named and self._planes is None:
            self._written = other._written
            return
        written = other._written
        theirs, planes, cells = other.state() if written is None else _state_of(written)
        if planes is not None:
            mine = self._planes
            if mine is None:
                self._estimated = (
                    other._estimated if written is None else (planes, written.distinct)
                )
            self._planes = planes if mine is None else union(mine, planes)
            self._cells = self._cells.plus(cells)
        named = self._named
        if named:
            for number, calls in theirs.items():
                named[number] = named.get(number, 0) + calls
        else:
            named.update(theirs)
        if len(named) > EXACT_CALLERS_MAX:
            self._pour()

    @property
    def is_exact(self) -> bool:
        """Whether all figures are exact, which they are up to 1,000 callers."""
        return self._planes is None if self._written is None else not self._written.calls

    def distinct(self) -> int:
        """Count the callers: exactly up to 1,000, then within 2 %."""
        if self._written is not None:
            return self._written.distinct
        if self._planes is None:
            return len(self._named)
        self._pour()
        if self._estimated is None or self._estimated[0] != self._planes:
            self._estimated = (self._planes, estimated(self._planes))
        return self._estimated[1]

    def busiest_calls(self) -> int:
        """Bound the calls of the caller with the most of them, from above.

        Exact up to 1,000 callers, then as `Cells.busiest` says. 0 when nothing was counted.
        """
        if self._written is not None:
            return self._written.busiest
        if self._planes is None:
            return max(self._named.values(), default=0)
        self._pour()
        return self._cells.busiest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CallerSketch):
            return NotImplemented
        # Not by their texts: the same state may have been packed by another release of zlib.
        mine, theirs = ((one.distinct(), one.busiest_calls(), one.state()) for one in (self, other))
        return mine == theirs

    __hash__ = None  # type: ignore[assignment]  # it changes

    def encode(self) -> Json:
        """Write the sketch as a list; equal sketches are written alike.

        Distinct callers, calls of the busiest, then while exact: 0, the callers
        in ascending order, 8 bytes each, and their calls in as many bytes each
        as the most need. Else all calls, the registers and the cells, packed. Other
        bytes are written as base64.
        """
        written = self._written
        if written is not None:
            return list(written)
        distinct, busiest = self.distinct(), self.busiest_calls()
        if self._planes is not None:
            state = (self._cells.calls, encode_planes(self._planes), self._cells.encode())
            return [distinct, busiest, *state]
        numbers = array("Q", sorted(self._named))
        counts = [self._named[number] for number in numbers]
        width = _width_of(busiest)
        texts = map(_base64, (numbers, array(_TYPE_OF[width], counts)))
        return [distinct, busiest, 0, *texts]

    @staticmethod
    def decode(value: Json) -> CallerSketch:
        """Take over a sketch as it was written.

        Raises `SummaryUnreadable` for what `encode` does not write, here or
        when something is added to it.
        """
        match value:
            case [int(distinct), int(busiest), int(calls), str(callers), str(counts)] if (
                set(map(type, value[:3])) == {int}
                and min(value[:3]) >= 0
                and max(value[:3]) < 1 << 63
            ):
                written = _Written(distinct, busiest, calls, callers, counts)
                return CallerSketch(_written=written)
            case _:
                raise SummaryUnreadable("its callers are of another form")

    def open(self) -> None:
        """Unfold what was written, so that merging this into others costs less."""
        if self._written is not None:
            self._open(self._written)
        self.distinct()

    def _open(self, written: _Written) -> None:
        named, self._planes, self._cells = _state_of(written)
        self._named = dict(named)
        if self._planes is not None:
            self._estimated = (self._planes, written.distinct)
        self._written = None

    def state(self) -> SketchState:
        """Give the state, which is not to be changed."""
        if self._written is not None:
            return _state_of(self._written)
        if self._planes is not None:
            self._pour()
        return SketchState(self._named, self._planes, self._cells)

    def _pour(self) -> None:
        """Move the named callers into registers and cells."""
        if self._named:
            self._planes = counted(self._planes or NOTHING, self._named)
            poured = cells_of(self._named.items(), sum(self._named.values()))
            self._cells = self._cells.plus(poured)
            self._named = {}


def estimated(planes: Planes) -> int:
    """Estimate the callers that were poured into `planes`, which are more than 1,000."""
    # More than 1,000 are known to be there, however low the estimate.
    return max(EXACT_CALLERS_MAX + 1, round(estimate(planes)))


def _state_of(written: _Written) -> SketchState:
    """Unfold a sketch. Raises `SummaryUnreadable` for what `CallerSketch.encode` does not write."""
    distinct, busiest, calls, callers, counts = written
    if calls:
        return SketchState({}, decode_planes(callers), decode_cells(calls, counts))
    width = _width_of(busiest)
    raw, raw_counts = _bytes(callers), _bytes(counts)
    if (len(raw), len(raw_counts)) != (8 * distinct, width * distinct):
        raise SummaryUnreadable(f"its {distinct} callers have {len(raw)} bytes")
    names, numbers = array("Q", raw), array(_TYPE_OF[width], raw_counts)
    if not all(map(operator.lt, names, names[1:])):
        raise SummaryUnreadable("its callers are not in ascending order")
    if min(numbers, default=1) < 1 or max(numbers, default=0) != busiest:
        raise SummaryUnreadable("its callers' calls are not what they should be")
    return SketchState(dict(zip(names, numbers, strict=True)), None, Cells())


def _width_of(largest: int) -> int:
    return next(width for width in _TYPE_OF if largest < 1 << 8 * width)


def _base64(numbers: array[int]) -> str:
    return binascii.b2a_base64(numbers.tobytes(), newline=False).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise SummaryUnreadable(f"its callers are no base64: {error}") from error


_NAMED_AT_ONCE_MAX = 50_000
"""How many names a union holds before it pours them, to bound its memory."""


@dataclass(slots=True)
class CallerUnion:
    """The distinct callers of any of several sketches, which stay as they are."""

    _named: set[int] = field(default_factory=set)
    _planes: Planes = NOTHING
    _estimated: tuple[Planes, int] | None = None

    def add(self, sketch: CallerSketch) -> None:
        """Count the callers of one more."""
        named, planes, _ = sketch.state()
        self._named.update(named)
        if planes is not None:
            self._planes = union(self._planes, planes)
        if len(self._named) > _NAMED_AT_ONCE_MAX:
            self._pour()

    def copy(self) -> CallerUnion:
        """Give a union with the same callers, to be added to on its own."""
        if len(self._named) > EXACT_CALLERS_MAX:
            self._pour()
        return CallerUnion(set(self._named), self._planes, self._estimated)

    def distinct(self) -> int:
        """Count the callers: exactly up to 1,000, then within 2 %."""
        if self._planes == NOTHING and len(self._named) <= EXACT_CALLERS_MAX:
            return len(self._named)
        self._pour()
        if self._estimated is None or self._estimated[0] != self._planes:
            self._estimated = (self._planes, estimated(self._planes))
        return self._estimated[1]

    def _pour(self) -> None:
        if self._named:
            self._planes = counted(self._planes, self._named)
            self._named = set()


def distinct_callers(sketches: Iterable[CallerSketch]) -> int:
    """Count the callers of any of `sketches`, which stay as they are.

    Exactly up to 1,000, then within 2 %.
    """
    everyone = CallerUnion()
    for sketch in sketches:
        everyone.add(sketch)
    return everyone.distinct()

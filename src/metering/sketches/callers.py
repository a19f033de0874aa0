"""Distinct callers, and the calls of the busiest: exact up to 1,000 callers, then estimated.

Up to 1,000 callers are kept by name with their calls. Above that, registers (`distinct`) and
cells (`heavy_hitters`) replace the names. Names that are added later may wait in the sketch
until a result needs them in the registers. So the result depends only on the multiset of calls,
not on their order or grouping. A caller is a keyed hash, never an identity.
"""

from __future__ import annotations

import binascii
import operator
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from core.errors import SummaryUnreadable
from core.ports import Json
from metering.sketches.distinct import (
    EMPTY,
    Planes,
    decode_planes,
    encode_planes,
    estimate,
    union,
    with_hashes,
)
from metering.sketches.heavy_hitters import Cells, cells_of, decode_cells

EXACT_CALLERS_MAX = 1_000
"""The largest number of distinct callers that is counted exactly."""
_UNION_NAMES_MAX = 50_000
"""How many names a union collects before it moves them into registers, to bound its memory."""
_UNKNOWN = "7c1d5a0e93b64f28"
"""The hash of all unknown callers: an arbitrary number."""
_COUNT_TYPES = {1: "B", 2: "H", 4: "I", 8: "Q"}
"""The array type of calls, by bytes of the largest."""


class SketchState(NamedTuple):
    """The state of a sketch: callers by name with their calls, and the registers and cells."""

    named: Mapping[int, int]
    planes: Planes | None
    cells: Cells


class _Encoded(NamedTuple):
    """An encoded sketch: its two results, then its state.

    If `calls` is 0, `callers` has names and `counts` their calls. Otherwise `calls` is the sum
    of all calls, and the two have registers and cells.
    """

    distinct: int
    busiest: int
    calls: int
    callers: str
    counts: str


@dataclass(slots=True, eq=False)
class CallerSketch:
    """Distinct callers and the calls of the busiest.

    `add` and `merge` are associative and commutative; an empty sketch is their identity. A
    decoded sketch keeps its encoded form until something is added to it, because its two
    results are part of that form and most sketches are only read.
    """

    _named: dict[int, int] = field(default_factory=dict)
    _planes: Planes | None = None
    _cells: Cells = field(default_factory=Cells)
    _encoded: _Encoded | None = None
    _estimated: tuple[Planes, int] | None = None

    def add(self, caller: str, calls: int = 1) -> None:
        """Count calls of a caller.

        Args:
            caller: Its hash in up to 16 hexadecimal digits; empty for an unknown caller. All
                unknown callers count as one.
            calls: At least 1.

        Raises:
            ValueError: `caller` is not hexadecimal.
        """
        if self._encoded is not None:
            self._decode_state(self._encoded)
        number = int(caller or _UNKNOWN, 16)
        self._named[number] = self._named.get(number, 0) + calls
        if len(self._named) > EXACT_CALLERS_MAX:
            self._spill()

    def merge(self, other: CallerSketch) -> None:
        """Add the calls of `other`. O(number of exact callers in `other`)."""
        if self._encoded is not None:
            self._decode_state(self._encoded)
        elif other._encoded is not None and not self._named and self._planes is None:
            self._encoded = other._encoded
            return
        encoded = other._encoded
        theirs, planes, cells = other.state() if encoded is None else _decoded_state(encoded)
        if planes is not None:
            mine = self._planes
            if mine is None:
                self._estimated = (
                    other._estimated if encoded is None else (planes, encoded.distinct)
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
            self._spill()

    def distinct(self) -> int:
        """Return the number of callers: exact up to 1,000, then within 2 %."""
        if self._encoded is not None:
            return self._encoded.distinct
        if self._planes is None:
            return len(self._named)
        self._spill()
        if self._estimated is None or self._estimated[0] != self._planes:
            self._estimated = (self._planes, _estimate_callers(self._planes))
        return self._estimated[1]

    def busiest_calls(self) -> int:
        """Return an upper bound of the calls of the busiest caller; 0 without any calls.

        Exact up to 1,000 callers, then as precise as `Cells.busiest`.
        """
        if self._encoded is not None:
            return self._encoded.busiest
        if self._planes is None:
            return max(self._named.values(), default=0)
        self._spill()
        return self._cells.busiest()

    def state(self) -> SketchState:
        """Return the state, which must not be changed."""
        if self._encoded is not None:
            return _decoded_state(self._encoded)
        if self._planes is not None:
            self._spill()
        return SketchState(self._named, self._planes, self._cells)

    def open(self) -> None:
        """Decode the state, so that merging this sketch into others is faster."""
        if self._encoded is not None:
            self._decode_state(self._encoded)
        self.distinct()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CallerSketch):
            return NotImplemented
        # The encoded form is no criterion: another release of zlib may compress differently.
        mine, theirs = ((one.distinct(), one.busiest_calls(), one.state()) for one in (self, other))
        return mine == theirs

    __hash__ = None  # type: ignore[assignment]  # mutable

    def encode(self) -> Json:
        """Encode the sketch as a list; equal sketches have the same encoding.

        The number of callers, the calls of the busiest, and then, while the sketch is exact: 0,
        the callers in ascending order (8 bytes each) and their calls (as many bytes each as the
        largest needs), both as base64. Otherwise: the sum of all calls, the registers and the
        cells, packed.
        """
        encoded = self._encoded
        if encoded is not None:
            return list(encoded)
        distinct, busiest = self.distinct(), self.busiest_calls()
        if self._planes is not None:
            state = (self._cells.calls, encode_planes(self._planes), self._cells.encode())
            return [distinct, busiest, *state]
        numbers = array("Q", sorted(self._named))
        counts = [self._named[number] for number in numbers]
        width = _count_bytes(busiest)
        texts = map(_base64, (numbers, array(_COUNT_TYPES[width], counts)))
        return [distinct, busiest, 0, *texts]

    @staticmethod
    def decode(value: Json) -> CallerSketch:
        """Decode a sketch.

        Raises `SummaryUnreadable` for an invalid form; the state is checked when it is needed.
        """
        match value:
            case [int(distinct), int(busiest), int(calls), str(callers), str(counts)] if (
                set(map(type, value[:3])) == {int}
                and min(value[:3]) >= 0
                and max(value[:3]) < 1 << 63
            ):
                encoded = _Encoded(distinct, busiest, calls, callers, counts)
                return CallerSketch(_encoded=encoded)
            case _:
                raise SummaryUnreadable("the callers have an invalid form")

    def _decode_state(self, encoded: _Encoded) -> None:
        named, self._planes, self._cells = _decoded_state(encoded)
        self._named = dict(named)
        if self._planes is not None:
            self._estimated = (self._planes, encoded.distinct)
        self._encoded = None

    def _spill(self) -> None:
        """Move the named callers into registers and cells."""
        if self._named:
            self._planes = with_hashes(self._planes or EMPTY, self._named)
            spilled = cells_of(self._named.items(), sum(self._named.values()))
            self._cells = self._cells.plus(spilled)
            self._named = {}


@dataclass(slots=True)
class CallerUnion:
    """The distinct callers of several sketches: cheaper than merging, as calls are not added up."""

    _named: set[int] = field(default_factory=set)
    _planes: Planes = EMPTY
    _estimated: tuple[Planes, int] | None = None

    def add(self, sketch: CallerSketch) -> None:
        """Add the callers of a sketch, which is not changed."""
        named, planes, _ = sketch.state()
        self._named.update(named)
        if planes is not None:
            self._planes = union(self._planes, planes)
        if len(self._named) > _UNION_NAMES_MAX:
            self._spill()

    def copy(self) -> CallerUnion:
        """Return an independent union of the same callers."""
        if len(self._named) > EXACT_CALLERS_MAX:
            self._spill()
        return CallerUnion(set(self._named), self._planes, self._estimated)

    def distinct(self) -> int:
        """Return the number of callers: exact up to 1,000, then within 2 %."""
        if self._planes == EMPTY and len(self._named) <= EXACT_CALLERS_MAX:
            return len(self._named)
        self._spill()
        if self._estimated is None or self._estimated[0] != self._planes:
            self._estimated = (self._planes, _estimate_callers(self._planes))
        return self._estimated[1]

    def _spill(self) -> None:
        if self._named:
            self._planes = with_hashes(self._planes, self._named)
            self._named = set()


def _estimate_callers(planes: Planes) -> int:
    # Registers are used only for more than 1,000 callers, so a lower estimate is wrong.
    return max(EXACT_CALLERS_MAX + 1, round(estimate(planes)))


def _decoded_state(encoded: _Encoded) -> SketchState:
    """Decode and check the state of a sketch. Raises `SummaryUnreadable`."""
    distinct, busiest, calls, callers, counts = encoded
    if calls:
        return SketchState({}, decode_planes(callers), decode_cells(calls, counts))
    width = _count_bytes(busiest)
    raw, raw_counts = _bytes(callers), _bytes(counts)
    if (len(raw), len(raw_counts)) != (8 * distinct, width * distinct):
        raise SummaryUnreadable(f"{distinct} callers are encoded in {len(raw)} bytes")
    names, numbers = array("Q", raw), array(_COUNT_TYPES[width], raw_counts)
    if not all(map(operator.lt, names, names[1:])):
        raise SummaryUnreadable("the callers are not in ascending order")
    if min(numbers, default=1) < 1 or max(numbers, default=0) != busiest:
        raise SummaryUnreadable("the callers' calls are not as declared")
    return SketchState(dict(zip(names, numbers, strict=True)), None, Cells())


def _count_bytes(largest: int) -> int:
    return next(width for width in _COUNT_TYPES if largest < 1 << 8 * width)


def _base64(numbers: array[int]) -> str:
    return binascii.b2a_base64(numbers.tobytes(), newline=False).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise SummaryUnreadable(f"the callers are not valid base64: {error}") from error

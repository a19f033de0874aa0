"""Distinct callers without their calls: exact up to 300, then estimated.

The state is a pure function of the set of callers.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from core.errors import SummaryUnreadable
from core.ports import Json
from metering.sketches.callers import (
    EXACT_CALLERS_MAX,
    UNKNOWN,
    CallerSketch,
    decode_names,
    encode_names,
)
from metering.sketches.distinct import (
    EMPTY,
    Planes,
    decode_planes,
    encode_planes,
    estimate,
    planes_of,
    union,
)
from metering.sketches.many_callers import CALL, PAID

_SET_NAMES_MAX = 2_000
"""Names that a set keeps until it moves them to its registers."""


@dataclass(slots=True, eq=False)
class CallerSet:
    """Distinct callers, without their calls: exact up to 300, then estimated.

    `add_all`, `add_from` and `merge` are associative, commutative and idempotent; an empty set is
    their identity. Above the limit, `_names` wait until they are moved to registers together. A
    decoded set keeps its encoded form in `_packed` until something is added.
    """

    _names: set[int] = field(default_factory=set)
    _planes: Planes = EMPTY
    _packed: Sequence[str] = ()
    _distinct: int | None = 0

    def add_all(self, callers: Iterable[str]) -> None:
        """Add callers, each given as for `CallerSketch.add`."""
        self._add({int(caller, 16) if caller else UNKNOWN for caller in callers}, EMPTY)

    def add_from(self, sketch: CallerSketch) -> None:
        """Add the callers of a sketch."""
        if sketch.is_exact:
            names, counts = sketch.columns()
            both = zip(names, counts, strict=True)
            called = {name for name, did in both if did >= CALL} if PAID in counts else {*names}
            self._add(called, EMPTY)
        else:
            registers = sketch.state().registers
            self._add(set(), EMPTY if registers is None else registers.callers)

    def merge(self, other: CallerSet) -> None:
        """Add the callers of `other`."""
        if self._distinct == 0 and other._packed:
            self._packed, self._distinct = other._packed, other._distinct
        else:
            self._add(*other._state())

    def copy(self) -> CallerSet:
        """Return an independent set of the same callers."""
        return CallerSet(set(self._names), self._planes, self._packed, self._distinct)

    def distinct(self) -> int:
        """Return the number of callers: exact up to 300, then within 2 %."""
        if self._distinct is None:
            names, planes = self._state()
            self._distinct = len(names) or round(estimate(planes))
        return self._distinct

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CallerSet):
            return NotImplemented
        return self._state() == other._state()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def encode(self) -> Json:
        """Encode the set as a list: the number of callers, their names, their registers.

        Names are 8 bytes each in ascending order, as base64. They or the registers are empty.
        """
        if not self._packed:
            names, planes = self._state()
            packed = (
                encode_names(array("Q", sorted(names))),
                encode_planes(planes) if any(planes) else "",
            )
            return [self.distinct(), *packed]
        return [self._distinct, *self._packed]

    @staticmethod
    def decode(value: Json) -> CallerSet:
        """Decode a set.

        Raises `SummaryUnreadable` for an invalid form; members are checked when they are needed.
        """
        match value:
            case [int(distinct), str(names), str(planes)] if (
                type(distinct) is int and distinct >= 0
            ):
                return CallerSet(_packed=(names, planes), _distinct=distinct)
            case _:
                raise SummaryUnreadable("a set of callers has an invalid form")

    def _add(self, names: set[int], planes: Planes) -> None:
        if self._packed:
            self._unpack()
        self._names |= names
        self._planes = union(self._planes, planes) if any(planes) else self._planes
        self._distinct = None
        if len(self._names) > _SET_NAMES_MAX:
            self._state()

    def _state(self) -> tuple[set[int], Planes]:
        """Return the names or the registers; the other is empty. Raises `SummaryUnreadable`."""
        if self._packed:
            self._unpack()
        if self._names and (len(self._names) > EXACT_CALLERS_MAX or any(self._planes)):
            self._planes = union(self._planes, planes_of(self._names))
            self._names = set()
        return self._names, self._planes

    def _unpack(self) -> None:
        """Decode the members. Raises `SummaryUnreadable`."""
        names, planes = self._packed
        self._names = set(decode_names(names))
        self._planes = decode_planes(planes) if planes else EMPTY
        self._packed = ()
        if self._names and (len(self._names) != self._distinct or planes):
            raise SummaryUnreadable("a set of callers is not as declared")

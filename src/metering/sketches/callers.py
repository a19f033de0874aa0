"""Distinct callers, who of them paid, and the calls of the busiest: exact up to 300 callers.

Up to 300 callers are kept by name with their calls. Above that, registers and cells replace the
names (`many_callers`). So the result depends only on the multiset of calls, not on their order or
grouping. A caller is a keyed hash, never an identity.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core.errors import SummaryUnreadable
from core.ports import Json
from metering.sketches.many_callers import (
    CALL,
    PAID,
    ManyCallers,
    Registers,
    Results,
    registers_of,
)
from metering.sketches.packing import (
    LANE_TYPES,
    decode_numbers,
    encode_numbers,
    pack_counts,
    unpack_counts,
    widened,
    width_of,
)

EXACT_CALLERS_MAX = 300
"""The largest number of distinct callers that is counted exactly."""
UNKNOWN = 0x7C1D5A0E93B64F28
"""The hash of all unknown callers: an arbitrary number."""


_EXACT_FORM = int, int, int, str, str
_MANY_FORM = int, int, int, str, str, str, list, list
"""The types in the encoding of a sketch."""

NOTHING = Results(0, 0, 0)
"""The results without any caller."""


class SketchState(NamedTuple):
    """The state of a sketch: callers by name with what each did, or registers."""

    named: Mapping[int, int]
    registers: Registers | None


def _no_names() -> array[int]:
    return array("Q")


def _no_counts() -> array[int]:
    return array("B")


@dataclass(slots=True, eq=False)
class CallerSketch:
    """Distinct callers, the callers who paid, and the calls of the busiest.

    `add` and `merge` are associative and commutative; an empty sketch is their identity.

    `_many` replaces `_names` when more than 300 callers have called, or have paid. `_names` are in
    ascending order, and `_did` has what each did (`many_callers`). A decoded sketch keeps its names
    in `_packed` until something is added, because its results are part of the encoding and most
    sketches are only read.
    """

    _names: array[int] = field(default_factory=_no_names)
    _did: array[int] = field(default_factory=_no_counts)
    _many: ManyCallers | None = None
    _packed: Sequence[str] = ()
    _results: Results | None = None

    def add(self, caller: str, calls: int = 1, *, paid: bool = False) -> None:
        """Count calls of a caller.

        Args:
            caller: Its hash in up to 16 hexadecimal digits; empty for an unknown caller. All
                unknown callers count as one.
            calls: 0 if it only paid.
            paid: Whether it paid.

        Raises:
            ValueError: `caller` is not hexadecimal.
        """
        number, did = int(caller, 16) if caller else UNKNOWN, CALL * calls + paid
        if self._packed:
            self._unpack()
        self._results = None
        if self._many is None:
            self._add_name(number, did)
        elif calls <= 1:
            self._many.add(number, did)
        else:
            self._many.merge(registers_of({number: did}))

    def merge(self, other: CallerSketch) -> None:
        """Add the calls of `other`."""
        if self._many is None and not self._names and not self._packed:
            self._names, self._did = other._names[:], other._did[:]
            self._many = other._many and other._many.copy()
            self._packed, self._results = other._packed, other._results
            return
        named, registers = other.state()
        mine = dict(self._named())
        self._results = None
        if self._many is None and registers is None:
            for number, did in named.items():
                mine[number] = _sum(mine.get(number, 0), did)
            self._names = array("Q", sorted(mine))
            counts = [mine[number] for number in self._names]
            self._did = array(LANE_TYPES[width_of(max(counts, default=0))], counts)
            self._limit_names()
        else:
            many = self._many or self._leave_names()
            many.merge(registers or registers_of(named))

    def results(self) -> Results:
        """Return what was counted: exact up to 300 callers, then as precise as `Results`."""
        if self._results is None:
            self._results = _results_of(self._did) if self._many is None else self._many.estimate()
        return self._results

    def state(self) -> SketchState:
        """Return the state, which must not be changed. Raises `SummaryUnreadable`."""
        if self._many is not None:
            return SketchState({}, self._many.registers())
        return SketchState(self._named(), None)

    @property
    def is_exact(self) -> bool:
        """Whether callers are kept by name."""
        return self._many is None

    def columns(self) -> tuple[array[int], array[int]]:
        """Return the callers in ascending order and what each did; not to be changed.

        Packed ones stay packed. Raises `SummaryUnreadable`.
        """
        if not self._packed:
            return self._names, self._did
        names = decode_numbers(self._packed[0], "Q")
        return names, unpack_counts(self._packed[1], len(names))

    def results_with(self, more: Sequence[CallerSketch]) -> Results:
        """Return the results of the sum with other sketches.

        Nothing is merged if the others have few callers, or if this one has none.
        """
        others = [one for one in more if one.results() != NOTHING]
        if not others or self.results() == NOTHING:
            return others[0].results_with(others[1:]) if others else self.results()
        few = [one.columns() for one in others if one.is_exact]
        if len(few) == len(others):
            named = dict(zip(*few[0], strict=True))
            for names, counts in few[1:]:
                for number, did in zip(names, counts, strict=True):
                    named[number] = _sum(named.get(number, 0), did)
            if self._many is not None:
                return self._many.estimate_with(named, self.results())
            results = self._exact_with(named)
            if max(results.distinct, results.payers) <= EXACT_CALLERS_MAX:
                return results
        together = CallerSketch()
        for one in (self, *others):
            together.merge(one)
        return together.results()

    def pack(self) -> None:
        """Take as little memory as possible while nothing is added."""
        if self._many is not None:
            self._many.pack()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CallerSketch):
            return NotImplemented
        # The packed form is no criterion: another release of zlib may compress differently.
        return (self.results(), self.state()) == (other.results(), other.state())

    __hash__ = None  # type: ignore[assignment]  # mutable

    def encode(self) -> Json:
        """Encode the sketch as a list; equal sketches have the same encoding.

        The number of callers, the calls of the busiest, the number of callers who paid; then, while
        the sketch is exact, the callers in ascending order (8 bytes each, as base64) and what each
        did (`pack_counts`), otherwise `ManyCallers.encode`.
        """
        if self._many is not None:
            return [*self.results(), *self._many.encode()]
        packed = self._packed or (encode_numbers(self._names), pack_counts(self._did))
        return [*self.results(), *packed]

    @staticmethod
    def decode(value: Json) -> CallerSketch:
        """Decode a sketch.

        Raises `SummaryUnreadable` for an invalid form; the state is checked when it is needed.
        """
        form = tuple(map(type, value)) if isinstance(value, list) else ()
        if form not in {_EXACT_FORM, _MANY_FORM} or min(value[:3]) < 0:
            raise SummaryUnreadable("the callers have an invalid form")
        results, packed = Results(*value[:3]), value[3:]
        if form == _EXACT_FORM:
            return CallerSketch(_packed=packed, _results=results)
        many = ManyCallers(_packed=packed[:3], _observed=packed[3:])
        return CallerSketch(_many=many, _results=results)

    def _add_name(self, number: int, did: int) -> None:
        names, counts = self._names, self._did
        at = bisect_left(names, number)
        if at < len(names) and names[at] == number:
            did = _sum(counts[at], did)
        else:
            names.insert(at, number)
            counts.insert(at, 0)
        while did >> 8 * counts.itemsize:
            counts = self._did = widened(counts)
        counts[at] = did
        self._limit_names()

    def _limit_names(self) -> None:
        if len(self._names) > EXACT_CALLERS_MAX:
            results = _results_of(self._did)
            if max(results.distinct, results.payers) > EXACT_CALLERS_MAX:
                self._leave_names().pack()

    def _leave_names(self) -> ManyCallers:
        """Replace the names by registers."""
        self._many = ManyCallers(registers_of(self._named()))
        self._names, self._did, self._packed = _no_names(), _no_counts(), ()
        return self._many

    def _exact_with(self, more: Mapping[int, int]) -> Results:
        distinct, busiest, payers = self.results()
        names, counts = self.columns()
        for number, did in more.items():
            at = bisect_left(names, number)
            before = counts[at] if at < len(names) and names[at] == number else 0
            after = _sum(before, did)
            distinct += (after >= CALL) - (before >= CALL)
            payers += (after & PAID) - (before & PAID)
            busiest = max(busiest, after // CALL)
        return Results(distinct, busiest, payers)

    def _named(self) -> Mapping[int, int]:
        if self._packed:
            self._unpack()
        return dict(zip(self._names, self._did, strict=True))

    def _unpack(self) -> None:
        """Decode the names. Raises `SummaryUnreadable`."""
        names, did = self.columns()
        if len(names) != len(did) or 0 in did or _results_of(did) != self._results:
            raise SummaryUnreadable("the callers are not as declared")
        self._names, self._did, self._packed = names, did, ()


def results_of(sketches: Sequence[CallerSketch]) -> Results:
    """Return the results of the sum of sketches."""
    first, *others = sorted(sketches, key=lambda one: one.results().distinct, reverse=True)
    return first.results_with(others)


def _sum(one: int, other: int) -> int:
    """Add up what a caller did."""
    return (one & ~PAID) + (other & ~PAID) + (one & PAID | other & PAID)


def _results_of(did: array[int]) -> Results:
    least_bits = int.from_bytes((b"\1" + bytes(did.itemsize - 1)) * len(did), "little")
    payers = (int.from_bytes(did.tobytes(), "little") & least_bits).bit_count()
    return Results(len(did) - did.count(PAID), max(did, default=0) // CALL, payers)

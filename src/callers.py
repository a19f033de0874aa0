"""Who calls, in bounded space: how many distinct callers, and the calls of the busiest.

Owns the change from exact to estimated. Up to 1,000 callers are kept by name
with their calls. When the union has more, there are registers (`distinct`)
and cells (`busiest`) instead, and names only of callers that were counted
since and not poured into them yet, which shows in nothing but speed. So the
state depends on the multiset of events alone, whatever their order and
grouping. Refuses to know who the callers are: each is a keyed hash.
"""

from __future__ import annotations

import binascii
import operator
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from busiest import Cells, cells_of, decode_cells
from distinct import NOTHING, Planes, decode_planes, encode_planes, estimate, planes_of, union
from errors import SummaryUnreadable
from ports import Json

EXACT_CALLERS_MAX = 1_000
"""How many distinct callers are kept by name."""


_UNKNOWN = "7c1d5a0e93b64f28"
"""A number as good as any hash for callers that are not known."""

_NAMED_AT_ONCE_MAX = 50_000
"""How many names a union holds before it pours them, to bound its memory."""


@dataclass(slots=True, eq=False)
class CallerSketch:
    """Distinct callers and the calls of the busiest: exact up to 1,000 callers, then within bounds.

    `add` and `merge` are associative and commutative; an empty sketch is their
    identity.
    """

    _named: dict[int, int] = field(default_factory=dict)
    _planes: Planes | None = None
    _cells: Cells = field(default_factory=Cells)

    def add(self, caller: str, calls: int = 1) -> None:
        """Count `calls` calls, at least 1, of `caller`, a hash in up to 16 hexadecimal digits.

        The empty caller stands for all that are not known. Raises `ValueError` for any other.
        """
        number = int(caller or _UNKNOWN, 16)
        self._named[number] = self._named.get(number, 0) + calls
        if len(self._named) > EXACT_CALLERS_MAX:
            self._pour()

    def merge(self, other: CallerSketch) -> None:
        """Count everything that `other` has counted. As dear as `other` has names."""
        if other._planes is not None:
            mine = self._planes
            self._planes = other._planes if mine is None else union(mine, other._planes)
            self._cells = self._cells.plus(other._cells)
        named = self._named
        if named:
            for number, calls in other._named.items():
                named[number] = named.get(number, 0) + calls
        else:
            named.update(other._named)
        if len(named) > EXACT_CALLERS_MAX:
            self._pour()

    @property
    def is_exact(self) -> bool:
        """Whether all figures are exact, which they are up to 1,000 callers."""
        return self._planes is None

    def distinct(self) -> int:
        """Count the callers: exactly up to 1,000, then within 2 %."""
        return distinct_callers([self])

    def busiest_calls(self) -> int:
        """Bound the calls of the caller with the most of them, from above.

        Exact up to 1,000 callers, then as `Cells.busiest` says. 0 when nothing was counted.
        """
        if self._planes is None:
            return max(self._named.values(), default=0)
        self._pour()
        return self._cells.busiest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CallerSketch):
            return NotImplemented
        return self._state() == other._state()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def encode(self) -> Json:
        """Write the sketch as a list; equal sketches are written alike.

        Exact: the callers in ascending order, 8 bytes each, as base64, and
        their calls. Else: all calls, the registers and the cells as base64.
        """
        named, planes, cells = self._state()
        if planes is not None:
            return [cells.calls, encode_planes(planes), cells.encode()]
        numbers = array("Q", sorted(named))
        text = binascii.b2a_base64(numbers.tobytes(), newline=False).decode("ascii")
        return [text, [named[number] for number in sorted(named)]]

    @staticmethod
    def decode(value: Json) -> CallerSketch:
        """Read a sketch back. Raises `SummaryUnreadable` for what `encode` does not write."""
        match value:
            case [str(numbers), list(counts)]:
                return CallerSketch(_decode_named(numbers, counts))
            case [calls, registers, cells] if type(calls) is int and calls > 0:
                return CallerSketch({}, decode_planes(registers), decode_cells(calls, cells))
            case _:
                raise SummaryUnreadable("its callers are of another form")

    def _state(self) -> tuple[dict[int, int], Planes | None, Cells]:
        if self._planes is not None:
            self._pour()
        return self._named, self._planes, self._cells

    def _pour(self) -> None:
        """Move the named callers into registers and cells."""
        if self._named:
            planes = planes_of(self._named)
            known = self._planes
            self._planes = planes if known is None else union(known, planes)
            poured = cells_of(self._named.items(), sum(self._named.values()))
            self._cells = self._cells.plus(poured)
            self._named = {}


def distinct_callers(sketches: Iterable[CallerSketch]) -> int:
    """Count the callers of any of `sketches`, which stay as they are.

    Exactly up to 1,000, then within 2 %.
    """
    named: set[int] = set()
    planes = NOTHING
    for sketch in sketches:
        named.update(sketch._named)  # noqa: SLF001, of this class's own module
        if sketch._planes is not None:  # noqa: SLF001
            planes = union(planes, sketch._planes)  # noqa: SLF001
        if len(named) > _NAMED_AT_ONCE_MAX:
            planes = union(planes, planes_of(named))
            named.clear()
    if planes == NOTHING and len(named) <= EXACT_CALLERS_MAX:
        return len(named)
    if named:
        planes = union(planes, planes_of(named))
    # More than 1,000 are known to be there, however low the estimate.
    return max(EXACT_CALLERS_MAX + 1, round(estimate(planes)))


def _decode_named(numbers: str, counts: list[Json]) -> dict[int, int]:
    try:
        raw = binascii.a2b_base64(numbers, strict_mode=True)
    except ValueError as error:
        raise SummaryUnreadable(f"its callers are no base64: {error}") from error
    if len(raw) != 8 * len(counts) or len(counts) > EXACT_CALLERS_MAX:
        raise SummaryUnreadable(f"its callers have {len(raw)} bytes and {len(counts)} counts")
    names = array("Q", raw)
    if not all(map(operator.lt, names, names[1:])):
        raise SummaryUnreadable("its callers are not in ascending order")
    if counts and (set(map(type, counts)) != {int} or min(counts) < 1):
        raise SummaryUnreadable("its callers' calls are no whole numbers from 1")
    return dict(zip(names, counts, strict=True))

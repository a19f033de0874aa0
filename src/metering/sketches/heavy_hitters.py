"""Bounds the calls of the busiest caller, however many callers there are.

Owns a count-min sketch (Cormode and Muthukrishnan, 2005) whose busiest key can
be found without knowing any key. A caller's hash gives it two numbers a and b
of ten bits, and with them one of 1,024 cells in each of four rows: a, b, a + b
and a + xb, reckoned in a field of 1,024 elements, so that any two of them tell
the other two. A cell holds the calls of all callers in it. A pair of a and b
whose four cells are all high is a busy caller.

Cells only add up, so any order and grouping gives the same cells. Refuses to
know the callers.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from core.errors import SummaryUnreadable
from core.ports import Json
from metering.sketches.packing import pack, unpack

SHARE_ERROR_MAX = 0.01
"""How far the busiest caller's share is above the truth; decision 9 says when it may be more."""

_ROW_BITS = 10
_ROW = 1 << _ROW_BITS
_ROWS = 4
_CELLS = _ROWS * _ROW
_PARTS = 200
"""A caller with at most one such part of the calls is not told from others of that kind."""

# By bytes of a lane: the type of an array of lanes, and a 1 in every lane.
_TYPE_OF: Mapping[int, Literal["H", "I", "Q"]] = {2: "H", 4: "I", 8: "Q"}
_ONES = {width: int.from_bytes((b"\1" + bytes(width - 1)) * _CELLS, "little") for width in _TYPE_OF}


@dataclass(frozen=True, slots=True)
class Cells:
    """Calls by cell, all cells side by side in the one number `lanes`, the first lowest.

    A lane has 16 bits while there are fewer than 2^15 calls, then 32, and 64
    from 2^31. So no lane overflows, and its highest bit is free.
    """

    calls: int = 0
    lanes: int = 0

    def plus(self, other: Cells) -> Cells:
        """Give the cells that hold the calls of both."""
        if not self.calls or not other.calls:
            return other if other.calls else self
        calls = self.calls + other.calls
        width = _lane_bytes(calls)
        return Cells(calls, _widened(self, width) + _widened(other, width))

    def busiest(self) -> int:
        """Bound the calls of the busiest caller from above.

        Never below the truth. Callers with up to 0.5 % of the calls are not
        told apart: the bound is 0.5 % then. Of busier ones, two may share all
        four cells and count as one; decision 9 has the figures.
        """
        best = max(1, self.calls // _PARTS)
        cells = self._cells()
        by_a, by_b = (sorted(row, key=lambda cell: -cell[1]) for row in self._above(best, cells))
        for a, calls_a in by_a:
            if calls_a <= best:
                break
            for b, calls_b in by_b:
                if calls_b <= best:
                    break
                sum_ab, sum_axb = 2 * _ROW + (a ^ b), 3 * _ROW + (a ^ _times_generator(b))
                best = max(best, min(calls_a, calls_b, cells[sum_ab], cells[sum_axb]))
        return best

    def encode(self) -> str:
        """Write the cells as packed bytes: the lanes in order, each least byte first."""
        return pack(self.lanes.to_bytes(_CELLS * _lane_bytes(self.calls), "little"))

    def _cells(self) -> memoryview:
        """Give the calls of every cell, row by row."""
        width = _lane_bytes(self.calls)
        return memoryview(self.lanes.to_bytes(_CELLS * width, "little")).cast(_TYPE_OF[width])

    def _above(self, calls: int, cells: memoryview) -> Iterator[Sequence[tuple[int, int]]]:
        """For each of the first two rows the cells with more than `calls`: fewer than 200."""
        width = _lane_bytes(self.calls)
        ones = _ONES[width]
        top = 1 << (8 * width - 1)
        # Adding this carries into the free bit of every lane that is above, and no further.
        over = ((self.lanes + ones * (top - 1 - calls)) & ones * top).to_bytes(
            _CELLS * width, "little"
        )
        for row in range(2):
            start, end = row * _ROW * width, (row + 1) * _ROW * width
            found = []
            at = over.find(0x80, start, end)
            while at >= 0:
                cell = at // width
                found.append((cell - row * _ROW, cells[cell]))
                at = over.find(0x80, at + 1, end)
            yield found


def cells_of(callers: Iterable[tuple[int, int]], calls: int) -> Cells:
    """Make the cells of callers given as (64-bit hash, calls); `calls` is their sum."""
    width = _lane_bytes(calls)
    counts = array(_TYPE_OF[width], bytes(_CELLS * width))
    for number, own in callers:
        a, b = number >> 40 & 1023, number >> 30 & 1023
        counts[a] += own
        counts[_ROW | b] += own
        counts[2 * _ROW | a ^ b] += own
        counts[3 * _ROW | a ^ _times_generator(b)] += own
    return Cells(calls, int.from_bytes(counts.tobytes(), "little"))


def decode_cells(calls: int, value: Json) -> Cells:
    """Read cells with `calls` in all back.

    Raises `SummaryUnreadable` for anything that no cells are written as.
    """
    if calls >> 63:
        raise SummaryUnreadable(f"its cells hold {calls} calls")
    width = _lane_bytes(calls)
    try:
        raw = unpack(value, _CELLS * width)
    except ValueError as error:
        raise SummaryUnreadable(f"its cells cannot be read: {error}") from error
    cells = Cells(calls, int.from_bytes(raw, "little"))
    if cells.lanes & _ONES[width] << (8 * width - 1):
        raise SummaryUnreadable("a cell of it holds more than all calls")
    return cells


def _lane_bytes(calls: int) -> int:
    return 2 if calls < 1 << 15 else 4 if calls < 1 << 31 else 8


def _widened(cells: Cells, width: int) -> int:
    old = _lane_bytes(cells.calls)
    if old == width:
        return cells.lanes
    lanes = array(_TYPE_OF[old], cells.lanes.to_bytes(_CELLS * old, "little"))
    return int.from_bytes(array(_TYPE_OF[width], lanes).tobytes(), "little")


def _times_generator(b: int) -> int:
    """Multiply by x in the field of polynomials over bits modulo x^10 + x^3 + 1."""
    return b << 1 ^ (b >> 9) * 0x409

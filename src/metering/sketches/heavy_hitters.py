"""Bounds the calls of the busiest caller, for any number of callers.

A count-min sketch (Cormode and Muthukrishnan, 2005) whose busiest key can be found without
storing keys. A caller's hash contains two numbers a and b of ten bits. They select one of 1,024
cells in each of four rows: a, b, a + b and a + xb, computed in a field of 1,024 elements, so that
any two of them determine the other two. A cell has the sum of the calls of all its callers. A
pair (a, b) whose four cells are all high is a busy caller.

Cells are only added, so order and grouping do not matter.
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
"""The largest error of the busiest caller's share, always upward; for exceptions see decision 9."""

_ROW_BITS = 10
_ROW = 1 << _ROW_BITS
_ROWS = 4
_CELLS = _ROWS * _ROW
_UNDETECTED_SHARE = 200
"""Callers with at most one 200th of the calls are not told apart."""

# By bytes of a lane: the array type of lanes, and a 1 in every lane.
_LANE_TYPES: Mapping[int, Literal["H", "I", "Q"]] = {2: "H", 4: "I", 8: "Q"}
_ONES = {
    width: int.from_bytes((b"\1" + bytes(width - 1)) * _CELLS, "little") for width in _LANE_TYPES
}


@dataclass(frozen=True, slots=True)
class Cells:
    """Calls by cell: `lanes` is one integer with all cells side by side, the first one lowest.

    A lane has 16 bits below 2^15 calls in total, 32 below 2^31, then 64. So no lane overflows,
    and its highest bit is always 0.
    """

    calls: int = 0
    lanes: int = 0

    def plus(self, other: Cells) -> Cells:
        """Return the cells with the calls of both."""
        if not self.calls or not other.calls:
            return other if other.calls else self
        calls = self.calls + other.calls
        width = _lane_bytes(calls)
        return Cells(calls, _widened(self, width) + _widened(other, width))

    def busiest(self) -> int:
        """Bound the calls of the busiest caller from above.

        Callers with at most 0.5 % of the calls are not told apart: then the bound is 0.5 %. Two
        busier callers may share all four cells and count as one; for the probability see
        decision 9.
        """
        best = max(1, self.calls // _UNDETECTED_SHARE)
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
        """Encode the cells as packed bytes: the lanes in order, each little-endian."""
        return pack(self.lanes.to_bytes(_CELLS * _lane_bytes(self.calls), "little"))

    def _cells(self) -> memoryview:
        """Return the calls of every cell, row by row."""
        width = _lane_bytes(self.calls)
        return memoryview(self.lanes.to_bytes(_CELLS * width, "little")).cast(_LANE_TYPES[width])

    def _above(self, calls: int, cells: memoryview) -> Iterator[Sequence[tuple[int, int]]]:
        """Yield, for the rows of a and b, the cells with more than `calls`: fewer than 200 each."""
        width = _lane_bytes(self.calls)
        ones = _ONES[width]
        top = 1 << (8 * width - 1)
        # The sum carries into the highest bit of every lane that is above, and no further.
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
    """Build the cells of callers, given as (64-bit hash, calls); `calls` is the sum of these."""
    width = _lane_bytes(calls)
    counts = array(_LANE_TYPES[width], bytes(_CELLS * width))
    for number, own in callers:
        a, b = number >> 40 & 1023, number >> 30 & 1023
        counts[a] += own
        counts[_ROW | b] += own
        counts[2 * _ROW | a ^ b] += own
        counts[3 * _ROW | a ^ _times_generator(b)] += own
    return Cells(calls, int.from_bytes(counts.tobytes(), "little"))


def decode_cells(calls: int, value: Json) -> Cells:
    """Decode cells with `calls` in total. Raises `SummaryUnreadable` for an invalid form."""
    if calls >> 63:
        raise SummaryUnreadable(f"the caller cells have {calls} calls")
    width = _lane_bytes(calls)
    try:
        raw = unpack(value, _CELLS * width)
    except ValueError as error:
        raise SummaryUnreadable(f"the caller cells are invalid: {error}") from error
    cells = Cells(calls, int.from_bytes(raw, "little"))
    if cells.lanes & _ONES[width] << (8 * width - 1):
        raise SummaryUnreadable("a caller cell has more calls than there are in total")
    return cells


def _lane_bytes(calls: int) -> int:
    return 2 if calls < 1 << 15 else 4 if calls < 1 << 31 else 8


def _widened(cells: Cells, width: int) -> int:
    old = _lane_bytes(cells.calls)
    if old == width:
        return cells.lanes
    lanes = array(_LANE_TYPES[old], cells.lanes.to_bytes(_CELLS * old, "little"))
    return int.from_bytes(array(_LANE_TYPES[width], lanes).tobytes(), "little")


def _times_generator(b: int) -> int:
    """Multiply by x in GF(2^10), the polynomials over bits modulo x^10 + x^3 + 1."""
    return b << 1 ^ (b >> 9) * 0x409

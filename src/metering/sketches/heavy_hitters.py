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

from core.errors import SummaryUnreadable
from core.ports import Json
from metering.sketches.packing import LANE_TYPES, pack_lanes, unpack_counts

SHARE_ERROR_MAX = 0.01
"""The largest error of the busiest caller's share, always upward; for exceptions see decision 9."""

_ROW_BITS = 10
_ROW = 1 << _ROW_BITS
_ROWS = 4
_CELLS = _ROWS * _ROW
_UNDETECTED_SHARE = 200
"""Callers with at most one 200th of the calls are not told apart."""

# x·b in GF(2^10), the polynomials over bits modulo x^10 + x^3 + 1.
_TIMES_GENERATOR = [b << 1 ^ (b >> 9) * 0x409 for b in range(_ROW)]

# By bytes of a lane: a 1 in every lane, and the highest bit of every lane.
_ONES = {
    width: int.from_bytes((b"\1" + bytes(width - 1)) * _CELLS, "little") for width in LANE_TYPES
}
_TOPS = {width: ones << (8 * width - 1) for width, ones in _ONES.items()}
# By bytes of a lane: the bits that are 0 if half as many bytes suffice.
_UPPER = {width: _TOPS[width] * 2 - (ones << (4 * width - 1)) for width, ones in _ONES.items()}


@dataclass(frozen=True, slots=True)
class Cells:
    """Calls by cell: `lanes` is one integer with all cells side by side, the first one lowest.

    A lane has the smallest width of 1, 2, 4 or 8 bytes that leaves the highest bit of every lane
    0. So the sum of two does not overflow.
    """

    lanes: int = 0
    width: int = 1

    def plus(self, other: Cells) -> Cells:
        """Return the cells with the calls of both."""
        if not self.lanes or not other.lanes:
            return other if other.lanes else self
        width = max(self.width, other.width)
        lanes = _widened(self, width).lanes + _widened(other, width).lanes
        cells = Cells(lanes, width)
        return _widened(cells, 2 * width) if lanes & _TOPS[width] else cells

    def busiest(self, at_least: int = 0) -> int:
        """Bound the calls of the busiest caller from above; `at_least` is a bound for fewer calls.

        Callers with at most 0.5 % of the calls are not told apart: then the bound is 0.5 %. Two
        busier callers may share all four cells and count as one; for the probability see
        decision 9.
        """
        cells = self.values()
        calls = sum(cells[:_ROW])
        best = max(min(1, calls), calls // _UNDETECTED_SHARE, at_least)
        by_a, by_b = (sorted(row, key=lambda cell: -cell[1]) for row in self._above(best, cells))
        for a, calls_a in by_a:
            if calls_a <= best:
                break
            for b, calls_b in by_b:
                if calls_b <= best:
                    break
                sum_ab, sum_axb = 2 * _ROW + (a ^ b), 3 * _ROW + (a ^ _TIMES_GENERATOR[b])
                best = max(best, min(calls_a, calls_b, cells[sum_ab], cells[sum_axb]))
        return best

    def calls_of(self, numbers: Iterable[int]) -> Sequence[int]:
        """Bound the calls of some callers, given as 64-bit hashes, from above."""
        cells = self.values()
        return [min(cells[cell] for cell in _cells_of(number)) for number in numbers]

    def encode(self) -> str:
        """Encode the cells row by row, see `pack_lanes`."""
        return pack_lanes(self.to_bytes(), self.width)

    def to_bytes(self) -> bytes:
        """Return the lanes in order, each little-endian."""
        return self.lanes.to_bytes(_CELLS * self.width, "little")

    def values(self) -> memoryview:
        """Return the calls of every cell, row by row."""
        return memoryview(self.to_bytes()).cast(LANE_TYPES[self.width])

    def _above(self, calls: int, cells: memoryview) -> Iterator[Sequence[tuple[int, int]]]:
        """Yield, for the rows of a and b, the cells with more than `calls`: fewer than 200 each."""
        width = self.width
        top = 1 << (8 * width - 1)
        # The sum carries into the highest bit of every lane that is above, and no further.
        over = (
            (self.lanes + _ONES[width] * (top - 1 - calls) & _TOPS[width]).to_bytes(
                _CELLS * width, "little"
            )
            if calls < top
            else b""
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
    """Build the cells of callers, given as (64-bit hash, calls); `calls` is the sum of these.

    Raises `OverflowError` for 2^63 or more calls.
    """
    width = next((width for width in LANE_TYPES if calls < 1 << (8 * width - 1)), 16)
    if width not in LANE_TYPES:
        raise OverflowError(f"{calls} calls are too many")
    counts = array(LANE_TYPES[width], bytes(_CELLS * width))
    for number, own in callers:
        for cell in _cells_of(number):
            counts[cell] += own
    return _narrowed(Cells(int.from_bytes(counts.tobytes(), "little"), width))


def decode_cells(value: Json) -> Cells:
    """Decode cells. Raises `SummaryUnreadable` for an invalid form."""
    counts = _decoded(value)
    cells = Cells(int.from_bytes(counts.tobytes(), "little"), counts.itemsize)
    if cells.lanes & _TOPS[cells.width]:
        raise SummaryUnreadable("a caller cell has too many calls")
    return cells


def decode_cells_with(value: Json, callers: Mapping[int, int]) -> Cells:
    """Decode cells and add the calls of a few callers. Raises `SummaryUnreadable`."""
    counts = _decoded(value)
    top = 1 << 8 * counts.itemsize - 1
    for number, own in callers.items():
        for cell in _cells_of(number):
            if counts[cell] + own >= top:
                return decode_cells(value).plus(cells_of(callers.items(), sum(callers.values())))
            counts[cell] += own
    return Cells(int.from_bytes(counts.tobytes(), "little"), counts.itemsize)


def _cells_of(number: int) -> tuple[int, int, int, int]:
    """Return the four cells of a caller."""
    a, b = number >> 40 & 1023, number >> 30 & 1023
    return a, _ROW | b, 2 * _ROW | a ^ b, 3 * _ROW | a ^ _TIMES_GENERATOR[b]


def _decoded(value: Json) -> array[int]:
    counts = unpack_counts(value, _CELLS)
    if len(counts) != _CELLS:
        raise SummaryUnreadable("the caller cells are not as many as there should be")
    return counts


def _narrowed(cells: Cells) -> Cells:
    """Return the same calls in lanes of the smallest width."""
    while cells.width > 1 and not cells.lanes & _UPPER[cells.width]:
        width = cells.width // 2
        halves = memoryview(cells.to_bytes()).cast(LANE_TYPES[width])
        cells = Cells(int.from_bytes(halves[::2].tobytes(), "little"), width)
    return cells


def _widened(cells: Cells, width: int) -> Cells:
    """Return the same calls in lanes of at least their width."""
    if cells.width == width:
        return cells
    lanes = array(LANE_TYPES[width], cells.values())
    return Cells(int.from_bytes(lanes.tobytes(), "little"), width)

"""Estimates of many callers: how many there are, how many of them paid, the calls of the busiest.

The state is a pure function of the multiset of calls. While idle it is packed, so it takes no more
memory than its encoding.
"""

from __future__ import annotations

import operator
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core.ports import Json
from metering.sketches.distinct import (
    EMPTY,
    Observed,
    Planes,
    decode_planes,
    encode_planes,
    likeliest,
    observe,
    observe_more,
    planes_of,
    raw_planes,
    union,
)
from metering.sketches.heavy_hitters import Cells, cells_of, decode_cells, decode_cells_with

PAID = 1
CALL = 2
"""What a caller did, as one number: `CALL` times its calls, plus `PAID` if it ever paid."""

PENDING_MAX = 500
"""Calls that wait until they are moved to registers and cells together."""

_RELATIVE = "="
"""Marks registers of payers that are encoded by their difference from those of callers."""
_SAME = _RELATIVE + encode_planes(EMPTY)
"""The registers of payers if all callers paid."""


class Results(NamedTuple):
    """What was counted: callers, calls of the busiest, callers who paid.

    Above 300 callers, their number is within 2 %, and `busiest` is as precise as `Cells.busiest`.
    """

    distinct: int
    busiest: int
    payers: int


class Registers(NamedTuple):
    """The registers of all callers and of those who paid, and the cells of calls."""

    callers: Planes = EMPTY
    payers: Planes = EMPTY
    cells: Cells = Cells()

    def plus(self, other: Registers) -> Registers:
        """Return the registers with the calls of both."""
        return Registers(
            union(self.callers, other.callers),
            union(self.payers, other.payers) if any(other.payers) else self.payers,
            self.cells.plus(other.cells),
        )


def registers_of(callers: Mapping[int, int]) -> Registers:
    """Return the registers of callers, given as 64-bit hashes and what each did."""
    called = [(number, did // CALL) for number, did in callers.items() if did >= CALL]
    paid = [number for number, did in callers.items() if did & PAID]
    return Registers(
        planes_of(number for number, _ in called),
        planes_of(paid),
        cells_of(called, sum(calls for _, calls in called)),
    )


def _no_numbers() -> array[int]:
    return array("Q")


@dataclass(slots=True, eq=False)
class ManyCallers:
    """Registers that are packed, except while others are merged into them.

    `_numbers` and `_did` are calls that wait to be added to the registers: the hash of the caller
    and what it did, as one call each. `_observed` is what the registers of callers and of those
    who paid show, encoded; None if it is to be computed.
    """

    _open: Registers | None = None
    _packed: Sequence[str] = ()
    _numbers: array[int] = field(default_factory=_no_numbers)
    _did: bytearray = field(default_factory=bytearray)
    _observed: Sequence[Sequence[int]] | None = None

    def add(self, number: int, did: int) -> None:
        """Add at most one call."""
        self._numbers.append(number)
        self._did.append(did)
        self._observed = None
        if len(self._numbers) >= PENDING_MAX:
            self.registers()

    def merge(self, registers: Registers) -> None:
        """Add calls. The registers stay open until `pack`."""
        self._open = self.registers().plus(registers)
        self._observed = None

    def registers(self) -> Registers:
        """Return the registers, which have everything. Raises `SummaryUnreadable`."""
        registers = _unpacked(self._packed) if self._open is None else self._open
        if self._numbers:
            registers = registers.plus(_pending(self._numbers, self._did))
            self._numbers, self._did = array("Q"), bytearray()
            if self._open is None:
                self._packed = _packed(registers)
            else:
                self._open = registers
        return registers

    def pack(self) -> None:
        """Pack the registers, to take less memory."""
        if self._open is not None:
            self._packed, self._open = self._texts(), None

    def copy(self) -> ManyCallers:
        """Return an independent copy."""
        return ManyCallers(self._open, self._packed, self._numbers[:], self._did[:], self._observed)

    def estimate(self) -> Results:
        """Estimate what was counted."""
        callers, payers = self._observe()
        return Results(
            round(likeliest(callers)),
            self.registers().cells.busiest(),
            round(likeliest(payers)),
        )

    def estimate_with(self, more: Mapping[int, int], known: Results) -> Results:
        """Estimate the sum with a few callers, faster than by merging them.

        Args:
            more: What each of the others did.
            known: The estimate without them.

        Raises:
            SummaryUnreadable: The encoded form is invalid.
        """
        callers, payers = self._observe()
        texts = self._texts()
        called = {number: did // CALL for number, did in more.items() if did >= CALL}
        paid = [number for number, did in more.items() if did & PAID]
        raw = raw_planes(texts[0])
        distinct = round(likeliest(observe_more(callers, raw, called)))
        busiest = decode_cells_with(texts[1], called).busiest(known.busiest)
        if not paid:
            return Results(distinct, busiest, known.payers)
        if texts[2] == _SAME:
            if paid == [*called]:
                return Results(distinct, busiest, distinct)
        else:
            difference = texts[2].removeprefix(_RELATIVE)
            own = raw_planes(difference)
            raw = own if difference == texts[2] else bytes(map(operator.xor, raw, own))
        return Results(distinct, busiest, round(likeliest(observe_more(payers, raw, paid))))

    def encode(self) -> Sequence[Json]:
        """Encode the registers of callers, the cells, and the registers of callers who paid.

        If nearly all callers paid, the last is `=` and the bits in which it differs from the first.
        Two lists follow: what the registers of callers show, and those of callers who paid.
        """
        texts = self._texts()
        callers, payers = self._observe()
        return [*texts, callers.encode(), payers.encode()]

    def _observe(self) -> tuple[Observed, Observed]:
        """Return what the registers of callers and of those who paid show."""
        if self._observed is None:
            callers, payers, _ = self.registers()
            own = observe(callers)
            paid = own if payers == callers else observe(payers)
            self._observed = own.encode(), paid.encode()
            return own, paid
        return Observed.decode(self._observed[0]), Observed.decode(self._observed[1])

    def _texts(self) -> Sequence[str]:
        registers = self.registers() if self._numbers else self._open
        return self._packed if self._open is None or registers is None else _packed(registers)


def _pending(numbers: array[int], did: bytearray) -> Registers:
    """Return the registers of single calls."""
    both = [*zip(numbers, did, strict=True)]
    called = [number for number, one in both if one & CALL]
    paid = [number for number, one in both if one & PAID]
    callers = planes_of(called)
    payers = callers if paid == called else planes_of(paid)
    return Registers(callers, payers, cells_of(((number, 1) for number in called), len(called)))


def _packed(registers: Registers) -> Sequence[str]:
    callers, payers, cells = registers
    texts = encode_planes(callers), cells.encode()
    difference = Planes(map(operator.xor, callers, payers))
    if _bits(difference) < _bits(payers):
        return *texts, _RELATIVE + encode_planes(difference)
    return *texts, encode_planes(payers)


def _unpacked(packed: Sequence[str]) -> Registers:
    """Decode registers. Raises `SummaryUnreadable`."""
    if not packed:
        return Registers()
    callers = decode_planes(packed[0])
    difference = packed[2].removeprefix(_RELATIVE)
    payers = decode_planes(difference, callers if difference != packed[2] else EMPTY)
    return Registers(callers, payers, decode_cells(packed[1]))


def _bits(planes: Planes) -> int:
    return sum(plane.bit_count() for plane in planes)

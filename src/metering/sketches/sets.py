"""Sets of callers and of networks: exact while they are small, then estimated in bounded space.

The state is a pure function of the members. So adding and merging are associative, commutative and
idempotent, and an empty set is their identity.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal, Self

from core.errors import SummaryUnreadable
from core.ports import Json
from metering.sketches.callers import EXACT_CALLERS_MAX, UNKNOWN, CallerSketch
from metering.sketches.distinct import (
    Planes,
    decode_planes,
    encode_planes,
    estimate,
    planes_of,
    union,
)
from metering.sketches.many_callers import CALL, PAID
from metering.sketches.packing import decode_numbers, encode_numbers


class DistinctSet:
    """Distinct numbers.

    `_numbers` has, up to `EXACT_MAX`, all of them in ascending order, and above it those that wait
    to be added to the registers together. The registers are in `_open`, or packed, or there are
    none yet. `_distinct` is how many numbers there are, None if that is to be computed.
    """

    __slots__ = ("_distinct", "_numbers", "_open", "_packed")
    TYPE: ClassVar[Literal["I", "Q"]]
    EXACT_MAX: ClassVar[int]
    PENDING_MAX: ClassVar[int]
    REGISTERS: ClassVar[int]

    def __init__(self) -> None:
        """Start without any number."""
        self._numbers = array(self.TYPE)
        self._open: Planes | None = None
        self._packed = ""
        self._distinct: int | None = 0

    def merge(self, other: Self) -> None:
        """Add the members of `other`. Registers stay open until `pack`.

        Raises `SummaryUnreadable` if registers are invalid.
        """
        if self._distinct == 0:
            self._numbers, self._open = other._numbers[:], other._open
            self._packed, self._distinct = other._packed, other._distinct
        elif other._distinct != 0:
            planes = other._planes()
            if planes is None:
                self._add_all(other._numbers)
            else:
                self._add_planes(planes)

    def distinct(self) -> int:
        """Return the number of members. Raises `SummaryUnreadable`."""
        if self._distinct is None:
            planes = self._planes()
            self._distinct = (
                self._count(self._numbers)
                if planes is None
                else round(estimate(planes, self.REGISTERS))
            )
        return self._distinct

    def pack(self) -> None:
        """Pack the registers, to take less memory."""
        if self._open is not None:
            self._packed, self._open = encode_planes(self._open, self.REGISTERS), None

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return (self._planes(), self._numbers) == (other._planes(), other._numbers)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def encode(self) -> Json:
        """Encode the set as a list: how many members it has, these, and the registers.

        Members are little-endian in ascending order, as base64. They or the registers are empty.
        """
        distinct, planes = self.distinct(), self._planes()
        if planes is None:
            return [distinct, encode_numbers(self._numbers), ""]
        packed = self._packed if self._open is None else encode_planes(planes, self.REGISTERS)
        return [distinct, "", packed]

    @classmethod
    def decode(cls, value: Json) -> Self:
        """Decode a set.

        Raises `SummaryUnreadable` for an invalid form; registers are checked when they are needed.
        """
        found = cls()
        match value:
            case [int(distinct), str(text), str(packed)] if type(distinct) is int:
                numbers = decode_numbers(text, cls.TYPE)
                is_exact = cls._count(numbers) == distinct and not packed
                if is_exact or (packed and distinct > 0 and not text):
                    found._numbers, found._packed, found._distinct = numbers, packed, distinct
                    return found
        raise SummaryUnreadable("a set has an invalid form")

    @staticmethod
    def _planes_of(numbers: Iterable[int]) -> Planes:
        return planes_of(numbers)

    @classmethod
    def _kept(cls, numbers: Iterable[int]) -> Iterable[int]:
        """Return the numbers to keep while there are few, in ascending order."""
        return sorted(numbers)

    @classmethod
    def _count(cls, numbers: Sequence[int]) -> int:
        """Return how many members the kept numbers stand for."""
        return len(numbers)

    def _add_all(self, numbers: Iterable[int]) -> None:
        """Add members."""
        if self._is_exact:
            self._numbers = array(self.TYPE, self._kept({*self._numbers, *numbers}))
            if len(self._numbers) > self.EXACT_MAX:
                self._open, self._numbers = self._planes_of(self._numbers), array(self.TYPE)
        else:
            self._numbers.extend(numbers)
            if len(self._numbers) >= self.PENDING_MAX:
                self._planes()
        self._distinct = None

    def _add_planes(self, planes: Planes) -> None:
        """Add the members of registers."""
        if not any(planes):
            return
        mine = self._planes() or self._planes_of(self._numbers)
        self._open, self._numbers = union(mine, planes), array(self.TYPE)
        self._distinct = None

    @property
    def _is_exact(self) -> bool:
        return self._open is None and not self._packed

    def _planes(self) -> Planes | None:
        """Return the registers with all members, None if there are few.

        Raises `SummaryUnreadable`.
        """
        if self._is_exact:
            return None
        planes = self._open or decode_planes(self._packed, registers=self.REGISTERS)
        if self._numbers:
            is_packed = self._open is None
            self._open = planes = union(planes, self._planes_of({*self._numbers}))
            self._numbers = array(self.TYPE)
            if is_packed:
                self.pack()
        return planes


class CallerSet(DistinctSet):
    """Distinct callers, without their calls: exact up to 300, then within 2 %."""

    __slots__ = ()
    TYPE = "Q"
    EXACT_MAX = EXACT_CALLERS_MAX
    PENDING_MAX = 2_000
    REGISTERS = 16_384

    def add_all(self, callers: Iterable[str]) -> None:
        """Add callers, each given as for `CallerSketch.add`."""
        known = self._numbers if self._is_exact else ()
        new = {
            number
            for caller in callers
            if (number := int(caller, 16) if caller else UNKNOWN) not in known
        }
        if new:
            self._add_all(new)

    def add_from(self, sketch: CallerSketch) -> None:
        """Add the callers of a sketch. Raises `SummaryUnreadable`."""
        if sketch.is_exact:
            names, counts = sketch.columns()
            both = zip(names, counts, strict=True)
            self._add_all([name for name, did in both if did >= CALL] if PAID in counts else names)
        else:
            registers = sketch.state().registers
            assert registers is not None
            self._add_planes(registers.callers)


class NetworkSketch(DistinctSet):
    """Callers that count without having paid: at most `CALLERS_MAX` of each network.

    A member is a network, by 32 bits of its hash, and a caller, by 32 bits. The two highest bits
    of the caller are its slot. Up to `EXACT_MAX` members are kept, of each slot of a network only
    the four lowest, and the number is exact. Above that, the slots with a caller are counted within
    2.2 % (standard error), in 1 KiB: still at most four of each network, and fewer where callers
    share a slot. While idle the sketch is packed, so it takes no more memory than its encoding.
    """

    __slots__ = ()
    TYPE = "Q"
    CALLERS_MAX = 4
    EXACT_MAX = 128
    PENDING_MAX = 500
    REGISTERS = 1_024

    def add(self, network: str, caller: str) -> None:
        """Count a caller of a network.

        Both are hashes in 16 hexadecimal digits, or empty. All calls without a known network are
        of one network. Raises `ValueError` if one is not hexadecimal.
        """
        caller_number = int(caller[:8], 16) if caller else UNKNOWN >> 32
        number = int(network[:8] or "0", 16) << 32 | caller_number
        if self._is_exact:
            numbers = self._numbers
            at = bisect_left(numbers, number)
            if at < len(numbers) and numbers[at] == number:
                return
            if at >= self.CALLERS_MAX and _slot(numbers[at - self.CALLERS_MAX]) == _slot(number):
                return
        self._add_all((number,))
        self.pack()

    def encode(self) -> Json:
        """Encode the sketch as a set without empty values at the end, after its form's number."""
        encoded = super().encode()
        while encoded and not encoded[-1]:
            encoded.pop()
        return [_FORM, *encoded] if encoded else []

    @classmethod
    def decode(cls, value: Json) -> Self:
        """Decode a sketch, as `DistinctSet.decode` does."""
        if not isinstance(value, list) or (value and not value[-1]):
            raise SummaryUnreadable("the networks have an invalid form")
        if value and (len(value) == 1 or value[0] != _FORM or type(value[1]) is str):
            return cls._decode_networks(value)
        return super().decode([*value[1:], *(0, "", "")[len(value[1:]) :]])

    @classmethod
    def _decode_networks(cls, value: list[Json]) -> Self:
        """Decode the previous form, a set of networks without callers.

        Each network counts as four callers; those in registers as one.
        """
        match value:
            case [int(distinct), str(text)] if type(distinct) is int:
                networks = decode_numbers(text, "I")
                if len(networks) != distinct:
                    raise SummaryUnreadable("the networks are not as declared")
                found = cls()
                found._add_all(
                    network << 32 | slot << 30 for network in networks for slot in range(4)
                )
                return found
        return super().decode(value)

    @classmethod
    def _kept(cls, numbers: Iterable[int]) -> Iterable[int]:
        kept: list[int] = []
        for number in sorted(numbers):
            if len(kept) < cls.CALLERS_MAX or _slot(kept[-cls.CALLERS_MAX]) != _slot(number):
                kept.append(number)
        return kept

    @classmethod
    def _count(cls, numbers: Sequence[int]) -> int:
        of_networks = Counter(number >> 32 for number in numbers)
        return sum(min(cls.CALLERS_MAX, callers) for callers in of_networks.values())

    @staticmethod
    def _planes_of(numbers: Iterable[int]) -> Planes:
        """Count slots: 10 bits of a slot's hash select a register, the others a level."""
        slots = {_slot(number) for number in numbers}
        hashes = (((slot >> 2) + (slot & 3) * _SPREAD) & 0xFFFF_FFFF for slot in slots)
        return planes_of((number >> 22) << 50 | number & 0x3F_FFFF for number in hashes)


_FORM = 2
"""The number of the form in which a `NetworkSketch` is encoded."""

_SPREAD = 0x85EB_CA6B
"""An arbitrary number that spreads the slots of a network over all registers."""


def _slot(number: int) -> int:
    """Return the slot of a member: its network and the two highest bits of its caller."""
    return number >> 30

"""Distinct caller networks: exact up to 128, then within 2.2 % (standard error), in 1 KiB.

The state depends only on the set of networks. While idle it is packed, so it takes no more memory
than its encoding.
"""

from __future__ import annotations

import binascii
import operator
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from core.errors import SummaryUnreadable
from core.ports import Json
from metering.sketches.distinct import (
    Planes,
    decode_planes,
    encode_planes,
    estimate,
    planes_of,
    union,
)

EXACT_NETWORKS_MAX = 128
"""The largest number of networks that is counted exactly; a list of so many is 0.7 KB of text."""

_REGISTERS = 1_024
_PENDING_MAX = 500


def _no_networks() -> array[int]:
    return array("I")


@dataclass(slots=True, eq=False)
class NetworkSketch:
    """Distinct networks. `add` and `merge` are associative, commutative and idempotent.

    `_networks` has the first 32 bits of their hashes: up to the limit all, in ascending order, and
    above it those that wait to be added to the registers. Registers are packed, except while
    others are merged into them.
    """

    _networks: array[int] = field(default_factory=_no_networks)
    _open: Planes | None = None
    _packed: str = ""
    _distinct: int | None = 0

    def add(self, network: str) -> None:
        """Count a network, given by its hash in 16 hexadecimal digits.

        Raises `ValueError` if it is not hexadecimal.
        """
        number, networks = int(network[:8], 16), self._networks
        if self._open is None and not self._packed:
            at = bisect_left(networks, number)
            if at == len(networks) or networks[at] != number:
                networks.insert(at, number)
                self._distinct = None
                if len(networks) > EXACT_NETWORKS_MAX:
                    self._packed = _encode(_planes_of(networks))
                    self._networks = _no_networks()
            return
        networks.append(number)
        self._distinct = None
        if len(networks) >= _PENDING_MAX:
            self._planes()

    def merge(self, other: NetworkSketch) -> None:
        """Count the networks of `other`. Registers stay open until `pack`."""
        if self._distinct == 0:
            self._networks, self._open = other._networks[:], other._open
            self._packed, self._distinct = other._packed, other._distinct
        elif other._distinct != 0:
            mine, theirs = self._planes(), other._planes()
            self._distinct = None
            if mine is None and theirs is None:
                self._networks = array("I", sorted({*self._networks, *other._networks}))
                if len(self._networks) > EXACT_NETWORKS_MAX:
                    self._open, self._networks = _planes_of(self._networks), _no_networks()
            else:
                mine = _planes_of(self._networks) if mine is None else mine
                theirs = _planes_of(other._networks) if theirs is None else theirs
                self._open, self._networks = union(mine, theirs), _no_networks()

    def distinct(self) -> int:
        """Return the number of networks."""
        if self._distinct is None:
            planes = self._planes()
            self._distinct = (
                len(self._networks) if planes is None else round(estimate(planes, _REGISTERS))
            )
        return self._distinct

    def pack(self) -> None:
        """Pack the registers, to take less memory."""
        if self._open is not None:
            self._packed, self._open = _encode(self._open), None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NetworkSketch):
            return NotImplemented
        return (self._planes(), self._networks) == (other._planes(), other._networks)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def encode(self) -> Json:
        """Encode the sketch as a list.

        Nothing without networks; otherwise their number, and then, while it is exact, the first 32
        bits of each in ascending order, as base64, or else an empty text and the registers, packed.
        """
        distinct, planes = self.distinct(), self._planes()
        if planes is not None:
            return [distinct, "", _encode(planes) if self._open is not None else self._packed]
        if not distinct:
            return []
        return [distinct, binascii.b2a_base64(self._networks, newline=False).decode("ascii")]

    @staticmethod
    def decode(value: Json) -> NetworkSketch:
        """Decode a sketch.

        Raises `SummaryUnreadable` for an invalid form; registers are checked when they are needed.
        """
        match value:
            case []:
                return NetworkSketch()
            case [int(distinct), str(text)] if type(distinct) is int:
                try:
                    networks = array("I", binascii.a2b_base64(text, strict_mode=True))
                except ValueError as error:
                    raise SummaryUnreadable(f"the networks are invalid: {error}") from error
                if len(networks) == distinct > 0 and all(map(operator.lt, networks, networks[1:])):
                    return NetworkSketch(networks, _distinct=distinct)
            case [int(distinct), "", str(packed)] if (
                type(distinct) is int and distinct > 0 and packed
            ):
                return NetworkSketch(_packed=packed, _distinct=distinct)
        raise SummaryUnreadable("the networks have an invalid form")

    def _planes(self) -> Planes | None:
        """Return the registers with all networks, None if there are few.

        Raises `SummaryUnreadable`.
        """
        if self._open is not None:
            planes = self._open
        elif self._packed:
            planes = decode_planes(self._packed, registers=_REGISTERS)
        else:
            return None
        if self._networks:
            planes = union(planes, _planes_of(self._networks))
            self._networks = _no_networks()
            if self._open is None:
                self._packed = _encode(planes)
            else:
                self._open = planes
        return planes


def _planes_of(networks: Iterable[int]) -> Planes:
    """Count networks: 10 bits of each select a register, the others a level."""
    return planes_of((number >> 22) << 50 | number & 0x3F_FFFF for number in networks)


def _encode(planes: Planes) -> str:
    return encode_planes(planes, _REGISTERS)

"""Counts distinct hashes in 16 KiB: registers that remember levels, kept as bit planes.

Owns the registers and their estimate. A 64-bit hash picks one of 16,384
registers and a level: 1 with probability 1/2, 2 with 1/4 and so on. A
register keeps the highest level it has seen, in five bits, and in three more
whether it has seen each of the three levels below that one. That is
UltraLogLog (Ertl, VLDB 2024) with one flag more and one level bit less, or
ExaLogLog (Ertl, EDBT 2025) with t = 0 and d = 3: a standard error of
0.707/√registers = 0.55 % at the same size, where HyperLogLog has 0.81 %.

Bit i of all registers lies in one whole number, the plane i. So a union is
some hundred bitwise operations on numbers of 2 KiB, and no register is ever
visited by a loop in Python. What a register holds depends on the set of
hashes alone, so unions obey the laws of sets. Refuses to know what is counted.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence

from core.errors import SummaryUnreadable
from core.ports import Json
from metering.sketches.packing import pack, unpack

RELATIVE_ERROR_MAX = 0.02
"""How far an estimate is from the truth in all but one of a thousand cases, at most."""


class Planes(tuple[int, ...]):  # noqa: SLOT001, a tuple cannot have any
    """The state: five planes of the highest level, least bit first, and three flags, nearest first.

    Beside it, once it was estimated, `counts`: for each level, how many registers have it as
    their highest, and how many of those have each flag.
    """

    counts: Sequence[int] | None = None


_INDEX_BITS = 14
_REGISTERS = 1 << _INDEX_BITS
_LEVEL_BITS = 5
_LEVEL_MAX = (1 << _LEVEL_BITS) - 1
_FLAGS = 3
_PLANES = _LEVEL_BITS + _FLAGS
_PLANE_BYTES = _REGISTERS // 8
_COUNTS = 1 + _FLAGS
_FEW = 16
"""Up to so many hashes are looked at one by one; for more, a union is cheaper."""

_EVERY = (1 << _REGISTERS) - 1
NOTHING = Planes((0,) * _PLANES)
"""The state before anything was counted."""

# The last level stands for itself and all above it, so the shares add up to 1.
_SHARES = [0.0, *(2.0 ** -min(level, _LEVEL_MAX - 1) for level in range(1, _LEVEL_MAX + 1))]
_SHARE_ABOVE = [*(2.0**-level for level in range(_LEVEL_MAX)), 0.0]

# A byte of level and flags, the flag of the nearest level highest, as the planes with a bit of it.
_PLANES_OF = [
    [
        bit if bit < _LEVEL_BITS else _PLANES - 1 + _LEVEL_BITS - bit
        for bit in range(_PLANES)
        if value >> bit & 1
    ]
    for value in range(1 << _PLANES)
]


def planes_of(hashes: Iterable[int]) -> Planes:
    """Count `hashes`, whole numbers of 64 bits, in an empty state."""
    seen: dict[int, int] = {}
    for number in hashes:
        # Bit 30 ends the search for the lowest bit set, whatever the hash.
        low = number & 0x3FFF_FFFF | 0x4000_0000
        index = number >> 50
        seen[index] = seen.get(index, 0) | low & -low
    planes = [bytearray(_PLANE_BYTES) for _ in range(_PLANES)]
    for index, levels in seen.items():
        highest = levels.bit_length()
        flags = (levels << _FLAGS >> (highest - 1)) & ((1 << _FLAGS) - 1)
        byte, bit = index >> 3, 1 << (index & 7)
        for plane in _PLANES_OF[highest | flags << _LEVEL_BITS]:
            planes[plane][byte] |= bit
    return Planes(int.from_bytes(plane, "little") for plane in planes)


def counted(planes: Planes, hashes: Collection[int]) -> Planes:
    """Give the state that has counted `hashes` as well.

    A few are counted one by one: most callers are not new and change nothing.
    """
    if len(hashes) > _FEW:
        return union(planes, planes_of(hashes))
    for number in hashes:
        planes = _with(planes, number)
    return planes


def union(one: Planes, other: Planes) -> Planes:
    """Give the state that has counted what either has."""
    behind, same = 0, _EVERY
    for plane in range(_LEVEL_BITS - 1, -1, -1):
        differs = (one[plane] ^ other[plane]) & same
        behind |= differs & other[plane]
        same ^= differs
    high, low = [], []
    for mine, theirs in zip(one, other, strict=True):
        swapped = (mine ^ theirs) & behind
        high.append(mine ^ swapped)
        low.append(theirs ^ swapped)
    flags = [high[_LEVEL_BITS + flag] | same & low[_LEVEL_BITS + flag] for flag in range(_FLAGS)]
    # The lower register's highest level, and its flags, fall as many flags back as it is lower.
    falling = [low[0] | low[1] | low[2] | low[3] | low[4], *low[_LEVEL_BITS:]]
    levels = low[:_LEVEL_BITS]
    for distance in range(_FLAGS):
        carry, reached = _EVERY, _EVERY
        for plane, bits in enumerate(levels):
            levels[plane] = bits ^ carry
            carry &= bits
            reached ^= reached & (levels[plane] ^ high[plane])
        for flag in range(distance, _FLAGS):
            flags[flag] |= falling[flag - distance] & reached
    return Planes((*high[:_LEVEL_BITS], *flags))


def estimate(planes: Planes) -> float:
    """Estimate how many distinct hashes were counted.

    Maximum likelihood: each level that a register tells about was hit, or
    was not, by hashes that come at a rate of λ times the level's share.
    """
    if planes.counts is None:
        planes.counts = _count(planes)
    hits = [0] * (_LEVEL_MAX + 1)
    missed = 0.0
    for level in range(_LEVEL_MAX, -1, -1):
        count, *flagged = planes.counts[level * _COUNTS : (level + 1) * _COUNTS]
        if not count:
            continue
        hits[level] += count
        missed += count * _SHARE_ABOVE[level]
        for distance, seen in enumerate(flagged, start=1):
            if distance < level:
                hits[level - distance] += seen
                missed += (count - seen) * _SHARES[level - distance]
    # Registers without any level came in as level 0, which nothing can hit.
    terms = [(count, _SHARES[level]) for level, count in enumerate(hits) if level and count]
    return _REGISTERS * _likeliest_rate(terms, missed) if terms else 0.0


def _with(planes: Planes, number: int) -> Planes:
    """Give the state that has counted one hash as well; the same one if that changes nothing."""
    low = number & 0x3FFF_FFFF | 0x4000_0000
    index = number >> 50
    before = 0
    for plane, bits in enumerate(planes):
        before |= (bits >> index & 1) << plane
    highest = before & _LEVEL_MAX
    levels = low & -low | (1 << highest >> 1)
    for distance in range(1, _FLAGS + 1):
        if before >> (_LEVEL_BITS + distance - 1) & 1:
            levels |= 1 << (highest - 1 - distance)
    after = top = levels.bit_length()
    for distance in range(1, min(_FLAGS + 1, top)):
        if levels >> (top - 1 - distance) & 1:
            after |= 1 << (_LEVEL_BITS + distance - 1)
    if after == before:
        return planes
    place, turned = 1 << index, before ^ after
    found = Planes(
        bits ^ place if turned >> plane & 1 else bits for plane, bits in enumerate(planes)
    )
    if planes.counts is not None:
        counts = found.counts = [*planes.counts]
        for state, change in ((before, -1), (after, 1)):
            at = (state & _LEVEL_MAX) * _COUNTS
            counts[at] += change
            for distance in range(1, _FLAGS + 1):
                counts[at + distance] += change * (state >> (_LEVEL_BITS + distance - 1) & 1)
    return found


def _count(planes: Planes) -> Sequence[int]:
    """Count for each level the registers that have it as their highest, and their flags."""
    counts = [0] * (_COUNTS * (_LEVEL_MAX + 1))
    for level, registers in _by_level(planes[:_LEVEL_BITS], _EVERY, 0):
        at = level * _COUNTS
        flagged = [(registers & flag).bit_count() for flag in planes[_LEVEL_BITS:]]
        counts[at : at + _COUNTS] = [registers.bit_count(), *flagged]
    return counts


def encode_planes(planes: Planes) -> str:
    """Write the state as packed bytes: the planes in order, 2 KiB each, least bit first."""
    return pack(b"".join(plane.to_bytes(_PLANE_BYTES, "little") for plane in planes))


def decode_planes(value: Json) -> Planes:
    """Read a state back. Raises `SummaryUnreadable` for anything that none is written as."""
    try:
        raw = unpack(value, _PLANES * _PLANE_BYTES)
    except ValueError as error:
        raise SummaryUnreadable(f"its registers cannot be read: {error}") from error
    planes = Planes(
        int.from_bytes(raw[start : start + _PLANE_BYTES], "little")
        for start in range(0, len(raw), _PLANE_BYTES)
    )
    least, second = planes[:2]
    above_three = planes[2] | planes[3] | planes[4]
    for flag, possible in zip(
        planes[_LEVEL_BITS:],
        (above_three | second, above_three | second & least, above_three),
        strict=True,
    ):
        if flag & ~possible:
            raise SummaryUnreadable("its registers have seen levels below the first")
    return planes


def _by_level(planes: Sequence[int], registers: int, level: int) -> Iterator[tuple[int, int]]:
    """Split `registers`, a set as bits, by the level in `planes`; `level` is what is known."""
    if not registers:
        return
    if not planes:
        yield level, registers
        return
    ones = registers & planes[-1]
    yield from _by_level(planes[:-1], ones, level << 1 | 1)
    yield from _by_level(planes[:-1], registers ^ ones, level << 1)


def _likeliest_rate(terms: Sequence[tuple[int, float]], missed: float) -> float:
    """Solve Σ count·share/(exp(λ·share) - 1) = missed for the rate λ of one register.

    The left side falls and is convex, so Newton's steps from a λ that is too
    small come ever nearer without passing by. A state without a level that was
    missed, which needs more hashes than there are, gets the first λ.
    """
    half = sum(count * share for count, share in terms) / 2
    rate = sum(count for count, _ in terms) / (missed + half)
    while missed:
        value, slope = -missed, 0.0
        for count, share in terms:
            grown = math.expm1(min(rate * share, 700.0))
            part = count * share / grown
            value += part
            slope += part * share * (grown + 1) / grown
        step = value / slope
        rate += step
        if step <= rate * 1e-9:
            break
    return rate

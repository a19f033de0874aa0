"""Counts distinct hashes in 16 KiB: ExaLogLog, with its registers stored as bit planes.

A 64-bit hash selects one of 16,384 registers and a level: 1 with probability 1/2, 2 with 1/4
and so on. A register stores the highest level it has seen, in five bits, and one flag for each
of the three levels below it: whether it has seen that one. This is ExaLogLog with t = 0 and
d = 3 (Ertl, EDBT 2025), that is, UltraLogLog (Ertl, VLDB 2024) with one more flag and one level
bit less. Its standard error is 0.707/√registers = 0.55 %; HyperLogLog has 0.81 % at this size.

Bit i of all registers is stored in one integer, plane i. So a union is about a hundred bitwise
operations on integers of 2 KiB, without a Python loop over registers. The state depends only on
the set of hashes, so unions are associative, commutative and idempotent.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence

from core.errors import SummaryUnreadable
from core.ports import Json
from metering.sketches.packing import pack, unpack

RELATIVE_ERROR_MAX = 0.02
"""The largest relative error of an estimate in 99.9 % of cases."""

_INDEX_BITS = 14
_REGISTERS = 1 << _INDEX_BITS
_LEVEL_BITS = 5
_LEVEL_MAX = (1 << _LEVEL_BITS) - 1
_FLAGS = 3
_PLANES = _LEVEL_BITS + _FLAGS
_PLANE_BYTES = _REGISTERS // 8
_COUNTS = 1 + _FLAGS
_ALL_REGISTERS = (1 << _REGISTERS) - 1
_SINGLE_HASHES_MAX = 16
"""Up to this many hashes are counted one by one; for more, a union is cheaper."""

# Level 31 also stands for all levels above it, so that the shares add up to 1.
_SHARES = [0.0, *(2.0 ** -min(level, _LEVEL_MAX - 1) for level in range(1, _LEVEL_MAX + 1))]
_SHARE_ABOVE = [*(2.0**-level for level in range(_LEVEL_MAX)), 0.0]

# For each byte of level and flags (the flag of the nearest level is the highest bit): the planes
# in which it sets a bit.
_PLANES_OF = [
    [
        bit if bit < _LEVEL_BITS else _PLANES - 1 + _LEVEL_BITS - bit
        for bit in range(_PLANES)
        if value >> bit & 1
    ]
    for value in range(1 << _PLANES)
]


class Planes(tuple[int, ...]):  # noqa: SLOT001, a tuple cannot have any
    """The state: five planes of the highest level, least bit first, and three of flags.

    The flag of the level just below the highest comes first. `counts` caches, after an estimate,
    for each level how many registers have it as their highest, and how many of these have each
    flag.
    """

    counts: Sequence[int] | None = None


EMPTY = Planes((0,) * _PLANES)
"""The state before anything was counted."""


def planes_of(hashes: Iterable[int]) -> Planes:
    """Return the state that has counted `hashes`, unsigned 64-bit integers."""
    seen: dict[int, int] = {}
    for number in hashes:
        # Bit 30 limits the level, even if all bits below it are 0.
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


def with_hashes(planes: Planes, hashes: Collection[int]) -> Planes:
    """Return the state that has also counted `hashes`; `planes` itself if that changes nothing.

    A few are counted one by one, because most of them are known and change nothing.
    """
    if len(hashes) > _SINGLE_HASHES_MAX:
        return union(planes, planes_of(hashes))
    for number in hashes:
        planes = _with_hash(planes, number)
    return planes


def union(one: Planes, other: Planes) -> Planes:
    """Return the state that has counted the hashes of both."""
    # Where `behind` has a bit, `other` has the higher level; where `same` has one, neither.
    behind, same = 0, _ALL_REGISTERS
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
    # The highest level of the lower register, and its flags, become flags of the higher one, as
    # many places further down as the levels differ.
    shifted = [low[0] | low[1] | low[2] | low[3] | low[4], *low[_LEVEL_BITS:]]
    levels = low[:_LEVEL_BITS]
    for distance in range(_FLAGS):
        carry, reached = _ALL_REGISTERS, _ALL_REGISTERS
        for plane, bits in enumerate(levels):
            levels[plane] = bits ^ carry
            carry &= bits
            reached ^= reached & (levels[plane] ^ high[plane])
        for flag in range(distance, _FLAGS):
            flags[flag] |= shifted[flag - distance] & reached
    return Planes((*high[:_LEVEL_BITS], *flags))


def estimate(planes: Planes) -> float:
    """Estimate how many distinct hashes were counted.

    By maximum likelihood: a register shows for some levels whether a hash hit them. Hashes hit
    a level at the rate λ times the level's share.
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
    # Registers without any hash have level 0, which no hash can hit.
    terms = [(count, _SHARES[level]) for level, count in enumerate(hits) if level and count]
    return _REGISTERS * _likeliest_rate(terms, missed) if terms else 0.0


def encode_planes(planes: Planes) -> str:
    """Encode the state as packed bytes: the planes in order, 2 KiB each, least bit first."""
    return pack(b"".join(plane.to_bytes(_PLANE_BYTES, "little") for plane in planes))


def decode_planes(value: Json) -> Planes:
    """Decode a state. Raises `SummaryUnreadable` if `value` encodes none."""
    try:
        raw = unpack(value, _PLANES * _PLANE_BYTES)
    except ValueError as error:
        raise SummaryUnreadable(f"the caller registers are invalid: {error}") from error
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
            raise SummaryUnreadable("a caller register has a flag for a level below 1")
    return planes


def _with_hash(planes: Planes, number: int) -> Planes:
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
    for level, registers in _by_level(planes[:_LEVEL_BITS], _ALL_REGISTERS, 0):
        at = level * _COUNTS
        flagged = [(registers & flag).bit_count() for flag in planes[_LEVEL_BITS:]]
        counts[at : at + _COUNTS] = [registers.bit_count(), *flagged]
    return counts


def _by_level(planes: Sequence[int], registers: int, level: int) -> Iterator[tuple[int, int]]:
    """Split `registers`, a bit set, by level; `level` has the bits that are known so far."""
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

    The left side is decreasing and convex, so Newton's method, started below the solution,
    converges without overshooting. If `missed` is 0, which needs more hashes than exist, the
    start value is returned.
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

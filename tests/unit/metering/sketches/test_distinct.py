"""Distinct counting: unions obey the laws of sets, and estimates are within 2 %."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SummaryUnreadable
from metering.sketches.distinct import (
    EMPTY,
    RELATIVE_ERROR_MAX,
    Planes,
    decode_planes,
    encode_planes,
    estimate,
    planes_of,
    union,
)
from metering.sketches.packing import pack

REGISTERS = 16_384
LEVELS = 31

# Few registers and any level, so that all combinations of registers occur.
hashes = st.builds(
    lambda register, level: register << 50 | 1 << (level - 1),
    st.integers(0, 3),
    st.integers(1, LEVELS),
)
groups = st.lists(hashes, max_size=12)


def by_register(some: Sequence[int]) -> Planes:
    """The expected planes, computed register by register."""
    planes = [0] * 8
    for register in {number >> 50 for number in some}:
        levels = {
            (number & -number).bit_length() if number & 0x3FFF_FFFF else LEVELS
            for number in some
            if number >> 50 == register
        }
        highest = max(levels)
        value = highest | sum(1 << 4 + back for back in (1, 2, 3) if highest - back in levels)
        for plane in range(8):
            planes[plane] |= (value >> plane & 1) << register
    return Planes(planes)


@given(groups)
def test_a_register_has_its_highest_level_and_the_three_below(some: list[int]) -> None:
    assert planes_of(some) == by_register(some)


@given(groups, groups)
def test_a_union_equals_counting_everything_in_one_state(one: list[int], other: list[int]) -> None:
    assert union(planes_of(one), planes_of(other)) == planes_of(one + other)


@given(groups, groups, groups)
def test_unions_obey_the_laws_of_sets(one: list[int], other: list[int], third: list[int]) -> None:
    a, b, c = planes_of(one), planes_of(other), planes_of(third)
    assert union(a, b) == union(b, a)
    assert union(union(a, b), c) == union(a, union(b, c))
    assert union(a, a) == union(a, EMPTY) == union(EMPTY, a) == a


def test_a_union_of_random_hashes_equals_counting_everything_in_one_state() -> None:
    chance = random.Random(5)
    one, other = ([chance.getrandbits(64) for _ in range(count)] for count in (60_000, 9_000))
    assert union(planes_of(one), planes_of(other)) == planes_of(one + other)


def estimate_of_random(count: int, seed: int) -> float:
    chance = random.Random(seed)
    return estimate(planes_of(chance.getrandbits(64) for _ in range(count)))


def off_by(estimated: float, truth: int) -> float:
    return abs(estimated / truth - 1)


@pytest.mark.parametrize(("count", "trials"), [(1_001, 400), (2_000, 150), (5_000, 60)])
def test_an_estimate_is_within_two_per_cent(count: int, trials: int) -> None:
    errors = [off_by(estimate_of_random(count, seed), count) for seed in range(trials)]
    assert max(errors) <= RELATIVE_ERROR_MAX


def random_bits(chance: random.Random, share: float) -> int:
    """16,384 random bits, each 1 with probability `share`, to 30 binary places."""
    bits = 0
    digits = min(round(share * 2**30), 2**30 - 1)
    for place in range(30):
        draw = chance.getrandbits(REGISTERS)
        bits = bits | draw if digits >> place & 1 else bits & draw
    return bits


def state_after(count: int, seed: int) -> Planes:
    """The planes after about `count` distinct hashes, without computing these.

    Hashes hit each register and level as a Poisson process. The true number then varies by
    1/√count, which adds a small part to the error.
    """
    chance = random.Random(seed)
    planes = list(EMPTY)
    for level in range(LEVELS, 0, -1):
        rate = count / REGISTERS * 2.0 ** -min(level, LEVELS - 1)
        hit = random_bits(chance, -math.expm1(-rate)) if rate < 25 else (1 << REGISTERS) - 1
        highest = hit & ~(planes[0] | planes[1] | planes[2] | planes[3] | planes[4])
        for plane in range(5):
            if level >> plane & 1:
                planes[plane] |= highest
        for back in (1, 2, 3):
            if level + back <= LEVELS:
                planes[4 + back] |= hit & at_level(planes, level + back)
    return Planes(planes)


def at_level(planes: Sequence[int], level: int) -> int:
    registers = (1 << REGISTERS) - 1
    for plane in range(5):
        registers &= planes[plane] if level >> plane & 1 else ~planes[plane]
    return registers


@pytest.mark.parametrize("count", [50_000, 200_000, 1_000_000, 3_000_000, 10_000_000])
def test_an_estimate_of_many_is_within_two_per_cent(count: int) -> None:
    errors = [off_by(estimate(state_after(count, seed)), count) for seed in range(200)]
    assert max(errors) <= RELATIVE_ERROR_MAX
    # The standard error that the module states, plus that of the Poisson process.
    assert statistics.fmean(error**2 for error in errors) ** 0.5 < 0.0075


def test_real_hashes_of_a_large_set_are_within_two_per_cent() -> None:
    assert off_by(estimate_of_random(150_000, 1), 150_000) <= RELATIVE_ERROR_MAX


def test_an_empty_state_is_estimated_as_zero() -> None:
    assert estimate(EMPTY) == 0


@given(groups)
def test_a_state_is_decoded_as_it_was_encoded(some: list[int]) -> None:
    planes = planes_of(some)
    assert decode_planes(encode_planes(planes)) == planes


@pytest.mark.parametrize(
    ("count", "length"), [(301, 900), (1_001, 1_900), (10_000, 10_000), (1_000_000, 20_000)]
)
def test_the_encoding_is_ascii_and_smaller_than_the_registers(count: int, length: int) -> None:
    text = encode_planes(state_after(count, 1))
    assert text.isascii()
    assert len(text) < length


@pytest.mark.parametrize(
    "bad", [None, 7, [], "", "AAAA", "é" * 21_848, "?" * 21_848, pack(bytes(16_383))]
)
def test_packed_bytes_of_another_length_than_16_kibibytes_are_rejected(bad: object) -> None:
    with pytest.raises(SummaryUnreadable):
        decode_planes(bad)


@pytest.mark.parametrize(("level", "flag"), [(0, 1), (1, 1), (2, 2), (3, 3)])
def test_a_flag_for_a_level_below_the_first_is_rejected(level: int, flag: int) -> None:
    value = level | 1 << (4 + flag)
    planes = Planes(value >> plane & 1 for plane in range(8))
    with pytest.raises(SummaryUnreadable):
        decode_planes(encode_planes(planes))


@given(groups, groups)
def test_a_state_is_decoded_from_its_difference(one: list[int], other: list[int]) -> None:
    base, planes = planes_of(one), planes_of(other)
    difference = Planes(mine ^ theirs for mine, theirs in zip(base, planes, strict=True))
    assert decode_planes(encode_planes(difference), base) == planes

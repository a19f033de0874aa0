"""The busiest caller's calls: at least the true number, at most 1 % of all calls above it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SummaryUnreadable
from metering.sketches.heavy_hitters import SHARE_ERROR_MAX, Cells, cells_of, decode_cells
from metering.sketches.packing import pack, pack_lanes

numbers = st.integers(0, 2**64 - 1)
counts = st.one_of(st.integers(1, 50), st.integers(1, 400), st.integers(1, 2**40))
callers = st.dictionaries(numbers, counts, max_size=20)


def of(some: Mapping[int, int]) -> Cells:
    return cells_of(some.items(), sum(some.values()))


@given(callers, callers, callers)
def test_cells_add_up_in_any_order_and_grouping(
    one: dict[int, int], other: dict[int, int], third: dict[int, int]
) -> None:
    a, b, c = of(one), of(other), of(third)
    everything = [*one.items(), *other.items(), *third.items()]
    whole = cells_of(everything, sum(calls for _, calls in everything))
    assert a.plus(b).plus(c) == a.plus(b.plus(c)) == c.plus(b).plus(a) == whole
    assert a.plus(Cells()) == Cells().plus(a) == a


@given(callers.filter(bool))
def test_the_bound_is_never_below_the_true_number(some: dict[int, int]) -> None:
    assert of(some).busiest() >= max(some.values())


@pytest.mark.parametrize("boundary", [2**7, 2**15, 2**31])
@pytest.mark.parametrize("calls", [-1, 0, 1])
def test_lanes_widen_before_they_overflow(boundary: int, calls: int) -> None:
    whole = boundary + calls
    # Two halves with narrow lanes sum to one count with wide lanes.
    halves = of({5: whole // 2}).plus(of({5: whole - whole // 2}))
    assert halves == of({5: whole})
    assert halves.busiest() == whole


@given(callers)
def test_lanes_have_the_smallest_width_that_leaves_a_bit(some: dict[int, int]) -> None:
    cells = of(some)
    largest = max(cells.values())
    assert largest < 1 << (8 * cells.width - 1)
    assert cells.width == 1 or largest >= 1 << (4 * cells.width - 1)


def even(count: int) -> Sequence[int]:
    return [1_000] * count


def zipf(count: int) -> Sequence[int]:
    return [1 + 1_000_000 // rank for rank in range(1, count + 1)]


def half_even(count: int) -> Sequence[int]:
    return [10 * count] * 100 + [1_000] * count


def few_busy(count: int) -> Sequence[int]:
    return [10_000] * 150 + [1] * count


@pytest.mark.parametrize("shape", [even, zipf, half_even, few_busy])
@pytest.mark.parametrize("count", [1_001, 3_000, 20_000])
def test_the_error_is_at_most_one_per_cent_of_calls(
    shape: Callable[[int], Sequence[int]], count: int
) -> None:
    for seed in range(3):
        chance = random.Random(seed)
        some = {chance.getrandbits(64): calls for calls in shape(count)}
        over = of(some).busiest() - max(some.values())
        assert 0 <= over <= SHARE_ERROR_MAX * sum(some.values())


@given(callers)
def test_cells_are_decoded_as_they_were_encoded(some: dict[int, int]) -> None:
    cells = of(some)
    assert decode_cells(cells.encode()) == cells


@pytest.mark.parametrize("bad", [None, 7, "", "AAAA", "?" * 10_924])
def test_an_invalid_encoding_is_rejected(bad: object) -> None:
    with pytest.raises(SummaryUnreadable):
        decode_cells(bad)


@pytest.mark.parametrize(
    "text",
    [
        pack_lanes(bytes(4_095), 1),
        pack_lanes(b"\xff" * 4_096, 1),
        pack_lanes(b"\x80" + bytes(4_095), 1),
        pack(bytes(4_096)),
    ],
)
def test_cells_that_cannot_exist_are_rejected(text: str) -> None:
    with pytest.raises(SummaryUnreadable):
        decode_cells(text)


def test_more_than_63_bits_of_calls_are_rejected() -> None:
    with pytest.raises(OverflowError):
        of({1: 2**63})


def test_every_row_of_cells_bounds_the_busiest_caller() -> None:
    for seed in range(20):
        chance = random.Random(seed)
        # Some of them share a cell in one of the rows, but no two of them in all rows.
        some = {chance.getrandbits(64): 1_000 for _ in range(60)}
        assert of(some).busiest() == 1_000

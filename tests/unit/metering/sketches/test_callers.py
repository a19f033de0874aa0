"""Caller sketches: exact up to the limit, upper bounds above it, equal for the same calls."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SummaryUnreadable
from metering.sketches import callers
from metering.sketches.callers import EXACT_CALLERS_MAX, CallerSketch, CallerUnion

LOW_LIMIT = 6


@pytest.fixture(scope="module", params=[LOW_LIMIT], autouse=True)
def low_limit() -> Iterator[None]:
    """Lower the limit, so that a few callers exceed it in most of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callers, "EXACT_CALLERS_MAX", LOW_LIMIT)
        yield


def name(number: int) -> str:
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}"


calls = st.lists(st.tuples(st.integers(1, 14).map(name), st.integers(1, 5)), max_size=30)
Calls = Sequence[tuple[str, int]]


def of(some: Calls) -> CallerSketch:
    sketch = CallerSketch()
    for caller, count in some:
        sketch.add(caller, count)
    return sketch


def merged(*sketches: CallerSketch) -> CallerSketch:
    result = CallerSketch()
    for sketch in sketches:
        result.merge(sketch)
    return result


def is_exact(sketch: CallerSketch) -> bool:
    return sketch.state().planes is None


def distinct_callers(sketches: Sequence[CallerSketch]) -> int:
    union = CallerUnion()
    for sketch in sketches:
        union.add(sketch)
    return union.distinct()


def encoded(sketch: CallerSketch) -> str:
    return json.dumps(sketch.encode())


@given(calls, calls, calls)
def test_any_grouping_gives_the_same_result(one: Calls, other: Calls, third: Calls) -> None:
    left = merged(merged(of(one), of(other)), of(third))
    right = merged(of(one), merged(of(other), of(third)))
    assert left == right == of([*one, *other, *third])
    assert encoded(left) == encoded(right)


@given(calls, st.data())
def test_any_order_gives_the_same_result(some: Calls, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(some))
    cut = data.draw(st.integers(0, len(some)))
    parts = merged(of(shuffled[cut:]), of(shuffled[:cut]))
    assert parts == of(some)
    assert encoded(parts) == encoded(of(some))


@given(calls)
def test_an_empty_sketch_changes_nothing(some: Calls) -> None:
    assert merged(of(some), CallerSketch()) == merged(CallerSketch(), of(some)) == of(some)


@given(calls)
def test_results_and_encoding_in_between_change_nothing(some: Calls) -> None:
    sketch = CallerSketch()
    for caller, count in some:
        sketch.add(caller, count)
        sketch.distinct()
        sketch.busiest_calls()
        sketch.encode()
    assert sketch == of(some)


@given(calls, calls)
def test_merging_does_not_change_the_other_sketch(one: Calls, other: Calls) -> None:
    source = of(one)
    target = merged(source)
    target.merge(of(other))
    target.add(name(99))
    assert source == of(one)


@given(calls)
def test_it_is_exact_up_to_the_limit_and_an_upper_bound_above_it(some: Calls) -> None:
    true: Counter[str] = Counter()
    for caller, count in some:
        true[caller] += count
    sketch = of(some)
    assert is_exact(sketch) == (len(true) <= LOW_LIMIT)
    if is_exact(sketch):
        assert sketch.distinct() == len(true)
        assert sketch.busiest_calls() == max(true.values(), default=0)
    else:
        assert sketch.distinct() > LOW_LIMIT
        assert sketch.busiest_calls() >= max(true.values())


@given(calls)
def test_a_sketch_is_decoded_as_it_was_encoded(some: Calls) -> None:
    sketch = of(some)
    found = CallerSketch.decode(json.loads(encoded(sketch)))
    assert found == sketch
    assert encoded(found) == encoded(sketch)


@given(st.lists(calls, max_size=4))
def test_a_union_without_merging_counts_the_same(groups: list[Calls]) -> None:
    sketches = [of(group) for group in groups]
    before = [encoded(sketch) for sketch in sketches]
    assert distinct_callers(sketches) == merged(*sketches).distinct()
    assert [encoded(sketch) for sketch in sketches] == before


def test_the_real_limit_is_1000_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "EXACT_CALLERS_MAX", EXACT_CALLERS_MAX)
    names = [(name(number), 1) for number in range(1_001)]
    exact, more = of(names[:1_000]), of(names)
    assert (is_exact(exact), exact.distinct(), is_exact(more)) == (True, 1_000, False)
    assert abs(more.distinct() - 1_001) <= 20
    assert merged(of(names[500:]), of(names[:700])).distinct() == more.distinct()


def test_a_union_of_many_callers_is_within_two_per_cent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "EXACT_CALLERS_MAX", EXACT_CALLERS_MAX)
    monkeypatch.setattr(callers, "_UNION_NAMES_MAX", 3_000)
    chance = random.Random(2)
    names = [(f"{chance.getrandbits(64):016x}", 1) for _ in range(20_000)]
    sketches = [of(names[start : start + 900]) for start in range(0, 20_000, 400)]
    assert all(is_exact(sketch) for sketch in sketches)
    assert abs(distinct_callers(sketches) / 20_000 - 1) <= 0.02


def test_all_unknown_callers_count_as_one() -> None:
    sketch = of([("", 1), (name(1), 1), ("", 1)])
    assert (sketch.distinct(), sketch.busiest_calls()) == (2, 2)


def test_a_caller_that_is_not_hexadecimal_is_rejected() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        of([("agent:7", 1)])


TWO = "AAAAAAAAAAABAAAAAAAAAA=="
"""The callers 0 and 1, eight bytes each."""


@pytest.mark.parametrize(
    "bad",
    [
        None,
        {},
        [],
        [2, 2, 0, TWO],
        [2, 2, 0, TWO, 7],
        [2, True, 0, TWO, "AQI="],
        [2, -2, 0, TWO, "AQI="],
        [2, 1 << 64, 0, TWO, "AQI="],
        [2, 2, 0, "?", "AQI="],
        [3, 2, 0, TWO, "AQI="],
        [2, 2, 0, TWO, "AQ=="],
        [2, 2, 0, TWO, "AAI="],
        [2, 3, 0, TWO, "AQI="],
        [2, 1, 0, "AQAAAAAAAAAAAAAAAAAAAA==", "AQE="],
        [2, 1, 0, "AAAAAAAAAAAAAAAAAAAAAA==", "AQE="],
        [9, 1, 9, "", ""],
        [9, 1, 9, "A" * 21_848, ""],
    ],
)
def test_an_invalid_encoding_is_rejected_when_something_is_added(bad: object) -> None:
    with pytest.raises(SummaryUnreadable):
        CallerSketch.decode(bad).add("0")


def test_two_callers_are_decoded() -> None:
    assert CallerSketch.decode([2, 4, 0, TWO, "AwQ="]) == of([("0", 3), ("1", 4)])


@given(calls, calls)
def test_a_decoded_sketch_behaves_like_the_original(one: Calls, other: Calls) -> None:
    read = CallerSketch.decode(of(one).encode())
    results = (of(one).distinct(), of(one).busiest_calls(), is_exact(of(one)))
    assert (read.distinct(), read.busiest_calls(), is_exact(read)) == results
    assert merged(read, of(other)) == merged(of(other), read) == of([*one, *other])
    assert distinct_callers([read, of(other)]) == of([*one, *other]).distinct()

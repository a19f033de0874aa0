"""Callers: exact up to the limit, within bounds above, and one state for one multiset of calls."""

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
from metering.sketches import callers as caller_union
from metering.sketches.callers import EXACT_CALLERS_MAX, CallerSketch, distinct_callers

LOW_LIMIT = 6


@pytest.fixture(scope="module", params=[LOW_LIMIT], autouse=True)
def low_limit() -> Iterator[None]:
    """Most of these tests have the limit where a few callers pass it."""
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


def written(sketch: CallerSketch) -> str:
    return json.dumps(sketch.encode())


@given(calls, calls, calls)
def test_any_grouping_gives_the_same(one: Calls, other: Calls, third: Calls) -> None:
    left = merged(merged(of(one), of(other)), of(third))
    right = merged(of(one), merged(of(other), of(third)))
    assert left == right == of([*one, *other, *third])
    assert written(left) == written(right)


@given(calls, st.data())
def test_any_order_gives_the_same(some: Calls, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(some))
    cut = data.draw(st.integers(0, len(some)))
    parts = merged(of(shuffled[cut:]), of(shuffled[:cut]))
    assert parts == of(some)
    assert written(parts) == written(of(some))


@given(calls)
def test_an_empty_sketch_changes_nothing(some: Calls) -> None:
    assert merged(of(some), CallerSketch()) == merged(CallerSketch(), of(some)) == of(some)


@given(calls)
def test_asking_and_writing_between_changes_nothing(some: Calls) -> None:
    sketch = CallerSketch()
    for caller, count in some:
        sketch.add(caller, count)
        sketch.distinct()
        sketch.busiest_calls()
        sketch.encode()
    assert sketch == of(some)


@given(calls, calls)
def test_merging_leaves_the_other_as_it_was(one: Calls, other: Calls) -> None:
    source = of(one)
    target = merged(source)
    target.merge(of(other))
    target.add(name(99))
    assert source == of(one)


@given(calls)
def test_it_is_exact_up_to_the_limit_and_bounded_above(some: Calls) -> None:
    true: Counter[str] = Counter()
    for caller, count in some:
        true[caller] += count
    sketch = of(some)
    assert sketch.is_exact == (len(true) <= LOW_LIMIT)
    if sketch.is_exact:
        assert sketch.distinct() == len(true)
        assert sketch.busiest_calls() == max(true.values(), default=0)
    else:
        assert sketch.distinct() > LOW_LIMIT
        assert sketch.busiest_calls() >= max(true.values())


@given(calls)
def test_what_was_written_is_read_back(some: Calls) -> None:
    sketch = of(some)
    found = CallerSketch.decode(json.loads(written(sketch)))
    assert found == sketch
    assert written(found) == written(sketch)


@given(st.lists(calls, max_size=4))
def test_a_union_without_merging_counts_the_same(groups: list[Calls]) -> None:
    sketches = [of(group) for group in groups]
    before = [written(sketch) for sketch in sketches]
    assert distinct_callers(sketches) == merged(*sketches).distinct()
    assert [written(sketch) for sketch in sketches] == before


def test_the_real_limit_is_1000_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "EXACT_CALLERS_MAX", EXACT_CALLERS_MAX)
    names = [(name(number), 1) for number in range(1_001)]
    exact, more = of(names[:1_000]), of(names)
    assert (exact.is_exact, exact.distinct(), more.is_exact) == (True, 1_000, False)
    assert abs(more.distinct() - 1_001) <= 20
    assert merged(of(names[500:]), of(names[:700])).distinct() == more.distinct()


def test_a_union_of_very_many_is_within_two_per_cent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "EXACT_CALLERS_MAX", EXACT_CALLERS_MAX)
    monkeypatch.setattr(caller_union, "_NAMED_AT_ONCE_MAX", 3_000)
    chance = random.Random(2)
    names = [(f"{chance.getrandbits(64):016x}", 1) for _ in range(20_000)]
    sketches = [of(names[start : start + 900]) for start in range(0, 20_000, 400)]
    assert all(sketch.is_exact for sketch in sketches)
    assert abs(distinct_callers(sketches) / 20_000 - 1) <= 0.02


def test_callers_that_are_not_known_are_one() -> None:
    sketch = of([("", 1), (name(1), 1), ("", 1)])
    assert (sketch.distinct(), sketch.busiest_calls()) == (2, 2)


def test_a_caller_that_is_no_hash_is_refused() -> None:
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
def test_what_is_not_written_is_refused_when_it_is_added_to(bad: object) -> None:
    with pytest.raises(SummaryUnreadable):
        CallerSketch.decode(bad).add("0")


def test_two_callers_are_read_as_written() -> None:
    assert CallerSketch.decode([2, 4, 0, TWO, "AwQ="]) == of([("0", 3), ("1", 4)])


@given(calls, calls)
def test_what_was_read_goes_on_as_if_it_had_not_been_written(one: Calls, other: Calls) -> None:
    read = CallerSketch.decode(of(one).encode())
    figures = (of(one).distinct(), of(one).busiest_calls(), of(one).is_exact)
    assert (read.distinct(), read.busiest_calls(), read.is_exact) == figures
    assert merged(read, of(other)) == merged(of(other), read) == of([*one, *other])
    assert distinct_callers([read, of(other)]) == of([*one, *other]).distinct()

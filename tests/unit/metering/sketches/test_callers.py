"""Caller sketches: exact up to the limit, upper bounds above it, equal for the same calls."""

from __future__ import annotations

import json
import pickle
import random
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SummaryUnreadable
from metering.sketches import callers, many_callers
from metering.sketches.callers import EXACT_CALLERS_MAX, CallerSketch, results_of
from metering.sketches.packing import pack_counts
from metering.sketches.sets import CallerSet

LOW_LIMIT = 6


@pytest.fixture(scope="module", params=[2, many_callers.PENDING_MAX], autouse=True)
def low_limits(request: pytest.FixtureRequest) -> Iterator[None]:
    """Lower the limits, so that a few callers exceed them in most of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        limit_to(patch, LOW_LIMIT)
        patch.setattr(CallerSet, "PENDING_MAX", 2)
        patch.setattr(many_callers, "PENDING_MAX", request.param)
        yield


def limit_to(patch: pytest.MonkeyPatch, exact_callers: int) -> None:
    """Set how many callers are counted exactly."""
    patch.setattr(callers, "EXACT_CALLERS_MAX", exact_callers)
    patch.setattr(CallerSet, "EXACT_MAX", exact_callers)


def name(number: int) -> str:
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}"


Call = tuple[str, int, bool]
"""A caller, its calls, and whether it paid."""

Calls = Sequence[Call]

calls = st.lists(
    st.tuples(
        st.integers(1, 14).map(name), st.one_of(st.just(1), st.integers(0, 300)), st.booleans()
    ).filter(lambda call: call[1] > 0 or call[2]),
    max_size=30,
)


def of(some: Calls) -> CallerSketch:
    sketch = CallerSketch()
    for caller, count, paid in some:
        sketch.add(caller, count, paid=paid)
    return sketch


def merged(*sketches: CallerSketch) -> CallerSketch:
    result = CallerSketch()
    for sketch in sketches:
        result.merge(sketch)
    return result


def is_exact(sketch: CallerSketch) -> bool:
    return sketch.state().registers is None


def set_of(sketches: Sequence[CallerSketch]) -> CallerSet:
    found = CallerSet()
    for sketch in sketches:
        found.add_from(sketch)
    return found


def set_of_names(some: Calls) -> CallerSet:
    found = CallerSet()
    for caller, count, _ in some:
        if count:
            found.add_all([caller])
    return found


def encoded(sketch: CallerSketch | CallerSet) -> str:
    return json.dumps(sketch.encode())


def results(sketch: CallerSketch) -> tuple[int, int, int]:
    found = sketch.results()
    return found.distinct, found.busiest, found.payers


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
def test_results_packing_and_encoding_in_between_change_nothing(some: Calls) -> None:
    sketch = CallerSketch()
    for caller, count, paid in some:
        sketch.add(caller, count, paid=paid)
        results(sketch)
        sketch.encode()
        sketch.pack()
    assert sketch == of(some)
    assert encoded(sketch) == encoded(of(some))


@given(st.lists(calls, max_size=5), st.data())
def test_packing_and_decoding_in_between_change_nothing(
    groups: list[Calls], data: st.DataObject
) -> None:
    sketch = CallerSketch()
    for group in groups:
        sketch.merge(of(group))
        if data.draw(st.booleans()):
            sketch.pack()
        if data.draw(st.booleans()):
            sketch = CallerSketch.decode(json.loads(encoded(sketch)))
        for caller, count, paid in group:
            sketch.add(caller, count, paid=paid)
    whole = of([call for group in groups for call in (*group, *group)])
    assert sketch == whole
    assert encoded(sketch) == encoded(whole)


@given(calls, calls)
def test_merging_does_not_change_the_other_sketch(one: Calls, other: Calls) -> None:
    source = of(one)
    target = merged(source)
    target.merge(of(other))
    target.add(name(99), paid=True)
    assert source == of(one)


@given(calls)
def test_it_is_exact_up_to_the_limit_and_an_upper_bound_above_it(some: Calls) -> None:
    true: Counter[str] = Counter()
    for caller, count, _ in some:
        true[caller] += count
    payers = {caller for caller, _, paid in some if paid}
    called = {caller for caller, count in true.items() if count}
    sketch = of(some)
    assert is_exact(sketch) == (max(len(called), len(payers)) <= LOW_LIMIT)
    distinct, found_busiest, found_payers = results(sketch)
    assert (distinct, found_payers) == (len(called), len(payers))
    busiest = max(true.values(), default=0)
    assert found_busiest == busiest if is_exact(sketch) else busiest <= found_busiest


@given(calls)
def test_a_sketch_is_decoded_as_it_was_encoded(some: Calls) -> None:
    sketch = of(some)
    found = CallerSketch.decode(json.loads(encoded(sketch)))
    assert encoded(found) == encoded(sketch)
    assert found == sketch


@given(st.lists(calls, max_size=4))
def test_a_set_without_calls_counts_the_same(groups: list[Calls]) -> None:
    sketches = [of(group) for group in groups]
    before = [encoded(sketch) for sketch in sketches]
    found = set_of(sketches)
    assert found.distinct() == results(merged(*sketches))[0]
    assert [encoded(sketch) for sketch in sketches] == before
    assert found == set_of_names([call for group in groups for call in group])


@given(calls, calls, st.booleans())
def test_sets_obey_the_laws_of_sets(one: Calls, other: Calls, decoded: bool) -> None:
    whole = set_of_names([*one, *other])
    first, second = set_of_names(one), set_of_names(other)
    if decoded:
        first, second = (CallerSet.decode(json.loads(encoded(part))) for part in (first, second))
    both, reverse = CallerSet(), CallerSet()
    reverse.merge(second)
    for part in (first, second, first, CallerSet()):
        both.merge(part)
    reverse.merge(first)
    assert both == reverse == whole
    assert encoded(both) == encoded(reverse) == encoded(whole)
    assert both.distinct() == whole.distinct()
    assert first == set_of_names(one)


@pytest.mark.parametrize(
    "bad", [None, [], [1, ""], [-1, "", ""], [True, "", ""], [2, "AAAA", ""], [9, "", "AAAA"]]
)
def test_an_invalid_set_is_rejected_at_the_latest_when_it_is_counted(bad: object) -> None:
    with pytest.raises(SummaryUnreadable):  # noqa: PT012 (either of them may raise)
        found = CallerSet.decode(bad)
        found.add_all(["0"])
        found.distinct()


def test_the_real_limit_is_300_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    limit_to(monkeypatch, EXACT_CALLERS_MAX)
    names = [(name(number), 1, False) for number in range(301)]
    exact, more = of(names[:300]), of(names)
    assert (is_exact(exact), results(exact)[0], is_exact(more)) == (True, 300, False)
    assert abs(results(more)[0] - 301) <= 6
    assert results(merged(of(names[100:]), of(names[:200])))[0] == results(more)[0]
    assert set_of([exact]).distinct() == 300
    assert set_of([exact, of(names[200:])]).distinct() == results(more)[0]


def test_callers_who_only_paid_do_not_take_room_from_those_who_called() -> None:
    called = [(name(number), 1, False) for number in range(LOW_LIMIT)]
    paid = [(name(100 + number), 0, True) for number in range(LOW_LIMIT)]
    sketch = of([*called, *paid])
    assert is_exact(sketch)
    assert results(sketch) == (LOW_LIMIT, 1, LOW_LIMIT)


def test_a_sketch_takes_as_little_memory_as_its_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    limit_to(monkeypatch, EXACT_CALLERS_MAX)
    monkeypatch.setattr(many_callers, "PENDING_MAX", 500)
    chance = random.Random(1)
    names = [(f"{chance.getrandbits(64):016x}", 1, True) for _ in range(1_000)]
    assert len(encoded(of(names))) < 3_600
    sketch = of(names)
    sketch.encode()
    assert len(pickle.dumps(sketch)) < 4_000


def test_a_set_of_many_callers_is_within_two_per_cent(monkeypatch: pytest.MonkeyPatch) -> None:
    limit_to(monkeypatch, EXACT_CALLERS_MAX)
    chance = random.Random(2)
    names = [(f"{chance.getrandbits(64):016x}", 1, False) for _ in range(20_000)]
    sketches = [of(names[start : start + 290]) for start in range(0, 20_000, 200)]
    assert all(is_exact(sketch) for sketch in sketches)
    assert abs(set_of(sketches).distinct() / 20_000 - 1) <= 0.02


def test_all_unknown_callers_count_as_one() -> None:
    sketch = of([("", 1, False), (name(1), 1, False), ("", 1, False)])
    assert results(sketch)[:2] == (2, 2)


def test_a_caller_that_is_not_hexadecimal_is_rejected() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        of([("agent:7", 1, False)])


TWO = "AAAAAAAAAAABAAAAAAAAAA=="
"""The callers 0 and 1, eight bytes each."""


ONE_EACH = pack_counts(array("B", [2, 2]))


@pytest.mark.parametrize(
    "bad",
    [
        None,
        {},
        [],
        [2, 1, 0, TWO],
        [2, 1, 0, TWO, 7],
        [2, 1, 0, TWO, ONE_EACH, "", ""],
        [2, True, 0, TWO, ONE_EACH],
        [2, -1, 0, TWO, ONE_EACH],
        [2, 1, 0, "?", ONE_EACH],
        [2, 1, 0, "AAAA", ONE_EACH],
        [2, 1, 0, TWO, "?"],
        [3, 1, 0, TWO, ONE_EACH],
        [2, 2, 0, TWO, ONE_EACH],
        [2, 1, 1, TWO, ONE_EACH],
        [2, 1, 0, TWO, pack_counts(array("B", [2]))],
        [1, 1, 0, TWO, pack_counts(array("B", [2, 0]))],
        [2, 1, 0, "AQAAAAAAAAAAAAAAAAAAAA==", ONE_EACH],
        [2, 1, 0, "AAAAAAAAAAAAAAAAAAAAAA==", ONE_EACH],
    ],
)
def test_an_invalid_encoding_is_rejected_when_something_is_added(bad: object) -> None:
    with pytest.raises(SummaryUnreadable):
        CallerSketch.decode(bad).add("0")


@given(st.lists(calls, min_size=1, max_size=4), st.booleans())
def test_the_results_of_several_sketches_are_those_of_their_sum(
    groups: list[Calls], is_decoded: bool
) -> None:
    sketches = [of(group) for group in groups]
    if is_decoded:
        sketches = [CallerSketch.decode(json.loads(encoded(sketch))) for sketch in sketches]
    before = [encoded(sketch) for sketch in sketches]
    assert results_of(sketches) == merged(*map(of, groups)).results()
    assert [encoded(sketch) for sketch in sketches] == before


@pytest.mark.parametrize("more", [1, 5, 200, 299])
def test_a_few_callers_of_many_are_counted_like_a_sum(
    monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    limit_to(monkeypatch, EXACT_CALLERS_MAX)
    chance = random.Random(more)
    names = [f"{chance.getrandbits(64):016x}" for _ in range(4_000)]
    many = of([(one, chance.randrange(1, 60), chance.random() < 0.5) for one in names])
    few = [
        (chance.choice(names), chance.randrange(1, 9_000), chance.random() < 0.5)
        for _ in range(more // 2)
    ]
    few += [(f"{chance.getrandbits(64):016x}", 3, True) for _ in range(more - more // 2)]
    whole = merged(many, of(few))
    for sketch in (many, CallerSketch.decode(json.loads(encoded(many)))):
        assert results_of([of(few), sketch]) == whole.results()


@pytest.mark.parametrize("position", [3, 4, 5])
@pytest.mark.parametrize("bad", ["", "?", "=", "A" * 21_848])
def test_invalid_registers_are_rejected_when_they_are_needed(position: int, bad: str) -> None:
    form = of([(name(number), 1, True) for number in range(LOW_LIMIT + 1)]).encode()
    form[position] = bad
    with pytest.raises(SummaryUnreadable):
        CallerSketch.decode(form).state()


def test_two_callers_are_decoded() -> None:
    did = pack_counts(array("B", [6, 9]))
    expected = of([("0", 3, False), ("1", 4, True)])
    assert CallerSketch.decode([2, 4, 1, TWO, did]) == expected


@given(calls, calls)
def test_a_decoded_sketch_behaves_like_the_original(one: Calls, other: Calls) -> None:
    read = CallerSketch.decode(of(one).encode())
    assert results(read) == results(of(one))
    assert is_exact(read) == is_exact(of(one))
    assert merged(read, of(other)) == merged(of(other), read) == of([*one, *other])
    assert set_of([read, of(other)]).distinct() == results(of([*one, *other]))[0]

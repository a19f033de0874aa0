"""Aggregates: the laws of merging, and figures that equal a plain count."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import keys
from aggregates import Aggregate, is_error, merged
from events import UsageEvent
from tests.fakes import NOON_MS
from tests.unit.making import MAPS, WEATHER, event

events = st.lists(
    st.builds(
        event,
        st.integers(NOON_MS - 3 * keys.HOUR_MS, NOON_MS + 3 * keys.HOUR_MS),
        st.sampled_from([WEATHER, MAPS, WEATHER._replace(owner="carol"), None]),
        status=st.sampled_from([200, 204, 302, 404, 408, 429, 500, 503]),
        latency_ms=st.integers(0, 60_000),
        caller=st.sampled_from(["c1", "c2", "c3"]),
        counted=st.booleans(),
        revenue_micros=st.integers(0, 10**9),
    ),
    max_size=30,
)


def of(some: list[UsageEvent]) -> Aggregate:
    aggregate = Aggregate()
    for one in some:
        aggregate.add(one)
    return aggregate


@given(events, events)
def test_merging_is_commutative(one: list[UsageEvent], other: list[UsageEvent]) -> None:
    assert merged([of(one), of(other)]) == merged([of(other), of(one)])


@given(events, events, events)
def test_merging_is_associative(
    one: list[UsageEvent], other: list[UsageEvent], third: list[UsageEvent]
) -> None:
    left = merged([merged([of(one), of(other)]), of(third)])
    right = merged([of(one), merged([of(other), of(third)])])
    assert left == right


@given(events)
def test_an_empty_aggregate_changes_nothing(some: list[UsageEvent]) -> None:
    assert merged([of(some), Aggregate()]) == of(some) == merged([Aggregate(), of(some)])


@given(events, st.data())
def test_any_order_and_grouping_gives_the_same(some: list[UsageEvent], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(some))
    cut = data.draw(st.integers(0, len(some)))
    assert merged([of(shuffled[:cut]), of(shuffled[cut:])]) == of(some)


@given(events)
def test_figures_equal_a_plain_count(some: list[UsageEvent]) -> None:
    aggregate = of(some)
    calls = [one for one in some if one.counted]
    assert aggregate.calls == len(calls)
    assert aggregate.errors == sum(is_error(one.status) for one in calls)
    assert aggregate.revenue_micros == sum(one.revenue_micros for one in some)
    callers = Counter(one.caller for one in calls)
    assert aggregate.callers.distinct() == len(callers)
    assert aggregate.busiest_caller_calls() == max(callers.values(), default=0)
    hours = Counter(one.at_ms // keys.HOUR_MS for one in calls)
    assert aggregate.busiest_hour_calls() == max(hours.values(), default=0)
    prices = [one.api.price_micros for one in calls if one.api]
    assert aggregate.price_sum_micros == sum(prices)


@given(events)
def test_the_newest_description_wins(some: list[UsageEvent]) -> None:
    described = [(one.at_ms, one.api) for one in some if one.api]
    assert of(some).described_by == max(described, default=None)


@pytest.mark.parametrize(
    ("status", "failed"),
    [
        (200, False),
        (302, False),
        (404, False),
        (407, False),
        (408, True),
        (429, True),
        (499, False),
        (500, True),
        (599, True),
    ],
)
def test_an_error_is_500_and_up_408_or_429(status: int, failed: bool) -> None:
    assert is_error(status) is failed

"""Aggregates: the laws of merging, and totals that equal a count of the events."""

from __future__ import annotations

import json
from array import array
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calendar import DAY_MS, HOUR_MS
from core.errors import SummaryUnreadable
from core.ports import Json
from metering.aggregate import Aggregate
from metering.events import UsageEvent, is_error
from metering.sketches.latency import quantile_ms
from metering.sketches.packing import pack_counts
from tests.support.builders import MAPS, WEATHER, event, merged
from tests.support.fakes import NOON_MS

events = st.lists(
    st.builds(
        event,
        st.integers(NOON_MS - 3 * HOUR_MS, NOON_MS + 3 * HOUR_MS),
        st.sampled_from([WEATHER, MAPS, WEATHER._replace(owner="carol"), None]),
        status=st.sampled_from([200, 204, 302, 404, 408, 429, 500, 503]),
        latency_ms=st.integers(0, 60_000),
        caller=st.sampled_from(["c1", "c2", "c3"]),
        counted=st.booleans(),
        revenue_micros=st.one_of(st.just(0), st.integers(0, 10**9)),
        method=st.sampled_from(["GET", "POST", "BREW"]),
        outcome=st.sampled_from(["served", "rate_limited", "tenant_worker_failure"]),
        network=st.sampled_from(["", "a" * 16, "b" * 16]),
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
def test_any_order_and_grouping_gives_the_same_result(
    some: list[UsageEvent], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(some))
    cut = data.draw(st.integers(0, len(some)))
    assert merged([of(shuffled[:cut]), of(shuffled[cut:])]) == of(some)


@given(events)
def test_totals_equal_a_count_of_the_events(some: list[UsageEvent]) -> None:
    aggregate = of(some)
    calls = [one for one in some if one.counted]
    assert aggregate.calls == len(calls)
    assert aggregate.errors == sum(is_error(one.status, one.outcome) for one in calls)
    assert aggregate.revenue_micros == sum(one.revenue_micros for one in some)
    callers = Counter(one.caller for one in calls)
    payers = {one.caller for one in some if one.revenue_micros}
    assert aggregate.callers.results() == (
        len(callers),
        max(callers.values(), default=0),
        len(payers),
    )
    unpaid = {(one.network, one.caller) for one in calls if not one.revenue_micros}
    of_networks = Counter(network for network, _ in unpaid)
    assert aggregate.networks.distinct() == sum(min(4, count) for count in of_networks.values())
    for name, value in (
        ("method", lambda one: one.method if one.method != "BREW" else "other"),
        ("status_class", lambda one: str(one.status // 100)),
        ("outcome", lambda one: one.outcome),
    ):
        found = aggregate.kinds.by(name)  # type: ignore[arg-type]
        requests = Counter(map(value, some))
        assert {key: counts.requests for key, counts in found.items()} == dict(requests)
        assert sum(counts.calls for counts in found.values()) == len(calls)
        assert sum(counts.errors for counts in found.values()) == aggregate.errors
        assert sum(counts.revenue_micros for counts in found.values()) == aggregate.revenue_micros
    by_hour: dict[int, list[UsageEvent]] = {}
    for one in some:
        if one.counted or one.revenue_micros:
            by_hour.setdefault(one.at_ms // HOUR_MS, []).append(one)
    assert dict(aggregate.hours.items()) == {
        hour: (
            sum(one.counted for one in own),
            sum(one.counted and is_error(one.status, one.outcome) for one in own),
            sum(one.revenue_micros for one in own),
            sum(one.counted and one.latency_ms > 0 for one in own),
            sum(one.counted * one.latency_ms for one in own),
        )
        for hour, own in by_hour.items()
    }
    hours = Counter(one.at_ms // HOUR_MS for one in calls)
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
    assert is_error(status, "served") is failed


TODAY = NOON_MS // DAY_MS

over_days = st.lists(
    st.builds(
        event,
        st.integers(NOON_MS - 3 * DAY_MS, NOON_MS),
        status=st.sampled_from([200, 500]),
        caller=st.sampled_from(["c1", "c2", "c3"]),
        counted=st.booleans(),
    ),
    max_size=60,
)


def closed(some: list[UsageEvent], before_day: int) -> Aggregate:
    aggregate = of(some)
    aggregate.close_days(before_day)
    return aggregate


@given(over_days, st.permutations(range(4)), st.integers(0, 3))
def test_closed_days_and_todays_hours_equal_one_aggregate_of_all(
    some: list[UsageEvent], order: list[int], cut: int
) -> None:
    days = [[one for one in some if one.at_ms // DAY_MS == TODAY - ago] for ago in order]
    # Each day separately, in any order and grouping; today (0 days ago) stays open.
    parts = [closed(day, TODAY) for day in days]
    found = merged([merged(parts[:cut]), merged(parts[cut:])])
    assert found == closed(some, TODAY)
    assert found.busiest_hour_calls() == of(some).busiest_hour_calls()
    assert {hour for hour, _ in found.hours.items()} == {
        one.at_ms // HOUR_MS for one in some if one.counted and one.at_ms // DAY_MS == TODAY
    }


@given(over_days)
def test_closing_days_twice_or_later_changes_no_total(some: list[UsageEvent]) -> None:
    aggregate = closed(some, TODAY - 2)
    aggregate.close_days(TODAY)
    aggregate.close_days(TODAY)
    assert aggregate == closed(some, TODAY)


@given(over_days, st.integers(TODAY - 3, TODAY + 1), st.integers(TODAY - 3, TODAY + 1))
def test_calls_by_day_equal_a_count_until_they_are_dropped(
    some: list[UsageEvent], before_day: int, kept_from: int
) -> None:
    aggregate = closed(some, before_day)
    count = Counter(one.at_ms // DAY_MS for one in some if one.counted)
    days = range(TODAY - 3, TODAY + 2)
    assert aggregate.calls_by_day(TODAY - 3, TODAY + 2) == [count[day] for day in days]
    totals = aggregate.calls, aggregate.busiest_hour_calls(), aggregate.hours
    aggregate.forget_days(kept_from)
    assert aggregate.calls_by_day(TODAY - 3, TODAY + 2) == [
        0 if day < min(kept_from, before_day) else count[day] for day in days
    ]
    assert totals == (aggregate.calls, aggregate.busiest_hour_calls(), aggregate.hours)


def written(aggregate: Aggregate) -> str:
    return json.dumps(aggregate.encode(), separators=(",", ":"))


@given(events, st.data())
def test_equal_aggregates_have_the_same_encoding(
    some: list[UsageEvent], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(some))
    cut = data.draw(st.integers(0, len(some)))
    parts = merged([of(shuffled[:cut]), of(shuffled[cut:])])
    assert written(parts) == written(of(some))


@given(over_days, st.integers(TODAY - 3, TODAY + 1))
def test_an_aggregate_is_decoded_as_it_was_encoded(some: list[UsageEvent], before_day: int) -> None:
    aggregate = closed(some, before_day)
    found = Aggregate.decode(json.loads(written(aggregate)))
    assert found == aggregate
    assert written(found) == written(aggregate)


@given(events, events, st.data())
def test_an_aggregate_that_was_decoded_or_packed_behaves_like_the_original(
    one: list[UsageEvent], other: list[UsageEvent], data: st.DataObject
) -> None:
    aggregate = of(one)
    if data.draw(st.booleans()):
        aggregate = Aggregate.decode(json.loads(written(aggregate)))
    if data.draw(st.booleans()):
        aggregate.pack()
    added, joined = merged([aggregate]), merged([aggregate, of(other)])
    for event_ in other:
        added.add(event_)
    assert aggregate == of(one)
    assert added == joined == of([*one, *other])
    assert written(added) == written(joined) == written(of([*one, *other]))


def test_the_encoding_of_a_small_aggregate_is_short() -> None:
    # 20 numbers, one caller, also of its network, a kind, and the description.
    assert len(written(of([event()]))) <= 210


def damaged(position: int, value: Json) -> Json:
    form = of([event(), event(latency_ms=300)]).encode()
    form[position] = value
    return form


@pytest.mark.parametrize(
    "bad",
    [
        None,
        7,
        [],
        {},
        *(damaged(position, None) for position in range(11)),
        *(damaged(position, -1) for position in range(12)),
        damaged(0, 1.0),
        damaged(0, True),
        damaged(1, 3),
        damaged(4, [320, 2]),
        damaged(4, [320, 2, ""]),
        damaged(4, [320, 2, 7]),
        damaged(4, [320, True, "1AAA="]),
        damaged(4, [1, 2, "1AAA="]),
        damaged(10, 3),
        damaged(8, [[2, 0], [1, 1], [], []]),
        damaged(8, [[True], [1], [], []]),
        damaged(8, [[1], [1]]),
        damaged(8, [[1], [1, 1], [], []]),
        damaged(8, [[1], ["1"], [], []]),
        damaged(8, [[1], [1], [2], []]),
        damaged(8, [[1], [1], [], [-1]]),
        damaged(8, [[1], [1], [], [2**63]]),
        damaged(8, [[], [], [], []]),
        damaged(11, []),
        damaged(11, [1, "t", "s", "o", "d", -1]),
        damaged(11, [1, "t", "s", "o", "d", True]),
        damaged(11, [1, "t", "s", "o", None, 1]),
        [*of([event()]).encode(), []],
        of([event()]).encode()[:-1],
    ],
)
def test_an_invalid_encoding_is_rejected_when_it_is_added(bad: Json) -> None:
    with pytest.raises(SummaryUnreadable):
        merged([Aggregate.decode(bad)])


@pytest.mark.parametrize("packed", ["?", "3AAA=", pack_counts(array("B", [0, 1, 0]))])
def test_invalid_latencies_are_rejected_when_they_are_needed(packed: str) -> None:
    aggregate = Aggregate.decode(damaged(4, [320, 2, packed]))
    with pytest.raises(SummaryUnreadable):
        quantile_ms([aggregate.latency], 0.95)

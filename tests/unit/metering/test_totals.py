"""Totals of the marketplace: each event once, and a series whose days may be closed at any time."""

from __future__ import annotations

import json
import pickle
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calendar import DAY_MS, HOUR_MS
from core.errors import SummaryUnreadable
from metering.events import UsageEvent
from metering.sketches.periods import Counts
from metering.totals import ApiId, Series, Totals, callers_by_directory, decode_apis
from tests.support.builders import MAPS, WEATHER, event
from tests.support.fakes import NOON_MS

TODAY = NOON_MS // DAY_MS

Moment = tuple[int, Counts]

moments = st.lists(
    st.tuples(
        st.integers(NOON_MS - 3 * DAY_MS, NOON_MS),
        st.builds(
            lambda calls, errors, micros: Counts(calls + errors, errors, micros),
            st.integers(0, 5),
            st.integers(0, 5),
            st.integers(0, 10**9),
        ),
    ),
    max_size=30,
)


def of(some: list[Moment], before_day: int = 0) -> Series:
    series = Series()
    for at_ms, totals in some:
        series.hours.add(at_ms // HOUR_MS, *totals)
    series.close_days(before_day)
    return series


def merged(*parts: Series) -> Series:
    result = Series()
    for part in parts:
        result.merge(part)
    return result


@given(moments, moments, moments)
def test_any_order_and_grouping_gives_the_same_result(
    one: list[Moment], other: list[Moment], third: list[Moment]
) -> None:
    left = merged(merged(of(one), of(other)), of(third))
    right = merged(of(third), merged(of(other), of(one)))
    assert left == right == of([*one, *other, *third])
    assert merged(left, Series()) == merged(Series(), left) == left


@given(moments, moments, st.integers(TODAY - 3, TODAY + 1))
def test_days_may_be_closed_before_a_merge_or_after(
    one: list[Moment], other: list[Moment], before_day: int
) -> None:
    late = merged(of(one), of(other, before_day))
    late.close_days(before_day)
    assert late == merged(of(one, before_day), of(other, before_day))
    assert late.by_day() == of([*one, *other]).by_day()
    assert all(hour // 24 >= before_day for hour, _ in late.hours.items())


@given(moments, st.integers(TODAY - 3, TODAY + 1))
def test_a_series_is_decoded_as_it_was_encoded(some: list[Moment], before_day: int) -> None:
    series = of(some, before_day)
    text = json.dumps(series.encode())
    found = Series.decode(json.loads(text))
    assert found == series
    assert json.dumps(found.encode()) == text


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        [[], {}],
        [[], [7]],
        [[], [[1], [1], []]],
        [[], [[1], [1], [], [-1]]],
        [[], [[1], [1], [2], []]],
        [[], [[1], [True], [], []]],
        [[[2, -1], [1, 1], [], []], []],
        [[[1, 0], [1, 1], [], []], []],
    ],
)
def test_an_invalid_encoding_is_rejected_when_it_is_needed(bad: object) -> None:
    with pytest.raises(SummaryUnreadable):
        Series.decode(bad).by_day()


some_events = st.lists(
    st.builds(
        event,
        st.integers(NOON_MS - 3 * DAY_MS, NOON_MS),
        st.sampled_from([WEATHER, MAPS, WEATHER._replace(slug="rain"), None]),
        status=st.sampled_from([200, 500]),
        caller=st.sampled_from(["c1", "c2", ""]),
        counted=st.booleans(),
        revenue_micros=st.sampled_from([0, 5]),
    ),
    max_size=30,
)


def totals_of(some: list[UsageEvent]) -> Totals:
    totals = Totals()
    totals.add_all(some)
    return totals


def sum_of(*parts: Totals) -> Totals:
    result = Totals()
    for part in parts:
        result.merge(part)
    return result


def written(totals: Totals) -> str:
    header, rows = totals.encode()
    return json.dumps([header, [*rows]])


@given(some_events)
def test_totals_are_of_all_events_that_have_an_api(some: list[UsageEvent]) -> None:
    totals = Totals()
    expected = {ApiId(one.api.tenant_id, one.api.slug) for one in some if one.api}
    assert {*totals.add_all(some)} == expected
    known = [one for one in some if one.api]
    calls = [one for one in known if one.counted]
    assert sum(one.calls for one in totals.apis.values()) == len(calls)
    assert totals.callers.distinct() == len({one.caller for one in calls})
    days = Counter(one.at_ms // DAY_MS for one in calls)
    by_day = {day: counts.calls for day, counts in totals.series.by_day().items() if counts.calls}
    assert by_day == dict(days)
    for name, callers in callers_by_directory(totals).items():
        own = {one.caller for one in calls if one.api and (one.api.directory or "APIs") == name}
        assert callers.distinct() == len(own)


@given(some_events, some_events, st.data())
def test_totals_merge_in_any_order_and_are_decoded_as_they_were_encoded(
    one: list[UsageEvent], other: list[UsageEvent], data: st.DataObject
) -> None:
    first, second = totals_of(one), totals_of(other)
    first.dropped = 3
    if data.draw(st.booleans()):
        header, rows = json.loads(written(first))
        first = Totals.decode(header, decode_apis(rows))
    whole = totals_of([*one, *other])
    whole.dropped = 3
    both, reverse = sum_of(first, second), sum_of(second, Totals(), first)
    assert both == reverse == whole
    assert written(both) == written(reverse) == written(whole)


def test_a_merge_pauses_after_every_50_apis() -> None:
    apis = [WEATHER._replace(slug=f"api-{number}") for number in range(120)]
    totals, other = Totals(), totals_of([event(api=api) for api in apis])
    assert len([*totals.merge_in_steps(other)]) == 2
    assert totals == other


def test_a_part_with_a_million_events_is_small() -> None:
    # A hundredth of it: 10 of 1,000 APIs, each called by about 975 of 20,000 agents.
    chance = random.Random(7)
    agents = [f"{chance.getrandbits(64):016x}" for _ in range(20_000)]
    totals = Totals()
    for number in range(10_000):
        caller = chance.choice(agents)
        totals.add_all(
            [
                event(
                    NOON_MS + number * 4_000,
                    WEATHER._replace(slug=f"api-{number % 10}"),
                    latency_ms=int(chance.lognormvariate(5, 0.8)),
                    caller=caller,
                    revenue_micros=10_000,
                    network=caller[::-1],
                )
            ]
        )
    _, rows = totals.encode()
    assert sum(len(json.dumps(row, separators=(",", ":"))) for row in rows) < 50_000
    assert len(pickle.dumps(totals.apis)) < 100_000

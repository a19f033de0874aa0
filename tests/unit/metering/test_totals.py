"""The series of the marketplace: counts by hour and day, whose days may be closed at any time."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calendar import DAY_MS
from core.errors import SummaryUnreadable
from metering.totals import Counts, Series
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
        series.add(at_ms, totals)
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
    assert all(hour // 24 >= before_day for hour in late.hours)


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
        [[], [[1, 1, 0]]],
        [[], [[1, 1, 0, -1]]],
        [[], [[1, 1, 2, 0]]],
        [[], [[1, True, 0, 0]]],
        [[[2, 1, 0, 0], [1, 1, 0, 0]], []],
        [[[1, 1, 0, 0], [1, 1, 0, 0]], []],
    ],
)
def test_an_invalid_encoding_is_rejected(bad: object) -> None:
    with pytest.raises(SummaryUnreadable):
        Series.decode(bad)

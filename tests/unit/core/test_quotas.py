"""Counting: the last free place is given once, and what is given back is free again."""

from __future__ import annotations

import pytest

from core.calendar import DAY_MS, month_of
from core.quotas import QuotaLimits, Reserved, Usage, period_ms, release, reserve
from tests.support.fakes import NOON_MS

TODAY = NOON_MS // DAY_MS
MONDAY_MS = NOON_MS + DAY_MS
DECEMBER_MS = NOON_MS + 9 * DAY_MS


def use_of(bounds: QuotaLimits, times: int, micros: int = 0) -> Usage:
    """The use after so many reservations that all fit."""
    use = Usage()
    for _ in range(times):
        reserved = reserve(use, NOON_MS, bounds, micros)
        assert reserved.exceeded == ""
        use = reserved.use
    return use


@pytest.mark.parametrize(
    ("bounds", "named"),
    [
        (QuotaLimits(daily_requests=3), "daily_requests"),
        (QuotaLimits(monthly_requests=3), "monthly_requests"),
        (QuotaLimits(daily_micros=30), "daily_micros"),
        (QuotaLimits(monthly_micros=39), "monthly_micros"),
    ],
)
def test_each_bound_lets_through_what_it_has_room_for(bounds: QuotaLimits, named: str) -> None:
    use = use_of(bounds, 3, micros=10)
    assert reserve(use, NOON_MS, bounds, 10) == Reserved(use, named)


def test_the_bound_that_lasts_longest_is_named() -> None:
    bounds = QuotaLimits(monthly_requests=2, daily_requests=2)
    assert reserve(use_of(bounds, 2), NOON_MS, bounds, 0).exceeded == "monthly_requests"


def test_what_no_bound_speaks_of_is_counted_all_the_same() -> None:
    assert use_of(QuotaLimits(), 2, micros=5) == Usage(TODAY, 2, 2, 10, 10)


def test_a_new_day_begins_with_nothing_used_and_the_month_goes_on() -> None:
    use = reserve(use_of(QuotaLimits(), 3, micros=10), MONDAY_MS, QuotaLimits(), 10).use
    assert use == Usage(TODAY + 1, 4, 1, 40, 10)


def test_a_new_month_begins_with_nothing_used() -> None:
    use = reserve(use_of(QuotaLimits(), 3, micros=10), DECEMBER_MS, QuotaLimits(), 10).use
    assert use == Usage(TODAY + 9, 1, 1, 10, 10)


def test_a_clock_that_is_behind_brings_no_day_back() -> None:
    bounds = QuotaLimits(daily_requests=1)
    use = reserve(Usage(), MONDAY_MS, bounds, 0).use
    assert reserve(use, NOON_MS, bounds, 0).exceeded == "daily_requests"


def test_what_is_given_back_is_free_again() -> None:
    bounds = QuotaLimits(daily_requests=1, daily_micros=10)
    use = release(use_of(bounds, 1, micros=10), TODAY, 1, 10)
    assert use == Usage(TODAY)
    assert reserve(use, NOON_MS, bounds, 10).exceeded == ""


def test_money_is_given_back_without_the_request() -> None:
    assert release(use_of(QuotaLimits(), 2, micros=10), TODAY, 0, 10) == Usage(TODAY, 2, 2, 10, 10)


def test_yesterdays_reservation_frees_nothing_today() -> None:
    use = reserve(use_of(QuotaLimits(), 1, micros=10), MONDAY_MS, QuotaLimits(), 10).use
    assert release(use, TODAY, 1, 10) == Usage(TODAY + 1, 1, 1, 10, 10)


def test_last_months_reservation_frees_nothing_this_month() -> None:
    use = reserve(use_of(QuotaLimits(), 1, micros=10), DECEMBER_MS, QuotaLimits(), 10).use
    assert release(use, TODAY, 1, 10) == use


def test_no_use_is_below_nothing() -> None:
    assert release(Usage(TODAY), TODAY, 1, 10) == Usage(TODAY)


def test_periods_are_utc_days_and_calendar_months() -> None:
    assert period_ms("daily_requests", TODAY) == (TODAY * DAY_MS, (TODAY + 1) * DAY_MS)
    start_ms, end_ms = period_ms("monthly_micros", TODAY)
    assert (start_ms, end_ms) == (1_793_491_200_000, 1_796_083_200_000)
    assert month_of(end_ms // DAY_MS - 1) == month_of(TODAY) == month_of(end_ms // DAY_MS) - 1


def test_december_ends_with_the_year() -> None:
    _, end_ms = period_ms("monthly_requests", DECEMBER_MS // DAY_MS)
    assert end_ms == 1_798_761_600_000

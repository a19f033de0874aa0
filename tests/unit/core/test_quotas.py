"""A limit is never exceeded, and what is released can be reserved again."""

from __future__ import annotations

import pytest

from core.calendar import DAY_MS, month_of
from core.quotas import QuotaLimits, Release, Reserved, Usage, hold, period_ms, release, reserve
from tests.support.fakes import NOON_MS

TODAY = NOON_MS // DAY_MS
MONDAY_MS = NOON_MS + DAY_MS
DECEMBER_MS = NOON_MS + 9 * DAY_MS


def usage_after(limits: QuotaLimits, times: int, micros: int = 0) -> Usage:
    """The usage after `times` requests that were reserved and paid; none exceeds a limit."""
    usage = Usage()
    for _ in range(times):
        reserved = reserve(usage, NOON_MS, limits, micros)
        held = hold(reserved.usage, NOON_MS, limits, micros)
        assert (reserved.exceeded, held.exceeded) == ("", "")
        usage = release(held.usage, Release(TODAY, 0, TODAY, micros, is_paid=True))
    return usage


@pytest.mark.parametrize(
    ("limits", "exceeded"),
    [
        (QuotaLimits(daily_requests=3), "daily_requests"),
        (QuotaLimits(monthly_requests=3), "monthly_requests"),
        (QuotaLimits(daily_micros=30), "daily_micros"),
        (QuotaLimits(monthly_micros=39), "monthly_micros"),
    ],
)
def test_a_reservation_above_a_limit_is_rejected_and_not_counted(
    limits: QuotaLimits, exceeded: str
) -> None:
    usage = usage_after(limits, 3, micros=10)
    assert reserve(usage, NOON_MS, limits, 10) == Reserved(usage, exceeded)


@pytest.mark.parametrize("name", ["daily_micros", "monthly_micros"])
def test_a_price_above_a_cap_is_not_held(name: str) -> None:
    limits = QuotaLimits(**{name: 30})
    usage = usage_after(limits, 3, micros=10)
    assert hold(usage, NOON_MS, limits, 1) == Reserved(usage, name)


def test_of_several_exceeded_limits_the_one_with_the_longest_period_is_named() -> None:
    limits = QuotaLimits(monthly_requests=2, daily_requests=2)
    assert reserve(usage_after(limits, 2), NOON_MS, limits, 0).exceeded == "monthly_requests"
    limits = QuotaLimits(monthly_micros=20, daily_micros=20)
    assert hold(usage_after(limits, 2, micros=10), NOON_MS, limits, 1).exceeded == "monthly_micros"


def test_requests_without_a_limit_are_counted() -> None:
    assert usage_after(QuotaLimits(), 2, micros=5) == Usage(TODAY, 2, 2, 10, 10)


def test_a_reserved_price_uses_no_cap_until_it_is_held() -> None:
    limits = QuotaLimits(daily_micros=50)
    usage = Usage()
    for _ in range(20):
        usage = reserve(usage, NOON_MS, limits, 10).usage
    assert usage == Usage(TODAY, 20, 20)
    for held in range(1, 6):
        found = hold(usage, NOON_MS, limits, 10)
        usage = found.usage
        assert (found.exceeded, usage.daily_micros, usage.held_micros) == ("", 10 * held, 10 * held)


def test_a_cap_that_others_only_hold_is_busy_and_refuses_nobody_yet() -> None:
    limits = QuotaLimits(monthly_micros=30, daily_micros=30)
    usage = usage_after(limits, 1, micros=10)
    for _ in range(2):
        usage = hold(usage, NOON_MS, limits, 10).usage
    assert hold(usage, NOON_MS, limits, 10) == Reserved(usage, "monthly_micros", is_busy=True)
    assert reserve(usage, NOON_MS, limits, 10).exceeded == ""
    unpaid = release(usage, Release(TODAY, 0, TODAY, 10, is_paid=False))
    assert unpaid == Usage(TODAY, 1, 1, 20, 20, 10)
    assert hold(unpaid, NOON_MS, limits, 10).exceeded == ""
    paid = release(usage, Release(TODAY, 0, TODAY, 10, is_paid=True))
    assert paid == Usage(TODAY, 1, 1, 30, 30, 10)
    all_paid = release(paid, Release(TODAY, 0, TODAY, 10, is_paid=True))
    assert hold(all_paid, NOON_MS, limits, 10) == Reserved(all_paid, "monthly_micros")
    assert reserve(all_paid, NOON_MS, limits, 10).exceeded == "monthly_micros"


def test_a_cap_that_is_used_up_is_named_before_one_that_is_busy() -> None:
    limits = QuotaLimits(monthly_micros=100, daily_micros=20)
    usage = usage_after(QuotaLimits(), 2, micros=10)._replace(monthly_micros=100, held_micros=80)
    assert hold(usage, NOON_MS, limits, 10) == Reserved(usage, "monthly_micros", is_busy=True)
    used_up = usage._replace(held_micros=0)
    assert hold(used_up, NOON_MS, limits, 10) == Reserved(used_up, "monthly_micros")


def test_a_new_day_resets_the_daily_counts_and_what_is_held() -> None:
    usage = usage_after(QuotaLimits(), 3, micros=10)
    usage = hold(usage, NOON_MS, QuotaLimits(), 10).usage
    assert reserve(usage, MONDAY_MS, QuotaLimits(), 10).usage == Usage(TODAY + 1, 4, 1, 40, 0)


def test_a_new_month_resets_all_counts() -> None:
    usage = reserve(usage_after(QuotaLimits(), 3, micros=10), DECEMBER_MS, QuotaLimits(), 10).usage
    assert usage == Usage(TODAY + 9, 1, 1, 0, 0)


def test_a_clock_that_is_behind_does_not_reset_the_day() -> None:
    limits = QuotaLimits(daily_requests=1)
    usage = reserve(Usage(), MONDAY_MS, limits, 0).usage
    assert reserve(usage, NOON_MS, limits, 0).exceeded == "daily_requests"


def test_a_released_request_can_be_reserved_again() -> None:
    limits = QuotaLimits(daily_requests=1, daily_micros=10)
    usage = hold(reserve(Usage(), NOON_MS, limits, 10).usage, NOON_MS, limits, 10).usage
    usage = release(usage, Release(TODAY, 1, TODAY, 10, is_paid=False))
    assert usage == Usage(TODAY)
    assert reserve(usage, NOON_MS, limits, 10).exceeded == ""


def test_a_request_is_released_without_a_hold() -> None:
    usage = usage_after(QuotaLimits(), 2, micros=10)
    assert release(usage, Release(TODAY, 1, 0, 0, is_paid=False)) == Usage(TODAY, 1, 1, 20, 20)


def test_releasing_yesterdays_reservation_changes_the_month_only() -> None:
    usage = hold(usage_after(QuotaLimits(), 1, micros=10), NOON_MS, QuotaLimits(), 10).usage
    usage = reserve(usage, MONDAY_MS, QuotaLimits(), 10).usage
    released = release(usage, Release(TODAY, 1, TODAY, 10, is_paid=False))
    assert released == Usage(TODAY + 1, 1, 1, 10, 0)


def test_a_request_of_yesterday_may_be_held_today() -> None:
    usage = reserve(Usage(), NOON_MS, QuotaLimits(), 10).usage
    usage = hold(usage, MONDAY_MS, QuotaLimits(), 10).usage
    released = release(usage, Release(TODAY, 1, TODAY + 1, 10, is_paid=False))
    assert (usage, released) == (Usage(TODAY + 1, 1, 0, 10, 10, 10), Usage(TODAY + 1))


def test_releasing_last_months_reservation_changes_nothing() -> None:
    usage = reserve(usage_after(QuotaLimits(), 1, micros=10), DECEMBER_MS, QuotaLimits(), 10).usage
    assert release(usage, Release(TODAY, 1, TODAY, 10, is_paid=False)) == usage


def test_usage_is_never_negative() -> None:
    assert release(Usage(TODAY), Release(TODAY, 1, TODAY, 10, is_paid=False)) == Usage(TODAY)


def test_periods_are_utc_days_and_calendar_months() -> None:
    assert period_ms("daily_requests", TODAY) == (TODAY * DAY_MS, (TODAY + 1) * DAY_MS)
    start_ms, end_ms = period_ms("monthly_micros", TODAY)
    assert (start_ms, end_ms) == (1_793_491_200_000, 1_796_083_200_000)
    assert month_of(end_ms // DAY_MS - 1) == month_of(TODAY) == month_of(end_ms // DAY_MS) - 1


def test_december_ends_with_the_year() -> None:
    _, end_ms = period_ms("monthly_requests", DECEMBER_MS // DAY_MS)
    assert end_ms == 1_798_761_600_000

"""A limit is never exceeded, and what is released can be reserved again."""

from __future__ import annotations

import pytest

from core.calendar import DAY_MS, month_of
from core.quotas import QuotaLimits, Reserved, Usage, period_ms, release, reserve
from tests.support.fakes import NOON_MS

TODAY = NOON_MS // DAY_MS
MONDAY_MS = NOON_MS + DAY_MS
DECEMBER_MS = NOON_MS + 9 * DAY_MS


def usage_after(limits: QuotaLimits, times: int, micros: int = 0) -> Usage:
    """The usage after `times` reservations, none of which exceeds a limit."""
    usage = Usage()
    for _ in range(times):
        reserved = reserve(usage, NOON_MS, limits, micros)
        assert reserved.exceeded == ""
        usage = reserved.usage
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


def test_of_several_exceeded_limits_the_one_with_the_longest_period_is_named() -> None:
    limits = QuotaLimits(monthly_requests=2, daily_requests=2)
    assert reserve(usage_after(limits, 2), NOON_MS, limits, 0).exceeded == "monthly_requests"


def test_requests_without_a_limit_are_counted() -> None:
    assert usage_after(QuotaLimits(), 2, micros=5) == Usage(TODAY, 2, 2, 10, 10)


def test_a_new_day_resets_the_daily_counts_only() -> None:
    usage = reserve(usage_after(QuotaLimits(), 3, micros=10), MONDAY_MS, QuotaLimits(), 10).usage
    assert usage == Usage(TODAY + 1, 4, 1, 40, 10)


def test_a_new_month_resets_all_counts() -> None:
    usage = reserve(usage_after(QuotaLimits(), 3, micros=10), DECEMBER_MS, QuotaLimits(), 10).usage
    assert usage == Usage(TODAY + 9, 1, 1, 10, 10)


def test_a_clock_that_is_behind_does_not_reset_the_day() -> None:
    limits = QuotaLimits(daily_requests=1)
    usage = reserve(Usage(), MONDAY_MS, limits, 0).usage
    assert reserve(usage, NOON_MS, limits, 0).exceeded == "daily_requests"


def test_a_released_request_can_be_reserved_again() -> None:
    limits = QuotaLimits(daily_requests=1, daily_micros=10)
    usage = release(usage_after(limits, 1, micros=10), TODAY, 1, 10)
    assert usage == Usage(TODAY)
    assert reserve(usage, NOON_MS, limits, 10).exceeded == ""


def test_money_is_released_without_the_request() -> None:
    assert release(usage_after(QuotaLimits(), 2, micros=10), TODAY, 0, 10) == Usage(
        TODAY, 2, 2, 10, 10
    )


def test_releasing_yesterdays_reservation_changes_the_month_only() -> None:
    usage = reserve(usage_after(QuotaLimits(), 1, micros=10), MONDAY_MS, QuotaLimits(), 10).usage
    assert release(usage, TODAY, 1, 10) == Usage(TODAY + 1, 1, 1, 10, 10)


def test_releasing_last_months_reservation_changes_nothing() -> None:
    usage = reserve(usage_after(QuotaLimits(), 1, micros=10), DECEMBER_MS, QuotaLimits(), 10).usage
    assert release(usage, TODAY, 1, 10) == usage


def test_usage_is_never_negative() -> None:
    assert release(Usage(TODAY), TODAY, 1, 10) == Usage(TODAY)


def test_periods_are_utc_days_and_calendar_months() -> None:
    assert period_ms("daily_requests", TODAY) == (TODAY * DAY_MS, (TODAY + 1) * DAY_MS)
    start_ms, end_ms = period_ms("monthly_micros", TODAY)
    assert (start_ms, end_ms) == (1_793_491_200_000, 1_796_083_200_000)
    assert month_of(end_ms // DAY_MS - 1) == month_of(TODAY) == month_of(end_ms // DAY_MS) - 1


def test_december_ends_with_the_year() -> None:
    _, end_ms = period_ms("monthly_requests", DECEMBER_MS // DAY_MS)
    assert end_ms == 1_798_761_600_000

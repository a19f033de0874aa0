"""Periods nest as in the calendar, and timestamps are RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from core.calendar import Period, containing, minute_of, month_of, month_start_ms, timestamp

minutes = st.integers(min_value=0, max_value=200 * 366 * 1440)


def test_a_timestamp_is_rfc_3339_with_milliseconds_in_utc() -> None:
    assert timestamp(1_709_210_096_007) == "2024-02-29T12:34:56.007Z"
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"


@given(minutes, st.sampled_from(["minute", "hour", "day", "month"]))
def test_a_period_contains_its_minute_and_lies_within_its_parent(minute: int, level: str) -> None:
    period = containing(level, minute)
    assert period.start <= minute < period.end
    assert containing(level, period.end).start == period.end
    if period.parent is not None:
        assert period.parent.start <= period.start < period.end <= period.parent.end
        assert period.parent.child_level == level


def test_a_month_ends_where_the_next_one_starts() -> None:
    start, end = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
    assert Period("month", minute_of(start)).end == minute_of(end)
    month = month_of(minute_of(start) // 1_440)
    assert month_start_ms(month) == minute_of(start) * 60_000
    assert month_start_ms(month + 1) == minute_of(end) * 60_000

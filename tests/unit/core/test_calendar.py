"""Days and months are those of the calendar, and timestamps are RFC 3339."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.calendar import DAY_MS, day_of, month_of, month_start_ms, timestamp

EPOCH = date(1970, 1, 1)
days = st.integers(min_value=0, max_value=200 * 366)


def test_a_timestamp_is_rfc_3339_with_milliseconds_in_utc() -> None:
    assert timestamp(1_709_210_096_007) == "2024-02-29T12:34:56.007Z"
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"


@given(days)
def test_a_date_is_parsed_to_its_day(day: int) -> None:
    assert day_of((EPOCH + timedelta(days=day)).isoformat()) == day
    assert day_of(timestamp(day * DAY_MS)[:10]) == day


@given(days)
def test_a_month_contains_its_days(day: int) -> None:
    month = month_of(day)
    assert month_start_ms(month) <= day * DAY_MS < month_start_ms(month + 1)
    at = EPOCH + timedelta(days=day)
    assert divmod(month, 12) == (at.year, at.month - 1)


def test_a_month_ends_where_the_next_one_starts() -> None:
    start, end = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
    month = month_of((start.date() - EPOCH).days)
    assert month_start_ms(month) == start.timestamp() * 1_000
    assert month_start_ms(month + 1) == end.timestamp() * 1_000

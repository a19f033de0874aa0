"""Keys: what is built can be parsed again, and listings run from new to old."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import keys
from core.calendar import containing, timestamp
from core.errors import KeyMalformed

minutes = st.integers(min_value=0, max_value=200 * 366 * 1440)


@given(minutes, st.text("0123456789abcdef", min_size=1, max_size=16), st.integers(0, 999_999))
def test_a_batch_key_parses_back_to_its_parts(minute: int, writer: str, counter: int) -> None:
    assert keys.parse_usage_batch(keys.usage_batch(minute, writer, counter)) == (
        minute,
        writer,
        counter,
    )


@given(minutes, minutes)
def test_a_newer_minute_sorts_before_an_older_one(one: int, other: int) -> None:
    first, second = keys.usage_batch(one, "w", 1), keys.usage_batch(other, "w", 1)
    assert (first < second) == (one > other)


@given(minutes)
def test_a_day_is_one_prefix(minute: int) -> None:
    day = minute // 1440
    key = keys.usage_batch(minute, "w", 1)
    assert key.startswith(keys.usage_day(day))
    assert not key.startswith(keys.usage_day(day + 1))
    assert not key.startswith(keys.usage_day(day - 1 if day else 3))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "usage/",
        "usage/7973-01-09T05:48/w",
        "usage/7973-01-09T05:48//000001",
        "usage/7973-01-09T05:48/w/one",
        "usage/7973-13-09T05:48/w/000001",
        "usage/7973-01-09 05:48/w/000001",
        "usage/tomorrow/w/000001",
        "tenant/weather",
    ],
)
def test_any_other_key_is_refused_by_name(key: str) -> None:
    with pytest.raises(KeyMalformed, match="is not the key of a usage batch"):
        keys.parse_usage_batch(key)


def test_a_timestamp_is_rfc_3339_with_milliseconds_in_utc() -> None:
    assert timestamp(1_709_210_096_007) == "2024-02-29T12:34:56.007Z"
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"


@given(minutes, st.sampled_from(["minute", "hour", "day", "month"]))
def test_the_key_of_a_summary_tells_where_its_period_starts(minute: int, level: str) -> None:
    start = containing(level, minute).start
    assert keys.parse_summary(keys.summary(level, minute)) == start


@given(minutes)
def test_the_summaries_of_a_period_are_one_prefix(minute: int) -> None:
    for level, parent_level in (("minute", "hour"), ("hour", "day"), ("day", "month")):
        key = keys.summary(level, minute)
        assert key.startswith(keys.summaries(level, parent_level, minute))
        assert key.startswith(keys.summaries(level))
        before = containing(parent_level, minute).start - 1
        if before >= 0:
            assert not key.startswith(keys.summaries(level, parent_level, before))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "summary/progress",
        "summary/base/7973-01-09T05/ever",
        "summary/hour/7973-01-09",
        "summary/day/7973-01-09T05",
        "summary/year/7973",
        "summary/month/7973-14",
        "usage/7973-01-09T05:48/w/000001",
    ],
)
def test_any_other_key_is_no_summary_of_a_period(key: str) -> None:
    with pytest.raises(KeyMalformed, match="is not the key of a summary"):
        keys.parse_summary(key)

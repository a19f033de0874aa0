"""A built key parses back to its parts, and listings run from new to old."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import keys
from core.calendar import containing
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
def test_the_batches_of_a_day_share_one_prefix(minute: int) -> None:
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
def test_any_other_key_is_malformed_as_a_batch(key: str) -> None:
    with pytest.raises(KeyMalformed, match="is not the key of a usage batch"):
        keys.parse_usage_batch(key)


@given(minutes, st.sampled_from(["minute", "hour", "day", "month"]))
def test_a_summarys_key_parses_back_to_the_start_of_its_period(minute: int, level: str) -> None:
    start = containing(level, minute).start
    assert keys.parse_summary(keys.summary(level, minute)) == start


@given(minutes)
def test_the_summaries_of_a_period_share_one_prefix(minute: int) -> None:
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
def test_any_other_key_is_malformed_as_a_summary(key: str) -> None:
    with pytest.raises(KeyMalformed, match="is not the key of a summary"):
        keys.parse_summary(key)

"""Formatting of single values, and parsing of days and times."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.analytics.dates import read_day, read_moment
from cli.analytics.formatting import bars, cents, change, money, plain_text, read_time, span_text
from cli.errors import InputError

NOW = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "width", "drawn"),
    [
        ([], 8, ""),
        ([0, 0], 8, "▁▁"),
        ([0, 1, 100], 8, "▁▂█"),
        ([1, 2, 3, 4], 2, "▄█"),
        ([9, 0, 0], 2, "█▁"),
    ],
)
def test_bars(values: list[int], width: int, drawn: str) -> None:
    assert bars(values, width) == drawn


@given(st.lists(st.integers(0, 10**12), max_size=400), st.integers(1, 60))
def test_bars_fit_the_width_and_the_highest_is_full(values: list[int], width: int) -> None:
    drawn = bars(values, width)
    assert len(drawn) <= width
    assert ("█" in drawn) == any(values)


@pytest.mark.parametrize(
    ("micros", "in_full", "rounded"),
    [
        (0, "$0.00", "$0.00"),
        (15_000, "$0.015000", "$0.02"),
        (25_000, "$0.025000", "$0.03"),
        (1_234_565_000, "$1,234.565000", "$1,234.57"),
        (12, "$0.000012", "$0.000012"),
        (500, "$0.000500", "$0.0005"),
        (20_000, "$0.02", "$0.02"),
        (1_234_567_890, "$1,234.567890", "$1,234.57"),
    ],
)
def test_money(micros: int, in_full: str, rounded: str) -> None:
    assert (money(micros), cents(micros)) == (in_full, rounded)


def test_a_negative_amount_starts_with_its_sign() -> None:
    assert money(-20_000) == "-$0.02"


@pytest.mark.parametrize(
    ("now", "before", "shown"),
    [(110, 100, "▲ 10 %"), (50, 100, "▼ 50 %"), (5, 5, ""), (5, 0, "")],
)
def test_change(now: int, before: int, shown: str) -> None:
    assert change(now, before) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(60, "60 s"), (150, "2 minutes"), (7_200, "2 hours"), (10**6, "12 days")]
)
def test_span(seconds: int, shown: str) -> None:
    assert span_text(seconds) == shown


@given(st.text())
def test_text_has_no_control_characters(text: str) -> None:
    assert plain_text(text).isprintable()


def test_a_time_without_a_zone_is_rejected() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        read_time("2026-11-22T14:00:00")


def test_the_default_day_is_yesterday_in_utc() -> None:
    assert read_day(None, NOW) == "2026-02-28"


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "", "22.11.2026"])
def test_an_invalid_day_is_rejected(text: str) -> None:
    with pytest.raises(InputError, match="is not a day"):
        read_day(text)


@pytest.mark.parametrize(
    ("text", "hour"),
    [("2026-11-22", 0), ("2026-11-22T14:00Z", 14), ("2026-11-22T15:00+01:00", 14)],
)
def test_a_time_is_converted_to_utc(text: str, hour: int) -> None:
    assert read_moment("--from", text) == datetime(2026, 11, 22, hour, tzinfo=UTC)


@pytest.mark.parametrize("text", ["soon", "2026-13-01", "0001-01-01T00:00+23:00"])
def test_an_invalid_time_is_rejected(text: str) -> None:
    with pytest.raises(InputError, match="is not a time"):
        read_moment("--from", text)

"""Parameters are read as their description says."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.pagination import decode_listing, decode_position, encode_listing, encode_position
from api.routes import ROUTES
from api.spec import (
    PARAMETERS_MAX,
    Parameter,
    cursor,
    day,
    instant,
    lenient_number,
    query_pairs,
    read_parameters,
    whole_number,
    window_name,
)
from core.errors import InvalidParameter, InvalidWindow
from metering.pages import Position

WINDOW = window_name("window", "", ("today", "week"))
TOP = whole_number("top", "", 25, 100)
DAY = day("day", "")
FROM = instant("from", "")


def read(parameter: Parameter, query: str) -> Any:
    return read_parameters((parameter,), query_pairs(query))[parameter.name]


def test_an_absent_parameter_has_its_default() -> None:
    assert read_parameters((WINDOW, TOP, DAY), ()) == {"window": None, "top": 25, "day": None}


def test_an_absent_required_parameter_is_rejected() -> None:
    with pytest.raises(InvalidParameter, match="from must be a time such as"):
        read(FROM, "")


def test_a_repeated_parameter_is_rejected() -> None:
    for query in ("?top=5&top=5", "?top=5&x=1&top=7", "?%74op=5&top=5"):
        with pytest.raises(InvalidParameter, match="top must be given once"):
            read(TOP, query)


def test_other_parameters_are_ignored_up_to_a_limit() -> None:
    assert read(TOP, "?_=1&_=2&utm_source=x&top=7") == 7
    with pytest.raises(InvalidParameter):
        read(TOP, "?top=7" + "&_=1" * PARAMETERS_MAX)


def test_an_invalid_window_has_its_own_error() -> None:
    with pytest.raises(InvalidWindow) as caught:
        read(WINDOW, "?window=Today")
    assert caught.value.evidence["expected"] == ["today", "week"]


@pytest.mark.parametrize(
    ("text", "minute"),
    [
        ("1970-01-01T00:00Z", None),
        ("2025-01-01T00:00Z", 28_928_160),
        ("2025-01-01T00:00:59Z", 28_928_160),
        ("2025-01-01T00:00:59.999Z", 28_928_160),
        ("2025-01-01T01:00%2B01:00", 28_928_160),
        ("2025-01-01T01:00+01:00", None),
        ("2025-01-01T00:00", None),
        ("2025-01-01", None),
        ("2025-W01-1T00:00Z", None),
        ("20250101T0000Z", None),
        ("2025-02-30T00:00Z", None),
        ("2025-01-01T00:00%2B99:00", None),
        ("9999-12-31T23:59Z", None),
        ("2025-01-01T00:00Z%0A", None),
    ],
)
def test_an_instant_must_be_a_time_with_a_zone(text: str, minute: int | None) -> None:
    if minute is not None:
        assert read(FROM, f"?from={text}") == minute
        return
    with pytest.raises(InvalidParameter):
        read(FROM, f"?from={text}")


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("007", 7), ("100", 100), ("101", 100), ("9" * 5_000, 100)]
    + [(text, 25) for text in ("", "0", "000", "-1", "1.5", "1e1", "+1", "\u0661", "nonsense")],
)
def test_a_lenient_number_accepts_any_text(text: str, value: int) -> None:
    parameter = lenient_number("top", "", 25, 100)
    assert read_parameters((parameter,), [("top", text)]) == {"top": value}
    jsonschema.Draft202012Validator(parameter.schema).validate(text)


PARAMETERS = [
    parameter
    for route in ROUTES
    for parameter in route.parameters
    if parameter.expected != "anything"
]


def _fits(parameter: Parameter, text: str) -> bool:
    """Return whether a text fits a parameter's schema, as a client would check it."""
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    validator = jsonschema.Draft202012Validator(parameter.schema, format_checker=checker)
    if parameter.schema["type"] == "integer":
        return re.fullmatch("[0-9]+", text) is not None and bool(validator.is_valid(int(text)))
    return bool(validator.is_valid(text))


TEXTS = st.one_of(
    st.text(max_size=40),
    st.text("0123456789-:TZ+. ", max_size=30),
    st.integers(-10, 3_000).map(str),
    st.dates().map(str),
    st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()),
    st.sampled_from(("today", "week", "overall")),
    st.binary(max_size=20).map(lambda raw: encode_listing(raw.hex())),
)


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: str(parameter.name))
@given(text=TEXTS)
@example(text="")
@example(text="2026-11-22\n")
def test_a_text_is_accepted_exactly_if_it_fits_the_schema(parameter: Parameter, text: str) -> None:
    try:
        value = read_parameters((parameter,), [(parameter.name, text)])[parameter.name]
    except InvalidParameter:
        # For example a time out of range, or a cursor that was never issued.
        assert parameter.is_stricter_than_schema or not _fits(parameter, text)
    else:
        assert value is not None
        assert _fits(parameter, text)


POSITIONS = st.builds(
    Position, st.integers(0, 10**14), st.text(max_size=30), st.none() | st.text(max_size=30)
)


@given(POSITIONS, st.text(max_size=50))
def test_a_decoded_cursor_equals_what_was_encoded(position: Position, listing: str) -> None:
    assert decode_position(encode_position(position)) == position
    assert decode_listing(encode_listing(listing)) == listing
    parameter = cursor("cursor", "", decode_listing)
    assert _fits(parameter, encode_listing(listing))


@given(POSITIONS, st.data())
def test_a_changed_cursor_and_one_of_another_list_are_rejected(
    position: Position, data: st.DataObject
) -> None:
    text = encode_position(position)
    with pytest.raises(ValueError, match="cursor"):
        decode_listing(text)
    index = data.draw(st.integers(0, len(text) - 2))
    other = data.draw(st.sampled_from("ABCDabcd0123-_=+ %\n").filter(lambda c: c != text[index]))
    with pytest.raises(ValueError, match="cursor"):
        decode_position(text[:index] + other + text[index + 1 :])

"""Parameters are read as their description says."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.pagination import (
    ClaimPlace,
    LogPlace,
    decode_claim,
    decode_places,
    encode_claim,
    encode_places,
)
from api.routes import ROUTES
from api.spec import (
    PARAMETERS_MAX,
    Parameter,
    cursor,
    day,
    lenient_number,
    moment,
    query_pairs,
    read_parameters,
    whole_number,
    window_name,
)
from core.errors import InvalidParameter, InvalidWindow

WINDOW = window_name("window", "", ("today", "week"))
TOP = whole_number("top", "", 25, 100)
DAY = day("day", "")
FROM = moment("from", "")


def read(parameter: Parameter, query: str) -> Any:
    return read_parameters((parameter,), query_pairs(query))[parameter.name]


def test_an_absent_parameter_has_its_default() -> None:
    assert read_parameters((WINDOW, TOP, DAY), ()) == {"window": None, "top": 25, "day": None}


def test_an_absent_required_parameter_is_rejected() -> None:
    with pytest.raises(InvalidParameter, match="from must be a UTC day such as"):
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
    ("text", "at_ms"),
    [
        ("1970-01-01T00:00Z", None),
        ("2025-01-01T00:00Z", 1_735_689_600_000),
        ("2025-01-01", 1_735_689_600_000),
        ("2025-01-01T00:00:59Z", 1_735_689_659_000),
        ("2025-01-01T00:00:59.999Z", 1_735_689_659_999),
        ("2025-01-01T01:00%2B01:00", 1_735_689_600_000),
        ("2025-01-01T01:00+01:00", None),
        ("2025-01-01T00:00", None),
        ("2025-01", None),
        ("2025-W01-1T00:00Z", None),
        ("20250101T0000Z", None),
        ("2025-02-30T00:00Z", None),
        ("2025-01-01T00:00%2B99:00", None),
        ("9999-12-31T23:59Z", None),
        ("2025-01-01T00:00Z%0A", None),
    ],
)
def test_a_moment_must_be_a_day_or_a_time_with_a_zone(text: str, at_ms: int | None) -> None:
    if at_ms is not None:
        assert read(FROM, f"?from={text}") == at_ms
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
    schema = dict(parameter.schema)
    if "pattern" in schema:
        # In JSON Schema, $ is the end of the text; in Python also the place before a newline.
        schema["pattern"] = schema["pattern"].replace("$", r"\Z")
    validator = jsonschema.Draft202012Validator(schema, format_checker=checker)
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
    st.binary(max_size=20).map(lambda raw: encode_claim(ClaimPlace(len(raw), raw.hex()))),
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


PLACES = st.lists(
    st.builds(LogPlace, st.integers(0, 2**53 - 1), st.integers(0, 10_000)), min_size=1, max_size=9
)
CLAIMS = st.builds(ClaimPlace, st.integers(0, 10**14), st.text(max_size=50))


@given(PLACES, CLAIMS)
def test_a_decoded_cursor_equals_what_was_encoded(
    places: list[LogPlace], claim: ClaimPlace
) -> None:
    assert decode_places(encode_places(places)) == places
    assert decode_claim(encode_claim(claim)) == claim
    parameter = cursor("cursor", "", decode_claim)
    assert _fits(parameter, encode_claim(claim))


@given(PLACES, st.data())
def test_a_changed_cursor_and_one_of_another_list_are_rejected(
    places: list[LogPlace], data: st.DataObject
) -> None:
    text = encode_places(places)
    with pytest.raises(ValueError, match="cursor"):
        decode_claim(text)
    index = data.draw(st.integers(0, len(text) - 2))
    other = data.draw(st.sampled_from("ABCDabcd0123-_=+ %\n").filter(lambda c: c != text[index]))
    with pytest.raises(ValueError, match="cursor"):
        decode_places(text[:index] + other + text[index + 1 :])

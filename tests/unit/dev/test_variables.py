"""Parsing of `VARS`."""

import pytest

from dev.errors import UsageError
from dev.launch.variables import parse_variables


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("A=1", {"A": "1"}),
        ("A=1  B_2=x=y", {"A": "1", "B_2": "x=y"}),
        ("NAME='two words' OTHER=\"it's\"", {"NAME": "two words", "OTHER": "it's"}),
        ('"KEY=quoted as a whole"', {"KEY": "quoted as a whole"}),
        ("EMPTY=", {"EMPTY": ""}),
        ("PRICE=$5", {"PRICE": "$5"}),
        ("JSON='{\"a\": [1]}'", {"JSON": '{"a": [1]}'}),
        ("A=1 A=2", {"A": "2"}),
        ("NAME=zwölf\nNEXT=line", {"NAME": "zwölf", "NEXT": "line"}),
    ],
)
def test_words_become_variables(text: str, expected: dict[str, str]) -> None:
    assert parse_variables(text) == expected


@pytest.mark.parametrize("text", ["KEY", "=value", "2KEY=value", "A-B=1", "OK=1 --flag"])
def test_an_invalid_word_is_reported_by_its_position(text: str) -> None:
    with pytest.raises(UsageError, match=r"Word \d of VARS is not KEY=VALUE"):
        parse_variables(text)


def test_an_open_quote_is_rejected() -> None:
    with pytest.raises(UsageError, match="quote that is not closed"):
        parse_variables("KEY='open")


def test_an_error_does_not_contain_the_value() -> None:
    with pytest.raises(UsageError) as failure:
        parse_variables("OK=1 s3cret-that-lost-its-key")
    assert "s3cret" not in str(failure.value)

"""Reads the items of a JSON array, or the members of an object, with their positions in the text.

Each value is parsed with the standard library's decoder, which does not report positions itself.
"""

import json
from collections.abc import Generator, Iterator
from decimal import Decimal
from typing import Any, Self

from core.safe_json import DEPTH_MAX, too_deep_at


class Repeated(dict[str, Any]):
    """An object with a repeated name; it has the last value."""


class Rounded(float):
    """A number with more digits than a float holds.

    Args:
        text: The number as the text has it.
    """

    text: str

    def __new__(cls, text: str) -> Self:
        """Keep the text."""
        self = super().__new__(cls, text)
        self.text = text
        return self


class JsonMistake(ValueError):
    """A text is not valid JSON.

    Args:
        message: What is wrong.
        line: The line, from 1.
    """

    def __init__(self, message: str, line: int) -> None:
        """Keep the arguments as fields."""
        super().__init__(message)
        self.message = message
        self.line = line


def items(text: str, start: int = 0) -> Generator[tuple[int, Any], None, int]:
    """Yield the position and value of each item of an array; return the position after it.

    Args:
        text: The JSON text.
        start: The position of the array, or of whitespace before it.

    Raises:
        JsonMistake: There is no valid JSON array.
    """
    at = _open(text, start, "[")
    end = _past_space(text, _past_space(text, start) + 1)
    while at is not None:
        value, end = _value(text, at)
        yield at, value
        end = _past_space(text, end)
        at = _following(text, end, "]")
    return end + 1


def documents(text: str) -> Iterator[tuple[int, Any]]:
    """Yield the position and value of each of the JSON texts that follow each other, as in JSONL.

    Raises:
        JsonMistake: A value is invalid.
    """
    at = _past_space(text, 0)
    while at < len(text):
        value, end = _value(text, at)
        yield at, value
        at = _past_space(text, end)


def members(text: str, start: int = 0) -> Iterator[tuple[int, str, Any]]:
    """Yield the position, name and value of each member of an object, including repeated names.

    Args:
        text: The JSON text.
        start: The position of the object, or of whitespace before it.

    Raises:
        JsonMistake: There is no valid JSON object.
    """
    at = _open(text, start, "{")
    while at is not None:
        if text[at : at + 1] != '"':
            raise JsonMistake("expected a quoted name", line_of(text, at))
        name, end = _value(text, at)
        end = _past_space(text, end)
        if text[end : end + 1] != ":":
            raise JsonMistake("expected a colon", line_of(text, end))
        value, end = _value(text, _past_space(text, end + 1))
        yield at, name, value
        at = _following(text, end, "}")


def check_depth(text: str) -> None:
    """Raise `JsonMistake` if a text is nested more than `DEPTH_MAX` levels deep."""
    deep_at = too_deep_at(text)
    if deep_at is not None:
        message = f"nested more than {DEPTH_MAX} levels deep"
        raise JsonMistake(message, line_of(text, deep_at))


def check_end(text: str, start: int = 0) -> None:
    """Raise `JsonMistake` if the value at `start` is followed by anything but whitespace."""
    _, end = _value(text, _past_space(text, start))
    check_nothing_follows(text, end)


def check_nothing_follows(text: str, end: int) -> None:
    """Raise `JsonMistake` if there is anything but whitespace from a position on."""
    end = _past_space(text, end)
    if end < len(text):
        raise JsonMistake("unexpected text after the end", line_of(text, end))


def value_of_member(text: str, at: int) -> int:
    """Return the position of a member's value, given the position of its name."""
    _, end = _value(text, at)
    return _past_space(text, _past_space(text, end) + 1)


def line_of(text: str, at: int) -> int:
    """Return the line, from 1, of a position."""
    return text.count("\n", 0, at) + 1


def _open(text: str, start: int, opening: str) -> int | None:
    """Return the position of the first part; `None` if it is empty."""
    at = _past_space(text, start)
    if text[at : at + 1] != opening:
        raise JsonMistake(f"expected {opening}", line_of(text, at))
    at = _past_space(text, at + 1)
    return None if text[at : at + 1] == _CLOSING[opening] else at


def _following(text: str, end: int, closing: str) -> int | None:
    """Return the position of the next part; `None` after the last one."""
    at = _past_space(text, end)
    found = text[at : at + 1]
    if found == closing:
        return None
    if found != ",":
        raise JsonMistake(f"expected a comma or {closing}", line_of(text, at))
    return _past_space(text, at + 1)


def _value(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise JsonMistake(error.msg, error.lineno) from error
    except ValueError as error:
        raise JsonMistake(str(error), line_of(text, at)) from error


def _past_space(text: str, at: int) -> int:
    while text[at : at + 1] in _SPACE:
        at += 1
    return at


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not valid in JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    return read if len(read) == len(pairs) else Repeated(read)


def _float(text: str) -> float:
    value = float(text)
    # A float always holds 15 digits.
    is_exact = len(text) <= 15 or Decimal(text) == Decimal(repr(value))
    return value if is_exact else Rounded(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_float
)
_SPACE = frozenset(" \t\r\n")
_CLOSING = {"[": "]", "{": "}"}

"""Where in a JSON text a value stands: what Python's own reader does not say.

Reads the items of an array, or the members of an object, one by one with that reader.
"""

import json
from collections.abc import Iterator
from typing import Any

from core.safe_json import DEPTH_MAX, too_deep_at


class Repeated(dict[str, Any]):
    """An object in whose text a name stands twice; the last one counts."""


class JsonMistake(ValueError):
    """A text is no JSON.

    Args:
        message: What is wrong.
        line: The line, from 1.
    """

    def __init__(self, message: str, line: int) -> None:
        """Keep the arguments as fields."""
        super().__init__(message)
        self.message = message
        self.line = line


def items(text: str, start: int = 0) -> Iterator[tuple[int, Any]]:
    """Yield each item of an array, behind the index where it starts.

    Args:
        text: The JSON text.
        start: Where the array starts, or white space before it.

    Raises:
        JsonMistake: It is no JSON array.
    """
    at = _open(text, start, "[")
    while at is not None:
        value, end = _value(text, at)
        yield at, value
        at = _following(text, end, "]")


def members(text: str, start: int = 0) -> Iterator[tuple[int, str, Any]]:
    """Yield the name and value of each member of an object, behind the index where it starts.

    A name that is there twice is yielded twice.

    Args:
        text: The JSON text.
        start: Where the object starts, or white space before it.

    Raises:
        JsonMistake: It is no JSON object.
    """
    at = _open(text, start, "{")
    while at is not None:
        if text[at : at + 1] != '"':
            raise JsonMistake("a name in quotes is missing", line_of(text, at))
        name, end = _value(text, at)
        end = _past_space(text, end)
        if text[end : end + 1] != ":":
            raise JsonMistake("a colon is missing", line_of(text, end))
        value, end = _value(text, _past_space(text, end + 1))
        yield at, name, value
        at = _following(text, end, "}")


def check_depth(text: str) -> None:
    """Raise `JsonMistake` if a text is nested deeper than Python's reader is sure to come back."""
    deep_at = too_deep_at(text)
    if deep_at is not None:
        message = f"it is nested more than {DEPTH_MAX} levels deep"
        raise JsonMistake(message, line_of(text, deep_at))


def check_end(text: str, start: int = 0) -> None:
    """Raise `JsonMistake` if anything but white space stands behind the value at `start`."""
    _, end = _value(text, _past_space(text, start))
    end = _past_space(text, end)
    if end < len(text):
        raise JsonMistake("there is more behind the end", line_of(text, end))


def line_of(text: str, at: int) -> int:
    """Return the line, from 1, of the character at `at`."""
    return text.count("\n", 0, at) + 1


def _open(text: str, start: int, opening: str) -> int | None:
    """Return where the first part starts; `None` if there is none."""
    at = _past_space(text, start)
    if text[at : at + 1] != opening:
        raise JsonMistake(f"a {opening} is missing", line_of(text, at))
    at = _past_space(text, at + 1)
    return None if text[at : at + 1] == _CLOSING[opening] else at


def _following(text: str, end: int, closing: str) -> int | None:
    """Return where the next part starts; `None` behind the last one."""
    at = _past_space(text, end)
    found = text[at : at + 1]
    if found == closing:
        return None
    if found != ",":
        raise JsonMistake(f"a comma or {closing} is missing", line_of(text, at))
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
    raise ValueError(f"{name} is no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    return read if len(read) == len(pairs) else Repeated(read)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
_SPACE = frozenset(" \t\r\n")
_CLOSING = {"[": "]", "{": "}"}

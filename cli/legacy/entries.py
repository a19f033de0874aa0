"""Reads an event list from a file: each entry with its line."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.errors import Finding, InputError
from core.safe_json import read_json

SHAPES: Final = 'a list of events, or an object with the list in "events"'

_SPACE: Final = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the list.

    Args:
        index: Its index in the list, from 0.
        line: The line in which it starts, from 1.
        value: The JSON value.
    """

    index: int
    line: int
    value: Any


def read_entries(file: Path) -> Sequence[Entry]:
    """Return the entries of a file, in order.

    Args:
        file: UTF-8 text, with or without a byte order mark.

    Raises:
        InputError: It cannot be read, is not JSON, or contains no event list.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(f"{file} cannot be read: {reason}.") from error
    try:
        document = read_json(text)
    except ValueError as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        raise InputError(
            f"{file} is not valid JSON.",
            f"It must contain {SHAPES}.",
            [Finding(str(error), str(file), line)],
        ) from error
    events = document.get("events") if isinstance(document, dict) else document
    if not isinstance(events, list):
        raise InputError(f"{file} contains no event list.", f"It must contain {SHAPES}.")
    starts = _starts(text, _list_start(text, is_object=isinstance(document, dict)))
    found: list[Entry] = []
    line, counted_to = 1, 0
    for index, (value, start) in enumerate(zip(events, starts, strict=True)):
        line += text.count("\n", counted_to, start)
        counted_to = start
        found.append(Entry(index, line, value))
    return found


def _list_start(text: str, *, is_object: bool) -> int:
    """Return the position of the list's bracket in a valid JSON text."""
    at = _past_space(text, 0)
    if not is_object:
        return at
    decode = json.JSONDecoder().raw_decode
    found = at
    while text[at] != "}":
        name, at = decode(text, _past_space(text, at + 1))
        value_at = _past_space(text, _past_space(text, at) + 1)
        if name == "events":
            # If the name is repeated, the last one counts, as in `json.loads`.
            found = value_at
        _, at = decode(text, value_at)
        at = _past_space(text, at)
    return found


def _starts(text: str, bracket: int) -> Iterator[int]:
    """Yield the position of each element of a list."""
    decode = json.JSONDecoder().raw_decode
    at = _past_space(text, bracket + 1)
    while text[at] != "]":
        yield at
        _, end = decode(text, at)
        at = _past_space(text, end)
        if text[at] == ",":
            at = _past_space(text, at + 1)


def _past_space(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at

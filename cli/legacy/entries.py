"""Reads the entries of an event list from a file, one by one, each with its line."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.errors import Finding, InputError
from cli.legacy.streamed_json import StreamedJson
from cli.located_json import JsonMistake

SHAPES: Final = 'a list of events, or an object with the list in "events"'

_EVENTS = "events"


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


def read_entries(file: Path) -> Iterator[Entry]:
    """Yield the entries of a file, in order. Its end is checked after the last one.

    Args:
        file: UTF-8 text, with or without a byte order mark.

    Raises:
        InputError: It cannot be read, is not JSON, or contains no event list.
    """
    try:
        with file.open("rb") as stream:
            yield from _read(StreamedJson(stream), file)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from error
    except JsonMistake as error:
        raise InputError(
            f"{file} is not valid JSON.",
            f"It must contain {SHAPES}.",
            [Finding(error.message, str(file), error.line)],
        ) from error


def _read(text: StreamedJson, file: Path) -> Iterator[Entry]:
    match text.peek():
        case "{":
            yield from _events_member(text, file)
        case "[":
            yield from _entries(text)
        case _:
            text.skip()
            raise _no_list(file)
    text.end()


def _events_member(text: StreamedJson, file: Path) -> Iterator[Entry]:
    is_found = False
    for name in text.members():
        if name != _EVENTS:
            text.skip()
            continue
        if is_found:
            raise JsonMistake(f'"{_EVENTS}" is given twice', text.line)
        if text.peek() != "[":
            raise _no_list(file)
        is_found = True
        yield from _entries(text)
    if not is_found:
        raise _no_list(file)


def _entries(text: StreamedJson) -> Iterator[Entry]:
    for index, _ in enumerate(text.items()):
        # The position is past the whitespace before the item only after a look at it.
        text.peek()
        yield Entry(index, text.line, text.value())


def _no_list(file: Path) -> InputError:
    return InputError(f"{file} contains no event list.", f"It must contain {SHAPES}.")

"""Reads the entries of a list from a file, one by one, each with its line.

A file is a JSON array, an object with the list in one of its members, or one JSON value per line.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.errors import Finding, InputError
from cli.legacy.streamed_json import StreamedJson
from cli.located_json import JsonMistake

SHAPES: Final = (
    "a JSON array of events, an object with such a list in one of its members, or one event per "
    "line"
)

_EVENTS = ("events",)
"""The member that has the list, whatever others there are."""

_PATH_NAMES_MAX = 3


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


@dataclass(frozen=True, slots=True)
class Place:
    """Where the list of a file is.

    Args:
        is_lines: Whether each line is an entry.
        path: The names of the members in which it is; none for the whole file.
    """

    is_lines: bool = False
    path: Sequence[str] = ()

    def __str__(self) -> str:
        """Return it for people."""
        if self.is_lines:
            return "one per line"
        return f'the list in "{".".join(self.path)}"' if self.path else "a list"


def find_list(file: Path, at: str = "") -> Place:
    """Return where the list of a file is.

    Args:
        file: UTF-8 text, with or without a byte order mark.
        at: The path of the member that has it, such as `data.items`; empty to find it.

    Raises:
        InputError: The file cannot be read, is not JSON, or there is not exactly one list.
    """
    with _explained(file) as text:
        return _find(text, file, tuple(at.split(".")) if at else ())
    raise AssertionError


def read_entries(file: Path, place: Place | None = None) -> Iterator[Entry]:
    """Yield the entries of a file, in order. Its end is checked after the last one.

    Args:
        file: UTF-8 text, with or without a byte order mark.
        place: Where the list is; `None` to find it.

    Raises:
        InputError: It cannot be read, is not JSON, or contains no list.
    """
    place = place or find_list(file)
    with _explained(file) as text:
        if place.is_lines:
            yield from _lines(text)
        else:
            yield from _listed(text, place.path)
            text.end()


class _explained:  # noqa: N801 (used as a context manager)
    """Opens a file, and names it in errors."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> StreamedJson:
        try:
            self._stream = self._file.open("rb")
        except OSError as error:
            raise _unreadable(self._file, error) from error
        return StreamedJson(self._stream)

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._stream.close()
        if isinstance(error, OSError):
            raise _unreadable(self._file, error) from error
        if isinstance(error, JsonMistake):
            raise InputError(
                f"{self._file} is not valid JSON.",
                f"It must contain {SHAPES}.",
                [Finding(error.message, str(self._file), error.line)],
            ) from error


def _find(text: StreamedJson, file: Path, at: tuple[str, ...]) -> Place:
    match text.peek():
        case "[" if not at:
            return Place()
        case "{":
            found: list[tuple[str, ...]] = []
            _skip_noting_lists(text, (), found)
            if text.peek() and not at:
                return Place(is_lines=True)
        case _:
            text.skip()
            found = []
    if at and at not in found:
        lists = ", ".join(map(".".join, found)) or "none"
        raise InputError(f'{file} has no list of objects in "{".".join(at)}".', f"It has: {lists}.")
    if at or _EVENTS in found or len(found) == 1:
        return Place(path=at or (_EVENTS if _EVENTS in found else found[0]))
    if found:
        lists = ", ".join(map(".".join, found))
        raise InputError(f"{file} has several lists: {lists}.", "Choose one with --at.")
    raise _no_list(file)


def _skip_noting_lists(
    text: StreamedJson, path: tuple[str, ...], found: list[tuple[str, ...]]
) -> None:
    """Read a value, and note the paths of the lists of objects in it."""
    following = text.peek()
    if following == "{" and len(path) < _PATH_NAMES_MAX:
        names = set()
        for name in text.members():
            inner = (*path, name)
            if name in names and (inner == _EVENTS or inner in found):
                raise JsonMistake(f'"{name}" is given twice', text.line)
            names.add(name)
            text.peek()
            _skip_noting_lists(text, inner, found)
    elif following == "[":
        has_objects = path == _EVENTS
        for index, _ in enumerate(text.items()):
            has_objects |= index == 0 and text.peek() == "{"
            text.skip()
        if has_objects:
            found.append(path)
    else:
        text.skip()


def _lines(text: StreamedJson) -> Iterator[Entry]:
    index = 0
    while text.peek():
        yield Entry(index, text.line, text.value())
        index += 1


def _listed(text: StreamedJson, path: Sequence[str]) -> Iterator[Entry]:
    if not path:
        for index, _ in enumerate(text.items()):
            # The position is past the whitespace before the item only after a look at it.
            text.peek()
            yield Entry(index, text.line, text.value())
        return
    for name in text.members():
        if name == path[0]:
            yield from _listed(text, path[1:])
        else:
            text.skip()


def _unreadable(file: Path, error: OSError) -> InputError:
    return InputError(f"{file} cannot be read: {error.strerror}.")


def _no_list(file: Path) -> InputError:
    return InputError(f"{file} contains no list of events.", f"It must contain {SHAPES}.")

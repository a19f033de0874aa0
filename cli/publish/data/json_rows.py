"""Finds the rows in a JSON text: an array, lines of objects (JSONL), or a part of a document."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from cli.located_json import (
    JsonMistake,
    check_depth,
    check_end,
    check_nothing_follows,
    documents,
    items,
    line_of,
    members,
    value_of_member,
)

KEY: Final = "key"
"""The column that has the names of rows in an object of objects."""

OFFERED_MAX: Final = 5
DEPTH_MAX: Final = 4
"""How deep arrays of rows are searched for."""

_Rows = Iterator[tuple[int, Any]]


def find_rows(text: str, at: str | None, *, is_lines: bool) -> _Rows:
    """Yield position and value of each row.

    Args:
        text: The JSON text.
        at: The path of the rows; `.` for the document itself; `None` to detect an array or JSONL.
        is_lines: Whether the file is said to have one object in each line.

    Raises:
        JsonMistake: The text is not JSON, or has no rows there.
    """
    check_depth(text)
    start = len(text) - len(text.lstrip(" \t\r\n"))
    if at is not None:
        return _rows_at(text, at, start)
    if text.startswith("[", start):
        return _all_items(text, start)
    first = [*islice(documents(text), 2)] if text.startswith("{", start) else []
    if is_lines or len(first) > 1:
        return documents(text)
    if not first:
        raise JsonMistake("expected [ or {", line_of(text, start))
    raise JsonMistake(_offer(first[0][1]), line_of(text, start))


def _all_items(text: str, start: int) -> Generator[tuple[int, Any], None, None]:
    end = yield from items(text, start)
    check_nothing_follows(text, end)


def _rows_at(text: str, at: str, start: int) -> _Rows:
    check_end(text)
    position = _position(text, at, start)
    if text.startswith("[", position):
        return items(text, position)
    if text.startswith("{", position):
        return _keyed(text, position)
    raise JsonMistake(f"no array at {at}", line_of(text, position))


def _keyed(text: str, start: int) -> _Rows:
    """Yield the members of an object as rows, with their names in the first column."""
    for at, name, value in members(text, start):
        if not isinstance(value, dict):
            raise JsonMistake(f"{name!r} is not an object", line_of(text, at))
        yield value_of_member(text, at), {"_" * (KEY in value) + KEY: name, **value}


def _position(text: str, path: str, start: int) -> int:
    """Return the position of the value that a path leads to; names may have dots themselves."""
    parts = [part for part in path.split(".") if part]
    position = start
    while parts:
        found: dict[str, int] = {}
        if text.startswith("{", position):
            found = {name: value_of_member(text, at) for at, name, _ in members(text, position)}
        elif text.startswith("[", position):
            found = {str(number): at for number, (at, _) in enumerate(items(text, position))}
        size = next((n for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in found), 0)
        if not size:
            names = ", ".join(islice(found, OFFERED_MAX)) or "nothing"
            more = ", …" if len(found) > OFFERED_MAX else ""
            raise JsonMistake(
                f"there is no {parts[0]!r} (--at {path}); there is {names}{more}",
                line_of(text, position),
            )
        position = found[".".join(parts[:size])]
        parts = parts[size:]
    return position


def _offer(document: Mapping[str, Any]) -> str:
    found = sorted(_arrays(document, (), DEPTH_MAX), key=lambda one: -one[1])[:OFFERED_MAX]
    if found:
        offers = ", or ".join(f"--at {path} ({rows:,} rows)" for path, rows in found)
        return f"one object, not rows: add {offers}"
    if document and all(isinstance(value, dict) for value in document.values()):
        return f"one object, not rows: to read its {len(document):,} members as rows, add --at ."
    return "one object, without an array of objects in it"


def _arrays(value: object, path: Sequence[str], depth: int) -> Iterator[tuple[str, int]]:
    """Yield path and length of each array of objects."""
    if isinstance(value, list):
        if value and all(isinstance(one, dict) for one in value):
            yield ".".join(path), len(value)
    elif isinstance(value, dict) and depth:
        for name, one in value.items():
            yield from _arrays(one, (*path, name), depth - 1)

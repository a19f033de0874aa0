"""Reads JSON into a table: objects, whose values become columns of one type."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from cli.errors import Finding, InputError
from cli.located_json import JsonMistake, Repeated, line_of, members
from cli.publish.data.json_columns import JsonColumns
from cli.publish.data.json_rows import find_rows
from cli.publish.data.json_values import shown
from cli.publish.data.names import RawColumn, choose_columns
from cli.publish.data.options import Reading
from cli.publish.data.table import JSON_TYPE, ROWS_MAX, Table
from cli.publish.validation import Findings


@dataclass(slots=True)
class _Rows:
    """The rows of a text, and position and line of each."""

    rows: list[Mapping[str, Any]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


def read_json(text: str, place: str, reading: Reading, *, is_lines: bool = False) -> Table:
    """Read an array of objects, JSONL, or a part of a document.

    The columns are the names of all objects, in order of appearance. If an object lacks a name, its
    value is null.

    Args:
        text: The file's text.
        place: The file's name, for messages.
        reading: The options.
        is_lines: Whether the file is said to be JSONL.

    Raises:
        InputError: The text is invalid; the findings list all mistakes.
    """
    findings = Findings()
    notes: list[str] = []
    found = _rows(text, place, reading, findings, is_lines=is_lines)
    findings.refuse("The dataset")
    if reading.nested == "flatten":
        found.rows = _flattened(found, reading, place, findings)
    names = [*dict.fromkeys(chain.from_iterable(found.rows))]
    if not names:
        raise InputError(f"{place} has no rows.", "", [Finding("no rows", place)])

    def line_of_value(index: int, name: str) -> int:
        return _line_of_member(text, found.starts[index], name) or found.lines[index]

    raw = [
        RawColumn(name, next(line for row, line in _with_lines(found) if name in row))
        for name in names
    ]
    chosen = choose_columns(raw, reading, place, findings, notes)
    columns = JsonColumns(reading, line_of_value, place, findings)
    read = [
        columns.read(name, names[index], [row.get(names[index]) for row in found.rows])
        for index, name in chosen
    ]
    findings.refuse("The dataset")
    rows = list(map(list, zip(*(values for _, values in read), strict=True)))
    notes += columns.offers()
    return Table([column for column, _ in read], rows, found.lines, notes)


def _with_lines(found: _Rows) -> Iterator[tuple[Mapping[str, Any], int]]:
    return zip(found.rows, found.lines, strict=True)


def _rows(text: str, place: str, reading: Reading, findings: Findings, *, is_lines: bool) -> _Rows:
    found = _Rows()
    line, before = 1, 0
    header: Sequence[str] = ()
    try:
        for at, row in find_rows(text, reading.at, is_lines=is_lines):
            line += text.count("\n", before, at)
            before = at
            if not found.rows and not header and _is_header(row):
                header = row
            elif isinstance(row, dict) and not header:
                found.rows.append(row)
                found.starts.append(at)
                found.lines.append(line)
                if isinstance(row, Repeated):
                    _find_repeated(text, at, place, findings)
            elif header and isinstance(row, list) and len(row) <= len(header):
                found.rows.append(dict(zip(header, row, strict=False)))
                found.starts.append(at)
                found.lines.append(line)
            else:
                findings.add(f"not an object: {shown(row)}", place, line)
    except JsonMistake as error:
        findings.add(f"no rows of JSON: {error.message}", place, error.line)
    if len(found.rows) > ROWS_MAX:
        findings.add(f"{len(found.rows):,} rows; the limit is {ROWS_MAX:,}", place)
    return found


def _is_header(row: object) -> bool:
    """Return whether a row is an array of different names, as in spreadsheets' APIs."""
    return (
        isinstance(row, list)
        and bool(row)
        and all(isinstance(name, str) for name in row)
        and len(set(row)) == len(row)
    )


def _find_repeated(text: str, at: int, place: str, findings: Findings) -> None:
    seen = set()
    for member_at, name, _ in members(text, at):
        if name in seen:
            findings.add(f"{name!r} is repeated in this object", place, line_of(text, member_at))
        seen.add(name)


def _flattened(
    found: _Rows, reading: Reading, place: str, findings: Findings
) -> list[Mapping[str, Any]]:
    """Return rows in which the members of objects are columns such as `at.lat`."""
    kept = {name for name, type_name in reading.types.items() if type_name in {JSON_TYPE, "text"}}
    kept |= {old for old, new in reading.names.items() if new in kept}
    rows: list[Mapping[str, Any]] = []
    for row, line in _with_lines(found):
        flat: dict[str, Any] = {}
        for path, value in _leaves(row, kept):
            if path in flat:
                findings.add(f"{path!r} is both a name and the path of a nested value", place, line)
            flat[path] = value
        rows.append(flat)
    findings.refuse("The dataset")
    names = dict.fromkeys(chain.from_iterable(rows))
    outer = {name[:at] for name in names for at, sign in enumerate(name) if sign == "."}
    # A null in place of an object is a null in each of its columns.
    empty = {name for name in outer & names.keys() if all(row.get(name) is None for row in rows)}
    if empty:
        rows = [{name: row[name] for name in row if name not in empty} for row in rows]
    return rows


def _leaves(
    row: Mapping[str, Any], kept: Collection[str], before: str = ""
) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        path = f"{before}{name}"
        if isinstance(value, dict) and path not in kept:
            if isinstance(value, Repeated):
                yield path, value
            elif value:
                yield from _leaves(value, kept, f"{path}.")
            else:
                yield path, None
        else:
            yield path, value


def _line_of_member(text: str, start: int, path: str) -> int | None:
    """Return the line of a row's value; `None` if it cannot be found by name."""
    try:
        for at, name, _ in members(text, start):
            if path == name or path.startswith(f"{name}."):
                return line_of(text, at)
    except JsonMistake:
        pass  # The row is an array.
    return None

"""Reads JSON into a table: an array of flat objects, in which each column has one type."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.errors import Finding, InputError
from cli.located_json import (
    JsonMistake,
    Repeated,
    check_depth,
    check_end,
    items,
    line_of,
    members,
)
from cli.publish.data.table import (
    INTEGER_MAX,
    JOINED,
    ROWS_MAX,
    Column,
    Table,
    Value,
    check_names,
    type_of,
)
from cli.publish.validation import Findings


@dataclass(slots=True)
class _ColumnTypes:
    """The types of a column so far, each with the line of its first value."""

    line: int
    types: dict[str, int] = field(default_factory=dict)


def read_json(text: str, place: str) -> Table:
    """Read a JSON array of objects.

    The columns are the names of all objects, in order of appearance. If an object lacks a name, its
    value is null.

    Args:
        text: The file's text.
        place: The file's name, for messages.

    Raises:
        InputError: The text is invalid; the findings list all mistakes.
    """
    findings = Findings()
    columns: dict[str, _ColumnTypes] = {}
    rows: list[Mapping[str, Value]] = []
    lines: list[int] = []
    line, before = 1, 0
    try:
        check_depth(text)
        for at, item in items(text):
            line += text.count("\n", before, at)
            before = at
            if isinstance(item, dict):
                rows.append(item)
                lines.append(line)
                _add_row(text, at, line, item, columns, place, findings)
            else:
                findings.add("not an object", place, line)
        check_end(text)
    except JsonMistake as error:
        findings.add(f"not a JSON array of objects: {error.message}", place, error.line)
    if len(rows) > ROWS_MAX:
        findings.add(f"{len(rows):,} rows; the limit is {ROWS_MAX:,}", place)
    check_names([*columns], place, [seen.line for seen in columns.values()], findings)
    types = {name: _common_type(name, seen, place, findings) for name, seen in columns.items()}
    findings.refuse("The dataset")
    if not rows or not columns:
        raise InputError("The dataset is empty.", "", [Finding("no rows", place)])
    return Table(
        [
            Column(name, type_name, any(row.get(name) is None for row in rows))
            for name, type_name in types.items()
        ],
        [[row.get(name) for name in types] for row in rows],
        lines,
    )


def _add_row(
    text: str,
    at: int,
    line: int,
    row: Mapping[str, Any],
    columns: dict[str, _ColumnTypes],
    place: str,
    findings: Findings,
) -> None:
    """Record the columns and types of a row. If it has mistakes, parse it again for their lines."""
    is_odd = isinstance(row, Repeated)
    for name, value in row.items():
        seen = columns.get(name)
        if seen is None:
            seen = columns[name] = _ColumnTypes(line)
        if isinstance(value, dict | list) or _is_inexact(value):
            is_odd = True
        else:
            seen.types.setdefault(type_of(value), line)
    if is_odd:
        _find_mistakes(text, at, place, findings)


def _find_mistakes(text: str, at: int, place: str, findings: Findings) -> None:
    names = set()
    for member_at, name, value in members(text, at):
        line = line_of(text, member_at)
        if name in names:
            findings.add(f"{name!r} is repeated in this object", place, line)
        elif isinstance(value, dict | list):
            findings.add(
                f"{name!r} is not a single value: use a column for each of its values", place, line
            )
        elif _is_inexact(value):
            findings.add(
                f"{name!r} is too large for a number in JSON: write it as text", place, line
            )
        names.add(name)


def _is_inexact(value: object) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return type(value) is int and abs(value) > INTEGER_MAX


def _common_type(name: str, seen: _ColumnTypes, place: str, findings: Findings) -> str:
    types = {one: line for one, line in seen.types.items() if one != "null"}
    if len(types) < 2:
        return next(iter(types), "null")
    joined = JOINED.get(frozenset(types))
    if joined is None:
        where = " and ".join(f"{one} (line {line})" for one, line in types.items())
        findings.add(f"column {name!r} has values of different types: {where}", place, seen.line)
    return joined or "text"

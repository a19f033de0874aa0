"""JSON into a table: an array of flat objects, each value of its column's one type."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.errors import Finding, InputError
from cli.publish.json_lines import (
    JsonMistake,
    Repeated,
    check_depth,
    check_end,
    items,
    line_of,
    members,
)
from cli.publish.table import (
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
class _Seen:
    """A column as far as the file is read."""

    line: int
    types: dict[str, int] = field(default_factory=dict)
    """Each type of its values, and the line of the first one."""


def read_json(text: str, place: str) -> Table:
    """Read a JSON text that holds an array of objects.

    Columns are the names of all objects, in the order in which they appear; an object without
    one of them has no value (null) there.

    Args:
        text: The file's text.
        place: The file's name, for messages.

    Raises:
        InputError: With everything that is wrong.
    """
    findings = Findings()
    columns: dict[str, _Seen] = {}
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
                _look(text, at, line, item, columns, place, findings)
            else:
                findings.add("it is no object", place, line)
        check_end(text)
    except JsonMistake as error:
        findings.add(f"it is no JSON array of objects: {error.message}", place, error.line)
    if len(rows) > ROWS_MAX:
        findings.add(f"it has {len(rows):,} rows; {ROWS_MAX:,} are allowed", place)
    check_names([*columns], place, [seen.line for seen in columns.values()], findings)
    types = {name: _joined(name, seen, place, findings) for name, seen in columns.items()}
    findings.refuse("The dataset")
    if not rows or not columns:
        raise InputError("The dataset is empty.", "", [Finding("it has no rows", place)])
    return Table(
        [
            Column(name, type_name, any(row.get(name) is None for row in rows))
            for name, type_name in types.items()
        ],
        [[row.get(name) for name in types] for row in rows],
        lines,
    )


def _look(
    text: str,
    at: int,
    line: int,
    row: Mapping[str, Any],
    columns: dict[str, _Seen],
    place: str,
    findings: Findings,
) -> None:
    """Note the columns and types of one row; closely only if something in it is wrong."""
    is_odd = isinstance(row, Repeated)
    for name, value in row.items():
        seen = columns.get(name)
        if seen is None:
            seen = columns[name] = _Seen(line)
        if isinstance(value, dict | list) or _is_inexact(value):
            is_odd = True
        else:
            seen.types.setdefault(type_of(value), line)
    if is_odd:
        _look_closely(text, at, place, findings)


def _look_closely(text: str, at: int, place: str, findings: Findings) -> None:
    names = set()
    for member_at, name, value in members(text, at):
        line = line_of(text, member_at)
        if name in names:
            findings.add(f"{name!r} is in this object already", place, line)
        elif isinstance(value, dict | list):
            findings.add(f"{name!r} holds others: give each a column of its own", place, line)
        elif _is_inexact(value):
            findings.add(
                f"{name!r} is too large for a number in JSON: write it in quotes", place, line
            )
        names.add(name)


def _is_inexact(value: object) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return type(value) is int and abs(value) > INTEGER_MAX


def _joined(name: str, seen: _Seen, place: str, findings: Findings) -> str:
    types = {one: line for one, line in seen.types.items() if one != "null"}
    if len(types) < 2:
        return next(iter(types), "null")
    joined = JOINED.get(frozenset(types))
    if joined is None:
        where = " and ".join(f"{one} (line {line})" for one, line in types.items())
        findings.add(f"column {name!r} has values of several types: {where}", place, seen.line)
    return joined or "text"

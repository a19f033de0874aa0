"""A table of typed columns, and the rules for column names, types and row ids."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cli.publish.validation import Findings

ROWS_MAX: Final = 1_000_000
COLUMNS_MAX: Final = 200
NAME_LENGTH_MAX: Final = 100

INTEGER_MAX: Final = 2**53 - 1
"""The largest integer that JavaScript represents exactly."""

JOINED: Final[Mapping[frozenset[str], str]] = {
    frozenset({"integer", "number"}): "number",
    frozenset({"date", "text"}): "text",
}
"""The type of a column with values of two types."""

Value = str | int | float | bool | None

_INVALID_NAME = re.compile("[\x00-\x1f\x7f-\x9f,\\[\\]\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Args:
        name: The name.
        type: `integer`, `number`, `boolean`, `date`, `text`, or `null` if it has no values.
        is_nullable: Whether any row has a null in it.
    """

    name: str
    type: str
    is_nullable: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A dataset.

    Args:
        columns: The columns, in order.
        rows: The rows, each with a value for each column.
        lines: For each row, the line of the file in which it starts.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    lines: Sequence[int]


def check_names(names: Sequence[str], place: str, lines: Sequence[int], findings: Findings) -> None:
    """Check the names of columns.

    Args:
        names: The names, in order.
        place: The file.
        lines: For each name, its line.
        findings: Mistakes are added to it.
    """
    if len(names) > COLUMNS_MAX:
        findings.add(f"{len(names)} columns; the limit is {COLUMNS_MAX}", place, lines[0])
    seen: set[str] = set()
    for number, (name, line) in enumerate(zip(names, lines, strict=True), start=1):
        if not name.strip():
            findings.add(f"column {number} has no name", place, line)
        elif name in seen:
            findings.add(
                f"column {number} has the same name as an earlier one: {name!r}", place, line
            )
        elif name.startswith("-") or len(name) > NAME_LENGTH_MAX or _INVALID_NAME.search(name):
            findings.add(
                f"column {number} has an invalid name, {name[:NAME_LENGTH_MAX]!r}: use at most "
                f"{NAME_LENGTH_MAX} characters, without commas, square brackets and control "
                "characters, and without a leading -",
                place,
                line,
            )
        seen.add(name)


def choose_id(table: Table, requested: str | None, place: str) -> str | None:
    """Return the column that identifies rows; `None` for the row number.

    The default is the column `id`, if its values are unique and not null.

    Args:
        table: The dataset.
        requested: The requested column; `None` for the default.
        place: The file, for messages.

    Raises:
        InputError: The requested column does not exist, or its values are not unique.
    """
    names = [column.name for column in table.columns]
    findings = Findings()
    if requested is not None and requested not in names:
        findings.add(f"no column {requested!r}; the columns are {', '.join(names)}", "--id")
        findings.refuse("The id")
    found = requested or next((name for name in names if name.lower() == "id"), None)
    if found is None:
        return None
    index = names.index(found)
    first: dict[Value, int] = {}
    for row, line in zip(table.rows, table.lines, strict=True):
        value = row[index]
        if value is None:
            findings.add(f"no value for {found}", place, line)
        elif value in first:
            findings.add(f"{found} {value!r} is already used in line {first[value]}", place, line)
        else:
            first[value] = line
    if findings and requested is None:
        return None
    findings.refuse("The id")
    return found


def is_date(text: str) -> bool:
    """Return whether a text is an existing day in the form YYYY-MM-DD."""
    if not _DATE.fullmatch(text):
        return False
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def type_of(value: Value) -> str:
    """Return the type of a JSON value; text in the form of a day is a date."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case _:
            return "date" if is_date(value) else "text"

"""A table of typed columns: what a dataset is, whatever file it came from.

Owns the rules for names of columns, their types, and which column rows are known by.
"""

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
"""The largest that JSON's readers in JavaScript take exactly."""

Value = str | int | float | bool | None

_UNUSABLE = re.compile("[\x00-\x1f\x7f-\x9f,\\[\\]\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Args:
        name: Its name, as callers write it.
        type: `integer`, `number`, `boolean`, `date`, `text`, or `null` for one without values.
        is_nullable: Whether any row has no value in it.
    """

    name: str
    type: str
    is_nullable: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A dataset.

    Args:
        columns: The columns, in their order.
        rows: The rows, each with a value for each column.
        lines: For each row, the line of the file that it starts in.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    lines: Sequence[int]


def check_names(names: Sequence[str], place: str, lines: Sequence[int], findings: Findings) -> None:
    """Note what is wrong with the names of columns.

    Args:
        names: The names, in their order.
        place: The file.
        lines: For each name, the line where it stands.
        findings: Takes what is wrong.
    """
    if len(names) > COLUMNS_MAX:
        findings.add(f"it has {len(names)} columns; {COLUMNS_MAX} are allowed", place, lines[0])
    seen: set[str] = set()
    for number, (name, line) in enumerate(zip(names, lines, strict=True), start=1):
        if not name.strip():
            findings.add(f"column {number} has no name", place, line)
        elif name in seen:
            findings.add(f"column {number} is named {name!r} like one before it", place, line)
        elif name.startswith("-") or len(name) > NAME_LENGTH_MAX or _UNUSABLE.search(name):
            findings.add(
                f"column {number} cannot be named {name[:NAME_LENGTH_MAX]!r}: a name has at most "
                f"{NAME_LENGTH_MAX} characters, none of them a comma, bracket or control, and no "
                "- in front",
                place,
                line,
            )
        seen.add(name)


def choose_id(table: Table, asked: str | None, place: str) -> str | None:
    """Return the column that rows are known by; `None` for their number.

    Without `asked` it is the column `id`, if every row has another value in it.

    Args:
        table: The dataset.
        asked: The column that was asked for.
        place: The file, for messages.

    Raises:
        InputError: The column asked for does not exist, or does not tell rows apart.
    """
    names = [column.name for column in table.columns]
    findings = Findings()
    if asked is not None and asked not in names:
        findings.add(f"there is no column {asked!r}; there are {', '.join(names)}", "--id")
        findings.refuse("The id")
    found = asked or next((name for name in names if name.lower() == "id"), None)
    if found is None:
        return None
    index = names.index(found)
    first: dict[Value, int] = {}
    for row, line in zip(table.rows, table.lines, strict=True):
        value = row[index]
        if value is None:
            findings.add(f"it has no {found}", place, line)
        elif value in first:
            findings.add(f"{found} {value!r} is in line {first[value]} already", place, line)
        else:
            first[value] = line
    if findings and asked is None:
        return None
    findings.refuse("The id")
    return found


def is_date(text: str) -> bool:
    """Whether a text is a day as ISO 8601 writes it, and there is such a day."""
    if not _DATE.fullmatch(text):
        return False
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def type_of(value: Value) -> str:
    """Return the type of one value as JSON has it; a day is a date."""
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


JOINED: Final[Mapping[frozenset[str], str]] = {
    frozenset({"integer", "number"}): "number",
    frozenset({"date", "text"}): "text",
}
"""What a column with values of two types is."""

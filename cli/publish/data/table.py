"""A table of typed columns, and the column that identifies its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.publish.validation import Findings

ROWS_MAX: Final = 1_000_000
COLUMNS_MAX: Final = 200

INTEGER_MAX: Final = 2**53 - 1
"""The largest integer that JavaScript represents exactly."""

JSON_TYPE: Final = "json"
"""The type of a column whose values are arrays and objects, or of several types."""

Value = str | int | float | bool | Sequence[Any] | Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Args:
        name: The name.
        type: `integer`, `number`, `boolean`, `date`, `text`, `json`, or `null` if it has no values.
        is_nullable: Whether any row has a null in it.
        unit: The currency or percent sign that all its values had.
        why: Why it is text, if most of its values are something else.
    """

    name: str
    type: str
    is_nullable: bool
    unit: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A dataset.

    Args:
        columns: The columns, in order.
        rows: The rows, each with a value for each column.
        lines: For each row, the line of the file in which it starts.
        notes: What was changed or left out, and options that would read more of it.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    lines: Sequence[int]
    notes: Sequence[str] = ()


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
    if table.columns[index].type == JSON_TYPE:
        if requested is None:
            return None
        findings.add(f"a json column cannot identify rows: {found}", "--id")
        findings.refuse("The id")
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

"""CSV into a table: strict about its shape, and each cell typed by all of its column.

Lines are those of the file: a quoted cell may hold several of them.
"""

import csv
import io
import re
from collections.abc import Callable, Sequence
from typing import Final

from cli.errors import Finding, InputError
from cli.publish.table import INTEGER_MAX, ROWS_MAX, Column, Table, Value, check_names, is_date
from cli.publish.validation import Findings

CELL_LENGTH_MAX: Final = 1_000_000
DELIMITERS: Final = (",", ";", "\t", "|")
"""Those that are told apart by the first line; others have to be named."""

_INTEGER = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?", re.ASCII)


def read_csv(text: str, place: str, delimiter: str | None = None) -> Table:
    """Read a CSV text with a line of names.

    A cell without anything in it is no value (null). A column is of the first type that all of
    its cells can be: integer, number, boolean, date, else text. Numbers with zeros in front
    (`007`) and whole ones above 2⁵³ are text, as they would not come out as they went in.

    Args:
        text: The file's text.
        place: The file's name, for messages.
        delimiter: What stands between cells; found out from the first line when left out.

    Raises:
        InputError: With everything that is wrong.
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise InputError(
            "--delimiter must be one character, and neither a quote nor a line break.",
            "For a tab, write --delimiter $'\\t'.",
        )
    findings = Findings()
    used = delimiter or _delimiter(text)
    records, lines = _records(text, place, used, findings)
    findings.refuse("The dataset")
    if len(records) < 2:
        raise InputError("The dataset is empty.", "", [Finding("it has no rows", place)])
    names = records[0]
    check_names(names, place, [lines[0]] * len(names), findings)
    rows, row_lines = records[1:], lines[1:]
    if len(rows) > ROWS_MAX:
        findings.add(f"it has {len(rows):,} rows; {ROWS_MAX:,} are allowed", place)
    for record, line in zip(rows, row_lines, strict=True):
        if len(record) != len(names):
            findings.add(
                f"it has {len(record)} cells; the first line has {len(names)}", place, line
            )
    findings.refuse("The dataset")
    columns, values = [], []
    for index, name in enumerate(names):
        column, typed = _typed(name, [record[index] for record in rows])
        columns.append(column)
        values.append(typed)
    return Table(columns, [list(row) for row in zip(*values, strict=True)], row_lines)


def _records(
    text: str, place: str, delimiter: str, findings: Findings
) -> tuple[list[list[str]], list[int]]:
    """Return the records that have anything in them, and the line that each starts in."""
    csv.field_size_limit(CELL_LENGTH_MAX)
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    records: list[list[str]] = []
    lines: list[int] = []
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return records, lines
        except csv.Error as error:
            # What stands behind a quote out of place cannot be told: reading ends here.
            findings.add(f"it is no CSV: {error}", place, line)
            return records, lines
        if record:
            records.append(record)
            lines.append(line)


def _delimiter(text: str) -> str:
    first = re.sub(r'"[^"]*"', "", text[:CELL_LENGTH_MAX]).split("\n", 1)[0]
    return max(DELIMITERS, key=first.count)


def _typed(name: str, cells: Sequence[str]) -> tuple[Column, Sequence[Value]]:
    filled = [cell for cell in cells if cell]
    is_nullable = len(filled) < len(cells)
    if not filled:
        return Column(name, "null", is_nullable=True), [None] * len(cells)
    type_name, read = next(
        (type_name, read) for type_name, fits, read in _TYPES if all(map(fits, filled))
    )
    typed = [read(cell) if cell else None for cell in cells]
    return Column(name, type_name, is_nullable), typed


def _is_integer(cell: str) -> bool:
    return bool(_INTEGER.fullmatch(cell)) and abs(int(cell)) <= INTEGER_MAX


def _is_number(cell: str) -> bool:
    if not _NUMBER.fullmatch(cell):
        return False
    value = float(cell)
    # JSON has no infinity, and a whole number beyond that is an identifier, not a quantity.
    return abs(value) <= INTEGER_MAX or (not _INTEGER.fullmatch(cell) and abs(value) < float("inf"))


def _is_boolean(cell: str) -> bool:
    return cell.lower() in {"true", "false"}


_TYPES: Sequence[tuple[str, Callable[[str], bool], Callable[[str], Value]]] = (
    ("integer", _is_integer, int),
    ("number", _is_number, float),
    ("boolean", _is_boolean, lambda cell: cell.lower() == "true"),
    ("date", is_date, str),
    ("text", lambda _cell: True, str),
)

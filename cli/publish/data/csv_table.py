"""Reads CSV into a table: rows must have equal lengths, and each column gets one type."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from typing import Final

from cli.errors import Finding, InputError
from cli.publish.data.table import INTEGER_MAX, ROWS_MAX, Column, Table, Value, check_names, is_date
from cli.publish.validation import Findings

CELL_LENGTH_MAX: Final = 1_000_000
DELIMITERS: Final = (",", ";", "\t", "|")
"""The delimiters that are detected from the first line; others must be given."""

_INTEGER = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?", re.ASCII)


def read_csv(text: str, place: str, delimiter: str | None = None) -> Table:
    """Read a CSV text with a header line.

    An empty cell is null. A column has the first type that all its cells fit: integer, number,
    boolean, date, or text. Numbers with leading zeros (`007`) and integers from 2⁵³ are text, since
    a number would not preserve them.

    Args:
        text: The file's text.
        place: The file's name, for messages.
        delimiter: The delimiter; `None` to detect it from the first line.

    Raises:
        InputError: The text is invalid; the findings list all mistakes.
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise InputError(
            "--delimiter must be one character other than a quote or a line break.",
            "For a tab, use --delimiter $'\\t'.",
        )
    findings = Findings()
    used = delimiter or _delimiter(text)
    records, lines = _records(text, place, used, findings)
    findings.refuse("The dataset")
    if len(records) < 2:
        raise InputError("The dataset is empty.", "", [Finding("no rows", place)])
    names = records[0]
    check_names(names, place, [lines[0]] * len(names), findings)
    rows, row_lines = records[1:], lines[1:]
    if len(rows) > ROWS_MAX:
        findings.add(f"{len(rows):,} rows; the limit is {ROWS_MAX:,}", place)
    for record, line in zip(rows, row_lines, strict=True):
        if len(record) != len(names):
            findings.add(f"{len(record)} cells; the header has {len(names)}", place, line)
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
    """Return the records that are not empty, and the line that each starts in."""
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
            # After a misplaced quote, the rest of the file cannot be interpreted.
            findings.add(f"invalid CSV: {error}", place, line)
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
    # JSON has no infinity, and integers beyond INTEGER_MAX are identifiers, not quantities.
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

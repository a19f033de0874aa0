"""Results that tests record: shown as tables when a run ends, and stored as JSON.

A test records a row with pytest's `record_property(NAME, row)`, NAME being one of `TABLES`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

TABLES: Mapping[str, Sequence[str]] = {
    "payment": ("client", "version", "method", "fault", "outcome"),
    "payment killed": ("killed", "ledger", "first retry", "later retry", "outcome"),
    "payment at once": ("rounds", "responses", "settlements"),
    "payment soak": ("payments", "responses", "crashes", "outcome"),
    "payment time": ("what", "median"),
}
"""The columns of each table."""

Row = Sequence[str]
Rows = Mapping[str, Sequence[Row]]


def write(rows: Rows, file: Path) -> None:
    """Store every row as JSON, one list of objects for each table."""
    tables = {
        name: [dict(zip(TABLES[name], row, strict=True)) for row in table]
        for name, table in rows.items()
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")


def lines(rows: Rows) -> Iterator[str]:
    """Yield the tables as text. Routes of payments with the same outcome share a line."""
    for name, table in rows.items():
        columns, shown = TABLES[name], table
        if name == "payment":
            columns, shown = ("fault", "clients", "outcome"), [*_by_outcome(table)]
        widths = [
            max(len(row[column]) for row in [columns, *shown]) for column in range(len(columns))
        ]
        for row in [columns, *shown]:
            yield "  ".join(
                cell.ljust(width) for cell, width in zip(row, widths, strict=True)
            ).rstrip()
        yield ""


def _by_outcome(table: Sequence[Row]) -> Iterator[Row]:
    def key(row: Row) -> tuple[str, str]:
        return row[3], row[4]

    for (fault, outcome), group in groupby(sorted(table, key=key), key):
        routes = [" ".join(row[:3]) for row in group]
        every = len(routes) == len([row for row in table if row[3] == fault])
        yield fault, f"all {len(routes)}" if every else ", ".join(routes), outcome

"""The port to a Durable Object's database, on CPython's own SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from core.errors import SqlRejected
from core.ports import SqlValue

LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 2_000_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 5,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 100,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50,
}
"""https://developers.cloudflare.com/durable-objects/platform/limits/ and workerd's `sqlite.c++`."""

_TRANSACTIONS = ("BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE")
_EXACT_MAX = (1 << 53) - 1


class FakeSql:
    """The database of one object; a second one on the same file is the object after a restart.

    Each statement is durable at once. A test that lets an object crash calls `begin` before its
    turn, and `commit` or `roll_back` after it.

    Attributes:
        rows_written: Rows that are billed: a row that is inserted or updated counts once, and once
            more for each index of its table; a deleted row counts once.
        failing: The next statements fail, this many.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open a database in a file; in memory without one."""
        self.connection = sqlite3.connect(path or ":memory:", isolation_level=None)
        for limit, value in LIMITS.items():
            self.connection.setlimit(limit, value)
        self.rows_written = 0
        self.failing = 0
        self._indexes: dict[str, int] = {}

    def execute(self, statement: str, *values: SqlValue) -> Sequence[Sequence[SqlValue]]:
        word = statement.split(None, 1)[0].upper()
        if word in _TRANSACTIONS:
            raise SqlRejected("not authorized")
        if self.failing:
            self.failing -= 1
            raise SqlRejected("disk I/O error")
        before = self.connection.total_changes
        try:
            rows = self.connection.execute(statement, [_bound(value) for value in values])
            found = [[_returned(value) for value in row] for row in rows]
        except (sqlite3.Error, OverflowError) as error:
            raise SqlRejected(str(error)) from error
        changes = self.connection.total_changes - before
        if changes:
            is_deletion = word == "DELETE"
            indexes = 0 if is_deletion else self._indexes_of(_table(statement))
            self.rows_written += changes * (1 + indexes)
        return found

    def begin(self) -> None:
        """Start a transaction."""
        self.connection.execute("BEGIN")

    def commit(self) -> None:
        """Make the changes since `begin` durable."""
        self.connection.execute("COMMIT")

    def roll_back(self) -> None:
        """Undo the changes since `begin`."""
        self.connection.execute("ROLLBACK")

    def copy(self) -> FakeSql:
        """Return a database in memory with the same content."""
        other = FakeSql()
        self.connection.backup(other.connection)
        return other

    def _indexes_of(self, table: str) -> int:
        if table not in self._indexes:
            found = self.connection.execute(
                "SELECT count(*) FROM pragma_index_list(?) WHERE origin <> 'pk' OR NOT"
                " (SELECT wr FROM pragma_table_list(?))",
                (table, table),
            )
            self._indexes[table] = int(found.fetchone()[0])
        return self._indexes[table]


def _bound(value: SqlValue) -> str | float | None:
    """Return a value as JavaScript binds it: all its numbers are floating-point."""
    if type(value) is int:
        if abs(value) > _EXACT_MAX:
            raise SqlRejected("a BigInt cannot be bound")
        return float(value)
    if value is None or type(value) is str:
        return value
    raise SqlRejected(f"a value of type {type(value).__name__} cannot be bound")


def _returned(value: object) -> SqlValue:
    """Return a value as it arrives from JavaScript, where 1.0 and 1 are the same number."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value  # type: ignore[return-value]


def _table(statement: str) -> str:
    words = statement.replace("(", " ").split()
    upper = [word.upper() for word in words]
    for keyword in ("INTO", "UPDATE", "FROM"):
        if keyword in upper:
            return words[upper.index(keyword) + 1]
    return ""

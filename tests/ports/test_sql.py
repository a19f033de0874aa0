"""What every `Sql` promises: the fake on the host, and the database of a Durable Object.

This file also runs inside workerd, where `tests/runtime/inside` links to it. There it cannot
import from the tests. `sql.execute` is a coroutine function here, because inside workerd each
statement is a call to an object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pytest

from core.errors import SqlRejected
from core.ports import SqlValue


class AsyncSql(Protocol):
    """An empty database for each test."""

    async def execute(self, statement: str, *values: SqlValue) -> Sequence[Sequence[SqlValue]]:
        """Run one statement."""

    async def rows_written(self, statement: str) -> int:
        """Run one statement; return how many rows that are billed it wrote."""


async def test_a_row_has_the_bound_values_with_their_types(sql: AsyncSql) -> None:
    rows = await sql.execute("SELECT ?, ?, ?, ?", "ä \U0001f600", 2**53 - 1, -1, None)
    assert [list(row) for row in rows] == [["ä \U0001f600", 2**53 - 1, -1, None]]
    assert [type(value) for value in rows[0]] == [str, int, int, type(None)]


async def test_columns_of_the_same_name_are_all_returned(sql: AsyncSql) -> None:
    rows = await sql.execute("SELECT 1 AS a, 2 AS a")
    assert [list(row) for row in rows] == [[1, 2]]


async def test_text_keeps_every_character(sql: AsyncSql) -> None:
    await sql.execute("CREATE TABLE texts (text TEXT)")
    texts = ["", "\n\t\"'\\", "\u2028\u00e9", '{"a": [1, null]}', "\U0001f600" * 10]
    for text in texts:
        await sql.execute("INSERT INTO texts VALUES (?)", text)
    rows = await sql.execute("SELECT text FROM texts ORDER BY rowid")
    assert [row[0] for row in rows] == texts


async def test_a_statement_without_rows_returns_none(sql: AsyncSql) -> None:
    assert list(await sql.execute("CREATE TABLE IF NOT EXISTS empty (a INTEGER)")) == []
    assert list(await sql.execute("SELECT a FROM empty")) == []
    assert list(await sql.execute("INSERT INTO empty VALUES (1)")) == []
    assert list(await sql.execute("DELETE FROM empty WHERE a = ?", 1)) == []


async def test_insert_or_ignore_of_many_rows_returns_those_that_are_new(sql: AsyncSql) -> None:
    await sql.execute("CREATE TABLE names (id TEXT PRIMARY KEY) WITHOUT ROWID")
    insert = "INSERT OR IGNORE INTO names VALUES (?), (?), (?) RETURNING id"
    assert [row[0] for row in await sql.execute(insert, "a", "b", "a")] == ["a", "b"]
    assert [row[0] for row in await sql.execute(insert, "b", "c", "a")] == ["c"]
    assert [row[0] for row in await sql.execute("SELECT id FROM names ORDER BY id")] == [*"abc"]


async def test_insert_or_replace_replaces_a_row(sql: AsyncSql) -> None:
    await sql.execute("CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
    for value in ("first", "second"):
        await sql.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", "name", value)
    rows = await sql.execute("SELECT * FROM state")
    assert [list(row) for row in rows] == [["name", "second"]]


async def test_pairs_are_compared_by_their_first_value_and_then_their_second(
    sql: AsyncSql,
) -> None:
    await sql.execute("CREATE TABLE pairs (at_ms INTEGER NOT NULL, id TEXT NOT NULL)")
    await sql.execute("CREATE INDEX pairs_by_time ON pairs (at_ms, id)")
    for at_ms, name in ((5, "b"), (4, "z"), (5, "a"), (5, "c"), (6, "a")):
        await sql.execute("INSERT INTO pairs VALUES (?, ?)", at_ms, name)
    rows = await sql.execute(
        "SELECT at_ms, id FROM pairs WHERE (at_ms, id) < (?, ?) AND at_ms >= ?"
        " ORDER BY at_ms DESC, id DESC LIMIT ?",
        5,
        "c",
        4,
        3,
    )
    assert [tuple(row) for row in rows] == [(5, "b"), (5, "a"), (4, "z")]


async def test_text_is_ordered_by_its_code_points(sql: AsyncSql) -> None:
    await sql.execute("CREATE TABLE ordered (id TEXT PRIMARY KEY) WITHOUT ROWID")
    names = ["", "-", "1", "10", "2", "Z", "a", "a/b", "z", "ä", "\uffee", "\U0001f600"]
    for name in reversed(names):
        await sql.execute("INSERT INTO ordered VALUES (?)", name)
    assert [row[0] for row in await sql.execute("SELECT id FROM ordered ORDER BY id")] == names


async def test_an_integer_column_keeps_times_and_positions_exactly(sql: AsyncSql) -> None:
    await sql.execute("CREATE TABLE times (position INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL)")
    values = (1, 1_795_348_800_123, 2**53 - 1)
    for value in values:
        await sql.execute("INSERT INTO times VALUES (?, ?)", value, value)
    rows = await sql.execute("SELECT position, at_ms FROM times WHERE position <= ?", 2**53 - 1)
    assert [tuple(row) for row in rows] == [(value, value) for value in values]


async def test_a_statement_binds_up_to_a_hundred_values(sql: AsyncSql) -> None:
    await sql.execute("CREATE TABLE many (id INTEGER PRIMARY KEY)")
    marks = ", ".join(["(?)"] * 100)
    insert = f"INSERT INTO many VALUES {marks}"  # noqa: S608 (no input of anybody)
    rows = await sql.execute(f"{insert} RETURNING id", *range(100))
    assert sorted(int(row[0] or 0) for row in rows) == [*range(100)]
    with pytest.raises(SqlRejected):
        await sql.execute(f"{insert}, (?)", *range(100, 201))


@pytest.mark.parametrize("values", [(), (1,), (1, 2, 3)])
async def test_a_wrong_number_of_values_is_rejected(sql: AsyncSql, values: tuple[int, ...]) -> None:
    with pytest.raises(SqlRejected):
        await sql.execute("SELECT ?, ?", *values)


async def test_a_row_has_up_to_two_megabytes(sql: AsyncSql) -> None:
    await sql.execute("CREATE TABLE long (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    text = "x" * 1_999_900
    await sql.execute("INSERT INTO long VALUES (1, ?)", text)
    assert list((await sql.execute("SELECT text FROM long"))[0]) == [text]
    with pytest.raises(SqlRejected):
        # Cloudflare's limit is 2 MB, that of a local workerd 8 MB.
        await sql.execute("INSERT INTO long VALUES (2, ?)", "ä" * 4_500_000)
    assert [row[0] for row in await sql.execute("SELECT id FROM long")] == [1]


async def test_an_integer_that_javascript_cannot_represent_is_rejected(sql: AsyncSql) -> None:
    with pytest.raises(SqlRejected):
        await sql.execute("SELECT ?", 2**53)


@pytest.mark.parametrize(
    "statement",
    ["SELECT no_such_column", "SELEC 1", "INSERT INTO no_such_table VALUES (1)", "BEGIN"],
)
async def test_an_invalid_statement_is_rejected(sql: AsyncSql, statement: str) -> None:
    with pytest.raises(SqlRejected):
        await sql.execute(statement)


async def test_a_violated_constraint_changes_nothing(sql: AsyncSql) -> None:
    await sql.execute("CREATE TABLE strict (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    await sql.execute("INSERT INTO strict VALUES (1, 'a')")
    for values in ((2, "b", 1, "c"), (3, "d", 4, None)):
        with pytest.raises(SqlRejected):
            await sql.execute("INSERT INTO strict VALUES (?, ?), (?, ?)", *values)
    rows = await sql.execute("SELECT * FROM strict")
    assert [list(row) for row in rows] == [[1, "a"]]


@pytest.mark.parametrize(
    ("table", "index", "inserted", "deleted"),
    [
        ("written (id INTEGER PRIMARY KEY, text TEXT)", "", 2, 1),
        ("written (id TEXT PRIMARY KEY, text TEXT)", "", 4, 1),
        ("written (id TEXT PRIMARY KEY, text TEXT) WITHOUT ROWID", "", 2, 1),
        ("written (id INTEGER PRIMARY KEY, text TEXT)", "written (text)", 4, 1),
    ],
)
async def test_a_row_written_is_counted_with_its_indexes_and_a_deleted_row_once(
    sql: AsyncSql, table: str, index: str, inserted: int, deleted: int
) -> None:
    await sql.execute(f"CREATE TABLE {table}")
    if index:
        await sql.execute(f"CREATE INDEX by_text ON {index}")
    insert = "INSERT INTO written VALUES (1, 'a'), (2, 'b')"
    assert await sql.rows_written(insert) == inserted
    assert await sql.rows_written("DELETE FROM written WHERE id = 1") == deleted

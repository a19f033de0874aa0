"""Fakes of D1 and of other servers."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import DatabaseUnavailable, FetchFailed
from core.ports import Clock, Fetched, Json, Row, Statement

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def set_clock(connection: sqlite3.Connection, now_ms: Callable[[], float]) -> None:
    """Let SQLite's current time be `now_ms()`, in milliseconds since 1970."""

    def unixepoch(modifier: str) -> float:
        assert modifier == "subsec"
        return now_ms() / 1000

    connection.create_function("unixepoch", 1, unixepoch)


class FakeDatabase:
    """D1 as SQLite in memory, with all migrations applied.

    After the next `passing` transactions, `failing` transactions fail. With
    `takes_effect_anyway` they are committed before they fail, as if the connection was lost.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        # Without a clock, time stands still.
        set_clock(self.connection, (lambda: 0) if clock is None else clock.now_ms)
        for migration in sorted(MIGRATIONS.glob("*.sql")):
            self.connection.executescript(migration.read_text(encoding="utf-8"))
        self.failing = 0
        self.passing = 0
        self.takes_effect_anyway = False
        self.transactions = 0

    async def execute(self, *statements: Statement) -> Sequence[Sequence[Row]]:
        await asyncio.sleep(0)
        self.transactions += 1
        for value in (value for one in statements for value in one.values):
            if type(value) is int and abs(value) >= 2**53:
                raise DatabaseUnavailable("D1_ERROR: D1_TYPE_ERROR: Type 'bigint' not supported")
        fails = self.failing > 0 and self.passing == 0
        self.failing -= fails
        self.passing = max(0, self.passing - 1)
        if fails and not self.takes_effect_anyway:
            raise DatabaseUnavailable("D1_ERROR: Network connection lost.")
        self.connection.execute("BEGIN")
        try:
            results = [
                [dict(row) for row in self.connection.execute(one.sql, tuple(one.values))]
                for one in statements
            ]
        except sqlite3.Error as error:
            self.connection.execute("ROLLBACK")
            raise DatabaseUnavailable(f"D1_ERROR: {error}") from error
        self.connection.execute("COMMIT")
        await asyncio.sleep(0)
        if fails:
            raise DatabaseUnavailable("D1_ERROR: Network connection lost.")
        return results

    def failing_after(self, passing: int, *, takes_effect_anyway: bool) -> None:
        """Let one transaction fail, after `passing` more that succeed."""
        self.failing, self.passing = 1, passing
        self.takes_effect_anyway = takes_effect_anyway

    def rows(self, sql: str, *values: str | int) -> list[dict[str, Any]]:
        """Run a query directly on the database."""
        return [dict(row) for row in self.connection.execute(sql, values)]


@dataclass
class FakeFetcher:
    """A server at every address; `respond(url, body)` returns its response or raises."""

    respond: Callable[[str, Json], Awaitable[Fetched]] | None = None
    sent: list[tuple[str, Mapping[str, str], Json]] = field(default_factory=list)

    async def fetch(
        self,
        url: str,
        *,
        method: str,
        headers: Mapping[str, str],
        body: str | None,
        timeout_ms: int,
        body_bytes_max: int,
    ) -> Fetched:
        assert method == ("GET" if body is None else "POST")
        assert timeout_ms > 0
        parsed = None if body is None else json.loads(body)
        self.sent.append((url, headers, parsed))
        await asyncio.sleep(0)
        if self.respond is None:
            raise FetchFailed("Network connection lost.")
        fetched = await self.respond(url, parsed)
        if len(fetched.body.encode()) > body_bytes_max:
            raise FetchFailed("the response is too long")
        return fetched

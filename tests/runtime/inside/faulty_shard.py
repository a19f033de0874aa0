"""A shard that fails as `metering.shard` never should, for the tests of its Durable Object."""

import json
from dataclasses import dataclass, field

from core.constants import SHARDS_MAX
from core.ports import Clock, Sql

FAULTY = SHARDS_MAX - 1
"""The number of the shard."""


@dataclass
class FaultyShard:
    """Counts rows in memory and in its database.

    The batch "fail" writes a row and then fails. What `append` returns is the number of rows in
    memory and in the database, and how many runs the alarm had.
    """

    sql: Sql
    clock: Clock
    rows: int = 0
    runs: int = 0
    due: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Recover from the database."""
        self.sql.execute("CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, text TEXT)")
        self.sql.execute("CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY)")
        self.rows = self._stored("rows")

    async def append(self, text: str) -> str:
        """Write a row, then fail if asked to."""
        self.sql.execute("INSERT INTO rows (text) VALUES (?)", text)
        if text == "fail":
            raise ValueError("the shard failed in between")
        self.rows += 1
        if text.startswith("due in "):
            self.due.append(self.clock.now_ms() + int(text.removeprefix("due in ")))
        return await self.health("")

    async def read(self, text: str) -> str:
        """Fail, without a change of the state."""
        raise ValueError(text)

    async def events(self, text: str) -> str:
        """Never respond."""
        await self.clock.sleep_ms(60_000)
        return text

    async def settlements(self, text: str) -> str:
        """Return the argument."""
        return text

    async def rebuild(self, text: str) -> str:
        """Return the argument."""
        return text

    async def health(self, _text: str) -> str:
        """Return the numbers."""
        return json.dumps([self.rows, self._stored("rows"), self._stored("runs")])

    def due_ms(self) -> int | None:
        """Return the earliest time of `due`."""
        return min(self.due, default=None)

    async def run(self) -> None:
        """Count a run."""
        now_ms = self.clock.now_ms()
        self.due = [at_ms for at_ms in self.due if at_ms > now_ms]
        self.sql.execute("INSERT INTO runs DEFAULT VALUES")

    def _stored(self, table: str) -> int:
        return int(self.sql.execute(f"SELECT count(*) FROM {table}")[0][0] or 0)  # noqa: S608

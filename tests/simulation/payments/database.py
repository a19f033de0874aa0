"""Worst-case D1: the real migrations on real SQLite, behind an unreliable connection.

A transaction takes effect completely or not at all. Whether and when it takes effect, and
whether the caller gets a response, are independent.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from random import Random
from typing import Any

from core.errors import DatabaseUnavailable
from core.ports import Row, Statement
from tests.simulation.loop import VirtualLoop
from tests.simulation.payments.faults import CALM, Faults
from tests.support.fake_network import MIGRATIONS

PARAMETERS_MAX = 100
"""The most values that D1 binds to one statement
(https://developers.cloudflare.com/d1/platform/limits/)."""


@cache
def _migrated() -> bytes:
    connection = sqlite3.connect(":memory:")
    for migration in sorted(MIGRATIONS.glob("*.sql")):
        connection.executescript(migration.read_text(encoding="utf-8"))
    image = connection.serialize()
    connection.close()
    return image


def _new_connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(_migrated())
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


class Fate(Enum):
    """The effect of a transaction, and the response that the caller gets."""

    DONE = "done"
    FAILED = "failed"
    FAILED_AFTER_EFFECT = "failed after effect"
    FAILED_BEFORE_EFFECT = "failed, and takes effect later"
    HANGS = "takes effect and never answers"


@dataclass(slots=True)
class SimulatedDatabase:
    """The database of a deployment (the port `Database`)."""

    loop: VirtualLoop
    random: Random
    outside: Context
    """The context of the database's own work, which continues when an isolate dies."""
    faults: Faults = CALM
    transactions: int = 0
    connection: sqlite3.Connection = field(default_factory=_new_connection)

    async def execute(self, *statements: Statement) -> Sequence[Sequence[Row]]:
        answer: asyncio.Future[Sequence[Sequence[Row]]] = self.loop.create_future()
        fate, there_ms, back_ms = self._fate(), self._delay_ms(), self._delay_ms()

        def fail() -> None:
            answer.set_exception(DatabaseUnavailable("D1_ERROR: Network connection lost."))

        def arrive() -> None:
            try:
                found = self._transact(statements)
            except DatabaseUnavailable as error:
                if fate is not Fate.FAILED_BEFORE_EFFECT:
                    answer.set_exception(error)
                return
            if fate is Fate.DONE:
                self._later(back_ms, lambda: answer.set_result(found))
            elif fate is Fate.FAILED_AFTER_EFFECT:
                self._later(back_ms, fail)

        if fate is Fate.FAILED:
            self._later(there_ms + back_ms, fail)
        elif fate is Fate.FAILED_BEFORE_EFFECT:
            self._later(back_ms, fail)
            self._later(back_ms + self.random.uniform(0, 5_000), arrive)
        else:
            self._later(there_ms, arrive)
        return await answer

    def rows(self, sql: str, *values: str | int) -> list[dict[str, Any]]:
        """Query the database without faults."""
        return [dict(row) for row in self.connection.execute(sql, values)]

    def _transact(self, statements: Sequence[Statement]) -> Sequence[Sequence[Row]]:
        self.transactions += 1
        connection = self.connection
        connection.execute("BEGIN")
        try:
            found = []
            for sql, values in statements:
                if len(values) > PARAMETERS_MAX:
                    raise sqlite3.OperationalError("too many SQL variables")
                found.append([dict(row) for row in connection.execute(sql, tuple(values))])
        except sqlite3.Error as error:
            connection.execute("ROLLBACK")
            raise DatabaseUnavailable(f"D1_ERROR: {error}") from error
        connection.execute("COMMIT")
        return found

    def _fate(self) -> Fate:
        faults, drawn = self.faults, self.random.random()
        for share, fate in (
            (faults.database_fails, Fate.FAILED),
            (faults.database_fails_after_effect, Fate.FAILED_AFTER_EFFECT),
            (faults.database_fails_before_effect, Fate.FAILED_BEFORE_EFFECT),
            (faults.database_hangs, Fate.HANGS),
        ):
            drawn -= share
            if drawn < 0:
                return fate
        return Fate.DONE

    def _delay_ms(self) -> float:
        if self.random.random() < self.faults.database_slow:
            return self.random.uniform(100, 5_000)
        return self.random.uniform(1, 30)

    def _later(self, delay_ms: float, act: Callable[[], None]) -> None:
        self.loop.call_later(delay_ms / 1000, act, context=self.outside)

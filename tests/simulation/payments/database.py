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
from tests.simulation.payments.faults import NO_FAULTS, Faults
from tests.support.fake_network import MIGRATIONS, set_clock

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
    return connection


class TransactionOutcome(Enum):
    """The effect of a transaction, and the response that the caller gets."""

    DONE = "done"
    FAILED = "failed"
    FAILED_AFTER_EFFECT = "failed after effect"
    FAILED_BEFORE_EFFECT = "failed, and takes effect later"
    HANGS = "takes effect and never responds"


@dataclass(slots=True)
class SimulatedDatabase:
    """The database of a deployment (the port `Database`)."""

    loop: VirtualLoop
    random: Random
    outside: Context
    """The context of the database's own work, which continues when an isolate dies."""
    faults: Faults = NO_FAULTS
    transactions: int = 0
    failed_at_ms: list[float] = field(default_factory=list)
    """When transactions failed, or did not respond."""
    connection: sqlite3.Connection = field(default_factory=_new_connection)

    def __post_init__(self) -> None:
        """Give the database the true time."""
        set_clock(self.connection, lambda: self.loop.now_ms)

    async def execute(self, *statements: Statement) -> Sequence[Sequence[Row]]:
        response: asyncio.Future[Sequence[Sequence[Row]]] = self.loop.create_future()
        outcome, there_ms, back_ms = self._draw_outcome(), self._delay_ms(), self._delay_ms()
        if outcome is not TransactionOutcome.DONE:
            self.failed_at_ms.append(self.loop.now_ms)

        def fail() -> None:
            response.set_exception(DatabaseUnavailable("D1_ERROR: Network connection lost."))

        def arrive() -> None:
            try:
                found = self._transact(statements)
            except DatabaseUnavailable as error:
                if outcome is not TransactionOutcome.FAILED_BEFORE_EFFECT:
                    response.set_exception(error)
                return
            if outcome is TransactionOutcome.DONE:
                self._later(back_ms, lambda: response.set_result(found))
            elif outcome is TransactionOutcome.FAILED_AFTER_EFFECT:
                self._later(back_ms, fail)

        if outcome is TransactionOutcome.FAILED:
            self._later(there_ms + back_ms, fail)
        elif outcome is TransactionOutcome.FAILED_BEFORE_EFFECT:
            self._later(back_ms, fail)
            self._later(back_ms + self.random.uniform(0, 5_000), arrive)
        else:
            self._later(there_ms, arrive)
        return await response

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

    def _draw_outcome(self) -> TransactionOutcome:
        faults, drawn = self.faults, self.random.random()
        for share, outcome in (
            (faults.database_fails, TransactionOutcome.FAILED),
            (faults.database_fails_after_effect, TransactionOutcome.FAILED_AFTER_EFFECT),
            (faults.database_fails_before_effect, TransactionOutcome.FAILED_BEFORE_EFFECT),
            (faults.database_hangs, TransactionOutcome.HANGS),
        ):
            drawn -= share
            if drawn < 0:
                return outcome
        return TransactionOutcome.DONE

    def _delay_ms(self) -> float:
        if self.random.random() < self.faults.database_slow:
            return self.random.uniform(100, 5_000)
        return self.random.uniform(1, 30)

    def _later(self, delay_ms: float, act: Callable[[], None]) -> None:
        self.loop.call_later(delay_ms / 1000, act, context=self.outside)

"""The implementations of the ports that the shared suite tests on the host."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from cli.doctor.outgoing import HostSigner
from core.ports import Database, KeyValueStore, QuotaCounters, RateCounter, Signer, SqlValue
from tests.simulation.kv import SimulatedKv, Temper
from tests.simulation.loop import VirtualLoop
from tests.simulation.store import SimulatedStore
from tests.support.fake_counters import FakeQuotaCounters, fake_rate_counters
from tests.support.fake_network import FakeDatabase
from tests.support.fake_sql import FakeSql
from tests.support.fakes import NOON_MS, FakeStore

TEMPERS = {
    "simulated": Temper(),
    "simulated-odd-pages": Temper(page_keys=7, odd_pages=0.5),
}
"""The behavior of KV that the shared suite accepts; `test_kv_at_its_worst` tests worse."""


def simulated(temper: Temper, seed: int = 0) -> SimulatedStore:
    """Return an empty namespace on virtual time."""
    loop = VirtualLoop(Random(seed), NOON_MS)  # type: ignore[abstract]
    return SimulatedStore(SimulatedKv(loop, Random(seed), temper), "here")


@pytest.fixture(params=["fake", *TEMPERS])
def store(request: pytest.FixtureRequest) -> KeyValueStore:
    """Each store in turn, empty."""
    if request.param == "fake":
        return FakeStore()
    return simulated(TEMPERS[request.param])


@pytest.fixture
def database() -> Database:
    """A database with all migrations applied."""
    return FakeDatabase()


class AsyncFakeSql:
    """A `FakeSql` with coroutine functions, as the shared suite calls it."""

    def __init__(self) -> None:
        self.sql = FakeSql()

    async def execute(self, statement: str, *values: SqlValue) -> Sequence[Sequence[SqlValue]]:
        return self.sql.execute(statement, *values)

    async def rows_written(self, statement: str) -> int:
        before = self.sql.rows_written
        self.sql.execute(statement)
        return self.sql.rows_written - before


@pytest.fixture
def sql() -> AsyncFakeSql:
    """An empty database of a Durable Object."""
    return AsyncFakeSql()


@pytest.fixture
def quota_counters() -> QuotaCounters:
    """The quota counters, all at zero."""
    return FakeQuotaCounters()


@pytest.fixture
def rate_counter_of() -> Callable[[str], RateCounter]:
    """Return a function that returns a rate-limit binding by name."""
    return fake_rate_counters(10, 60).__getitem__


@pytest.fixture
def signer() -> Signer:
    """Signatures on the host."""
    return HostSigner()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine function, on virtual time if its store is."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    store = arguments.get("store")
    if not isinstance(store, SimulatedStore):
        asyncio.run(pyfuncitem.obj(**arguments))
        return True
    loop = store.kv.loop
    task = loop.create_task(pyfuncitem.obj(**arguments))
    loop.run(loop.now_ms + 24 * 3_600_000)
    _result(task)
    assert loop.problems == []
    return True


def _result(task: asyncio.Task[Any]) -> None:
    assert task.done(), "the test awaits something that never happens"
    task.result()

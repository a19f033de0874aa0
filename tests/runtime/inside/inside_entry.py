"""The Worker that runs pytest inside workerd; `harness.py` starts it on the host.

`GET /run?tests=JSON` runs the named tests and returns a report of each. Tests and fixtures may
be `async`: they run on the Worker's event loop. `POST /shard/NUMBER/METHOD` calls a shard of the
usage log with the body as the argument.
"""

import contextlib
import inspect
import json
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from faulty_shard import FAULTY, FaultyShard  # type: ignore[import-not-found]
from pyodide.ffi import run_sync
from workers import DurableObject, Request, Response, handler

from core.errors import ShardUnavailable, SqlRejected
from core.ports import Clock, KeyValueStore, Sql, SqlValue, UsageShards
from runtime.counters import QuotaCounter, RuntimeQuotaCounters, RuntimeRateCounter
from runtime.d1 import RuntimeDatabase
from runtime.http import RuntimeSigner
from runtime.kv import RuntimeStore
from runtime.shards import RuntimeSql, RuntimeUsageShards
from runtime.usage_shard import Records, Shard, ShardObject
from snapshots.sharing import sharing_shard_of

__all__ = ["QuotaCounter", "SqlObject", "UsageShard", "on_fetch"]

HERE = Path(__file__).parent
OPTIONS = (
    f"--rootdir={HERE}",
    "--import-mode=importlib",
    "--capture=sys",
    "--color=no",
    "--tb=short",
    "-q",
    "-p no:cacheprovider",
    "-p no:faulthandler",
    "-W error",
)


class SqlObject(DurableObject):
    """A database for the tests of the port."""

    async def execute(self, statement: str, values: str) -> str:
        """Run a statement through the port; return its rows as JSON, or the error."""
        try:
            rows = RuntimeSql(self.ctx._ctx.storage.sql).execute(statement, *json.loads(values))
        except SqlRejected as error:
            return json.dumps({"error": str(error)})
        return json.dumps({"rows": [list(row) for row in rows]})

    async def rows_written(self, statement: str) -> str:
        """Run a statement; return how many rows that are billed it wrote."""
        return str(self.ctx._ctx.storage.sql.exec(statement).rowsWritten)


class RemoteSql:
    """The port of a new `SqlObject`."""

    def __init__(self, binding: Any) -> None:
        """Take the raw binding."""
        self._object = binding.getByName(uuid4().hex)

    async def execute(self, statement: str, *values: SqlValue) -> Sequence[Sequence[SqlValue]]:
        """Run one statement."""
        result = json.loads(await self._object.execute(statement, json.dumps(values)))
        if "error" in result:
            raise SqlRejected(result["error"])
        rows: list[list[SqlValue]] = result["rows"]
        return rows

    async def rows_written(self, statement: str) -> int:
        """Run a statement; return how many rows that are billed it wrote."""
        return int(await self._object.rows_written(statement))


def start_shard(
    sql: Sql,
    number: int,
    store: KeyValueStore,
    clock: Clock,
    shards: UsageShards,
    records: Records,
) -> Shard:
    """Start a shard; that with the number `FAULTY` has faults."""
    if number == FAULTY:
        return cast("Shard", FaultyShard(sql, clock))
    return sharing_shard_of(sql, number, store, clock, shards, records)


class UsageShard(ShardObject):
    """A shard as the Worker has it, or with faults."""

    _start = staticmethod(start_shard)


class Reporter:
    """Collects the results, and provides the Worker's environment to tests as fixtures.

    Args:
        environment: The bindings as the SDK wraps them.
        context: The execution context of the running request.
    """

    def __init__(self, environment: Any, context: Any) -> None:
        """Start without results."""
        self.results: list[dict[str, Any]] = []
        self._environment = environment
        self._context = context

    @pytest.fixture
    def env(self) -> Any:
        """The bindings as the SDK wraps them."""
        return self._environment

    @pytest.fixture
    def raw_env(self) -> Any:
        """The bindings as JavaScript objects."""
        return self._environment._env

    @pytest.fixture
    def store(self) -> RuntimeStore:
        """The usage log's namespace, through the port."""
        return RuntimeStore(self._environment._env.USAGE_KV)

    @pytest.fixture
    def database(self) -> RuntimeDatabase:
        """The ledger's database, through the port, with all migrations applied."""
        return RuntimeDatabase(self._environment._env.CONTROL_DB)

    @pytest.fixture
    def signer(self) -> RuntimeSigner:
        """WebCrypto, through the port."""
        return RuntimeSigner()

    @pytest.fixture
    def quota_counters(self) -> RuntimeQuotaCounters:
        """The quota counters, through the port."""
        return RuntimeQuotaCounters(self._environment._env.QUOTAS)

    @pytest.fixture
    def rate_counter_of(self) -> Callable[[str], RuntimeRateCounter]:
        """Return a function that returns a rate-limit binding by name, through the port."""
        raw = self._environment._env
        return lambda name: RuntimeRateCounter(getattr(raw, name))

    @pytest.fixture
    def sql(self) -> RemoteSql:
        """An empty database of a Durable Object, through the port."""
        return RemoteSql(self._environment._env.SQL_OBJECT)

    @pytest.fixture
    def usage_shards(self) -> RuntimeUsageShards:
        """The shards of the usage log, through the port."""
        return RuntimeUsageShards(self._environment._env.USAGE_SHARD, None)

    @pytest.fixture
    def ctx(self) -> Any:
        """The request's execution context."""
        return self._context

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run a test that is a coroutine function."""
        if not inspect.iscoroutinefunction(pyfuncitem.obj):
            return None
        names = pyfuncitem._fixtureinfo.argnames
        run_sync(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any]
    ) -> Generator[None, object, object]:
        """Wrap fixtures that are coroutine functions or async generators in plain functions."""
        # pytest declares `func` final, but has no other way to replace it.
        function = fixturedef.func
        if inspect.isasyncgenfunction(function):
            fixturedef.func = _synchronous_generator(function)  # type: ignore[misc]
        elif inspect.iscoroutinefunction(function):
            fixturedef.func = _synchronous(function)  # type: ignore[misc]
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record the result of a test, or of a failed set-up or teardown."""
        if report.when == "call" or report.outcome != "passed":
            self._add(report.nodeid, report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record the failure to import a file of tests."""
        if report.outcome != "passed":
            self._add(report.nodeid, report)

    def _add(self, nodeid: str, report: pytest.TestReport | pytest.CollectReport) -> None:
        text = report.longreprtext
        if isinstance(report.longrepr, tuple):
            text = str(report.longrepr[2])
        self.results.append(
            {
                "nodeid": nodeid,
                "outcome": report.outcome,
                "text": text,
                "expected_failure": getattr(report, "wasxfail", None),
                "output": report.capstdout + report.capstderr,
            }
        )


@handler
async def on_fetch(request: Request, environment: Any, context: Any) -> Response:
    """Run tests, or call a shard; respond with "ready" to any other request."""
    address = urlsplit(request.url)
    if address.path.startswith("/shard/"):
        return await call_shard(request, environment, *address.path.split("/")[2:])
    if address.path != "/run":
        return Response("ready")
    (tests,) = parse_qs(address.query)["tests"]
    sys.dont_write_bytecode = True
    reporter = Reporter(environment, context)
    chosen = [f"{HERE}/{test}" for test in json.loads(tests)]
    code = pytest.main([*OPTIONS, *chosen], plugins=[reporter])
    return Response.json({"exit_code": int(code), "results": reporter.results})


async def call_shard(request: Request, environment: Any, number: str, method: str) -> Response:
    """Return what a shard returns, and 503 if it is unavailable."""
    shards = RuntimeUsageShards(environment._env.USAGE_SHARD, None)
    argument = str(await request.js_object.text())
    try:
        return Response(await shards.call(int(number), method, argument))
    except ShardUnavailable as error:
        return Response(str(error), status=503)


def _synchronous(function: Any) -> Any:
    def fixture(*arguments: object, **named: object) -> object:
        return run_sync(function(*arguments, **named))

    return fixture


def _synchronous_generator(function: Any) -> Any:
    def fixture(*arguments: object, **named: object) -> Generator[object]:
        generator: AsyncGenerator[object] = function(*arguments, **named)
        yield run_sync(anext(generator))
        with contextlib.suppress(StopAsyncIteration):
            run_sync(anext(generator))

    return fixture

"""The shards of the usage log: calls to them, and the database that each has.

`runtime.usage_shard` is the Durable Object behind the calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyodide.ffi import JsException, jsnull
from workers import import_from_javascript

from core import constants
from core.errors import ConfigurationError, ShardUnavailable, SqlRejected
from core.ports import SqlValue
from runtime.coroutine_driver import JsPromise

_bridge = import_from_javascript("runtime/bridge.js")
_call_object = _bridge.callObject
_run_statement = _bridge.runStatement


class RuntimeUsageShards:
    """The Durable Objects of the class `UsageShard`, by number."""

    def __init__(self, binding: Any, setting: str | None) -> None:
        """Take the raw binding and the setting `USAGE_SHARDS`."""
        self._binding = binding
        self._setting = setting
        self._count = 0

    @property
    def count(self) -> int:
        """How many shards there are. Raises `ConfigurationError` if `USAGE_SHARDS` is unusable."""
        if not self._count:
            self._count = _count(self._setting)
        return self._count

    async def call(self, shard: int, method: str, argument: str) -> str:
        """Call a method of a shard; see `ports.UsageShards`."""
        is_long = method in {"snapshots", "usage", "catalog"}
        timeout_ms = constants.SNAPSHOTS_TIMEOUT_MS if is_long else constants.SHARD_TIMEOUT_MS
        try:
            # The timer is JavaScript's: asyncio's works only in a task.
            promise = _call_object(self._binding, str(shard), method, argument, timeout_ms)
            return str(await JsPromise(promise))
        except JsException as error:
            raise ShardUnavailable(str(error)) from error


class RuntimeSql:
    """A Durable Object's database.

    https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/
    """

    def __init__(self, sql: Any) -> None:
        """Take the raw `ctx.storage.sql`, without the SDK's wrapper around it."""
        self._sql = sql

    def execute(self, statement: str, *values: SqlValue) -> Sequence[Sequence[SqlValue]]:
        """Run one statement; see `ports.Sql`."""
        try:
            rows = _run_statement(self._sql, statement, *map(_bound, values))
        except JsException as error:
            raise SqlRejected(str(error)) from error
        if rows is None:
            return ()
        return [[None if value is jsnull else value for value in row] for row in rows.to_py()]


def _bound(value: SqlValue) -> Any:
    """Return a value that JavaScript passes to SQLite unchanged."""
    if value is None:
        # It would become `undefined`, which is rejected; `null` is NULL.
        return jsnull
    if isinstance(value, str):
        return value
    if abs(value) > constants.INTEGER_MAX:
        raise SqlRejected(f"JavaScript cannot represent {value}")
    # Pyodide passes some integers as `bigint`, which is rejected, but floats always as numbers.
    return float(value)


def _count(setting: str | None) -> int:
    most = constants.SHARDS_MAX
    if setting is None:
        return 1
    if not setting.isascii() or not setting.isdecimal() or not 1 <= int(setting) <= most:
        raise ConfigurationError("USAGE_SHARDS", f"Set it to a whole number from 1 to {most}.")
    return int(setting)

"""The Durable Object of a shard of the usage log.

The shard's rules are in `metering.shard`; this class gives them a database, KV and an alarm.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from workers import DurableObject

from core import constants
from core.errors import BindingMissing, StoreUnavailable
from core.logs import fields
from core.ports import Clock, KeyValueStore, Sql, UsageShards
from runtime.environment import RuntimeClock, RuntimeEnvironment
from runtime.shards import RuntimeSql, RuntimeUsageShards

_ALARM_LATE_MS = 60_000
"""An alarm that is later than this was lost."""

_LOGGER = logging.getLogger(__name__)


class Shard(Protocol):
    """A shard as this class runs it: `snapshots.sharing.SharingShard`."""

    async def append(self, text: str) -> str:
        """Add a batch."""

    async def read(self, text: str) -> str:
        """Return totals."""

    async def events(self, text: str) -> str:
        """Return commits and segments."""

    async def settlements(self, text: str) -> str:
        """Return settlement events."""

    async def snapshots(self, text: str) -> str:
        """Read windows for an isolate."""

    async def usage(self, text: str) -> str:
        """Return usage in a range."""

    async def catalog(self, text: str) -> str:
        """Read the catalog for an isolate."""

    async def health(self, text: str) -> str:
        """Return counters."""

    async def rebuild(self, text: str) -> str:
        """Rebuild a day, step by step."""

    async def undo(self, text: str) -> str:
        """Undo an import."""

    def due_ms(self) -> int | None:
        """Return when `run` has something to do."""

    async def run(self) -> None:
        """Do what is due."""


Records = tuple[KeyValueStore | None, str | None]
"""`TENANT_KV`, and the text of the variable `TENANT_DIRECTORY_JSON`."""

Start = Callable[[Sql, int, KeyValueStore, Clock, UsageShards, Records], Shard]
"""Starts a shard on its database, with its number, `USAGE_KV`, a clock, all shards and the
directory: `sharing_shard_of`, which this package may not import."""


class ShardObject(DurableObject):
    """One shard, by its number as its name; `entry` has the subclass that is bound.

    Methods take and return text, because other values are slow to pass.
    """

    # Callers do not see names that start with an underscore.
    _start: Start
    _shard: Shard | None = None
    _own_number: int | None = None
    _alarm_ms: int | None = None
    _is_alarm_known = False

    async def append(self, text: str) -> str:
        """Add a batch; see `metering.shard`."""
        return await self._change(self._started().append, text)

    async def rebuild(self, text: str) -> str:
        """Rebuild a day, step by step; see `metering.shard`."""
        return await self._change(self._started().rebuild, text)

    async def undo(self, text: str) -> str:
        """Undo an import; see `metering.shard`."""
        return await self._change(self._started().undo, text)

    async def read(self, text: str) -> str:
        """Return totals; see `metering.shard`."""
        return await self._look(self._started().read, text)

    async def snapshots(self, text: str) -> str:
        """Read windows for an isolate; see `snapshots.sharing`."""
        return await self._look(self._started().snapshots, text)

    async def catalog(self, text: str) -> str:
        """Read the catalog for an isolate; see `tenants.catalog`."""
        return await self._started().catalog(text)

    async def events(self, text: str) -> str:
        """Return commits and segments; see `metering.shard`."""
        return await self._started().events(text)

    async def settlements(self, text: str) -> str:
        """Return settlement events; see `metering.shard`."""
        return await self._started().settlements(text)

    async def usage(self, text: str) -> str:
        """Return usage in a range; see `metering.shard`."""
        return await self._look(self._started().usage, text)

    async def health(self, text: str) -> str:
        """Return counters; see `metering.shard`."""
        return await self._look(self._started().health, text)

    @property
    def on_alarm(self) -> Any:
        """The handler of alarms, which does what is due."""
        return _AlarmHandler(self)

    async def _run_alarm(self) -> None:
        self._alarm_ms, self._is_alarm_known = None, True
        try:
            await self._started().run()
        except Exception as error:  # noqa: BLE001 (whatever it is, memory may be wrong)
            self._abort(error)
        await self._set_alarm()

    async def _look(self, method: Callable[[str], Any], text: str) -> str:
        """Call a method after which the shard may look for spilled batches."""
        result: str = await method(text)
        await self._set_alarm()
        return result

    async def _change(self, method: Callable[[str], Any], text: str) -> str:
        try:
            result: str = await method(text)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 (whatever it is, memory may be wrong)
            self._abort(error)
        await self._set_alarm()
        return result

    def _started(self) -> Shard:
        if self._shard is None:
            raw = self.env._env  # noqa: SLF001 (the wrapper converts every value)
            environment = RuntimeEnvironment(raw)
            store = environment.usage_store
            if store is None:
                raise BindingMissing("USAGE_KV")
            context = self.ctx._ctx  # noqa: SLF001
            self._own_number = _number(raw.USAGE_SHARD, context.id)
            sql = RuntimeSql(context.storage.sql)
            shards = RuntimeUsageShards(raw.USAGE_SHARD, None)
            records = (environment.tenant_store, environment.setting("TENANT_DIRECTORY_JSON"))
            clock = RuntimeClock()
            self._shard = self._start(sql, self._own_number, store, clock, shards, records)
        return self._shard

    async def _set_alarm(self) -> None:
        """Set the alarm if it must be earlier; each time is billed as a row written."""
        storage = self.ctx._ctx.storage  # noqa: SLF001
        if not self._is_alarm_known:
            found = await storage.getAlarm()
            # The alarm may have gone off since.
            if not self._is_alarm_known:
                self._alarm_ms, self._is_alarm_known = _whole(found), True
        due_ms = self._started().due_ms()
        if due_ms is None:
            return
        alarm_ms = self._alarm_ms
        is_lost = alarm_ms is not None and alarm_ms < RuntimeClock().now_ms() - _ALARM_LATE_MS
        if alarm_ms is None or due_ms < alarm_ms or is_lost:
            self._alarm_ms = due_ms
            await storage.setAlarm(due_ms)

    def _abort(self, error: Exception) -> NoReturn:
        """Restart the object as its database has it, without the writes since the last `await`."""
        _LOGGER.error("shard_restarted", exc_info=error, extra=fields(shard=self._own_number))
        self.ctx.abort(f"The shard restarts after {type(error).__name__}.")


class _AlarmHandler:
    """Runs the alarm of one object without keeping it alive.

    Pyodide caches the signature of each handler that it calls, and with it the handler. As a
    bound method, that would keep an object's totals in memory after the runtime evicted the
    object. All handlers are equal, so the cache has one, and it holds no object.
    """

    def __init__(self, shard_object: ShardObject) -> None:
        self._object = weakref.ref(shard_object)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _AlarmHandler)

    def __hash__(self) -> int:
        return hash(_AlarmHandler)

    def __call__(self, *_information: object) -> Any:
        shard_object = self._object()
        assert shard_object is not None
        return shard_object._run_alarm()  # noqa: SLF001


def _number(binding: Any, identity: Any) -> int:
    """Return a shard's number from the object's id; an alarm may not know the object's name."""
    for number in range(constants.SHARDS_MAX):
        if identity.equals(binding.idFromName(str(number))):
            return number
    raise ValueError(f"{identity} is not the id of a shard")


def _whole(value: Any) -> int | None:
    """Return a number that JavaScript returned, None for `null` and `undefined`."""
    return int(value) if isinstance(value, int | float) else None

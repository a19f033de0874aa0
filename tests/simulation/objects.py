"""Simulated Durable Objects: the real shards, on databases that survive, in memory that does not.

A restart keeps what is durable in the database. Nothing leaves an object before what it has
written is durable (https://developers.cloudflare.com/durable-objects/reference/in-memory-state/).
Calls to an object are lost, before or after they took effect, repeated, delayed and reordered.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from core import constants
from core.calendar import MINUTE_MS
from core.errors import ShardUnavailable, StoreUnavailable
from core.ports import Json, KeyPage, NamePage, SqlValue
from metering.segments import Commit
from snapshots.sharing import SharingShard, sharing_shard_of
from tests.simulation.clock import IsolateClock
from tests.simulation.kv import SimulatedKv
from tests.simulation.loop import SCOPE, Scope
from tests.simulation.shape import Network
from tests.simulation.store import SimulatedStore
from tests.support.fake_sql import FakeSql

_ALARM_RETRY_MS = 2_000
_ALARMS_PER_MINUTE_MAX = 200


class DurableSql(FakeSql):
    """A database whose writes become durable together, some milliseconds later.

    `commits` are the durable rows of the write-ahead log.
    """

    def __init__(self, kv: SimulatedKv, random: Random) -> None:
        super().__init__()
        self.kv = kv
        self.random = random
        self.durable_ms = 0.0
        self.commits: list[Commit] = []
        self._added: list[Commit] = []
        self._writing: asyncio.Future[None] | None = None

    def execute(self, statement: str, *values: SqlValue) -> Any:
        if not statement.startswith("SELECT"):
            if self._writing is None:
                self.begin()
                self._writing = writing = self.kv.loop.create_future()
                delay_ms = self.random.uniform(0, self.durable_ms)
                self.kv.loop.call_later(
                    delay_ms / 1000, self._finish, writing, context=self.kv.outside
                )
            if statement.startswith("INSERT INTO commits"):
                position, at_ms, batches = values
                self._added.append(Commit(int(position or 0), int(at_ms or 0), str(batches)))
        return super().execute(statement, *values)

    def _finish(self, writing: asyncio.Future[None]) -> None:
        if self._writing is writing:
            self.commit()
            self.commits += self._added
            self._added, self._writing = [], None
            writing.set_result(None)

    async def durable(self) -> None:
        """Wait until everything written so far survives a crash (an output gate)."""
        if self._writing is not None:
            await self._writing

    def crash(self) -> None:
        """Undo what is not durable."""
        if self._writing is not None:
            self.roll_back()
            self._added, self._writing = [], None


@dataclass(slots=True)
class GatedStore:
    """`USAGE_KV` as an object has it: writes leave it when its own are durable."""

    store: SimulatedStore
    sql: DurableSql

    async def put(
        self,
        key: str,
        value: str,
        metadata: Mapping[str, Json],
        expiration_ttl_seconds: int | None = None,
    ) -> None:
        await self.sql.durable()
        await self.store.put(key, value, metadata, expiration_ttl_seconds)

    async def delete(self, key: str) -> None:
        await self.sql.durable()
        await self.store.delete(key)

    async def list_page(self, prefix: str, cursor: str | None, limit: int = 1_000) -> KeyPage:
        return await self.store.list_page(prefix, cursor, limit)

    async def list_names(self, prefix: str, cursor: str | None, limit: int = 1_000) -> NamePage:
        return await self.store.list_names(prefix, cursor, limit)

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, str | None]:
        return await self.store.get_many(keys)


@dataclass(slots=True)
class Memory:
    """What an object has in memory, and the work in it, until it restarts."""

    owner: ShardObject
    shard: SharingShard = field(init=False)
    fuse: int = 0
    alive: bool = True
    operations: int = 0
    waiting: list[Callable[[], None]] = field(default_factory=list)
    """Fails each call that has no response yet."""

    def may_run(self) -> bool:
        self.fuse -= 1
        if self.fuse == 0:
            self.owner.restart()
        return self.alive

    def has_ended(self) -> bool:
        return not self.alive


@dataclass(slots=True)
class Call:
    """The work of one call in an object. Unless it is detached, it ends with its caller."""

    memory: Memory
    caller: Scope | None
    is_left: bool = False
    operations: int = 0

    def may_run(self) -> bool:
        return not self.has_ended() and self.memory.may_run()

    def has_ended(self) -> bool:
        left = self.is_left or (self.caller is not None and self.caller.has_ended())
        return left or not self.memory.alive


@dataclass(slots=True, eq=False)
class Exchange:
    """A call on its way: its response, and the work that it has started in the object.

    `caller` is None if that work continues after its caller ended.
    """

    response: asyncio.Future[str]
    caller: Scope | None
    is_response_lost: bool = False
    works: list[Call] = field(default_factory=list)

    def settle(self, text: str) -> None:
        """Give the caller the response."""
        if not self.response.done():
            self.response.set_result(text)

    def fail(self) -> None:
        """Tell the caller that there is no response."""
        if not self.response.done():
            self.response.set_exception(ShardUnavailable("the shard did not respond"))
            if self.caller is not None:
                for work in self.works:
                    work.is_left = True


class Faults(Protocol):
    """The faults of the run at this time; they end when the run comes to rest."""

    network: Network
    shard_fuse: int
    object_problems: list[str]

    def object_clock(self) -> IsolateClock: ...

    def some_location(self) -> str: ...

    async def call_shard(self, shard: int, method: str, argument: str) -> str: ...


@dataclass(slots=True)
class _Siblings:
    """The shards as one of them calls the others; how many there are, isolates tell it."""

    faults: Faults
    count: int = 0

    async def call(self, shard: int, method: str, argument: str) -> str:
        return await self.faults.call_shard(shard, method, argument)


@dataclass(slots=True)
class ShardObject:
    """One Durable Object of the class `UsageShard`, and the network in front of it."""

    number: int
    kv: SimulatedKv
    random: Random
    faults: Faults
    sql: DurableSql = field(init=False)
    memory: Memory | None = None
    restarts: int = 0
    alarms: int = 0
    calls: int = 0
    _alarm_ms: float | None = None
    _is_in_alarm: bool = False
    _alarms: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.sql = DurableSql(self.kv, self.random)

    def started(self) -> Memory:
        """Return the object in memory; start it if it is not."""
        if self.memory is None:
            faults = self.faults
            memory = self.memory = Memory(self)
            self.sql.durable_ms = faults.network.durable_ms
            store = GatedStore(SimulatedStore(self.kv, faults.some_location()), self.sql)
            memory.shard = sharing_shard_of(
                self.sql, self.number, store, faults.object_clock(), _Siblings(faults)
            )
            if faults.shard_fuse:
                memory.fuse = int(self.random.expovariate(1 / faults.shard_fuse)) + 1
        return self.memory

    def restart(self) -> None:
        """End the object at once; its database and its alarm survive."""
        memory, self.memory = self.memory, None
        if memory is None:
            return
        memory.alive = False
        self.restarts += 1
        self.sql.crash()
        for fail in memory.waiting:
            self._later(self._delay_ms(), fail)
        if self._is_in_alarm:
            self._is_in_alarm = False
            self._schedule_alarm(self.kv.loop.now_ms + _ALARM_RETRY_MS)

    async def call(self, method: str, argument: str) -> str:
        """Call a method as an isolate does. Raises `ShardUnavailable`."""
        random, network = self.random, self.faults.network
        self.calls += 1
        # These continue after their caller ended.
        is_detached = method in {"rebuild", "snapshots"}
        is_canceled = not is_detached and random.random() < network.canceled
        exchange = Exchange(self.kv.loop.create_future(), SCOPE.get() if is_canceled else None)
        arrivals = [self._delay_ms()]
        if random.random() < network.repeated:
            arrivals.append(arrivals[0] + random.choice((10.0, 3_000.0)) * random.random())
        if random.random() < network.lost:
            arrivals.clear()
        exchange.is_response_lost = random.random() < network.lost_after_effect
        for delay_ms in arrivals:
            self._later(delay_ms, lambda: self._arrive(exchange, method, argument))
        self._later(constants.SHARD_TIMEOUT_MS, exchange.fail)
        return await exchange.response

    def _arrive(self, exchange: Exchange, method: str, argument: str) -> None:
        """Start the work of a call in the object."""
        if self._is_in(self.faults.network.outages):
            return
        memory = self.started()
        work = Call(memory, exchange.caller)
        exchange.works.append(work)
        memory.waiting.append(exchange.fail)
        context = copy_context()
        context.run(SCOPE.set, work)
        serving = self._serve(memory, exchange, method, argument)
        self.kv.loop.create_task(serving, context=context)

    async def _serve(self, memory: Memory, exchange: Exchange, method: str, argument: str) -> None:
        if method == "append" and self._is_in(self.faults.network.versions):
            argument = argument.replace('{"v":', '{"v":9', 1)
        try:
            text = await getattr(memory.shard, method)(argument)
        except StoreUnavailable:
            self._later(self._delay_ms(), exchange.fail)
            return
        except Exception as error:  # noqa: BLE001 (any error is a finding)
            self.faults.object_problems.append(f"{method} of shard {self.number}: {error!r}")
            return
        self._plan(memory)
        await self.sql.durable()
        memory.waiting.remove(exchange.fail)
        if not exchange.is_response_lost:
            self._later(self._delay_ms(), lambda: exchange.settle(text))

    def _plan(self, memory: Memory) -> None:
        """Set the alarm if work is due before it, as `runtime.usage_shard` does."""
        due_ms = memory.shard.due_ms()
        if due_ms is None or self._is_in_alarm:
            return
        at_ms = self.kv.loop.now_ms + max(1, due_ms - memory.shard.log.clock.now_ms())
        if self._alarm_ms is None or at_ms < self._alarm_ms:
            self._schedule_alarm(at_ms)

    def _schedule_alarm(self, at_ms: float) -> None:
        self._alarm_ms = at_ms
        late_ms = self.random.uniform(0, self.faults.network.alarms_late_ms)
        self._later(at_ms + late_ms - self.kv.loop.now_ms, lambda: self._ring(at_ms))

    def _ring(self, at_ms: float) -> None:
        if self._alarm_ms != at_ms or self._is_in_alarm:
            return
        self.alarms += 1
        minute = int(self.kv.loop.now_ms) // MINUTE_MS
        self._alarms[minute] += 1
        if self._alarms[minute] > _ALARMS_PER_MINUTE_MAX:
            self.faults.object_problems.append(f"shard {self.number} does not stop working")
            return
        memory = self.started()
        self._is_in_alarm, memory.operations = True, 0
        context = copy_context()
        context.run(SCOPE.set, memory)
        self.kv.loop.create_task(self._run_alarm(memory), context=context)

    async def _run_alarm(self, memory: Memory) -> None:
        try:
            await memory.shard.run()
        except Exception as error:  # noqa: BLE001 (any error is a finding)
            self.faults.object_problems.append(f"run of shard {self.number}: {error!r}")
        self._is_in_alarm, self._alarm_ms = False, None
        self._plan(memory)

    def _is_in(self, spans: Any) -> bool:
        now_ms = self.kv.loop.now_ms
        return any(n == self.number and start <= now_ms < end for n, start, end in spans)

    def _delay_ms(self) -> float:
        if self.random.random() < self.faults.network.slow:
            return self.random.uniform(100, 6_000)
        return self.random.uniform(1, 40)

    def _later(self, delay_ms: float, act: Callable[[], None]) -> None:
        self.kv.loop.call_later(max(0.0, delay_ms) / 1000, act, context=self.kv.outside)

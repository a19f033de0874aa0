"""What the usage log costs, and two simpler designs, at the same traffic.

Time is simulated. The code is the dispatcher's recorder and shard, with its SQL on CPython's
SQLite, and two small alternatives, on a KV that accepts one write per second for each key, like
Cloudflare's. Dollars include everything that is billed: KV operations, calls of the Durable
Object, its duration while it serves calls or runs its alarm, and the rows that it writes.
"""

from __future__ import annotations

import asyncio
import json
import random
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from bench.analytics.memory_store import MemoryStore
from bench.analytics.traffic import Traffic
from cli.costs.prices import (
    KV_READS,
    KV_WRITES,
    OBJECT_DURATION,
    OBJECT_GB,
    OBJECT_REQUESTS,
    OBJECT_ROWS_WRITTEN,
)
from cli.costs.usage_log import CALL_SECONDS, PUT_SECONDS
from core.errors import StoreUnavailable
from core.ports import Json
from metering.batches import Batch, encode_batch
from metering.events import UsageEvent
from metering.shard import UsageShard, shard_of
from tests.support.fake_sql import FakeSql
from usage import UsageRecorder

START_MS = 1_795_348_800_000
RATES = (200, 20, 1)
"""Requests per second."""

ISOLATES = (1, 16, 64, 256)
EVENTS = 12_000
"""Events of each run at the highest rate; at lower rates fewer, but ten minutes of them."""

SECONDS_MIN = 600


@dataclass(frozen=True, slots=True)
class DesignFigures:
    """Writes, cost and lost requests of one design.

    `writes_per_1000` are KV's, `calls_per_1000` and `rows_per_1000` those of the Durable Object.
    """

    design: str
    rate: int
    isolates: int
    requests: int
    writes_per_1000: float
    calls_per_1000: float
    rows_per_1000: float
    dollars_per_million: float
    lost_pct: float

    def as_json(self) -> Json:
        """Return all fields by name."""
        return asdict(self)


class _SimulatedSelector(selectors.DefaultSelector):
    """Advances the loop's clock instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:  # noqa: ANN401
        """Advance the clock by the timeout."""
        self.now += timeout or 0
        return super().select(0)


@dataclass(slots=True)
class _LoopClock:
    """The simulated loop's time as the domain's clock."""

    loop: asyncio.AbstractEventLoop

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return START_MS + int(self.loop.time() * 1_000)

    async def sleep_ms(self, duration_ms: int) -> None:
        """Wait in simulated time."""
        await asyncio.sleep(duration_ms / 1_000)


@dataclass(slots=True)
class _LimitedStore(MemoryStore):
    """KV that rejects a second write to a key within a second; `attempts` counts all writes."""

    last: dict[str, float] = field(default_factory=dict)
    attempts: int = 0

    async def put(
        self,
        key: str,
        value: str,
        metadata: Mapping[str, Json],
        expiration_ttl_seconds: int | None = None,
    ) -> None:
        """Write after a delay, or raise `StoreUnavailable`."""
        self.attempts += 1
        await asyncio.sleep(PUT_SECONDS)
        now = asyncio.get_running_loop().time()
        if now - self.last.get(key, -1.0) < 1.0:
            raise StoreUnavailable("KV PUT failed: 429 Too Many Requests")
        self.last[key] = now
        await MemoryStore.put(self, key, value, metadata, expiration_ttl_seconds)


@dataclass(slots=True)
class _Shards:
    """One shard, reached after a delay; its alarm runs like Cloudflare's."""

    shard: UsageShard
    count: int = 1
    calls: int = 0
    alarms: int = 0
    seconds: float = 0.0
    _busy: int = 0
    _since: float = 0.0
    _alarm: asyncio.TimerHandle | None = None
    _runs: list[asyncio.Future[None]] = field(default_factory=list)

    async def call(self, shard: int, method: str, argument: str) -> str:
        """Call the shard, and set its alarm."""
        assert (shard, method) == (0, "append")
        self.calls += 1
        await asyncio.sleep(CALL_SECONDS / 2)
        with self._active():
            result = await self.shard.append(argument)
        self._plan()
        await asyncio.sleep(CALL_SECONDS / 2)
        return result

    def _plan(self) -> None:
        due_ms = self.shard.due_ms()
        if due_ms is None:
            return
        loop = asyncio.get_running_loop()
        at = max(loop.time(), (due_ms - START_MS) / 1_000)
        if self._alarm is None or at < self._alarm.when():
            self.stop()
            # Setting an alarm is billed as a row written.
            self.alarms += 1
            self._alarm = loop.call_at(at, self._start)

    def _start(self) -> None:
        self._runs = [one for one in self._runs if not one.done()]
        self._runs.append(asyncio.ensure_future(self._run()))

    async def _run(self) -> None:
        self._alarm = None
        with self._active():
            await self.shard.run()
        self._plan()

    @contextmanager
    def _active(self) -> Iterator[None]:
        """Count the time in which the object is doing something."""
        now = asyncio.get_running_loop().time
        if not self._busy:
            self._since = now()
        self._busy += 1
        yield
        self._busy -= 1
        if not self._busy:
            self.seconds += now() - self._since

    async def finish(self) -> None:
        """Wait for the alarms that are running."""
        await asyncio.gather(*self._runs)

    def stop(self) -> None:
        """Cancel the alarm."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


def simulated(rate: int, isolates: int) -> DesignFigures:
    """Run this design with `rate` requests per second from so many isolates."""
    return _simulated(partial(_ours, rate=rate, isolates=isolates))


def measure(say: Callable[[str], None]) -> list[DesignFigures]:
    """Run this design at every rate with every number of isolates, then the two alternatives."""
    found = []
    for rate in RATES:
        for isolates in ISOLATES:
            say(f"{rate} requests/s: this design, isolates: {isolates}")
            found.append(simulated(rate, isolates))
    say(f"{RATES[0]} requests/s: one value, and one key an event")
    found.append(_simulated(lambda _: _one_value()))
    found.append(_simulated(lambda _: _key_an_event()))
    return found


def _simulated(
    scene: Callable[[asyncio.AbstractEventLoop], Coroutine[Any, Any, DesignFigures]],
) -> DesignFigures:
    selector = _SimulatedSelector()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    try:
        return loop.run_until_complete(scene(loop))
    finally:
        loop.close()


async def _traffic(rate: int, each: Callable[[UsageEvent], Awaitable[None]]) -> int:
    """Let events happen; return how many."""
    loop = asyncio.get_running_loop()
    seconds = max(SECONDS_MIN, EVENTS // rate) if rate < RATES[0] else EVENTS // rate
    count = seconds * rate
    tasks = set()
    for event in Traffic().events("designs", START_MS, START_MS + seconds * 1_000, count):
        await asyncio.sleep(max(0.0, (event.at_ms - START_MS) / 1_000 - loop.time()))
        task = asyncio.ensure_future(each(event))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return count


async def _ours(loop: asyncio.AbstractEventLoop, rate: int, isolates: int) -> DesignFigures:
    store, sql, clock = _LimitedStore(), FakeSql(), _LoopClock(loop)
    shards = _Shards(shard_of(sql, 0, store, clock))
    before = sql.rows_written
    logs = [UsageRecorder(f"{number:016x}", clock, shards, store) for number in range(isolates)]
    chance = random.Random(1)  # noqa: S311

    async def each(event: UsageEvent) -> None:
        log = chance.choice(logs)
        if log.record(event):
            await log.send()

    requests = await _traffic(rate, each)
    shards.stop()
    await shards.finish()
    writes = store.attempts
    # Commits are deleted after a checkpoint, and deleted rows are billed.
    await shards.shard.log.flush()
    shards.shard.log.checkpoint()
    rows = sql.rows_written - before + shards.alarms
    lost = requests - sum(log.counters.events_acknowledged for log in logs)
    dollars = (
        (writes + store.listed) * KV_WRITES.each
        + store.read * KV_READS.each
        + (shards.calls + shards.alarms) * OBJECT_REQUESTS.each
        + rows * OBJECT_ROWS_WRITTEN.each
        + shards.seconds * OBJECT_GB * OBJECT_DURATION.each
    )
    return DesignFigures(
        "this design",
        rate,
        isolates,
        requests,
        1_000 * writes / requests,
        1_000 * (shards.calls + shards.alarms) / requests,
        1_000 * rows / requests,
        1_000_000 * dollars / requests,
        100 * lost / requests,
    )


async def _one_value() -> DesignFigures:
    """Every request increments a count in one value with all counts."""
    store = _LimitedStore()

    async def each(event: UsageEvent) -> None:
        assert event.api is not None
        found = (await store.get_many(["usage"]))["usage"]
        counts = json.loads(found or "{}")
        counts[event.api.slug] = counts.get(event.api.slug, 0) + 1
        try:
            await store.put("usage", json.dumps(counts), {})
        except StoreUnavailable:
            return

    requests = await _traffic(RATES[0], each)
    counted = sum(json.loads(store.values["usage"][0]).values())
    dollars = store.attempts * KV_WRITES.each + store.read * KV_READS.each
    return _figures("one value for all", requests, store, dollars, requests - counted)


async def _key_an_event() -> DesignFigures:
    """Every request writes a separate key."""
    store = _LimitedStore()

    async def each(event: UsageEvent) -> None:
        await store.put(event.request_id, encode_batch(Batch("w", 1, 0, [event])), {})

    requests = await _traffic(RATES[0], each)
    dollars = store.attempts * KV_WRITES.each
    return _figures("one key an event", requests, store, dollars, requests - store.written)


def _figures(
    design: str, requests: int, store: _LimitedStore, dollars: float, lost: int
) -> DesignFigures:
    return DesignFigures(
        design,
        RATES[0],
        1,
        requests,
        1_000 * store.attempts / requests,
        0.0,
        0.0,
        1_000_000 * dollars / requests,
        100 * lost / requests,
    )

"""Compares the KV writes of this design with two simpler ones, at the same traffic.

Time is simulated. The code is the dispatcher's group commit and compaction, and two small
alternatives, on a KV that accepts one write per second for each key, like Cloudflare's.
"""

from __future__ import annotations

import asyncio
import json
import random
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from bench.analytics.memory_store import MemoryStore
from bench.analytics.traffic import Traffic
from core import constants
from core.calendar import MINUTE_MS
from core.errors import StoreUnavailable
from core.ports import Json
from metering.compactor import compact
from metering.events import Batch, UsageEvent, encode_batch
from usage import CommitRole, UsageRecorder

START_MS = 1_795_348_800_000
REQUESTS_PER_SECOND = 200
PUT_SECONDS = 0.05
WRITE_DOLLARS = 5 / 1_000_000
READ_DOLLARS = 0.5 / 1_000_000


@dataclass(frozen=True, slots=True)
class DesignFigures:
    """Writes, cost and lost requests of one design."""

    design: str
    requests: int
    writes_per_1000: float
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


def measure(minutes: int, say: Callable[[str], None]) -> list[DesignFigures]:
    """Run this design in one isolate and in four, then the two alternatives."""
    found = []
    for isolates in (1, 4):
        say(f"{REQUESTS_PER_SECOND} requests/s: this design, isolates: {isolates}")
        found.append(_simulated(partial(_ours, minutes=minutes, isolates=isolates)))
    say(f"{REQUESTS_PER_SECOND} requests/s: one value, and one key an event")
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


async def _traffic(minutes: float, each: Callable[[UsageEvent], Awaitable[None]]) -> int:
    loop = asyncio.get_running_loop()
    count = int(minutes * 60 * REQUESTS_PER_SECOND)
    end_ms = START_MS + int(minutes * MINUTE_MS)
    tasks = set()
    for event in Traffic().events("designs", START_MS, end_ms, count):
        await asyncio.sleep(max(0.0, (event.at_ms - START_MS) / 1_000 - loop.time()))
        task = asyncio.ensure_future(each(event))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return count


async def _ours(loop: asyncio.AbstractEventLoop, minutes: int, isolates: int) -> DesignFigures:
    store = _LimitedStore()
    clock = _LoopClock(loop)
    logs = [UsageRecorder(f"{number:016x}", clock) for number in range(isolates)]
    chance = random.Random(1)  # noqa: S311

    async def each(event: UsageEvent) -> None:
        log = chance.choice(logs)
        match log.record(event):
            case CommitRole.LEAD:
                await log.commit_after_delay(store)
            case CommitRole.COMMIT:
                await log.commit(store)
            case CommitRole.NONE:
                pass

    async def cron() -> None:
        for minute in range(1, minutes + 1):
            await asyncio.sleep(minute * 60 - loop.time())
            await compact(store, clock.now_ms(), constants.COMPACTION_OPERATIONS)

    requests, _ = await asyncio.gather(_traffic(minutes, each), cron())
    lost = requests - sum(log.counters.events_committed for log in logs)
    dollars = (store.attempts + store.listed) * WRITE_DOLLARS + store.read * READ_DOLLARS
    return _figures(f"this design, isolates: {isolates}", requests, store, dollars, lost)


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

    requests = await _traffic(1, each)
    counted = sum(json.loads(store.values["usage"][0]).values())
    dollars = store.attempts * WRITE_DOLLARS + store.read * READ_DOLLARS
    return _figures("one value for all", requests, store, dollars, requests - counted)


async def _key_an_event() -> DesignFigures:
    """Every request writes a separate key."""
    store = _LimitedStore()

    async def each(event: UsageEvent) -> None:
        minute = event.at_ms // MINUTE_MS
        value = encode_batch(Batch([event], 0), minute)
        await store.put(f"{minute}/{event.request_id}", value, {})

    requests = await _traffic(1, each)
    dollars = store.attempts * WRITE_DOLLARS
    return _figures("one key an event", requests, store, dollars, requests - store.written)


def _figures(
    design: str, requests: int, store: _LimitedStore, dollars: float, lost: int
) -> DesignFigures:
    return DesignFigures(
        design,
        requests,
        1_000 * store.attempts / requests,
        1_000_000 * dollars / requests,
        100 * lost / requests,
    )

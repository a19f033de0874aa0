"""Reads snapshots of given events, by way of real shards, and computes the same ones directly."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from analytics import days_of
from core.calendar import DAY_MS
from core.ports import UsageShards
from metering.batches import IMPORTED, Batch, encode_batch
from metering.events import UsageEvent
from metering.parts import PartName
from metering.totals import Totals
from snapshots.measures import TrendRange
from snapshots.reading import SnapshotReader
from snapshots.render import Freshness, snapshot, trend_range
from snapshots.shard_reader import ReadPart
from snapshots.window_parts import PartId
from snapshots.window_totals import Shown, WindowTotals
from tests.support.fake_shards import FakeShards
from tests.support.fakes import NOON_MS, FakeClock, FakeStore

T = TypeVar("T")
OLDEST_MS = 1_735_689_600_000
"""Older events come only from imports."""

BATCH_EVENTS = 2_000


@dataclass
class Deployment:
    """Shards and what they were sent; each reader has its own clock."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: FakeStore = field(default_factory=FakeStore)
    events: list[UsageEvent] = field(default_factory=list)
    shards: FakeShards = field(init=False)

    def __post_init__(self) -> None:
        self.shards = FakeShards(self.store, self.clock)

    def isolate(self, ahead_ms: int = 0, shards: UsageShards | None = None) -> Isolate:
        """Return a new isolate whose clock is ahead of the shards'."""
        return Isolate(self, ahead_ms, shards or self.shards)

    async def append(self, events: Sequence[UsageEvent], shard: int = 0) -> None:
        """Send events to a shard."""
        for start in range(0, len(events), BATCH_EVENTS):
            await self.shards.append(events[start : start + BATCH_EVENTS], shard)
        self.events += events

    async def import_events(self, events: Sequence[UsageEvent]) -> None:
        """Import events, each of which gets its own id."""
        named = [
            one._replace(request_id=f"import-{number}")
            for number, one in enumerate(events, start=len(self.events))
        ]
        for start in range(0, len(named), BATCH_EVENTS):
            batch = Batch(IMPORTED, 0, 0, named[start : start + BATCH_EVENTS])
            await self.shards.call(0, "append", encode_batch(batch))
        self.events += named

    async def advance(self, duration_ms: int) -> None:
        """Let time pass, and the shards do what is due."""
        self.clock.at_ms += duration_ms
        await self.shards.run()


class SkewedClock(FakeClock):
    """A clock that is ahead of another one."""

    def __init__(self, clock: FakeClock, ahead_ms: int) -> None:
        super().__init__()
        self.clock, self.ahead_ms = clock, ahead_ms

    def now_ms(self) -> int:
        return self.clock.now_ms() + self.ahead_ms


class Isolate:
    """An isolate that reads the shards itself, as shard 0 does for others."""

    def __init__(self, deployment: Deployment, ahead_ms: int, shards: UsageShards) -> None:
        self.deployment = deployment
        self.clock = SkewedClock(deployment.clock, ahead_ms)
        self.reader = SnapshotReader(self.clock, shards, deployment.store)

    async def read(self, window: str = "today", top: int = 25) -> Mapping[str, Any]:
        """Read one window."""
        return (await self.reader.snapshots((window,), top))[window]

    async def check(self, window: str) -> Mapping[str, Any]:
        """Read one window; fail unless it equals what all events add up to."""
        events = list(self.deployment.events)
        found = await self.read(window)
        now_ms = self.clock.now_ms()
        assert found["freshness"]["complete"]
        assert found["freshness"]["lagSeconds"] <= 2
        assert counted(found) == counted(direct(events, window, now_ms))
        return found


def direct(events: Sequence[UsageEvent], window: str, now_ms: int) -> Mapping[str, Any]:
    """Compute a snapshot directly from events."""
    days = days_of(window, now_ms)
    totals = Totals()
    for one in events:
        if days is None or one.at_ms // DAY_MS in days:
            totals.add_all([one])
    shown = shown_of(totals, trend_range(window, now_ms))
    return snapshot(window, shown, None, Freshness(now_ms), now_ms, 25)


def shown_of(totals: Totals, trend: TrendRange) -> Shown:
    """Return what a window shows that consists of these totals."""
    part = ReadPart(None, Totals(series=totals.series, callers=totals.callers), totals.apis)
    window = WindowTotals()
    for _ in window.update_in_steps({}, {PartId(0, PartName(0, 0)): part}, {}, trend):
        pass
    return window.shown()


def counted(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return everything that is counted in a snapshot."""
    apart = ("generatedAt", "range", "freshness", "previous")
    return {name: value for name, value in found.items() if name not in apart}


def shot(
    events: Sequence[UsageEvent], window: str = "today", now_ms: int = NOON_MS, top: int = 25
) -> Mapping[str, Any]:
    """Return the snapshot of these events at a time."""

    async def scene() -> Mapping[str, Any]:
        deployment = Deployment()
        deployment.clock.at_ms = max([now_ms, *(one.at_ms for one in events)])
        if any(one.at_ms < OLDEST_MS for one in events):
            await deployment.import_events(events)
        else:
            await deployment.append(events)
        isolate = deployment.isolate()
        isolate.clock.ahead_ms = now_ms - deployment.clock.at_ms
        return await isolate.read(window, top)

    return run(scene())


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`. `asyncio.run` is slow for large results: its signal handler formats them."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()

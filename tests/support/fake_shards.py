"""The shards of the usage log in memory: the real `UsageShard` on a fake database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core.errors import ShardUnavailable
from core.ports import Clock, Json, KeyValueStore
from metering.batches import Batch, encode_batch
from metering.events import UsageEvent
from metering.segments import Commit, batches_of, decode_segment
from snapshots.sharing import SharingShard, sharing_shard_of
from tests.support.fake_sql import FakeSql


@dataclass
class FakeShards:
    """The shards of a deployment; `unavailable` ones do not respond.

    The next `lost_responses` calls take effect, but the caller gets no response.
    """

    store: KeyValueStore
    clock: Clock
    count: int = 1
    unavailable: set[int] = field(default_factory=set)
    lost_responses: int = 0
    records: tuple[KeyValueStore | None, str | None] = (None, None)
    """`TENANT_KV` and the variable of the directory."""
    calls: list[tuple[int, str]] = field(default_factory=list)
    started: dict[int, SharingShard] = field(default_factory=dict)
    databases: dict[int, FakeSql] = field(default_factory=dict)
    _sequence: int = 0

    def shard(self, number: int) -> SharingShard:
        """Return a shard, which starts if it is not running."""
        if number not in self.started:
            database = self.databases.setdefault(number, FakeSql())
            own = (database, number, self.store, self.clock, self)
            self.started[number] = sharing_shard_of(*own, self.records)
        return self.started[number]

    async def call(self, shard: int, method: str, argument: str) -> str:
        self.calls.append((shard, method))
        await asyncio.sleep(0)
        if shard in self.unavailable:
            raise ShardUnavailable(f"shard {shard} does not respond")
        result: str = await getattr(self.shard(shard), method)(argument)
        await asyncio.sleep(0)
        if self.lost_responses:
            self.lost_responses -= 1
            raise ShardUnavailable("the connection was lost")
        return result

    def restart(self, number: int = 0) -> None:
        """Let the object of a shard lose its memory; the next call starts it again."""
        self.started.pop(number, None)

    async def append(self, events: Sequence[UsageEvent], shard: int = 0, dropped: int = 0) -> None:
        """Send events to a shard as one batch of a writer."""
        self._sequence += 1
        batch = Batch("tests", self._sequence, dropped, events)
        assert "error" not in await self.call(shard, "append", encode_batch(batch))

    @property
    def events(self) -> list[UsageEvent]:
        """Every event in the log, oldest first, shard by shard."""
        return [
            event
            for number in range(self.count)
            for commit in self._commits(number)
            for batch in batches_of(commit)
            for event in batch.events
        ]

    def _commits(self, number: int) -> Iterator[Commit]:
        """Yield the commits of a shard's segments, then those that no segment has yet."""
        log = self.shard(number).log
        prefix = f"usage/{number}/"
        # Not a `FakeStore` in the types: its module imports this one.
        stored: Mapping[str, tuple[str, Json]] = getattr(self.store, "values", {})
        for key, (value, _) in sorted(stored.items()):
            if key.startswith(prefix):
                yield from decode_segment(value, number, int(key.removeprefix(prefix)))
        yield from log.tables.commits(log.flushed)

    async def run(self) -> None:
        """Run the scheduled work of every shard, as their alarms do."""
        for number in range(self.count):
            await self.shard(number).run()

"""One shard on a database and a KV namespace in memory, and the totals that it should have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from core import constants, keys
from core.calendar import DAY_MS
from core.ports import Json
from metering.batches import Batch, encode_batch
from metering.events import UsageEvent
from metering.folding import Folder
from metering.log import Log
from metering.parts import closed
from metering.segments import Commit, batches_of, decode_segment
from metering.shard import UsageShard, shard_of
from metering.totals import Totals
from tests.support.builders import event
from tests.support.fake_sql import FakeSql
from tests.support.fakes import NOON_MS, FakeClock, FakeStore

T = TypeVar("T")
TODAY = NOON_MS // DAY_MS


@dataclass
class ShardScene:
    """A shard; `events` has what was appended by `add`."""

    store: FakeStore = field(default_factory=FakeStore)
    clock: FakeClock = field(default_factory=FakeClock)
    sql: FakeSql = field(default_factory=FakeSql)
    events: list[UsageEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Start the shard again on its database, as after a crash."""
        self.shard: UsageShard = shard_of(self.sql, 0, self.store, self.clock)

    @property
    def log(self) -> Log:
        return self.shard.log

    @property
    def folder(self) -> Folder:
        return self.log.folder

    def append(self, *batches: Batch) -> Sequence[Json]:
        """Append batches at the same time; return the responses."""
        return self.append_texts(*map(encode_batch, batches))

    def append_texts(self, *texts: str) -> Sequence[Json]:
        async def all_texts() -> Sequence[str]:
            return await asyncio.gather(*map(self.shard.append, texts))

        return [json.loads(response) for response in run(all_texts())]

    def add(self, *events: UsageEvent, dropped: int = 0) -> None:
        """Append events as a batch of a writer of its own."""
        self.events += events
        self.append(Batch(f"writer-{len(self.events)}", 1, dropped, events))

    def add_days(self, *days: int, count: int = 3) -> None:
        """Append some events of each day, at noon, with different APIs and callers."""
        for day in days:
            self.add(*some_events(day, count, len(self.events)))

    def call(self, method: str, **request: Json) -> Json:
        """Call a method of the shard with JSON."""
        return json.loads(run(getattr(self.shard, method)(json.dumps(request))))

    def rebuild(self, day: int) -> Json:
        """Rebuild a day to the end."""
        while True:
            result = self.call("rebuild", day=day)
            if result["complete"]:
                return result

    def run(self, times: int = 1) -> None:
        """Run the alarm's work."""
        for _ in range(times):
            run(self.shard.run())

    def advance(self, duration_ms: int) -> None:
        """Let time pass, in which the alarm goes off whenever something is due."""
        until_ms = self.clock.at_ms + duration_ms
        for _ in range(100):
            due_ms = self.shard.due_ms()
            if due_ms is None or due_ms > until_ms:
                self.clock.at_ms = until_ms
                return
            self.clock.at_ms = max(self.clock.at_ms, due_ms)
            self.run()
        raise AssertionError("the shard is always due")

    def commits(self) -> Sequence[Commit]:
        """Return the commits of all segments in KV, in order."""
        prefix = keys.segment(0, 1)[: -len("000000000001")]
        names = sorted(name for name in self.store.values if name.startswith(prefix))
        return [
            commit
            for name in names
            for commit in decode_segment(
                self.store.values[name][0], 0, int(name.rpartition("/")[2])
            )
        ]

    def overall(self) -> str:
        """Return what the shard has of all time, as comparable text: the base and all parts.

        The busiest hour of a folded day with another part is that of its roll-up and this part.
        """
        end = self.folder.manifest.day
        totals = run(self.folder.load(self.folder.manifest.overall))
        days: dict[int, Totals] = {}
        for part in self.folder.all_parts():
            days.setdefault(part.name.day, Totals()).merge(part.totals)
        for day, late in days.items():
            whole = run(self.folder.load(self.folder.rollup_of(day)))
            whole.merge(late)
            totals.merge(closed(late, whole, end) if day < end else late)
        totals.forget_days(end - constants.TREND_DAYS)
        return text_of(totals)

    def expected(self, *extra: UsageEvent) -> str:
        """Return what `overall` should be."""
        totals = totals_of([*self.events, *extra])
        totals.close_days(self.folder.manifest.day)
        totals.forget_days(self.folder.manifest.day - constants.TREND_DAYS)
        return text_of(totals)

    def rollup(self, day: int) -> str:
        return text_of(run(self.folder.load(self.folder.rollup_of(day))))

    def damage(self, key: str) -> None:
        """Change a character of a value in KV."""
        value, metadata = self.store.values[key]
        self.store.values[key] = (value[:-9] + chr(ord(value[-9]) ^ 1) + value[-8:], metadata)


def some_events(day: int, count: int, first: int = 0) -> list[UsageEvent]:
    """Return events of a day with different APIs, callers and times."""
    return [
        event(
            day * DAY_MS + DAY_MS // 2 + number * 60_000 - 3_600_000,
            request_id=f"e-{first + number}",
            caller=f"{number % 7:016x}",
            latency_ms=number,
            revenue_micros=number,
        )
        for number in range(count)
    ]


def ids(commits: Iterable[Commit]) -> list[str]:
    """Return the ids of the events of commits."""
    return [
        one.request_id for commit in commits for batch in batches_of(commit) for one in batch.events
    ]


def totals_of(events: Iterable[UsageEvent]) -> Totals:
    totals = Totals()
    for one in events:
        totals.add_all([one])
    return totals


def text_of(totals: Totals) -> str:
    """Return totals as text; equal totals have equal texts."""
    header, apis = totals.encode()
    return json.dumps([header, list(apis)])


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)

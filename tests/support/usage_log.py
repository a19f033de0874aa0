"""A usage log in memory: writes, compacts and reads it, and counts its events for comparison."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from analytics import days_of
from core import constants, keys
from core.calendar import DAY_MS, MINUTE_MS, MINUTES_PER_DAY
from metering.builder import CompactionReport
from metering.compactor import compact
from metering.events import Batch, UsageEvent, batch_metadata, encode_batch
from metering.totals import Totals
from snapshots.log_tail import LogTailCache, read_tail
from snapshots.window_cache import WindowCache
from snapshots.window_reader import WindowData, read_window
from tests.support.fakes import FakeStore
from usage import LocalBatches

T = TypeVar("T")

ENOUGH = 100_000
NO_BATCHES = LocalBatches({}, {})


@dataclass
class Log:
    """A log in a fake store, read the way the platform API reads it."""

    store: FakeStore = field(default_factory=FakeStore)
    events: list[UsageEvent] = field(default_factory=list)
    kept: LogTailCache = field(default_factory=LogTailCache)
    _batches: int = 0

    def commit(
        self, events: Sequence[UsageEvent], *, late: bool = False, written_ms: int | None = None
    ) -> None:
        """Write one batch for each minute of these events.

        With `late`, they are written ten minutes later, and with `written_ms` at that time; both
        with a late marker.
        """
        by_minute: dict[int, list[UsageEvent]] = {}
        for event in events:
            by_minute.setdefault(event.at_ms // MINUTE_MS, []).append(event)
        for minute, group in by_minute.items():
            self._batches += 1
            key = keys.usage_batch(minute, "w", self._batches)
            if late or written_ms is not None:
                written = minute + 10 if written_ms is None else written_ms // MINUTE_MS
                self.store.values[keys.late_marker(key, written)] = ("", {})
            batch = Batch(group, 0)
            self.store.values[key] = (encode_batch(batch, minute), batch_metadata(batch))
        self.events += events

    def expire(self, now_ms: int) -> None:
        """Delete the batches that have expired in KV by `now_ms`."""
        oldest = now_ms // MINUTE_MS - constants.BATCH_DAYS * MINUTES_PER_DAY
        for key in [key for key in self.store.values if key.startswith(keys.USAGE_PREFIX)]:
            if keys.parse_usage_batch(key).minute < oldest:
                del self.store.values[key]

    def compact(self, now_ms: int, budget: int = ENOUGH) -> CompactionReport:
        """Run compaction once."""
        return _run(compact(self.store, now_ms, budget))

    def read(self, window: str, now_ms: int, cache: WindowCache | None = None) -> WindowData:
        """Read one window, in a new isolate unless `cache` is given."""

        async def scene() -> WindowData:
            tail = await read_tail(self.store, NO_BATCHES, self.kept, now_ms)
            days = days_of(window, now_ms)
            first = None if days is None else days[0] * MINUTES_PER_DAY
            end = None if days is None else (days[-1] + 1) * MINUTES_PER_DAY
            return await read_window(self.store, tail, first, end, cache or WindowCache())

        return _run(scene())

    def calls(self, window: str, now_ms: int, cache: WindowCache | None = None) -> Counter[str]:
        """Return the calls by slug, as read."""
        found: Counter[str] = Counter()
        for part in parts_of(self.read(window, now_ms, cache)):
            for api_id, aggregate in part.apis.items():
                found[api_id.slug] += aggregate.calls
        return +found

    def expected(self, window: str, now_ms: int) -> Counter[str]:
        """Return the expected calls by slug, counted from the events."""
        days = days_of(window, now_ms)
        return Counter(
            event.api.slug
            for event in self.events
            if event.api and event.counted and (days is None or event.at_ms // DAY_MS in days)
        )

    def summaries(self) -> dict[str, str]:
        """Return everything that compaction stored, except its state and the bases."""
        return {
            key: value
            for key, (value, _) in self.store.values.items()
            if key.startswith("summary/") and not key.startswith(("summary/base", "summary/prog"))
        }


def parts_of(data: WindowData) -> Sequence[Totals]:
    """Return the totals of a window in parts; each event is in one of them."""
    newest = Totals()
    for batch in data.batches.values():
        newest.add(batch)
    return [*(summary.totals for summary in data.summaries.values()), newest]


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`. `asyncio.run` is slow for large results: its signal handler formats them."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()

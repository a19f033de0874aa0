"""Generates a log with months of traffic, and returns the entries that a read needs.

The last two days are batches, encoded and compacted as in production. Earlier days are summed
directly from their events: `Totals` do not depend on the grouping, and reads no longer use the
summaries of their minutes and hours. Compaction builds months and bases from the days.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.analytics.memory_store import MemoryStore
from bench.analytics.traffic import Traffic, grouped
from core import constants, keys
from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS, MINUTES_PER_DAY, Period, containing
from core.kv_store import BudgetedStore
from core.ports import Json
from dev.layout import HERE
from metering.builder import SummaryBuilder
from metering.compactor import compact
from metering.events import Batch, UsageEvent, batch_metadata, encode_batch
from metering.state import CompactionState
from metering.summary import Summary, encode_summary, part_key
from metering.totals import Totals

NOW_MS = 1_795_348_800_000 + 19 * MINUTE_MS + 30_000
"""2026-11-22T12:19:30Z: the worst time within an hour, just before the next base."""

DAYS = 90
RECENT_DAYS = 2
PROCESSES = 2
BATCHES_MAX = 1_500
"""Number of batches to return; more than one page of a listing."""

Entry = tuple[str, str, Json]
"""Key, value, metadata."""


@dataclass(frozen=True, slots=True)
class Fill:
    """A log of `events` in `apis` APIs over the last 90 days."""

    events: int
    apis: int = 1_000

    def entries(self, on_progress: Callable[[int, int], None]) -> Sequence[Entry]:
        """Return the entries that reads use; from the cache unless the sources have changed."""
        cached = HERE.cache / "bench" / f"fill-{self.events}-{self.apis}-{source_hash()}.json"
        if cached.exists():
            entries: Sequence[Entry] = json.loads(cached.read_text())
            return entries
        entries = self._fill(on_progress)
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(".partial")
        partial.write_text(json.dumps(entries))
        partial.rename(cached)
        return entries

    def _fill(self, on_progress: Callable[[int, int], None]) -> Sequence[Entry]:
        today = NOW_MS // DAY_MS
        days = range(today - DAYS + 1, today - RECENT_DAYS + 1)
        a_day = self.events // DAYS
        store = MemoryStore()
        start = days.stop * MINUTES_PER_DAY
        progress = CompactionState(summarized_until=start, watermark=start)
        with ProcessPoolExecutor(PROCESSES) as pool:
            made = pool.map(partial(closed_day, count=a_day, apis=self.apis), days)
            for done, (day, texts, fingerprint) in enumerate(made, start=1):
                key = keys.summary("day", day * MINUTES_PER_DAY)
                for number, text in texts:
                    store.values[part_key(key, number)] = (text, {})
                progress.fingerprints["day"][day * MINUTES_PER_DAY] = fingerprint
                on_progress(done, DAYS)
        for day in range(days.stop, today + 1):
            day_ms = day * DAY_MS
            end_ms = min(day_ms + DAY_MS, NOW_MS)
            count = a_day * (end_ms - day_ms) // DAY_MS
            events = Traffic(self.apis).events(f"d{day}", day_ms, end_ms, count)
            write_batches(store, day, events)
        store.names = sorted(store.values)
        asyncio.run(_summarise(store, progress, days))
        on_progress(DAYS, DAYS)
        batches = [name for name in store.names if name.startswith(keys.USAGE_PREFIX)]
        summaries = [
            name
            for name in store.names
            if name.startswith(("summary/base/", "summary/hour/", "summary/minute/"))
        ]
        wanted = [keys.COMPACTION_STATE, *summaries, *batches[:BATCHES_MAX]]
        return [(name, *store.values[name]) for name in wanted]


def source_hash() -> str:
    """Return a hash of this module and all our modules that it imports, as the cache key."""
    code = (
        "import sys, bench.analytics.fill\n"
        "print(*(one.__file__ for one in sys.modules.values() if getattr(one, '__file__', None)))"
    )
    environment = {"PYTHONPATH": "src", "PATH": ""}
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=HERE.root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    digest = hashlib.blake2b(digest_size=6)
    folders = (HERE.root / "src", HERE.root / "bench")
    for path in sorted(map(Path, found.stdout.split())):
        if any(path.is_relative_to(folder) for folder in folders):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def closed_day(day: int, count: int, apis: int) -> tuple[int, Sequence[tuple[int, str]], str]:
    """Return the summary of a day: day, numbered texts, fingerprint."""
    events = Traffic(apis).events(f"d{day}", day * DAY_MS, (day + 1) * DAY_MS, count)
    figures = Totals()
    figures.add(Batch(list(events), 0))
    figures.close_days(day + 1)
    summary = Summary(Period("day", day * MINUTES_PER_DAY), ["bench:0"], figures, [])
    return day, list(encode_summary(summary)), summary.fingerprint


def write_batches(store: MemoryStore, day: int, events: Iterator[UsageEvent]) -> None:
    """Write the events of a day in batches, as one isolate would."""
    groups = grouped(events, constants.COMMIT_DELAY_MS, constants.BATCH_EVENTS_MAX)
    for number, (minute, group) in enumerate(groups, start=1):
        batch = Batch(group, 0)
        key = keys.usage_batch(minute, f"{day:016x}", number)
        store.values[key] = (encode_batch(batch, minute), batch_metadata(batch))


async def _summarise(store: MemoryStore, progress: CompactionState, days: Sequence[int]) -> None:
    endless = 1 << 60
    maker = SummaryBuilder(BudgetedStore(store, endless), progress, rebuildable_from=0)
    months = {containing("month", day * MINUTES_PER_DAY) for day in days}
    for month in sorted(months):
        if month.end <= progress.watermark:
            await maker.build_parent(month)
    await store.put(keys.COMPACTION_STATE, progress.encode(), {})
    # The bases of the last hours are written at their times, as by cron.
    for hours_ago in (2, 1, 0):
        report = await compact(store, NOW_MS - hours_ago * HOUR_MS, endless)
        assert report.done

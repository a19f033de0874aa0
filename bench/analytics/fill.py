"""Generates a shard with months of traffic: its database, and the values in KV that reads need.

Closed days are added up by several processes and become roll-ups; the real shard builds the bases
from them, and appends today's events.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from bench.analytics.memory_store import MemoryStore
from bench.analytics.traffic import Traffic
from core import constants, keys
from core.calendar import DAY_MS, MINUTE_MS
from core.ports import Json
from dev.layout import HERE
from metering.batches import Batch, encode_batch
from metering.rollups import Rollup, encode_rollup
from metering.shard import UsageShard, shard_of
from metering.totals import Totals
from tests.support.fake_sql import FakeSql

NOW_MS = 1_795_348_800_000 + 19 * MINUTE_MS + 30_000
"""2026-11-22T12:19:30Z."""

DAYS = 90
PROCESSES = 2

Entry = tuple[str, str, Json]
"""Key, value, metadata."""


class Filled(NamedTuple):
    """A shard: entries of KV, and rows of its database, each with its table first."""

    entries: Sequence[Entry]
    rows: Sequence[Sequence[Json]]


@dataclass(slots=True)
class FixedClock:
    """A clock that stands still; waiting takes no time."""

    at_ms: int = NOW_MS

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return self.at_ms

    async def sleep_ms(self, _: int) -> None:
        """Return at once."""
        await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Fill:
    """A log of `events` in `apis` APIs over the last 90 days."""

    events: int
    apis: int = 1_000

    def shard(self, on_progress: Callable[[int, int], None]) -> Filled:
        """Return the shard; from the cache unless the sources have changed."""
        cached = HERE.cache / "bench" / f"fill-{self.events}-{self.apis}-{source_hash()}.json"
        if cached.exists():
            return Filled(*json.loads(cached.read_text()))
        filled = self._fill(on_progress)
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(".partial")
        partial.write_text(json.dumps(filled))
        partial.rename(cached)
        return filled

    def _fill(self, on_progress: Callable[[int, int], None]) -> Filled:
        today = NOW_MS // DAY_MS
        days = range(today - DAYS + 1, today)
        a_day = self.events // DAYS
        sql, store = FakeSql(), MemoryStore()
        shard = shard_of(sql, 0, store, FixedClock())
        with ProcessPoolExecutor(PROCESSES) as pool:
            made = pool.map(partial(closed_day, count=a_day, apis=self.apis), days)
            for done, (day, pieces) in enumerate(made, start=1):
                key = keys.rollup(0, day, 1)
                for name, text in zip(keys.pieces(key, len(pieces)), pieces, strict=True):
                    store.values[name] = (text, {})
                shard.log.tables.set_rollup(day, key, len(pieces), 0)
                on_progress(done, DAYS)
        count = a_day * (NOW_MS % DAY_MS) // DAY_MS
        asyncio.run(_finish(shard, Traffic(self.apis), today, count))
        on_progress(DAYS, DAYS)
        wanted = (keys.BASE_PREFIX, keys.USAGE_PREFIX, f"{keys.ROLLUP_PREFIX}0/2026-11")
        entries = [
            (name, *value) for name, value in store.values.items() if name.startswith(wanted)
        ]
        return Filled(entries, rows_of(sql))


def rows_of(sql: FakeSql) -> Sequence[Sequence[Json]]:
    """Return all rows of a database, each with its table first."""
    tables = sql.connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    return [
        [table, *row]
        for (table,) in tables.fetchall()
        for row in sql.connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
    ]


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
    folders = (HERE.root / "src", HERE.root / "bench", HERE.root / "tests")
    for path in sorted(map(Path, found.stdout.split())):
        if any(path.is_relative_to(folder) for folder in folders):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def closed_day(day: int, count: int, apis: int) -> tuple[int, Sequence[str]]:
    """Return a day and the pieces of its roll-up."""
    totals = Totals()
    totals.add_all(Traffic(apis).events(f"d{day}", day * DAY_MS, (day + 1) * DAY_MS, count))
    return day, encode_rollup(keys.rollup(0, day, 1), Rollup(totals))


def batches(
    traffic: Traffic,
    seed: str,
    start_ms: int,
    end_ms: int,
    count: int,
    size: int = constants.BATCH_EVENTS_MAX,
) -> Sequence[str]:
    """Return events as batches of one writer, which is named as the seed."""
    events = traffic.events(seed, start_ms, end_ms, count)
    groups = iter(lambda: [*islice(events, size)], [])
    return [
        encode_batch(Batch(seed, number, 0, group)) for number, group in enumerate(groups, start=1)
    ]


async def _finish(shard: UsageShard, traffic: Traffic, today: int, count: int) -> None:
    """Build the bases, append today's events, and store everything."""
    folder, overall = shard.log.folder, Totals()
    for day in shard.log.tables.rollups(0, today):
        rollup = await folder.load(folder.rollup_of(day))
        rollup.close_days(today)
        overall.merge(rollup)
    folder.set_bases(await folder.put_bases(folder.next_version(), today, overall, {}))
    folder.store_manifest()
    for text in batches(traffic, f"d{today}", today * DAY_MS, NOW_MS, count):
        await shard.append(text)
    await shard.log.flush()
    shard.log.checkpoint()

"""Measures a shard inside workerd: appends, recovery, an hour of events, and its size in memory."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.analytics.fill import Filled, FixedClock, batches, rows_of
from bench.analytics.memory_store import MemoryStore
from bench.analytics.snapshots import fill_worker
from bench.analytics.traffic import Traffic
from bench.server import Measured, running
from core.calendar import HOUR_MS, MINUTE_MS
from core.ports import Json
from metering.batches import decode_batch
from metering.segments import Commit
from metering.shard import shard_of
from metering.totals import Totals
from tests.support.fake_sql import FakeSql

START_MS = 1_795_348_800_000
WRITERS = 64
"""Writers that have a batch on its way at the same time, such as isolates."""

APPENDS = 100 * WRITERS
RECOVERED_MINUTES = 10
RECOVERED_RATE = 200
EVENTS_OF_A_BATCH = 12
"""Events in one commit at 200 requests per second and 16 commits per second."""


@dataclass(frozen=True, slots=True)
class ShardFigures:
    """What one shard does.

    `appends_per_second` is of batches with one event, each in a call of its own, `WRITERS` at a
    time. `recovery_seconds` is how long the first call takes when `recovered_events` are not in
    a checkpoint. `hour_cpu_seconds` is the CPU time of workerd while `hour_events` are appended
    in full batches. `part_*` are of one part with `part_events` in 1,000 APIs from 20,000 agents,
    on CPython.
    """

    appends_per_second: float
    recovered_events: int
    recovery_seconds: float
    hour_events: int
    hour_cpu_seconds: float
    heap_mb: float
    part_events: int
    part_text_mb: float
    part_memory_mb: float

    def as_json(self) -> Json:
        """Return all fields by name."""
        return asdict(self)


def measure(events: int, say: Callable[[str], None]) -> ShardFigures:
    """Measure one shard; `events` is the size of the hour."""
    say(f"a shard: {APPENDS:,} appends, {WRITERS} at a time")
    with TemporaryDirectory() as name, running(Path(name)) as worker:
        worker.request("/start", now=START_MS)
        appends = _appends_per_second(worker)
    say(f"a shard: recovering {RECOVERED_MINUTES} minutes at {RECOVERED_RATE} requests/s")
    recovered, seconds = _recovery()
    say(f"a shard: adding an hour of {events:,} events")
    with TemporaryDirectory() as name, running(Path(name)) as worker:
        worker.request("/start", now=START_MS + HOUR_MS)
        texts = batches(Traffic(), "hour", START_MS, START_MS + HOUR_MS, events)
        before = worker.cpu_seconds()
        for text in texts:
            worker.request("/append", text.encode())
        cpu = worker.cpu_seconds() - before
        heap = worker.heap_mb()
    say(f"a part of {events:,} events: its size")
    text_mb, memory_mb = _part_size(events)
    return ShardFigures(appends, recovered, seconds, events, cpu, heap, events, text_mb, memory_mb)


def _appends_per_second(worker: Measured) -> float:
    """Append batches of as many writers, some at a time; return how many a second are accepted."""
    traffic, seconds = Traffic(), 0.0
    for first in range(0, APPENDS, WRITERS):
        texts = [
            batches(traffic, f"w{number}", START_MS - MINUTE_MS, START_MS, 1)[0]
            for number in range(first, first + WRITERS)
        ]
        response = worker.request("/append", "\n".join(texts).encode())
        assert response.body["accepted"] == WRITERS, response.body
        seconds += response.seconds
    return APPENDS / seconds


def _recovery() -> tuple[int, float]:
    """Return how many events a shard recovers, and in how many seconds."""
    count = RECOVERED_MINUTES * 60 * RECOVERED_RATE
    end_ms = START_MS + RECOVERED_MINUTES * MINUTE_MS
    sql = FakeSql()
    shard = shard_of(sql, 0, MemoryStore(), FixedClock(end_ms))
    texts = batches(Traffic(), "w", START_MS, end_ms, count, EVENTS_OF_A_BATCH)
    for position, text in enumerate(texts, start=1):
        shard.log.tables.add_commit(Commit(position, end_ms, f"[{text}]"))
    with TemporaryDirectory() as name, running(Path(name)) as worker:
        fill_worker(worker, Filled([], rows_of(sql)))
        empty = worker.request("/empty").seconds
        return count, worker.request("/start", now=end_ms).seconds - empty


def _part_size(events: int) -> tuple[float, float]:
    """Return the size of a part in megabytes: as text, and in memory (CPython)."""
    texts = batches(Traffic(), "part", START_MS, START_MS + HOUR_MS, events)
    tracemalloc.start()
    totals = Totals()
    for text in texts:
        totals.add_all(decode_batch(text).events)
    memory, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    header, apis = totals.encode()
    length = sum(len(json.dumps(row, separators=(",", ":"))) for row in [header, *apis])
    return length / 1e6, memory / 1e6

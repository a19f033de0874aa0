"""Measures the compaction of an hour of events inside workerd."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.analytics.fill import Entry
from bench.analytics.traffic import Traffic, grouped
from bench.server import running
from core import constants, keys
from core.calendar import HOUR_MS, MINUTE_MS
from core.ports import Json
from metering.events import Batch, batch_metadata, encode_batch

START_MS = 1_795_348_800_000
AFTER_MS = START_MS + HOUR_MS + 21 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class CompactionFigures:
    """The compaction of one hour as a backlog, in runs with the operation budget of cron.

    `cpu_seconds` is the CPU time of workerd minus that of only reading the same batches from
    the simulated KV.
    """

    events: int
    batches: int
    runs: int
    operations: int
    seconds: float
    cpu_seconds: float
    kv_cpu_seconds: float
    heap_mb: float
    peak_mb: float

    def as_json(self) -> Json:
        """Return all fields by name."""
        return asdict(self)


def measure(events: int, say: Callable[[str], None]) -> CompactionFigures:
    """Write the hour's batches into local KV, restart, and compact."""
    with TemporaryDirectory() as name:
        state = Path(name)
        say(f"an hour of {events:,} events: loading")
        entries = list(_hour(events))
        with running(state) as worker:
            worker.load(entries)
        say(f"an hour of {events:,} events: compacting")
        with running(state) as worker:
            before = worker.cpu_seconds()
            hour = keys.usage_hour(START_MS // HOUR_MS)
            for minute in range(60):
                prefix = keys.usage_minute(START_MS // MINUTE_MS + minute)
                assert prefix.startswith(hour)
                worker.request("/read", prefix=prefix)
            kv_cpu = worker.cpu_seconds() - before
        with running(state) as worker:
            before = worker.cpu_seconds()
            runs, operations, seconds = 0, 0, 0.0
            done = False
            while not done:
                budget = constants.COMPACTION_OPERATIONS
                response = worker.request("/compact", now=AFTER_MS, budget=budget)
                done = response.body["done"]
                operations += response.body["operations"]
                seconds += response.seconds
                runs += 1
            cpu = worker.cpu_seconds() - before - kv_cpu
            return CompactionFigures(
                events,
                len(entries),
                runs,
                operations,
                seconds,
                cpu,
                kv_cpu,
                worker.heap_mb(),
                worker.peak_mb(),
            )


def _hour(count: int) -> Iterator[Entry]:
    events = Traffic().events("hour", START_MS, START_MS + HOUR_MS, count)
    # As from one very busy isolate: every batch is full.
    groups = grouped(events, HOUR_MS, constants.BATCH_EVENTS_MAX)
    for number, (minute, group) in enumerate(groups, start=1):
        batch = Batch(group, 0)
        key = keys.usage_batch(minute, "b" * 16, number)
        yield key, encode_batch(batch, minute), batch_metadata(batch)

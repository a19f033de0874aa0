"""What it costs inside workerd to compact an hour of a million events."""

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
    """One hour, compacted as a backlog in runs of 700 operations.

    `cpu_seconds` are those of all of workerd, less what only reading the same
    batches from the simulated KV takes.
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
        """Give everything by name."""
        return asdict(self)


def measure(events: int, say: Callable[[str], None]) -> CompactionFigures:
    """Write the hour's full batches into local KV, start anew, and compact."""
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
                worker.ask("/read", prefix=prefix)
            kv_cpu = worker.cpu_seconds() - before
        with running(state) as worker:
            before = worker.cpu_seconds()
            runs, operations, seconds = 0, 0, 0.0
            done = False
            while not done:
                budget = constants.COMPACTION_OPERATIONS
                answer = worker.ask("/compact", now=AFTER_MS, budget=budget)
                done = answer.body["done"]
                operations += answer.body["operations"]
                seconds += answer.seconds
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
    # As if from one very busy isolate: every batch is full.
    groups = grouped(events, HOUR_MS, constants.BATCH_EVENTS_MAX)
    for number, (minute, group) in enumerate(groups, start=1):
        batch = Batch(group, 0)
        key = keys.usage_batch(minute, "b" * 16, number)
        yield key, encode_batch(batch, minute), batch_metadata(batch)

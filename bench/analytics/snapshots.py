"""Measures snapshots inside workerd for logs of different sizes."""

from __future__ import annotations

import hashlib
import itertools
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from analytics import WINDOWS
from bench.analytics.fill import NOW_MS, Entry, Fill
from bench.analytics.traffic import Traffic
from bench.server import Measured, running
from core import keys
from core.calendar import MINUTE_MS
from core.ports import Json
from metering.events import Batch, batch_metadata, encode_batch

WARM_RUNS = 50
ARRIVING = 10
"""New events before each warm read: about five seconds of 10 million events in 90 days."""
COLD_RUNS = 10


@dataclass(frozen=True, slots=True)
class SnapshotFigures:
    """One window of one log. Times are in ms, minus the time of an empty request.

    `new_isolate_ms` is the first read after each restart, with the snapshot that cron published;
    `computed_p95_ms` is a read without it in a running isolate without summaries. `warm_*` are
    reads in an isolate that has read before and finds one new batch of `ARRIVING` events;
    `warm_cpu_ms` is workerd's CPU time of such a read. `unchanged_p50_ms` is a read that finds
    nothing new.
    """

    events: int
    apis: int
    window: str
    operations: int
    bytes: int
    calls: int
    warm_p50_ms: float
    warm_p95_ms: float
    unchanged_p50_ms: float
    computed_p50_ms: float
    computed_p95_ms: float
    new_isolate_ms: Sequence[float]
    warm_cpu_ms: float
    heap_mb: float
    peak_mb: float
    largest_value_mb: float

    def as_json(self) -> Json:
        """Return all fields by name."""
        return asdict(self)


def measure(
    fill: Fill, entries: Sequence[Entry], restarts: int, say: Callable[[str], None]
) -> list[SnapshotFigures]:
    """Measure every window of a log, each in separate isolates."""
    events = fill.events
    with TemporaryDirectory() as name:
        state = Path(name)
        say(f"{events:,} events: loading {len(entries):,} values")
        with running(state) as worker:
            worker.load(entries)
        largest = max(len(value.encode()) for _, value, _ in entries)
        found: list[SnapshotFigures] = []
        for window in WINDOWS:
            with running(state) as worker:
                say(f"{events:,} events: publishing")
                worker.request("/publish", now=NOW_MS)
            firsts: list[float] = []
            for number in range(restarts):
                say(f"{events:,} events: {window}, isolate {number + 1} of {restarts}")
                with running(state) as worker:
                    empty = _empty_ms(worker)
                    firsts.append(_snapshot(worker, window)[0] - empty)
                    if number == restarts - 1:
                        figures = _measure_window(worker, fill, window, empty, firsts)
                        found.append(replace(figures, largest_value_mb=largest / 1e6))
        return found


def growth(
    logs: Sequence[tuple[Fill, Sequence[Entry]]], rounds: int, say: Callable[[str], None]
) -> list[SnapshotFigures]:
    """Measure logs in alternating rounds; return the round of the median warm read by window."""
    measured: list[SnapshotFigures] = []
    for number in range(1, rounds + 1):
        say(f"round {number} of {rounds}")
        for fill, entries in logs:
            measured += measure(fill, entries, 1, say)
    found = []
    for fill, window in itertools.product((fill for fill, _ in logs), WINDOWS):
        same = [one for one in measured if (one.events, one.window) == (fill.events, window)]
        middle = statistics.median_low(one.warm_p50_ms for one in same)
        found.append(next(one for one in same if one.warm_p50_ms == middle))
    return found


def _measure_window(
    worker: Measured, fill: Fill, window: str, empty: float, firsts: list[float]
) -> SnapshotFigures:
    operations = 0
    while not _snapshot(worker, window)[1]["was_warm"]:
        pass  # Until the isolate has read ahead.
    unchanged = [_snapshot(worker, window)[0] - empty for _ in range(WARM_RUNS)]
    warm, cpu = [], 0.0
    arrivals = list(_arrivals(window, fill.apis))
    for arrival in arrivals:
        worker.load([arrival])
        before = worker.cpu_seconds()
        warm.append(_snapshot(worker, window)[0] - empty)
        cpu += worker.cpu_seconds() - before
    worker.delete([keys.PUBLISHED, *(key for key, _, _ in arrivals)])
    computed = []
    for _ in range(COLD_RUNS):
        worker.request("/forget")
        took, body = _snapshot(worker, window)
        computed.append(took - empty)
        operations = max(operations, body["operations"])
    return SnapshotFigures(
        fill.events,
        fill.apis,
        window,
        operations,
        body["bytes"],
        body["calls"],
        statistics.median(warm),
        _p95(warm),
        statistics.median(unchanged),
        statistics.median(computed),
        _p95(computed),
        firsts,
        cpu / WARM_RUNS * 1_000,
        worker.heap_mb(),
        worker.peak_mb(),
        0.0,
    )


def _arrivals(window: str, apis: int) -> Iterator[Entry]:
    """Yield the batches that are written between reads."""
    start_ms = NOW_MS - NOW_MS % MINUTE_MS
    for number in range(1, WARM_RUNS + 1):
        events = Traffic(apis).events(f"{window}{number}", start_ms, NOW_MS, ARRIVING)
        batch = Batch(list(events), 0)
        minute = start_ms // MINUTE_MS
        key = keys.usage_batch(minute, hashlib.sha256(window.encode()).hexdigest()[:16], number)
        yield key, encode_batch(batch, minute), batch_metadata(batch)


def _snapshot(worker: Measured, window: str) -> tuple[float, Json]:
    response = worker.request("/snapshot", window=window, now=NOW_MS)
    if not response.body["complete"]:
        raise RuntimeError(f"the snapshot is incomplete: {response.body}")
    return response.seconds * 1_000, response.body


def _empty_ms(worker: Measured) -> float:
    return statistics.median(worker.request("/empty").seconds for _ in range(30)) * 1_000


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]

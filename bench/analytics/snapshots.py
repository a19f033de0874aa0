"""How long a snapshot takes inside workerd, whatever the log's size."""

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
"""Events that came since the last read: about those of five seconds, with 10 million in 90 days."""
FORGETFUL_RUNS = 10


@dataclass(frozen=True, slots=True)
class SnapshotFigures:
    """One window of one log. Times in ms, less those of a request that does nothing.

    `new_isolate_ms` is the first read after each restart, with cron's snapshot at
    hand; `computed_p95_ms` that of isolates without it, which run already and have
    no summaries yet. `warm_*` are reads by an isolate that has read before, and finds
    one new batch of `ARRIVING` events each time; `warm_cpu_ms` is what all of workerd
    spends on one, which other work on the machine does not change. `unchanged_p50_ms`
    is a read that finds nothing new.
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
        """Give everything by name."""
        return asdict(self)


def measure(
    fill: Fill, entries: Sequence[Entry], restarts: int, say: Callable[[str], None]
) -> list[SnapshotFigures]:
    """Measure every window of a log, each window in isolates of its own."""
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
                worker.ask("/publish", now=NOW_MS)
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
    """Measure logs in turn, `rounds` times; give each window's round of the median warm read."""
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
        pass  # It is reading ahead.
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
    for _ in range(FORGETFUL_RUNS):
        worker.ask("/forget")
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
    """Make the batches that come between reads."""
    start_ms = NOW_MS - NOW_MS % MINUTE_MS
    for number in range(1, WARM_RUNS + 1):
        events = Traffic(apis).events(f"{window}{number}", start_ms, NOW_MS, ARRIVING)
        batch = Batch(list(events), 0)
        minute = start_ms // MINUTE_MS
        key = keys.usage_batch(minute, hashlib.sha256(window.encode()).hexdigest()[:16], number)
        yield key, encode_batch(batch, minute), batch_metadata(batch)


def _snapshot(worker: Measured, window: str) -> tuple[float, Json]:
    answer = worker.ask("/snapshot", window=window, now=NOW_MS)
    if not answer.body["complete"]:
        raise RuntimeError(f"the snapshot lacks something: {answer.body}")
    return answer.seconds * 1_000, answer.body


def _empty_ms(worker: Measured) -> float:
    return statistics.median(worker.ask("/empty").seconds for _ in range(30)) * 1_000


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]

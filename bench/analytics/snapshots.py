"""Measures snapshots inside workerd for logs of different sizes."""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from analytics import WINDOWS
from bench.analytics.fill import NOW_MS, Fill, Filled, batches
from bench.analytics.traffic import Traffic
from bench.server import Measured, running
from core.calendar import MINUTE_MS
from core.ports import Json

WARM_RUNS = 50
NEW_ISOLATES = 5
"""New isolates for each start of the shard."""

ARRIVING = 10
"""New events before each warm read: about five seconds of 10 million events in 90 days."""

_ROWS_LENGTH = 1_000_000


@dataclass(frozen=True, slots=True)
class SnapshotFigures:
    """One window of one log. Times are in ms, minus the time of an empty request.

    `first_ms` are the first reads of the shard that reads for all isolates, each after it has
    started; `new_isolate_ms` are the first reads of new isolates after that. `warm_*` are reads in
    an isolate that has read before, each after a batch of `ARRIVING` events; `warm_cpu_ms` is
    workerd's CPU time of such a read, with that of the shard. `unchanged_p50_ms` is a read that
    finds nothing new. Shard and isolate share one Pyodide and its memory here.
    """

    events: int
    apis: int
    window: str
    bytes: int
    calls: int
    warm_p50_ms: float
    warm_p95_ms: float
    unchanged_p50_ms: float
    first_ms: Sequence[float]
    new_isolate_ms: Sequence[float]
    warm_cpu_ms: float
    shard_mb: float
    heap_mb: float
    peak_mb: float
    largest_value_mb: float

    def as_json(self) -> Json:
        """Return all fields by name."""
        return asdict(self)


def fill_worker(worker: Measured, filled: Filled) -> None:
    """Load a shard into a Worker that has not called it yet."""
    worker.load(filled.entries)
    group: list[Sequence[Json]] = []
    length = 0
    for row in filled.rows:
        group.append(row)
        length += sum(len(str(value)) for value in row)
        if length > _ROWS_LENGTH:
            worker.request("/fill", json.dumps(group).encode())
            group, length = [], 0
    worker.request("/fill", json.dumps(group).encode())


def measure(
    fill: Fill, filled: Filled, restarts: int, say: Callable[[str], None]
) -> list[SnapshotFigures]:
    """Measure every window of a log, each in separate isolates."""
    events = fill.events
    with TemporaryDirectory() as name:
        state = Path(name)
        say(f"{events:,} events: loading {len(filled.entries):,} values")
        with running(state) as worker:
            fill_worker(worker, filled)
        largest = max(len(value) for _, value, _ in filled.entries) / 1e6
        found: list[SnapshotFigures] = []
        for window in WINDOWS:
            firsts: list[float] = []
            new: list[float] = []
            for number in range(restarts):
                say(f"{events:,} events: {window}, isolate {number + 1} of {restarts}")
                with running(state) as worker:
                    empty = _empty_ms(worker)
                    shard_mb = worker.request("/start", now=NOW_MS).body["heap_bytes"] / 1e6
                    firsts.append(_snapshot(worker, window)[0] - empty)
                    for _ in range(NEW_ISOLATES):
                        worker.request("/forget")
                        new.append(_snapshot(worker, window)[0] - empty)
                    if number == restarts - 1:
                        figures = _measure_window(worker, fill, window, empty)
                        found.append(
                            SnapshotFigures(
                                events,
                                fill.apis,
                                window,
                                first_ms=firsts,
                                new_isolate_ms=new,
                                shard_mb=shard_mb,
                                heap_mb=worker.heap_mb(),
                                peak_mb=worker.peak_mb(),
                                largest_value_mb=largest,
                                **figures,
                            )
                        )
        return found


def growth(
    logs: Sequence[tuple[Fill, Filled]], rounds: int, say: Callable[[str], None]
) -> list[SnapshotFigures]:
    """Measure logs in alternating rounds; return the round of the median warm read by window."""
    measured: list[SnapshotFigures] = []
    for number in range(1, rounds + 1):
        say(f"round {number} of {rounds}")
        for fill, filled in logs:
            measured += measure(fill, filled, 1, say)
    found = []
    for fill, window in itertools.product((fill for fill, _ in logs), WINDOWS):
        same = [one for one in measured if (one.events, one.window) == (fill.events, window)]
        middle = statistics.median_low(one.warm_p50_ms for one in same)
        found.append(next(one for one in same if one.warm_p50_ms == middle))
    return found


def _measure_window(worker: Measured, fill: Fill, window: str, empty: float) -> dict[str, Json]:
    unchanged = [_snapshot(worker, window)[0] - empty for _ in range(WARM_RUNS)]
    warm, cpu = [], 0.0
    start_ms = NOW_MS - NOW_MS % MINUTE_MS
    for number in range(WARM_RUNS):
        (text,) = batches(Traffic(fill.apis), f"{window}{number}", start_ms, NOW_MS, ARRIVING)
        worker.request("/append", text.encode())
        before = worker.cpu_seconds()
        seconds, body = _snapshot(worker, window)
        warm.append(seconds - empty)
        cpu += worker.cpu_seconds() - before
    return {
        "bytes": body["bytes"],
        "calls": body["calls"],
        "warm_p50_ms": statistics.median(warm),
        "warm_p95_ms": statistics.quantiles(warm, n=20, method="inclusive")[-1],
        "unchanged_p50_ms": statistics.median(unchanged),
        "warm_cpu_ms": cpu / WARM_RUNS * 1_000,
    }


def _snapshot(worker: Measured, window: str) -> tuple[float, Json]:
    response = worker.request("/snapshot", window=window, now=NOW_MS)
    if not response.body["complete"]:
        raise RuntimeError(f"the snapshot is incomplete: {response.body}")
    return response.seconds * 1_000, response.body


def _empty_ms(worker: Measured) -> float:
    return statistics.median(worker.request("/empty").seconds for _ in range(30)) * 1_000

"""Compares cached responses of the public page with computed ones.

The same isolate serves both in alternating rounds, to the same number of clients. Meanwhile time
passes, so the cached snapshot is rendered every few seconds, as in production. The computed
responses are those of `/__platform/analytics` in a warm isolate. Requests go directly to workerd.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.analytics.fill import NOW_MS, Filled
from bench.analytics.snapshots import fill_worker
from bench.server import Measured, connected, running
from core.ports import Json

CLIENTS = 4
ROUNDS = 5
ROUND_SECONDS = 2.5


@dataclass(frozen=True, slots=True)
class ExploreFigures:
    """Responses per second of each round for one window of a log, and their ratios."""

    events: int
    window: str
    bytes: int
    kept_per_second: Sequence[float]
    computed_per_second: Sequence[float]
    ratios: Sequence[float]

    @property
    def ratio(self) -> float:
        """The median ratio."""
        return statistics.median(self.ratios)

    def as_json(self) -> Json:
        """Return all fields by name."""
        return {**asdict(self), "ratio": self.ratio}


def measure(events: int, filled: Filled, window: str, say: Callable[[str], None]) -> ExploreFigures:
    """Measure one window of a log."""
    with TemporaryDirectory() as name, running(Path(name)) as worker:
        say(f"{events:,} events: loading {len(filled.entries):,} values")
        fill_worker(worker, filled)
        worker.request("/start", now=NOW_MS)
        started = time.monotonic()

        def request(client: Measured, path: str) -> int:
            now = NOW_MS + int((time.monotonic() - started) * 1_000)
            return client.fetch(path, window=window, now=now)

        # The first requests read the log and are not measured.
        sizes = [request(worker, path) for path in ("/computed", "/cached", "/computed", "/cached")]
        port = worker.direct_port()
        cached, computed = [], []
        for number in range(ROUNDS):
            say(f"{events:,} events: {window}, round {number + 1} of {ROUNDS}")
            cached.append(_per_second(port, lambda client: request(client, "/cached")))
            computed.append(_per_second(port, lambda client: request(client, "/computed")))
    ratios = [one / other for one, other in zip(cached, computed, strict=True)]
    return ExploreFigures(events, window, sizes[-1], cached, computed, ratios)


def _per_second(port: int, request: Callable[[Measured], int]) -> float:
    """Return the responses per second of several concurrent clients during a round."""
    completed: list[int] = []
    failures: list[Exception] = []
    started = time.monotonic()

    def visit() -> None:
        count = 0
        try:
            with connected(port) as client:
                while time.monotonic() - started < ROUND_SECONDS:
                    request(client)
                    count += 1
        except Exception as error:  # noqa: BLE001, raised again below
            failures.append(error)
        completed.append(count)

    clients = [threading.Thread(target=visit) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    for failure in failures:
        raise failure
    return sum(completed) / (time.monotonic() - started)

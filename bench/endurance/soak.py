"""Measures live objects, memory and latency of one isolate under long load."""

from __future__ import annotations

import itertools
import math
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rich.table import Table

from bench.endurance.steady import Kind, run_closed_loop
from bench.endurance.worker import Counts, RunningDispatcher, running
from bench.exchange import get_request
from core.ports import Json
from dev.launch.config import DEVELOPMENT_TOKEN

CONNECTIONS = 16
LEGS = 30
"""The number of parts of the load; live objects are counted after each."""
WARM_REQUESTS = 60_000
"""Warm-up: fills caches and lets workerd's memory reach its steady size."""
WARM_SHARE = 0.5
"""Maximum share of the warm-up; a shorter run shows part of the warm-up as growth."""
SEED = 7
CRON_SECONDS = 60.0
WRITTEN_SECONDS = 2.0
"""Time until all events are written."""
SLOPE_TARGET_MB = 1.0
_PER = 100_000


def _platform(route: str) -> bytes:
    return get_request(f"/__platform/{route}", authorization=f"Bearer {DEVELOPMENT_TOKEN}")


MIXTURE = (
    (80, Kind("an API responds", get_request("/t/echo/", x_agent_id="a"), 200)),
    (6, Kind("an API fails", get_request("/t/broken/"), 502)),
    (4, Kind("no script", get_request("/t/ghost/"), 404)),
    (4, Kind("no API", get_request("/t/none/"), 404, is_call=False)),
    (2, Kind("health", get_request("/health"), 200, is_call=False)),
    (1, Kind("wrong method", get_request("/health").replace(b"GET", b"PUT"), 405, is_call=False)),
    (1, Kind("wrong window", _platform("analytics?window=x"), 400, is_call=False)),
    (1, Kind("events", _platform("events?limit=20"), 200, is_call=False)),
    (0.5, Kind("analytics", _platform("analytics?window=today"), 200, is_call=False)),
    (
        0.5,
        Kind("for the page", get_request("/api/explore/analytics?window=week"), 200, is_call=False),
    ),
)
"""Kinds of requests with their share in percent."""


class Slope(NamedTuple):
    """The growth per 100,000 requests by least squares, and its standard error."""

    value: float
    error: float


@dataclass(slots=True)
class SoakFigures:
    """One soak: counts after each leg; median and p99 of each third of the load in milliseconds.

    `calls` is the number of responses that count as calls, `counted` the calls in the analytics.
    """

    requests: int
    seconds: float = 0.0
    calls: int = 0
    counted: int = 0
    surprises: dict[str, int] = field(default_factory=dict)
    done: list[int] = field(default_factory=list)
    counts: list[Counts] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)

    def slope(self, name: str) -> Slope:
        """Fit a line to one of the counts, after the warm-up."""
        end = min(WARM_REQUESTS, self.requests * WARM_SHARE)
        warm = sum(one < end for one in self.done)
        requests = [float(one) for one in self.done[warm:]]
        return _slope(requests, [float(getattr(one, name)) for one in self.counts[warm:]])

    def as_json(self) -> Json:
        """Return all fields by name."""
        found = {name: getattr(self, name) for name in self.__slots__}
        names = Counts.__slots__
        return found | {"counts": {n: [getattr(one, n) for one in self.counts] for n in names}}


def mixture(requests: int, seed: int) -> Iterator[Kind]:
    """Draw random kinds of requests from `MIXTURE`."""
    weights, kinds = zip(*MIXTURE, strict=True)
    chance = random.Random(seed)  # noqa: S311
    return iter(chance.choices(kinds, weights=weights, k=requests))


def measure(requests: int, say: Callable[[str], None]) -> SoakFigures:
    """Send `requests` to a new isolate."""
    with TemporaryDirectory() as name, running(Path(name)) as dispatcher:
        return soak(dispatcher, requests, LEGS, say)


def soak(
    dispatcher: RunningDispatcher, requests: int, legs: int, say: Callable[[str], None]
) -> SoakFigures:
    """Send `requests` in `legs` parts, and count live objects after each."""
    found, times = SoakFigures(requests), []
    before, fired = dispatcher.calls(), time.monotonic()
    kinds = mixture(requests, SEED)
    for leg in range(legs):
        if leg % (legs // 10 or 1) == 0:
            say(f"soak: {requests * leg // legs:,} of {requests:,} requests")
        part = run_closed_loop(
            dispatcher.port, itertools.islice(kinds, requests // legs), CONNECTIONS
        )
        found.seconds += part.seconds
        found.calls += part.calls
        for surprise, count in part.surprises.items():
            found.surprises[surprise] = found.surprises.get(surprise, 0) + count
        times += part.times
        found.done.append(len(times))
        if time.monotonic() - fired > CRON_SECONDS:
            dispatcher.run_cron()
            fired = time.monotonic()
        found.counts.append(dispatcher.counts())
    third = len(times) // 3
    for start in (0, third, 2 * third):
        ordered = sorted(times[start : start + third])
        found.p50_ms.append(ordered[len(ordered) // 2] * 1_000)
        found.p99_ms.append(ordered[len(ordered) * 99 // 100] * 1_000)
    time.sleep(WRITTEN_SECONDS)
    found.counted = dispatcher.calls() - before
    return found


def _slope(xs: Sequence[float], ys: Sequence[float]) -> Slope:
    line = statistics.linear_regression(xs, ys)
    left = [y - line.slope * x - line.intercept for x, y in zip(xs, ys, strict=True)]
    middle = statistics.fmean(xs)
    spread = sum((x - middle) ** 2 for x in xs)
    error = math.sqrt(sum(one * one for one in left) / (len(xs) - 2) / spread)
    return Slope(line.slope * _PER, error * _PER)


def shown(one: SoakFigures) -> Iterable[Table]:
    """Yield the table."""
    table = Table(f"soak, {one.requests:,} requests", "value", "noise", "target")
    targets = {"resident_mb": f"< {SLOPE_TARGET_MB:g}", "wasm_mb": f"< {SLOPE_TARGET_MB:g}"}
    for name in Counts.__slots__:
        slope = one.slope(name)
        noise, target = f"± {slope.error:.2f}", targets.get(name, "within the noise")
        table.add_row(f"{name} per 100,000 requests", f"{slope.value:+.2f}", noise, target)
        table.add_row(f"{name} at the end", f"{getattr(one.counts[-1], name):,.1f}", "", "")
    first, last = one.p50_ms[0], one.p50_ms[-1]
    table.add_row("p50, last third / first", f"{last / first:.2f}", f"{first:.1f} ms first", "1")
    first, last = one.p99_ms[0], one.p99_ms[-1]
    table.add_row("p99, last third / first", f"{last / first:.2f}", f"{first:.1f} ms first", "1")
    table.add_row("responses per second", f"{one.done[-1] / one.seconds:,.0f}", "", "")
    table.add_row("calls counted", f"{one.counted:,}", "", f"{one.calls:,}")
    table.add_row("unexpected responses", f"{sum(one.surprises.values())}", "", "0")
    yield table

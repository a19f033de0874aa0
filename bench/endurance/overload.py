"""Measures an overload of ten times the capacity, and the recovery from it.

Once with callers that wait, and once with callers that time out.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table

from bench.endurance.arrivals import OpenLoopResult, run_open_loop
from bench.endurance.steady import Kind, run_closed_loop
from bench.endurance.worker import Counts, RunningDispatcher, running
from bench.exchange import get_request
from core.ports import Json

TIMES = 10
CONNECTIONS = 16
CAPACITY_REQUESTS = 3_000
CALM_SHARE = 0.3
CALM_SECONDS = 3.0
AFTERWARDS_SECONDS = 10.0
WRITTEN_SECONDS = 2.0
"""Time until all events are written."""
PATIENCE_SECONDS = {"wait": 300.0, "leave after 3 s": 3.0}
RECOVERED = 2.0
"""Recovered if the median is at most this multiple of the median before."""

ECHO = Kind("an API responds", get_request("/t/echo/"), 200)


@dataclass(slots=True)
class OverloadFigures:
    """One overload; times in milliseconds, from the scheduled time to the complete response.

    `capacity` is responses per second with 16 connections. `before_ms` and `first_second_ms` are
    medians under low load, before and right after; `recovered_seconds` is the first second
    afterwards that is as before, `None` if there is none. `counted` is how many of the calls the
    analytics have.
    """

    callers: str
    capacity: float
    offered: int
    answered: int
    left: int
    broken: int
    p50_ms: float
    p99_ms: float
    slowest_ms: float
    before_ms: float
    first_second_ms: float
    recovered_seconds: int | None
    counted: int
    statuses: dict[str, int] = field(default_factory=dict)
    counts: list[Counts] = field(default_factory=list)

    def as_json(self) -> Json:
        """Return all fields by name."""
        found = {name: getattr(self, name) for name in self.__slots__}
        names = Counts.__slots__
        return found | {"counts": {n: [getattr(one, n) for one in self.counts] for n in names}}


def measure(seconds: float, say: Callable[[str], None]) -> list[OverloadFigures]:
    """Overload a new isolate for `seconds`, with each kind of callers."""
    found = []
    for callers, patience_seconds in PATIENCE_SECONDS.items():
        with TemporaryDirectory() as name, running(Path(name)) as dispatcher:
            say(f"overload: callers that {callers}")
            found.append(_overloaded(dispatcher, callers, patience_seconds, seconds))
    return found


def _overloaded(
    dispatcher: RunningDispatcher, callers: str, patience_seconds: float, seconds: float
) -> OverloadFigures:
    run_closed_loop(dispatcher.port, itertools.repeat(ECHO, CAPACITY_REQUESTS), CONNECTIONS)
    found = run_closed_loop(dispatcher.port, itertools.repeat(ECHO, CAPACITY_REQUESTS), CONNECTIONS)
    capacity = len(found.times) / found.seconds
    before = _calm(dispatcher.port, capacity, CALM_SECONDS)
    time.sleep(WRITTEN_SECONDS)
    calls, counts = dispatcher.calls(), [dispatcher.counts()]
    load = run_open_loop(
        dispatcher.port,
        ECHO.request,
        per_second=TIMES * capacity,
        seconds=seconds,
        patience_seconds=patience_seconds,
    )
    after = _calm(dispatcher.port, capacity, AFTERWARDS_SECONDS)
    time.sleep(WRITTEN_SECONDS)
    counted = dispatcher.calls() - calls - len(after.responses)
    counts.append(dispatcher.counts())
    usual_ms = _quantile_ms(before.times(), 0.5)
    return OverloadFigures(
        callers=callers,
        capacity=capacity,
        offered=load.offered,
        answered=len(load.responses),
        left=load.left,
        broken=load.broken,
        p50_ms=_quantile_ms(load.times(), 0.5),
        p99_ms=_quantile_ms(load.times(), 0.99),
        slowest_ms=_quantile_ms(load.times(), 1),
        before_ms=usual_ms,
        first_second_ms=_quantile_ms(after.times(0, 1), 0.5),
        recovered_seconds=_recovered(after, usual_ms),
        counted=counted,
        statuses={str(status): count for status, count in load.statuses.items()},
        counts=counts,
    )


def _calm(port: int, capacity: float, seconds: float) -> OpenLoopResult:
    per_second = CALM_SHARE * capacity
    patience_seconds = PATIENCE_SECONDS["wait"]
    return run_open_loop(
        port,
        ECHO.request,
        per_second=per_second,
        seconds=seconds,
        patience_seconds=patience_seconds,
    )


def _recovered(after: OpenLoopResult, usual_ms: float) -> int | None:
    for second in range(int(AFTERWARDS_SECONDS)):
        if _quantile_ms(after.times(second, second + 1), 0.5) <= RECOVERED * usual_ms:
            return second
    return None


def _quantile_ms(ordered: Sequence[float], share: float) -> float:
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1_000


def shown(figures: list[OverloadFigures]) -> Iterable[Table]:
    """Yield the table."""
    table = Table(
        "overload of 10 times, callers that",
        "capacity",
        "offered",
        "answered",
        "left, broken",
        "latency p50 / p99 / slowest",
        "p50 before, in the first second after",
        "recovered after",
        "calls counted",
        "growth of WebAssembly, resident MB",
    )
    for one in figures:
        grown, resident = (
            getattr(one.counts[1], name) - getattr(one.counts[0], name)
            for name in ("wasm_mb", "resident_mb")
        )
        seconds = one.recovered_seconds
        table.add_row(
            one.callers,
            f"{one.capacity:,.0f}/s",
            f"{one.offered:,}",
            f"{one.answered:,}",
            f"{one.left:,}, {one.broken:,}",
            f"{one.p50_ms:,.0f} / {one.p99_ms:,.0f} / {one.slowest_ms:,.0f} ms",
            f"{one.before_ms:,.0f}, {one.first_second_ms:,.0f} ms",
            f"> {AFTERWARDS_SECONDS:.0f} s" if seconds is None else f"{seconds} s",
            f"{one.counted:,}",
            f"{grown:,.1f}, {resident:,.0f}",
        )
    yield table

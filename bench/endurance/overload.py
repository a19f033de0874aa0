"""Ten times as many callers as can be served: who is answered, how late, and what is left of it.

Once with callers who wait for as long as it takes, and once with callers who leave.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table

from bench.endurance.arrivals import Arrived, arriving
from bench.endurance.steady import Kind, ask
from bench.endurance.worker import Counts, Endured, running
from bench.exchange import written
from core.ports import Json

TIMES = 10
CONNECTIONS = 16
CAPACITY_REQUESTS = 3_000
CALM_SHARE = 0.3
CALM_SECONDS = 3.0
AFTERWARDS_SECONDS = 10.0
WRITTEN_SECONDS = 2.0
"""Within which everything that was answered is written."""
PATIENCE_SECONDS = {"wait": 300.0, "leave after 3 s": 3.0}
RECOVERED = 2.0
"""How many times the median of before is still as before."""

ECHO = Kind("an API answers", written("/t/echo/"), 200)


@dataclass(slots=True)
class OverloadFigures:
    """One overload; times in milliseconds, from when a caller was due to the whole answer.

    `capacity` is answers a second with sixteen callers. `before_ms` and `first_second_ms` are
    medians with few callers, before and right after; `recovered_seconds` is the first of the
    seconds afterwards that is as before, None when there is none. `counted` is how many of all
    callers the figures have.
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
        """Give everything by name."""
        found = {name: getattr(self, name) for name in self.__slots__}
        names = Counts.__slots__
        return found | {"counts": {n: [getattr(one, n) for one in self.counts] for n in names}}


def measure(seconds: float, say: Callable[[str], None]) -> list[OverloadFigures]:
    """Overload an isolate for `seconds`, each kind of callers a new one."""
    found = []
    for callers, patience_seconds in PATIENCE_SECONDS.items():
        with TemporaryDirectory() as name, running(Path(name)) as endured:
            say(f"overload: callers who {callers}")
            found.append(_overloaded(endured, callers, patience_seconds, seconds))
    return found


def _overloaded(
    endured: Endured, callers: str, patience_seconds: float, seconds: float
) -> OverloadFigures:
    ask(endured.port, itertools.repeat(ECHO, CAPACITY_REQUESTS), CONNECTIONS)
    found = ask(endured.port, itertools.repeat(ECHO, CAPACITY_REQUESTS), CONNECTIONS)
    capacity = len(found.times) / found.seconds
    before = _calm(endured.port, capacity, CALM_SECONDS)
    time.sleep(WRITTEN_SECONDS)
    calls, counts = endured.calls(), [endured.counts()]
    crowd = arriving(
        endured.port,
        ECHO.request,
        per_second=TIMES * capacity,
        seconds=seconds,
        patience_seconds=patience_seconds,
    )
    after = _calm(endured.port, capacity, AFTERWARDS_SECONDS)
    time.sleep(WRITTEN_SECONDS)
    counted = endured.calls() - calls - len(after.answers)
    counts.append(endured.counts())
    usual_ms = _quantile_ms(before.times(), 0.5)
    return OverloadFigures(
        callers=callers,
        capacity=capacity,
        offered=crowd.offered,
        answered=len(crowd.answers),
        left=crowd.left,
        broken=crowd.broken,
        p50_ms=_quantile_ms(crowd.times(), 0.5),
        p99_ms=_quantile_ms(crowd.times(), 0.99),
        slowest_ms=_quantile_ms(crowd.times(), 1),
        before_ms=usual_ms,
        first_second_ms=_quantile_ms(after.times(0, 1), 0.5),
        recovered_seconds=_recovered(after, usual_ms),
        counted=counted,
        statuses={str(status): count for status, count in crowd.statuses.items()},
        counts=counts,
    )


def _calm(port: int, capacity: float, seconds: float) -> Arrived:
    per_second = CALM_SHARE * capacity
    waits = PATIENCE_SECONDS["wait"]
    return arriving(
        port, ECHO.request, per_second=per_second, seconds=seconds, patience_seconds=waits
    )


def _recovered(after: Arrived, usual_ms: float) -> int | None:
    for second in range(int(AFTERWARDS_SECONDS)):
        if _quantile_ms(after.times(second, second + 1), 0.5) <= RECOVERED * usual_ms:
            return second
    return None


def _quantile_ms(ordered: Sequence[float], share: float) -> float:
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1_000


def shown(figures: list[OverloadFigures]) -> Iterable[Table]:
    """Make the table."""
    table = Table(
        "10 times what can be served, callers who",
        "could serve",
        "offered",
        "answered",
        "left, broken",
        "answered p50 / p99 / slowest",
        "p50 before, first second after",
        "as before after",
        "calls in the figures",
        "WebAssembly, resident MB grown",
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

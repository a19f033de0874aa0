"""`make bench [SIZE=small|full]`: runs the benchmarks, prints and stores their results."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.console import Console

from bench import imports, startup
from bench.analytics import designs, explore, page, shard, snapshots
from bench.analytics.fill import Fill, Filled
from bench.endurance import overload, soak
from bench.paid import measuring as paid
from bench.profile import counts
from bench.report import page as report
from bench.report import results as results_store
from bench.requests import comparison
from bench.table import Results, shown
from dev.errors import UsageError, run_command_line
from dev.layout import HERE


class Size(NamedTuple):
    """The amount of work of each benchmark."""

    fills: tuple[int, ...]
    restarts: int
    hour_events: int
    rounds: int
    soak_requests: int
    overload_seconds: float


SIZES = {
    "small": Size((10_000, 1_000_000), 1, 100_000, 3, 30_000, 1.0),
    "full": Size((10_000, 1_000_000, 10_000_000), 3, 1_000_000, 7, 300_000, 3.0),
}
PARTS = (
    "requests",
    "paid",
    "profile",
    "startup",
    "soak",
    "overload",
    "designs",
    "shard",
    "snapshots",
    "growth",
    "explore",
    "page",
)
ROUND_SECONDS = 3.0
FEW_APIS = 10
"""Few enough that all APIs have events in every window, even in the smallest log."""


@dataclass(slots=True)
class _Progress:
    """Prints the current step to stderr, with the time since the start."""

    started: float

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.started:6.0f} s  {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Measure, print and store; missed targets do not change the exit code."""
    name = os.environ.get("SIZE") or "small"
    if name not in SIZES:
        raise UsageError(f"SIZE={name} is unknown: use {' or '.join(SIZES)}.")
    only = os.environ.get("ONLY") or ""
    chosen = tuple(only.split(",")) if only else PARTS
    if not set(chosen) <= set(PARTS):
        raise UsageError(f"ONLY={only} is unknown: use some of {','.join(PARTS)}.")
    source, load = results_store.source(HERE.root), os.getloadavg()
    results = _measured(name, chosen)
    file = results_store.store(
        HERE.root / report.RESULTS, results_store.new_results(source, name, load, results.as_json())
    )
    console = Console(width=150)
    console.print(*shown(results), sep="\n")
    for path in (file.relative_to(HERE.root), *report.write(HERE.root)):
        console.print(f"Written: {path}")
    return 0


def _measure_endurance(
    results: Results, size: Size, chosen: Sequence[str], say: Callable[[str], None]
) -> None:
    if "startup" in chosen:
        results.startup += startup.measure(size.rounds, say)
        results.imports += imports.measure(size.rounds, say)
    if "soak" in chosen:
        results.soak.append(soak.measure(size.soak_requests, say))
    if "overload" in chosen:
        results.overload += overload.measure(size.overload_seconds, say)


def _measure_logs(
    results: Results, size: Size, chosen: Sequence[str], say: Callable[[str], None]
) -> None:
    def filled(fill: Fill) -> Filled:
        say(f"{fill.events:,} events in {fill.apis:,} APIs: generating, or reading from the cache")
        return fill.shard(lambda done, of: say(f"day {done} of {of}") if done % 15 == 0 else None)

    for fill in map(Fill, size.fills if {"snapshots", "explore"} & set(chosen) else ()):
        log = filled(fill)
        if "explore" in chosen:
            results.explore.append(explore.measure(fill.events, log, "today", say))
        if "snapshots" in chosen:
            results.snapshots += snapshots.measure(fill, log, size.restarts, say)
    if "growth" in chosen:
        fills = [Fill(events, FEW_APIS) for events in (size.fills[0], size.fills[-1])]
        logs = [(fill, filled(fill)) for fill in fills]
        results.growth += snapshots.growth(logs, size.rounds, say)


def _measured(name: str, chosen: Sequence[str]) -> Results:
    say = _Progress(time.monotonic()).say
    size = SIZES[name]
    results = Results()
    if "requests" in chosen:
        measured = comparison.measure(size.rounds, ROUND_SECONDS, say)
        results.requests += measured.requests
        results.bodies += measured.bodies
    if "paid" in chosen:
        found = paid.measure(size.rounds, ROUND_SECONDS, say)
        results.paid += found.paid
        results.round_trips += found.round_trips
    if "profile" in chosen:
        results.profile += counts.measure(2 * ROUND_SECONDS, say)
    _measure_endurance(results, size, chosen, say)
    if "designs" in chosen:
        results.designs += designs.measure(say)
    if "shard" in chosen:
        results.shard.append(shard.measure(size.hour_events, say))
    if "page" in chosen:
        results.page.append(page.measure(say))
    _measure_logs(results, size, chosen, say)
    return results


if __name__ == "__main__":
    sys.exit(run_command_line(main))

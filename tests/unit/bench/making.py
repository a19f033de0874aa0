"""Builders of invented benchmark results, in their stored form."""

from __future__ import annotations

from bench.paid.figures import PaidFigures
from bench.report.results import CommitResults, Part
from bench.requests.bodies import BodyFigures
from bench.requests.figures import RequestFigures
from core.ports import Json

LETTERS = ("a", "b", "c", "d", "e", "f")


def requests(**faster: float) -> list[Json]:
    """Return two rounds of all contenders, which differ only by the factors in `faster`."""
    return [_one(letter, faster.get(letter, 1.0)).as_json() for letter in LETTERS]


def bodies(growth_mb: float = 1.0) -> list[Json]:
    """Return a turn of uploads for (b) and (f)."""
    return [
        BodyFigures(letter, f"contender {letter}", 250.0, [380.0], [380.0 + growth_mb]).as_json()
        for letter in ("b", "f")
    ]


def _one(letter: str, factor: float) -> RequestFigures:
    times = [2.0 / factor, 4.0 / factor]
    figures = RequestFigures(
        letter,
        f"contender {letter}",
        per_second=[1_000 * factor, 500 * factor],
        alone_ms=times,
        busy_ms=times,
        busy_p99_ms=times,
        cpu_ms=times,
        sent=1_000,
    )
    if letter in {"e", "f"}:
        figures.recorded = 1_000
    figures.download_ms = figures.upload_ms = figures.first_ms = times
    figures.last_ms = [100.0, 200.0]
    return figures


def paid(slower: float = 1.0) -> list[Json]:
    """Return two rounds of paid and unpaid requests; (g) takes `slower` times as long as (m)."""
    found = []
    for letter, factor in (("m0", 1.0), ("m", 1.0), ("g0", slower), ("g", slower)):
        times = [2.0 * factor, 4.0 * factor]
        figures = PaidFigures(
            letter,
            f"contender {letter}",
            per_second=[1_000 / factor, 500 / factor],
            alone_ms=times,
            busy_ms=times,
            busy_p99_ms=times,
            cpu_ms=times,
            sent=1_000,
        )
        if letter in {"m", "g"}:
            figures.own_ms, figures.facilitator_ms, figures.transferred = times, times, 1_000
        if letter.startswith("g"):
            figures.recorded = 1_000
        if letter == "g":
            figures.ledger = 1_000
        found.append(figures.as_json())
    return found


def snapshots() -> list[Json]:
    """Return one window of two logs."""
    return [
        {
            "events": events,
            "apis": 1_000,
            "window": "today",
            "warm_p50_ms": 10.0 * growth,
            "warm_p95_ms": 12.0 * growth,
            "unchanged_p50_ms": 8.0,
            "warm_cpu_ms": 19.0,
            "new_isolate_ms": [40.0, 50.0],
            "heap_mb": 38.0,
        }
        for events, growth in ((10_000, 1), (1_000_000, 2))
    ]


def designs() -> list[Json]:
    """Return two designs."""
    return [
        {
            "design": name,
            "rate": 200,
            "isolates": 1,
            "writes_per_1000": writes,
            "calls_per_1000": 30.0,
            "rows_per_1000": 33.0,
            "dollars_per_million": 1.0,
            "lost_pct": 0.0,
        }
        for name, writes in (("this design", 0.75), ("one key an event", 1_000.0))
    ]


def results(commit: str, committed: str, **parts: list[Json]) -> CommitResults:
    """Return the results of a commit."""
    load = [0.5, 0.5, 0.5]
    return CommitResults(
        commit,
        committed,
        2,
        {name: Part("small", load, figures) for name, figures in parts.items()},
    )

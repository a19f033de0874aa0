"""Rows of the tables of start-up, soak and overload, from stored results."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from bench.endurance.soak import SLOPE_TARGET_MB, SoakFigures
from bench.endurance.worker import Counts
from core.ports import Json

Rows = Iterable[tuple[str, ...]]

START_HEADS = (
    "from … to the first response",
    "CPU relative to the SDK (≤ 1.3)",
    "rounds",
    "CPU",
    "time relative to the SDK",
    "time",
    "snapshot",
)
SOAK_HEADS = ("a soak", "per 100,000 requests", "noise", "target", "at the end")
OVERLOAD_HEADS = (
    "overload of ten times, callers that",
    "capacity",
    "offered",
    "answered",
    "timed out",
    "latency, p50 / p99 / slowest",
    "p50 before, in the first second after",
    "recovered after",
    "calls counted",
)

_WHAT = {
    "resident_mb": ("resident memory of the process", f"< {SLOPE_TARGET_MB:g} MB"),
    "wasm_mb": ("WebAssembly memory of Python", f"< {SLOPE_TARGET_MB:g} MB"),
    "references": ("JavaScript objects held by Python", "within the noise"),
    "lent": ("Python objects held by JavaScript", "within the noise"),
    "objects": ("objects of Python's garbage collector", "within the noise"),
}


def start_rows(figures: Sequence[Json]) -> Rows:
    """Yield a row for each Worker, starts without snapshot first."""
    measures = {(one["what"], one["is_from_snapshot"]): one for one in figures}
    for one in sorted(figures, key=lambda one: bool(one["is_from_snapshot"])):
        beside = measures[one["beside"], one["is_from_snapshot"]]
        ratios, times = (
            [mine / theirs for mine, theirs in zip(one[name], beside[name], strict=True)]
            for name in ("cpu_seconds", "seconds")
        )
        yield (
            f"{'snapshot' if one['is_from_snapshot'] else 'nothing'}: {one['what']}",
            f"{statistics.median(ratios):.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
            f"{statistics.median(one['cpu_seconds']):.2f} s",
            f"{statistics.median(times):.2f}",
            f"{statistics.median(one['seconds']):.2f} s",
            "" if one["snapshot_mb"] is None else f"{one['snapshot_mb']:.1f} MB",
        )


def soak_rows(figures: Sequence[Json]) -> Rows:
    """Yield growth, latencies and counted calls of each soak."""
    for one in figures:
        counts = [
            Counts(**dict(zip(one["counts"], leg, strict=True)))
            for leg in zip(*one["counts"].values(), strict=True)
        ]
        soak = SoakFigures(requests=one["requests"], done=one["done"], counts=counts)
        for name, (what, target) in _WHAT.items():
            slope, end = soak.slope(name), getattr(counts[-1], name)
            yield what, f"{slope.value:+.2f}", f"± {slope.error:.2f}", target, f"{end:,.0f}"
        for name in ("p50", "p99"):
            first, *_, last = one[f"{name}_ms"]
            what = f"{name}, last third / first"
            yield what, f"{last / first:.2f}", "", "1", f"{last:.1f} ms"
        yield (
            f"counted calls, {one['requests']:,} requests",
            "",
            "",
            "all",
            (f"{one['counted']:,} of {one['calls']:,}"),
        )


def overload_rows(figures: Sequence[Json]) -> Rows:
    """Yield a row for each kind of callers."""
    for one in figures:
        seconds = one["recovered_seconds"]
        yield (
            one["callers"],
            f"{one['capacity']:,.0f}/s",
            f"{one['offered']:,}",
            f"{one['answered']:,}",
            f"{one['left']:,}",
            f"{one['p50_ms']:,.0f} / {one['p99_ms']:,.0f} / {one['slowest_ms']:,.0f} ms",
            f"{one['before_ms']:,.0f}, {one['first_second_ms']:,.0f} ms",
            "not within 10 s" if seconds is None else f"{seconds} s",
            f"{one['counted']:,}",
        )

"""Markdown tables of stored results, by part."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.endurance import tables as endurance
from bench.paid import tables as paid_tables
from bench.report.results import CommitResults
from bench.requests import tables as request_tables
from bench.requests.ratios import Ratio, ratios
from core.ports import Json
from dev.openapi.tables import table

Rows = Iterable[tuple[str, ...]]


def provenance(stored: CommitResults, part: str) -> str:
    """Return commit, size and machine of a result."""
    one = stored.parts[part]
    load = f"{one.load[0]:.1f}" if one.load else "unknown"
    return (
        f"Commit `{stored.commit}`, `SIZE={one.size}`, {stored.processors} processors, "
        f"load {load} at the start."
    )


def ratio_table(stored: CommitResults) -> str:
    """Return the table of ratios with their targets."""
    return _ratios(ratios(stored.parts["requests"].figures, stored.parts["bodies"].figures))


def paid_ratio_table(stored: CommitResults) -> str:
    """Return the table of the ratios of paid requests with their targets."""
    return _ratios(paid_tables.ratios(stored.parts["paid"].figures))


def _ratios(found: Iterable[Ratio]) -> str:
    rows = [(*request_tables.ratio_cells(ratio), _met(ratio)) for ratio in found]
    return table((*request_tables.RATIO_HEADS, "met"), rows)


def request_table(stored: CommitResults) -> str:
    """Return the table of the contenders."""
    return table(request_tables.HEADS, request_tables.cells(stored.parts["requests"].figures))


def _met(ratio: Ratio) -> str:
    return {None: "", True: "yes", False: "**no**"}[ratio.is_met]


def _snapshot_rows(figures: Sequence[Json]) -> Rows:
    for one in figures:
        yield (
            f"{one['window']}, {one['events']:,}, {one['apis']:,}",
            f"{one['warm_p50_ms']:.0f} / {one['warm_p95_ms']:.0f} ms",
            f"{one['unchanged_p50_ms']:.0f} ms",
            f"{one['warm_cpu_ms']:.0f} ms",
            f"{max(one['new_isolate_ms']):.0f} ms",
            f"{one['heap_mb']:.0f} MB",
        )


def growth_table(stored: CommitResults) -> str:
    """Return the table that compares warm reads of the largest and the smallest log."""
    figures = stored.parts["growth"].figures
    rows = []
    for window in dict.fromkeys(one["window"] for one in figures):
        logs = [one for one in figures if one["window"] == window]
        least, most = (pick(logs, key=lambda one: one["events"]) for pick in (min, max))
        times = [one["warm_p50_ms"] for one in (least, most)]
        rows.append(
            (
                f"{window}, {least['apis']:,}",
                f"{least['events']:,} to {most['events']:,}",
                f"{times[1] / times[0]:.1f} times",
                f"{times[0]:.1f} to {times[1]:.1f} ms",
            )
        )
    return table(
        ("window, APIs", "events", "a warm read, p50 (≤ 1.2 times)", "smallest to largest log"),
        rows,
    )


def _shard_rows(figures: Sequence[Json]) -> Rows:
    for one in figures:
        events = f"{one['hour_events']:,} events in an hour"
        yield "appends of one batch", f"{one['appends_per_second']:,.0f} per second", "≥ 500"
        name = f"recovering {one['recovered_events']:,} events"
        yield name, f"{one['recovery_seconds']:.1f} s", "≤ 5 s"
        cpu = f"{one['hour_cpu_seconds']:.1f} s"
        yield f"adding {events}: CPU", cpu, "≤ 20 s per million"
        yield f"adding {events}: WebAssembly memory", f"{one['heap_mb']:.0f} MB", "≤ 100 MB"
        yield f"part of {events}: text", f"{one['part_text_mb']:.1f} MB", "≤ 5 MB"
        yield f"part of {events}: memory, CPython", f"{one['part_memory_mb']:.1f} MB", "≤ 15 MB"


def _design_rows(figures: Sequence[Json]) -> Rows:
    for one in figures:
        yield (
            one["design"],
            f"{one['rate']}",
            f"{one['isolates']}",
            f"{one['writes_per_1000']:,.3g}",
            f"{one['calls_per_1000']:,.0f}",
            f"{one['rows_per_1000']:,.0f}",
            f"${one['dollars_per_million']:.2f}",
            f"{one['lost_pct']:.1f} %",
        )


def _explore_rows(figures: Sequence[Json]) -> Rows:
    for one in figures:
        yield (
            f"{one['window']}, {one['events']:,}",
            f"{one['ratio']:.1f} times",
            f"{min(one['ratios']):.1f} to {max(one['ratios']):.1f}",
            f"{statistics.median(one['kept_per_second']):,.0f}",
            f"{statistics.median(one['computed_per_second']):,.0f}",
            f"{one['bytes'] / 1_000:,.0f} kB",
        )


def _page_rows(figures: Sequence[Json]) -> Rows:
    for one in figures:
        usable = f"{one['usable_ms']:,.0f} ms (slowest {one['slowest_usable_ms']:,.0f})"
        yield "largest paint, p50", f"{one['paint_ms']:,.0f} ms", "≤ 1,000 ms"
        yield "list shown and usable, p50", usable, "≤ 1,000 ms"
        yield "files, compressed", f"{one['files_kb']:.1f} kB", "≤ 150 kB"
        yield "data, compressed", f"{one['answer_kb']:.1f} kB", ""


PARTS: Mapping[str, tuple[tuple[str, ...], Callable[[Sequence[Json]], Rows]]] = {
    "snapshots": (
        (
            "window, events, APIs",
            "warm, p50 / p95 (≤ 40 ms)",
            "unchanged, p50",
            "CPU of a warm read",
            "new isolate, slowest (≤ 250 ms)",
            "WebAssembly memory, shard and reader (≤ 100 MB)",
        ),
        _snapshot_rows,
    ),
    "shard": (("one shard", "value", "target"), _shard_rows),
    "designs": (
        (
            "design",
            "requests/s",
            "isolates",
            "KV writes per 1,000 requests (≤ 2 at 200/s, 10 at 20/s)",
            "calls of a Durable Object",
            "its rows written",
            "per million requests (≤ $0.50, $1.50 at 20/s, $4.50 at 1/s)",
            "requests lost",
        ),
        _design_rows,
    ),
    "explore": (
        (
            "responses of the public page, events",
            "cached / computed (≥ 5)",
            "rounds",
            "cached/s",
            "computed/s",
            "body",
        ),
        _explore_rows,
    ),
    "page": (("first visits of `/explore`", "value", "target"), _page_rows),
    "paid": (paid_tables.HEADS, paid_tables.cells),
    "round_trips": (paid_tables.TRIP_HEADS, paid_tables.trip_cells),
    "startup": (endurance.START_HEADS, endurance.start_rows),
    "soak": (endurance.SOAK_HEADS, endurance.soak_rows),
    "overload": (endurance.OVERLOAD_HEADS, endurance.overload_rows),
}


def part_table(stored: CommitResults, part: str) -> str:
    """Return the table of one of `PARTS`."""
    heads, rows = PARTS[part]
    return table(heads, rows(stored.parts[part].figures))

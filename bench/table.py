"""All results of one run, as JSON and as tables with their targets."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.table import Table

from bench import imports, startup
from bench.analytics.designs import DesignFigures
from bench.analytics.explore import ExploreFigures
from bench.analytics.page import PageFigures
from bench.analytics.shard import ShardFigures
from bench.analytics.snapshots import SnapshotFigures
from bench.endurance import overload, soak
from bench.endurance.overload import OverloadFigures
from bench.endurance.soak import SoakFigures
from bench.imports import ImportFigures
from bench.paid import tables as paid_tables
from bench.paid.figures import PaidFigures, RoundTripFigures
from bench.profile.counts import ProfileFigures
from bench.profile.tables import profile_tables
from bench.requests import tables
from bench.requests.bodies import BodyFigures
from bench.requests.figures import RequestFigures
from bench.startup import StartFigures
from core.ports import Json

NO_TARGET = (float("inf"), float("inf"))
TARGETS = {200: (2, 0.5), 20: (10, 1.5), 1: (float("inf"), 4.5)}
"""By requests per second: KV writes per 1,000 requests, and dollars per million."""

EXPLORE_RATIO_MIN = 5
"""Minimum ratio of cached to computed responses per second."""


@dataclass(slots=True)
class Results:
    """The results of one run, by part."""

    snapshots: list[SnapshotFigures] = field(default_factory=list)
    growth: list[SnapshotFigures] = field(default_factory=list)
    shard: list[ShardFigures] = field(default_factory=list)
    designs: list[DesignFigures] = field(default_factory=list)
    explore: list[ExploreFigures] = field(default_factory=list)
    page: list[PageFigures] = field(default_factory=list)
    requests: list[RequestFigures] = field(default_factory=list)
    bodies: list[BodyFigures] = field(default_factory=list)
    paid: list[PaidFigures] = field(default_factory=list)
    round_trips: list[RoundTripFigures] = field(default_factory=list)
    profile: list[ProfileFigures] = field(default_factory=list)
    startup: list[StartFigures] = field(default_factory=list)
    imports: list[ImportFigures] = field(default_factory=list)
    soak: list[SoakFigures] = field(default_factory=list)
    overload: list[OverloadFigures] = field(default_factory=list)

    def as_json(self) -> Json:
        """Return the results by part."""
        return {
            part: [figures.as_json() for figures in getattr(self, part)] for part in self.__slots__
        }


Row = tuple[str, float, float, str]
"""Name, value, target and unit; a value up to the target is good."""


def shown(results: Results) -> Iterable[Table]:
    """Yield the tables of all parts."""
    table = Table("metric", "value", "target", "value / target", title="make bench")
    for what, figure, target, unit in [
        *_snapshot_rows(results.snapshots),
        *_growth_rows(results.growth),
        *_shard_rows(results.shard),
        *_design_rows(results.designs),
        *_page_rows(results.page),
    ]:
        good = figure <= target
        ratio = f"{figure / target:.2f}" if target < float("inf") else ""
        wanted = f"≤ {target:g} {unit}" if target < float("inf") else ""
        style = "" if not ratio else "green" if good else "red"
        table.add_row(what, f"{figure:,.1f} {unit}", wanted, ratio, style=style)
    if table.row_count:
        yield table
    if results.explore:
        yield _explore_table(results.explore)
    stored = results.as_json()
    if results.requests:
        yield from tables.shown(stored["requests"], stored["bodies"])
    if results.paid:
        yield from paid_tables.shown(stored["paid"], stored["round_trips"])
    yield from profile_tables(results.profile)
    if results.startup:
        yield from startup.shown(results.startup)
    if results.imports:
        yield from imports.shown(results.imports)
    for one in results.soak:
        yield from soak.shown(one)
    if results.overload:
        yield from overload.shown(results.overload)


def _explore_table(explore: list[ExploreFigures]) -> Table:
    table = Table(
        "responses of the public page",
        "cached / computed",
        "target",
        "rounds",
        "cached/s",
        "computed/s",
        "KB",
    )
    for one in explore:
        table.add_row(
            f"{one.window}, {one.events:,} events",
            f"{one.ratio:.1f} times",
            f"≥ {EXPLORE_RATIO_MIN:g}",
            f"{min(one.ratios):.1f} to {max(one.ratios):.1f}",
            f"{statistics.median(one.kept_per_second):,.0f}",
            f"{statistics.median(one.computed_per_second):,.0f}",
            f"{one.bytes / 1_000:,.0f}",
            style="green" if one.ratio >= EXPLORE_RATIO_MIN else "red",
        )
    return table


def _snapshot_rows(snapshots: list[SnapshotFigures]) -> Iterable[Row]:
    for one in snapshots:
        name = f"{one.window}, {one.events:,} events, {one.apis:,} APIs"
        yield f"{name}: warm, p50", one.warm_p50_ms, float("inf"), "ms"
        yield f"{name}: warm, p95", one.warm_p95_ms, 40, "ms"
        yield f"{name}: unchanged, p50", one.unchanged_p50_ms, float("inf"), "ms"
        yield f"{name}: warm, CPU", one.warm_cpu_ms, float("inf"), "ms"
        yield f"{name}: new isolate, slowest", max(one.new_isolate_ms), 250, "ms"
        yield f"{name}: first after a start of the shard", max(one.first_ms), float("inf"), "ms"
        yield f"{name}: Pyodide's memory, shard and reader", one.heap_mb, 100, "MB"
        yield f"{name}: largest value stored", one.largest_value_mb, 26.2, "MB"


def _growth_rows(figures: list[SnapshotFigures]) -> Iterable[Row]:
    smallest: dict[str, float] = {}
    for one in figures:
        least = smallest.setdefault(one.window, one.warm_p50_ms)
        name = f"{one.window}, {one.events:,} events, {one.apis} APIs"
        yield f"{name}: warm, p50", one.warm_p50_ms, float("inf"), "ms"
        if one.warm_p50_ms != least:
            yield f"{name}: relative to the smallest log", one.warm_p50_ms / least, 1.2, "times"


def _shard_rows(figures: list[ShardFigures]) -> Iterable[Row]:
    for one in figures:
        millions = one.hour_events / 1_000_000
        yield "an append, of one batch", 1_000 / one.appends_per_second, 2, "ms"
        name = f"recovering {one.recovered_events:,} events"
        yield name, one.recovery_seconds, 5, "s"
        # The targets are for a million events.
        name = f"an hour of {one.hour_events:,} events"
        yield f"{name}: CPU", one.hour_cpu_seconds, 20 * millions, "s"
        yield f"{name}: Pyodide's memory", one.heap_mb, 100, "MB"
        yield f"{name}: text of the part", one.part_text_mb, 5, "MB"
        yield f"{name}: memory of the part", one.part_memory_mb, 15, "MB"


def _design_rows(designs: list[DesignFigures]) -> Iterable[Row]:
    for one in designs:
        name = f"{one.design}, {one.rate} requests/s, isolates: {one.isolates}"
        writes, dollars = TARGETS.get(one.rate, NO_TARGET) if one.calls_per_1000 else NO_TARGET
        yield f"{name}: KV writes per 1,000 requests", one.writes_per_1000, writes, ""
        yield f"{name}: per million requests", one.dollars_per_million, dollars, "$"
        yield f"{name}: requests lost", one.lost_pct, float("inf"), "%"


def _page_rows(page: list[PageFigures]) -> Iterable[Row]:
    for one in page:
        name = f"first visit of the page, {one.apis} APIs, processor {one.slowdown} times slower"
        yield f"{name}: largest paint, p50", one.paint_ms, 1_000, "ms"
        yield f"{name}: usable, p50", one.usable_ms, 1_000, "ms"
        yield f"{name}: usable, slowest of {one.visits}", one.slowest_usable_ms, float("inf"), "ms"
        yield "first visit of the page: files, compressed", one.files_kb, 150, "kB"
        yield "first visit of the page: data, compressed", one.answer_kb, float("inf"), "kB"

"""The charts of docs/performance.md, each from the newest results of its part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.report import charts
from bench.report.charts import Chart, Spread
from bench.report.results import CommitResults, newest
from bench.requests.ratios import ratios
from core.ports import Json

WARM_MS_MAX = 40.0
WRITES_MAX = 2.0
RATE = 200
"""Requests per second of the chart of KV writes."""


def plots(stored: Sequence[CommitResults]) -> Iterable[tuple[str, Chart]]:
    """Yield charts by file name; parts without results have none.

    Args:
        stored: The stored results, oldest commit first.
    """
    requests = _figures(stored, "requests")
    if requests:
        yield "responses", _responses(requests)
        yield "cpu", _cpu(requests)
        yield "times", _times(requests)
    if snapshots := _figures(stored, "snapshots"):
        yield "snapshots", _snapshots(snapshots)
    if designs := _figures(stored, "designs"):
        yield "writes", _writes(designs)
    measured = [one for one in stored if "requests" in one.parts and "bodies" in one.parts]
    if len(measured) > 1:
        yield "history", _history(measured)


def _figures(stored: Sequence[CommitResults], part: str) -> Sequence[Json]:
    found = newest(stored, part)
    return [] if found is None else found.parts[part].figures


def _responses(requests: Sequence[Json]) -> Chart:
    floor = next(one for one in requests if one["letter"] == "c")
    shares = [
        Spread(
            f"({one['letter']}) {one['what']}",
            [m / c for m, c in zip(one["per_second"], floor["per_second"], strict=True)],
        )
        for one in requests
    ]
    title = "Responses per second relative to the SDK's pass-through"
    return charts.spreads_chart(title, "relative to (c)", {"responses": shares}, mark=1.0)


def _cpu(requests: Sequence[Json]) -> Chart:
    title = "CPU of a small request, including script and storage"
    return charts.spreads_chart(title, "ms", {"CPU": charts.spreads(requests, "cpu_ms")})


def _times(requests: Sequence[Json]) -> Chart:
    series = {
        "one connection, p50": charts.spreads(requests, "alone_ms"),
        "sixteen, p50": charts.spreads(requests, "busy_ms"),
        "sixteen, p99": charts.spreads(requests, "busy_p99_ms"),
    }
    return charts.spreads_chart("Time of a small request", "ms", series)


def _snapshots(snapshots: Sequence[Json]) -> Chart:
    series: dict[str, list[tuple[float, float]]] = {}
    for one in snapshots:
        name = f"{one['window']}, {one['apis']:,} APIs"
        series.setdefault(name, []).append((one["events"], one["warm_p50_ms"]))
    return charts.lines_chart(
        "Reads of analytics by log size",
        ("events in 90 days", "ms, warm, p50"),
        series,
        target=("target of p95", WARM_MS_MAX),
    )


def _writes(designs: Sequence[Json]) -> Chart:
    bars = {
        f"{one['design']}, isolates: {one['isolates']}": one["writes_per_1000"]
        for one in designs
        if one["rate"] == RATE
    }
    title = "KV writes at 200 requests per second"
    return charts.bars_chart(title, "writes per 1,000 requests", bars, target=WRITES_MAX)


def _history(measured: Sequence[CommitResults]) -> Chart:
    wanted = {
        "responses/s, (f) / (c)": "responses per second",
        "CPU of a small request, (f) / (c)": "CPU",
    }
    series: dict[str, list[tuple[float, float]]] = {name: [] for name in wanted.values()}
    for place, one in enumerate(measured):
        parts = one.parts
        for ratio in ratios(parts["requests"].figures, parts["bodies"].figures):
            if ratio.what in wanted:
                series[wanted[ratio.what]].append((place, ratio.median))
    return charts.lines_chart(
        "This dispatcher, a free API, by commit",
        ("commit", "relative to (c)"),
        series,
        target=("the SDK's pass-through", 1.0),
        names=[one.commit for one in measured],
    )

"""Tables of the request benchmark: ratios with targets, and the contenders."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from rich.table import Table

from bench.requests.ratios import Ratio, ratios
from core.ports import Json

RATIO_HEADS = ("comparison", "median of the rounds", "rounds", "target")
HEADS = (
    "contender",
    "responses/s, relative to (c)",
    "responses/s",
    "CPU ms",
    "alone, p50 ms",
    "busy, p50 / p99 ms",
    "1 MB down ms",
    "10 MB up ms",
    "in chunks, first / last ms",
    "recorded",
)


def ratio_cells(ratio: Ratio) -> tuple[str, ...]:
    """Return the cells of a ratio, one for each of `RATIO_HEADS`."""
    return (ratio.what, ratio.figure, ratio.rounds, ratio.target)


def cells(requests: Sequence[Json]) -> Iterable[tuple[str, ...]]:
    """Yield the cells of each contender, one for each of `HEADS`: medians of the rounds."""
    floor = next(one for one in requests if one["letter"] == "c")
    for one in requests:
        pairs = zip(one["per_second"], floor["per_second"], strict=True)
        shares = [mine / theirs for mine, theirs in pairs]
        yield (
            f"({one['letter']}) {one['what']}",
            f"{statistics.median(shares):.2f}",
            _median(one["per_second"], 0),
            _median(one["cpu_ms"], 2),
            _median(one["alone_ms"], 2),
            f"{_median(one['busy_ms'], 0)} / {_median(one['busy_p99_ms'], 0)}",
            _median(one["download_ms"], 1),
            _median(one["upload_ms"], 0),
            f"{_median(one['first_ms'], 1)} / {_median(one['last_ms'], 0)}".strip(" /"),
            _recorded(one),
        )


def shown(requests: Sequence[Json], bodies: Sequence[Json]) -> Iterable[Table]:
    """Yield both tables; ratios that miss their target are red."""
    table = Table(*RATIO_HEADS, title="ratios, by round")
    for ratio in ratios(requests, bodies):
        style = {None: "", True: "green", False: "red"}[ratio.is_met]
        table.add_row(*ratio_cells(ratio), style=style)
    yield table
    table = Table(*HEADS)
    for row in cells(requests):
        table.add_row(*row)
    yield table


def _median(values: Sequence[float], digits: int) -> str:
    return f"{statistics.median(values):,.{digits}f}" if values else ""


def _recorded(one: Json) -> str:
    """Return how many of its requests a contender recorded."""
    if one["recorded"] is None:
        return ""
    if one["recorded"] == one["sent"]:
        return f"all {one['sent']:,}"
    return f"{one['recorded']:,} of {one['sent']:,}"

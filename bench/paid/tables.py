"""Tables of paid requests: ratios with targets, the contenders, and round trips."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence

from rich.table import Table

from bench.requests.ratios import Ratio, each, over, recorded
from bench.requests.tables import RATIO_HEADS, ratio_cells
from core.ports import Json

HEADS = (
    "contender",
    "responses/s",
    "CPU ms",
    "alone, p50 ms",
    "of it in the facilitator",
    "own time, ms",
    "busy, p50 / p99 ms",
    "recorded",
)
LATENCIES_MS = (50, 250)
"""Of a round trip to a database, a store or the facilitator, from near and from far."""

TRIP_HEADS = (
    "a paid request",
    "calls before the response, in order",
    "one after another",
    *(f"their time at {latency} ms each" for latency in LATENCIES_MS),
    "calls after the response",
    "rows read / written",
    "per million payments",
)


def ratios(paid: Sequence[Json]) -> Iterable[Ratio]:
    """Compare this dispatcher with the official middleware.

    Args:
        paid: `PaidFigures` as JSON.
    """
    by = {one["letter"]: one for one in paid}
    g, m, g0, m0 = (by[letter] for letter in ("g", "m", "g0", "m0"))
    places = [g["recorded"], g["ledger"], g["transferred"]]
    yield recorded("payments counted, in the ledger and on the chain / sent, (g)", g, places)
    yield over(g, m, "own time, without the facilitator, (g) / ({})", "own_ms", at_most=1.5)
    yield over(g, m, "CPU of a paid request, (g) / ({})", "cpu_ms", at_most=2.0)
    yield over(g, m, "responses/s on sixteen connections, (g) / ({})", "per_second", at_least=0.9)
    yield over(g, m, "one connection, p50, (g) / ({})", "alone_ms", at_most=1.15)
    yield over(g, m, "sixteen connections, p50, (g) / ({})", "busy_ms")
    yield over(g0, m0, "CPU of an unpaid request, (g0) / ({})", "cpu_ms")
    yield over(g0, m0, "responses/s without payment, (g0) / ({})", "per_second")
    yield each("own time, (g)", g["own_ms"], "ms")
    yield each("own time, (m)", m["own_ms"], "ms")


def cells(paid: Sequence[Json]) -> Iterable[tuple[str, ...]]:
    """Yield the cells of each contender, one for each of `HEADS`: medians of the rounds."""
    for one in paid:
        yield (
            f"({one['letter']}) {one['what']}",
            _median(one["per_second"], 0),
            _median(one["cpu_ms"], 2),
            _median(one["alone_ms"], 2),
            _median(one["facilitator_ms"], 2),
            _median(one["own_ms"], 2),
            f"{_median(one['busy_ms'], 0)} / {_median(one['busy_p99_ms'], 0)}",
            _recorded(one),
        )


def trip_cells(round_trips: Sequence[Json]) -> Iterable[tuple[str, ...]]:
    """Yield the cells of each contender's calls, one for each of `TRIP_HEADS`."""
    for one in round_trips:
        yield (
            f"({one['letter']}) {one['what']}",
            ", ".join(one["before"]),
            f"{one['sequential']}",
            *(f"{one['sequential'] * latency:,} ms" for latency in LATENCIES_MS),
            ", ".join(f"{count} {name}" for name, count in Counter(one["after"]).items()),
            f"{one['rows_read']} / {one['rows_written']}",
            f"${one['dollars']:.2f}",
        )


def shown(paid: Sequence[Json], round_trips: Sequence[Json]) -> Iterable[Table]:
    """Yield all tables; ratios that miss their target are red."""
    table = Table(*RATIO_HEADS, title="paid requests, ratios by round")
    for ratio in ratios(paid):
        style = {None: "", True: "green", False: "red"}[ratio.is_met]
        table.add_row(*ratio_cells(ratio), style=style)
    yield table
    for heads, rows in ((HEADS, cells(paid)), (TRIP_HEADS, trip_cells(round_trips))):
        table = Table(*heads)
        for row in rows:
            table.add_row(*row)
        yield table


def _median(values: Sequence[float], digits: int) -> str:
    return f"{statistics.median(values):,.{digits}f}" if values else ""


def _recorded(one: Json) -> str:
    """Return how many of its requests are recorded, and where."""
    names = {"recorded": "", "ledger": " in the ledger", "transferred": " on the chain"}
    places = {label: one[name] for name, label in names.items() if one[name] is not None}
    if set(places.values()) == {one["sent"]}:
        return f"all {one['sent']:,}"
    found = ", ".join(f"{count:,}{place}" for place, count in places.items())
    return f"{found} of {one['sent']:,}" if found else ""

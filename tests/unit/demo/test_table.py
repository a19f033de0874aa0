"""The table of a snapshot in the terminal."""

import io

from rich.console import Console

from dev.demo.analytics import ApiRow, Snapshot
from dev.demo.table import render

WIDEST: ApiRow = {
    "rank": 12,
    "endpoint": "/t/airports",
    "owner": "@meridian-data",
    "directory": "Developer tools",
    "priceUsd": 0.0001,
    "calls": 12_345,
    "uniqueCallers": 1_234,
    "latencyMs": 1_234.5,
    "p95LatencyMs": 10_000.0,
    "errorRatePct": 100.0,
    "trendingScore": 234.56,
}
SNAPSHOT: Snapshot = {
    "window": "today",
    "range": {"startAt": "2026-11-22T00:00:00.000Z", "endAt": "2026-11-22T12:00:00.000Z"},
    "heroStats": {
        "activeAgents": 1_234,
        "publishedApis": 12,
        "directories": 6,
        "calls": 1_234_567,
        "revenueUsd": 12_345.67,
    },
    "topApis": [WIDEST],
}


def test_every_value_fits_in_eighty_columns() -> None:
    output = io.StringIO()
    Console(file=output, width=80).print(render(SNAPSHOT))
    shown = output.getvalue()
    assert "…" not in shown
    for value in (
        "1,234,567",
        "$12,345.67",
        "/t/airports",
        "@meridian-data",
        "Developer",
        "$0.0001",
        "12,345",
        "10,000",
        "100.0%",
        "234.56",
    ):
        assert value in shown

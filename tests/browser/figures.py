"""Fake responses of `/api/explore/analytics` for states that are hard to produce.

They have the form of the real route's response, which `test_page_live.py` uses, and constant
values, so that screenshots can be compared.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime(2026, 11, 22, 14, 25, tzinfo=UTC)
"""The time of these responses and of the page's clock."""

CATEGORIES = (
    "Finance",
    "Data",
    "Media",
    "Developer tools",
    "Weather",
    "Language",
    "Maps",
    "Search",
)
OWNERS = ("northbank", "meridian-data", "vaultworks", "toolsmith", "quiet-river")
NAMES = (
    "exchange",
    "airports",
    "thumbnails",
    "checksum",
    "rain-radar",
    "translate",
    "geocode",
    "papers",
    "ledger-proof",
    "postal-codes",
    "transcribe",
    "json-diff",
    "tides",
    "summaries",
    "elevation",
    "patents",
)
HOUR = timedelta(hours=1)

Response = dict[str, Any]


def response(window: str = "today", *, apis: int = 40, seed: int = 1, **changes: Any) -> Response:
    """Return a response with `apis` rows; `changes` replace fields of its snapshot."""
    chance = random.Random(f"{seed} {window}")
    rows = [_row(number, window, chance) for number in range(apis)]
    totals = _totals(rows)
    series = _series(window, totals)
    start = {"today": _shown(NOW.replace(hour=0, minute=0)), "week": "2026-11-16T00:00:00Z"}
    snapshot = {
        "window": window,
        "generatedAt": _shown(NOW),
        "range": {"startAt": start.get(window), "endAt": _shown(NOW)},
        "heroStats": totals,
        "previous": None if window == "overall" or not apis else _previous(totals),
        "topApis": rows[:25],
        "allApis": rows,
        "directories": _directories(rows),
        "series": series,
        "freshness": {
            "asOf": _shown(NOW - timedelta(minutes=1)),
            "complete": True,
            "lagSeconds": 60,
        },
    }
    return {"ok": True, "window": window, "source": "local", "snapshot": snapshot | changes}


def failure(error: str = "upstream_unreachable", window: str = "today") -> Response:
    """Return the route's response if the source of the analytics fails."""
    empty = response(window, apis=0)["snapshot"]
    return {"ok": False, "error": error, "window": window, "source": "local", "snapshot": empty}


def row(endpoint: str = "/t/weather", rank: int = 1, **changes: Any) -> dict[str, Any]:
    """Return one row; `changes` replace its fields."""
    made = _row(0, "today", random.Random(0))
    return {**made, "id": f"ten:{endpoint}", "endpoint": endpoint, "rank": rank, **changes}


def _row(number: int, window: str, chance: random.Random) -> dict[str, Any]:
    scale = {"today": 1, "week": 6, "overall": 60}[window]
    calls = max(1, int(48_000 * scale / (number + 1) ** 1.25))
    price = 0.0 if number % 4 == 3 else (0.01, 0.002, 0.0005)[number % 3]
    errors = round(chance.choice((0, 0, 0.02, 0.3, 1.4, 7.5)), 4)
    base, turn = NAMES[number % len(NAMES)], number // len(NAMES)
    slug = f"{base}-{turn + 1}" if turn else base
    micros = int(calls * price * 1_000_000 * 0.93)
    latency = round(chance.uniform(3, 420), 2)
    length = {"today": NOW.hour + 1, "week": 7, "overall": 30}[window]
    trend = [
        int(calls / length * (1 + 0.6 * math.sin(number + point / 2)) * chance.uniform(0.7, 1.3))
        for point in range(length)
    ]
    return {
        "id": f"ten_{slug}:{slug}",
        "rank": number + 1,
        "endpoint": f"/t/{slug}",
        "owner": f"@{OWNERS[number % len(OWNERS)]}",
        "tenantId": f"ten_{slug}",
        "directory": CATEGORIES[number % len(CATEGORIES)],
        "priceUsd": price,
        "calls": calls,
        "revenueUsd": round(micros / 1_000_000, 2),
        "revenueMicros": micros,
        "uniqueCallers": max(1, calls // 60),
        "latencyMs": latency,
        "p95LatencyMs": round(latency * 2.6, 2),
        "errorRatePct": errors,
        "uptimePct": round(100 - errors, 4),
        "topCallerShare": round(chance.uniform(0.05, 0.5), 4),
        "maxHourShare": round(chance.uniform(0.08, 0.3), 4),
        "diversityRatio": round(max(1, calls // 60) / calls, 4),
        "trendingScore": round(320 - 4.5 * number, 2),
        "trend": trend,
    }


def _totals(rows: list[dict[str, Any]]) -> dict[str, Any]:
    micros = sum(row["revenueMicros"] for row in rows)
    return {
        "activeAgents": sum(row["uniqueCallers"] for row in rows) * 2 // 3,
        "publishedApis": len(rows),
        "directories": len({row["directory"] for row in rows}),
        "calls": sum(row["calls"] for row in rows),
        "revenueUsd": round(micros / 1_000_000, 2),
        "revenueMicros": micros,
    }


def _previous(totals: Mapping[str, Any]) -> dict[str, Any]:
    before = {name: int(value * 0.88) for name, value in totals.items()}
    before["activeAgents"] = int(totals["activeAgents"] * 1.04)
    before["directories"] = totals["directories"]
    return {"range": {"startAt": None, "endAt": None}, "heroStats": before}


def _series(window: str, totals: Mapping[str, Any]) -> list[dict[str, Any]]:
    length = {"today": NOW.hour + 1, "week": 7, "overall": 60}[window]
    step = HOUR if window == "today" else 24 * HOUR
    last = NOW.replace(minute=0) if window == "today" else NOW.replace(hour=0, minute=0)
    weights = [1.3 + math.sin(point / 3.1) + point / length for point in range(length)]
    points = []
    for point, weight in enumerate(weights):
        part = weight / sum(weights)
        calls, micros = int(totals["calls"] * part), int(totals["revenueMicros"] * part)
        points.append(
            {
                "startAt": _shown(last - (length - 1 - point) * step),
                "calls": calls,
                "revenueUsd": round(micros / 1_000_000, 2),
                "revenueMicros": micros,
                "errors": calls // 90 if point % 5 == 2 else calls // 900,
            }
        )
    return points


def _directories(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        name = row["directory"]
        totals = found.setdefault(
            name,
            {
                "directory": name,
                "calls": 0,
                "revenueUsd": 0,
                "revenueMicros": 0,
                "apis": 0,
                "uniqueCallers": 0,
            },
        )
        totals["apis"] += 1
        for field in ("calls", "revenueMicros", "uniqueCallers"):
            totals[field] += row[field]
    for totals in found.values():
        totals["revenueUsd"] = round(totals["revenueMicros"] / 1_000_000, 2)
    return sorted(found.values(), key=lambda totals: -totals["calls"])


def _shown(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")

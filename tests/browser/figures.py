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
MIDNIGHT = NOW.replace(hour=0, minute=0)
_SCALE = {"today": 1, "24h": 1.6, "week": 6, "7d": 6.5, "30d": 24, "90d": 50, "overall": 60}
_DAYS = {"week": 7, "7d": 7, "30d": 30, "90d": 90, "overall": 60}

DESCRIPTIONS = (
    "Converts between 31 currencies at the rates of the European Central Bank.",
    "Airports and airfields of the whole world, with codes, positions and runways.",
    "Renders the preview of a page, a document or a film in the size that is asked for.",
    "Checksums of uploads of any size, streamed.",
    "Radar of rain for the next two hours, minute by minute.",
    "Translates text between 40 languages; keeps the markup.",
)

Response = dict[str, Any]


def response(window: str = "today", *, apis: int = 40, seed: int = 1, **changes: Any) -> Response:
    """Return a response with `apis` rows; `changes` replace fields of its snapshot."""
    chance = random.Random(f"{seed} {window}")
    rows = [_row(number, window, chance) for number in range(apis)]
    totals = _totals(rows)
    series = _series(window, totals)
    days = {"today": 0, "week": 6, "7d": 6, "30d": 29, "90d": 89}
    start = {name: _shown(MIDNIGHT - timedelta(days=back)) for name, back in days.items()}
    directories = _directories(rows)
    snapshot = {
        "window": window,
        "generatedAt": _shown(NOW),
        "range": {"startAt": start.get(window), "endAt": _shown(NOW)},
        "heroStats": totals,
        "previous": None if window == "overall" or not apis else _previous(totals),
        "apis": {
            "total": apis,
            "matching": apis,
            "shown": apis,
            "offset": 0,
            "next": None,
        },
        "catalog": {
            "live": apis,
            "categories": [
                {"directory": one["directory"], "apis": one["apis"]} for one in directories
            ],
        },
        "topApis": rows[:1],
        "allApis": rows,
        "directories": directories,
        "series": series,
        "demoHistory": None,
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


def usage(range_name: str = "7d", *, seed: int = 1, paid: bool = True) -> Response:
    """Return the use of one API in a range."""
    chance = random.Random(f"{seed} {range_name}")
    is_hourly = range_name in ("24h", "7d")
    length = {"24h": 24, "7d": 168, "30d": 30, "90d": 90}[range_name]
    step = HOUR if is_hourly else 24 * HOUR
    last = NOW.replace(minute=0) if is_hourly else MIDNIGHT
    days = [
        _used(MIDNIGHT - timedelta(days=89 - day), 1_000, chance, paid=paid) for day in range(90)
    ]
    series = [
        _used(last - (length - 1 - point) * step, 60 if is_hourly else 1_000, chance, paid=paid)
        for point in range(length)
    ]
    totals = _sums(series)
    before = {**totals, "calls": int(totals["calls"] * 0.8), "errorRatePct": 1.1}
    return {
        "ok": True,
        "api": "exchange",
        "range": {"name": range_name, "startAt": series[0]["startAt"], "endAt": _shown(NOW)},
        "interval": "hour" if is_hourly else "day",
        "source": "self",
        "totals": totals,
        "previous": before,
        "series": series,
        "days": days,
        "callers": {"paying": 214 if paid else 0, "others": 187},
        "payments": [_payment(number) for number in range(8 if paid else 0)],
        "freshness": {"asOf": _shown(NOW), "complete": True, "lagSeconds": 1},
    }


def _used(at: datetime, size: int, chance: random.Random, *, paid: bool) -> dict[str, Any]:
    wave = 1.4 + math.sin(at.timestamp() / 43_000 * math.pi)
    calls = int(size * wave * chance.uniform(0.7, 1.3))
    errors = int(calls * chance.choice((0, 0, 0, 0.001, 0.004, 0.03)))
    micros = calls * 10_000 if paid else 0
    return {
        "startAt": _shown(at),
        "calls": calls,
        "errors": errors,
        "revenueUsd": round(micros / 1_000_000, 2),
        "revenueMicros": micros,
        "latencyMs": round(chance.uniform(90, 150), 2),
    }


def _sums(points: list[dict[str, Any]]) -> dict[str, Any]:
    calls = sum(point["calls"] for point in points)
    errors = sum(point["errors"] for point in points)
    micros = sum(point["revenueMicros"] for point in points)
    return {
        "calls": calls,
        "errors": errors,
        "errorRatePct": round(100 * errors / max(1, calls), 4),
        "revenueUsd": round(micros / 1_000_000, 2),
        "revenueMicros": micros,
        "latencyMs": 118.4,
    }


def _payment(number: int) -> dict[str, Any]:
    transaction = "0x" + random.Random(number).randbytes(32).hex()
    return {
        "settledAt": _shown(NOW - number * timedelta(minutes=7)),
        "amountUsd": 0.01,
        "amountMicros": 10_000,
        "network": "base-sepolia",
        "transaction": transaction,
        "transactionUrl": f"https://sepolia.basescan.org/tx/{transaction}",
    }


def row(endpoint: str = "/t/weather", rank: int | None = 1, **changes: Any) -> dict[str, Any]:
    """Return one row; `changes` replace its fields."""
    made = _row(0, "today", random.Random(0))
    return {**made, "id": f"ten:{endpoint}", "endpoint": endpoint, "rank": rank, **changes}


def _row(number: int, window: str, chance: random.Random) -> dict[str, Any]:
    scale = _SCALE.get(window, 1)
    calls = max(1, int(48_000 * scale / (number + 1) ** 1.25))
    price = 0.0 if number % 4 == 3 else (0.01, 0.002, 0.0005)[number % 3]
    errors = round(chance.choice((0, 0, 0.02, 0.3, 1.4, 7.5)), 4)
    base, turn = NAMES[number % len(NAMES)], number // len(NAMES)
    slug = f"{base}-{turn + 1}" if turn else base
    micros = int(calls * price * 1_000_000 * 0.93)
    latency = round(chance.uniform(3, 420), 2)
    length = min(30, _DAYS.get(window, NOW.hour + 1))
    trend = [
        int(calls / length * (1 + 0.6 * math.sin(number + point / 2)) * chance.uniform(0.7, 1.3))
        for point in range(length)
    ]
    return {
        "id": f"ten_{slug}:{slug}",
        "rank": number + 1,
        "endpoint": f"/t/{slug}",
        "owner": f"@{OWNERS[number % len(OWNERS)]}",
        "title": base.replace("-", " ").capitalize() + (f" {turn + 1}" if turn else ""),
        "description": DESCRIPTIONS[number % len(DESCRIPTIONS)],
        "tags": [],
        "methods": ["GET"],
        "listedPriceUsd": price,
        "listedPriceMicros": round(price * 1_000_000),
        "highestPriceMicros": round(price * 1_000_000),
        "charges": price > 0,
        "withdrawn": False,
        "url": f"http://localhost:8787/t/{slug}/",
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
    before: dict[str, Any] = {name: int(value * 0.88) for name, value in totals.items()}
    before["activeAgents"] = int(totals["activeAgents"] * 1.04)
    before |= {"publishedApis": None, "directories": None}
    return {"range": {"startAt": None, "endAt": None}, "heroStats": before}


def _series(window: str, totals: Mapping[str, Any]) -> list[dict[str, Any]]:
    length = _DAYS.get(window, 24 if window == "24h" else NOW.hour + 1)
    step = 24 * HOUR if window in _DAYS else HOUR
    last = MIDNIGHT if window in _DAYS else NOW.replace(minute=0)
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

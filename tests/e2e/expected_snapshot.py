"""Computes expected snapshots from the requests that were sent, with a plain count."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

HOUR_MS = 3_600_000
DAY_MS = 86_400_000

ERRORS = (408, 429)


_UNPAID_CALLERS_MAX = 4
"""Callers that count in the score: the requests of these tests come from one network."""


@dataclass(frozen=True, slots=True)
class Api:
    """An API as the directory describes it."""

    slug: str
    tenant_id: str
    owner: str
    directory: str
    price_usd: float
    has_script: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was not refused; `at_ms` is when its response was ready."""

    api: Api
    at_ms: int
    status: int
    latency_ms: int
    caller: str


def in_window(calls: Iterable[Call], window: str, now_ms: int) -> list[Call]:
    """Return the calls in a window, as the contract defines it."""
    today = now_ms // DAY_MS
    first = {"today": today, "week": today - 6, "overall": 0}[window]
    last = math.inf if window == "overall" else today
    return [call for call in calls if first <= call.at_ms // DAY_MS <= last]


def hero_stats(calls: Sequence[Call]) -> Mapping[str, float]:
    """Return the totals."""
    return {
        "activeAgents": len({call.caller for call in calls}),
        "publishedApis": len({call.api for call in calls}),
        "directories": len({call.api.directory for call in calls}),
        "calls": len(calls),
        "revenueUsd": 0.0,
        "revenueMicros": 0,
    }


def directories(calls: Sequence[Call]) -> list[Mapping[str, Any]]:
    """Return the categories, busiest first."""
    rows = []
    for name in {call.api.directory for call in calls}:
        own = [call for call in calls if call.api.directory == name]
        rows.append(
            {
                "directory": name,
                "calls": len(own),
                "revenueUsd": 0.0,
                "revenueMicros": 0,
                "apis": len({call.api for call in own}),
                "uniqueCallers": len({call.caller for call in own}),
            }
        )
    return sorted(rows, key=lambda row: (-row["calls"], row["directory"]))


def series(calls: Sequence[Call], window: str, now_ms: int) -> list[Mapping[str, Any]]:
    """Return the hours of today, or the days of a window, without gaps up to now."""
    step_ms = HOUR_MS if window == "today" else DAY_MS
    today = now_ms // DAY_MS
    first_day = {
        "today": today,
        "week": today - 6,
        "overall": min((call.at_ms // DAY_MS for call in calls), default=today),
    }[window]
    counted = Counter(call.at_ms // step_ms for call in calls)
    failed = Counter(call.at_ms // step_ms for call in calls if is_error(call))
    return [
        {
            "startAt": f"{datetime.fromtimestamp(period * step_ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}"
            ".000Z",
            "calls": counted[period],
            "revenueUsd": 0.0,
            "revenueMicros": 0,
            "errors": failed[period],
        }
        for period in range(first_day * DAY_MS // step_ms, now_ms // step_ms + 1)
    ]


def is_error(call: Call) -> bool:
    """Tell whether a call counts as an error."""
    return call.status >= 500 or call.status in ERRORS or not call.api.has_script


def trend(calls: Sequence[Call], window: str, now_ms: int) -> list[int]:
    """Return the calls of each hour of today, or of each of the last 7 or 30 days."""
    step_ms = HOUR_MS if window == "today" else DAY_MS
    last = now_ms // step_ms
    length = {"today": last % 24 + 1, "week": 7, "overall": 30}[window]
    counted = Counter(call.at_ms // step_ms for call in calls)
    return [counted[period] for period in range(last - length + 1, last + 1)]


def check_apis(
    shown: Sequence[Mapping[str, Any]], calls: Sequence[Call], window: str, now_ms: int
) -> None:
    """Check all rows and their order."""
    by_api: dict[str, list[Call]] = {}
    for call in calls:
        by_api.setdefault(f"{call.api.tenant_id}:{call.api.slug}", []).append(call)
    assert {row["id"]: row["calls"] for row in shown} == {
        name: len(own) for name, own in by_api.items()
    }
    for row in shown:
        _check_row(row, by_api[row["id"]])
        assert row["trend"] == trend(by_api[row["id"]], window, now_ms)
    assert [row["rank"] for row in shown] == list(range(1, len(shown) + 1))
    order = [
        (-row["trendingScore"], -row["calls"], -row["revenueUsd"], row["errorRatePct"])
        for row in shown
    ]
    assert order == sorted(order)


def _check_row(row: Mapping[str, Any], calls: Sequence[Call]) -> None:
    api, count = calls[0].api, len(calls)
    callers = Counter(call.caller for call in calls)
    hours = Counter(call.at_ms // HOUR_MS for call in calls)
    latencies = sorted(call.latency_ms for call in calls if call.latency_ms)
    p95 = latencies[math.ceil(0.95 * len(latencies)) - 1]
    error_rate = 100 * sum(map(is_error, calls)) / count
    exact = {
        "endpoint": f"/t/{api.slug}",
        "owner": api.owner,
        "tenantId": api.tenant_id,
        "directory": api.directory,
        "priceUsd": api.price_usd,
        "calls": count,
        "revenueUsd": 0.0,
        "revenueMicros": 0,
        "uniqueCallers": len(callers),
        "payingCallers": 0,
        "latencyMs": round(sum(latencies) / len(latencies), 2),
        "errorRatePct": round(error_rate, 4),
        "uptimePct": round(100 - error_rate, 4),
        "topCallerShare": round(max(callers.values()) / count, 4),
        "maxHourShare": round(max(hours.values()) / count, 4),
        "diversityRatio": round(len(callers) / count, 4),
    }
    assert {name: row[name] for name in exact} == exact
    assert abs(row["p95LatencyMs"] - p95) <= 0.01 * p95 + 0.005, (row["p95LatencyMs"], p95)
    counted = min(len(callers), _UNPAID_CALLERS_MAX)
    # At least one call each of the callers that do not count.
    calls_of_counted = count - (len(callers) - counted)
    score = (
        40 * math.log10(count + 1)
        + 20 * math.log10(counted + 1)
        + max(0.0, 10 - 0.7 * error_rate)
        - _clamp(120 * (0.18 - counted / count), 20)
        - _clamp(80 * (max(callers.values()) / calls_of_counted - 0.45), 25)
        - _clamp(70 * (max(hours.values()) / count - 0.4), 20)
        - _clamp((row["p95LatencyMs"] - 800) / 75, 15)
    )
    assert abs(row["trendingScore"] - score) <= 0.0051, (row["trendingScore"], score)


def _clamp(value: float, largest: float) -> float:
    return min(max(value, 0.0), largest)

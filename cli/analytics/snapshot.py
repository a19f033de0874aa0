"""Parses a snapshot of `/__platform/analytics` (fields: docs/reference/api.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli.analytics.formatting import MICROS, plain_text, read_time
from cli.errors import SAME_VERSION, CommandError


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of all APIs.

    Args:
        calls: Calls.
        callers: Distinct callers.
        apis: APIs that were called.
        categories: Categories that were called.
        revenue_micros: Settled revenue, in micro-dollars.
    """

    calls: int
    callers: int
    apis: int
    categories: int
    revenue_micros: int


@dataclass(frozen=True, slots=True)
class Before:
    """The totals of an earlier time, as far as they are known.

    Args:
        calls: Calls.
        revenue_micros: Settled revenue, in micro-dollars.
    """

    calls: int
    revenue_micros: int


@dataclass(frozen=True, slots=True)
class Api:
    """One ranked API.

    Args:
        rank: From 1.
        endpoint: `/t/SLUG`.
        owner: Starts with `@`.
        category: The field `directory`.
        price_micros: The mean listed price of a call, in micro-dollars.
        calls: Calls.
        callers: Distinct callers.
        revenue_micros: Settled revenue, in micro-dollars.
        latency_ms: The mean latency.
        p95_latency_ms: The nearest-rank 95th percentile.
        error_percent: The share of calls with errors, 0 to 100.
        score: The trending score.
        trend: Calls by hour or day, oldest first.
    """

    rank: int
    endpoint: str
    owner: str
    category: str
    price_micros: int
    calls: int
    callers: int
    revenue_micros: int
    latency_ms: float
    p95_latency_ms: float
    error_percent: float
    score: float
    trend: Sequence[int]


@dataclass(frozen=True, slots=True)
class Freshness:
    """How current and complete a snapshot is.

    Args:
        as_of: Everything before this time is counted.
        is_complete: Whether nothing is missing.
        missing: What is missing, in words.
    """

    as_of: datetime
    is_complete: bool
    missing: Sequence[str]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The error bounds of approximate values.

    Args:
        callers_exact_up_to: The number up to which distinct callers are exact.
        callers_error: The maximum relative error of distinct callers above that number.
        p95_error: The maximum relative error of the 95th percentile.
    """

    callers_exact_up_to: int
    callers_error: float
    p95_error: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot of one window.

    Args:
        window: The window's name.
        start_at: When the window starts; `None` for `overall`.
        generated_at: When the snapshot was generated.
        totals: The totals of all APIs.
        before: The totals of the previous day or week; `None` if there are none.
        apis: The first APIs by rank.
        api_count: The number of all APIs.
        series: Calls of all APIs by hour or day, oldest first.
        freshness: How current and complete it is.
        accuracy: The error bounds of approximate values.
    """

    window: str
    start_at: datetime | None
    generated_at: datetime
    totals: Totals
    before: Before | None
    apis: Sequence[Api]
    api_count: int
    series: Sequence[int]
    freshness: Freshness
    accuracy: Accuracy


def read_snapshot(document: Mapping[str, Any]) -> Snapshot:
    """Parse a response of `/__platform/analytics` for one window.

    Raises:
        CommandError: It does not have the fields of docs/reference/api.md.
    """
    try:
        return _snapshot(document["snapshot"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CommandError(
            f"The dispatcher's snapshot cannot be read ({type(error).__name__}: {error}).",
            SAME_VERSION,
        ) from error


def _snapshot(snapshot: Mapping[str, Any]) -> Snapshot:
    start_at, previous = snapshot["range"]["startAt"], snapshot["previous"]
    accuracy = snapshot["accuracy"]
    return Snapshot(
        window=plain_text(snapshot["window"]),
        start_at=None if start_at is None else read_time(start_at),
        generated_at=read_time(snapshot["generatedAt"]),
        totals=_totals(snapshot["heroStats"]),
        before=None if previous is None else _before(previous["heroStats"]),
        apis=[_api(api) for api in snapshot["topApis"]],
        api_count=int(snapshot["apis"]["total"]),
        series=[int(entry["calls"]) for entry in snapshot["series"]],
        freshness=_freshness(snapshot["freshness"]),
        accuracy=Accuracy(
            int(accuracy["uniqueCallersExactUpTo"]),
            float(accuracy["uniqueCallersRelativeErrorMax"]),
            float(accuracy["p95RelativeErrorMax"]),
        ),
    )


def _totals(stats: Mapping[str, Any]) -> Totals:
    return Totals(
        calls=int(stats["calls"]),
        callers=int(stats["activeAgents"]),
        apis=int(stats["publishedApis"]),
        categories=int(stats["directories"]),
        revenue_micros=int(stats["revenueMicros"]),
    )


def _before(stats: Mapping[str, Any]) -> Before:
    return Before(calls=int(stats["calls"]), revenue_micros=int(stats["revenueMicros"]))


def _api(api: Mapping[str, Any]) -> Api:
    return Api(
        rank=int(api["rank"]),
        endpoint=plain_text(api["endpoint"]),
        owner=plain_text(api["owner"]),
        category=plain_text(api["directory"]),
        price_micros=round(float(api["priceUsd"]) * MICROS),
        calls=int(api["calls"]),
        callers=int(api["uniqueCallers"]),
        revenue_micros=int(api["revenueMicros"]),
        latency_ms=float(api["latencyMs"]),
        p95_latency_ms=float(api["p95LatencyMs"]),
        error_percent=float(api["errorRatePct"]),
        score=float(api["trendingScore"]),
        trend=[int(calls) for calls in api["trend"]],
    )


def _freshness(freshness: Mapping[str, Any]) -> Freshness:
    counted = {
        "events were dropped": int(freshness["droppedEvents"]),
        "shards did not respond": len(freshness["unavailableShards"]),
        "stored totals are damaged": len(freshness["damagedTotals"]),
    }
    missing = [f"{count:,} {what}" for what, count in counted.items() if count]
    return Freshness(
        as_of=read_time(freshness["asOf"]),
        is_complete=bool(freshness["complete"]),
        missing=missing,
    )

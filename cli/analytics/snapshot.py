"""A snapshot as the dispatcher gives it, read and checked: docs/reference/api.md has its fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli.analytics.formatting import MICROS, plain_text, read_time
from cli.errors import CommandError


@dataclass(frozen=True, slots=True)
class Totals:
    """The figures above everything else.

    Args:
        calls: Calls.
        callers: Distinct callers.
        apis: APIs that were called.
        categories: Categories that were called.
        revenue_micros: What was settled, in micro-dollars.
    """

    calls: int
    callers: int
    apis: int
    categories: int
    revenue_micros: int


@dataclass(frozen=True, slots=True)
class Api:
    """One ranked API.

    Args:
        rank: From 1.
        endpoint: `/t/SLUG`.
        owner: Starts with `@`.
        category: The field `directory`.
        price_micros: Mean listed price of a call, in micro-dollars.
        calls: Calls.
        callers: Distinct callers.
        revenue_micros: What was settled, in micro-dollars.
        latency_ms: Mean.
        p95_latency_ms: Nearest rank.
        error_percent: Errors of calls, 0 to 100.
        score: The trending score.
        trend: Calls by hour or day, the oldest first.
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
    """Up to when a snapshot is whole.

    Args:
        as_of: Everything before is counted.
        is_complete: Whether nothing was left out.
        left_out: What was left out, in words.
        reconciled_through: Up to when revenue is reconciled; `None` where there is no ledger.
    """

    as_of: datetime
    is_complete: bool
    left_out: Sequence[str]
    reconciled_through: datetime | None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The bounds of what is not exact.

    Args:
        callers_exact_up_to: Distinct callers are exact up to this.
        callers_error: Relative error above.
        p95_error: Relative error of the 95th percentile.
    """

    callers_exact_up_to: int
    callers_error: float
    p95_error: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All figures of one window at one moment.

    Args:
        window: Its name.
        start_at: When it begins; `None` for `overall`.
        made_at: When the figures were put together.
        totals: Of all APIs.
        before: What they were a day or a week ago; `None` while nobody knows.
        apis: The first by rank.
        api_count: How many there are in all.
        series: Calls of all APIs by hour or day, the oldest first.
        freshness: Up to when it is whole.
        accuracy: The bounds of what is not exact.
    """

    window: str
    start_at: datetime | None
    made_at: datetime
    totals: Totals
    before: Totals | None
    apis: Sequence[Api]
    api_count: int
    series: Sequence[int]
    freshness: Freshness
    accuracy: Accuracy


def read_snapshot(document: Mapping[str, Any]) -> Snapshot:
    """Read an answer of `/__platform/analytics` for one window.

    Raises:
        CommandError: It is not as docs/reference/api.md has it.
    """
    try:
        return _snapshot(document["snapshot"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CommandError(
            f"The dispatcher's snapshot cannot be read ({type(error).__name__}: {error}).",
            "Use the command of the same version as the dispatcher.",
        ) from error


def _snapshot(snapshot: Mapping[str, Any]) -> Snapshot:
    start_at, previous = snapshot["range"]["startAt"], snapshot["previous"]
    accuracy = snapshot["accuracy"]
    return Snapshot(
        window=plain_text(snapshot["window"]),
        start_at=None if start_at is None else read_time(start_at),
        made_at=read_time(snapshot["generatedAt"]),
        totals=_totals(snapshot["heroStats"]),
        before=None if previous is None else _totals(previous["heroStats"]),
        apis=[_api(api) for api in snapshot["topApis"]],
        api_count=len(snapshot["allApis"]),
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
        "batches could not be read": int(freshness["missingBatches"]),
        "batches were set aside": int(freshness["unreadableBatches"]),
    }
    left_out = [f"{count:,} {what}" for what, count in counted.items() if count]
    if freshness["behind"]:
        left_out.append("older minutes have no summaries yet")
    through = freshness["reconciledThrough"]
    return Freshness(
        as_of=read_time(freshness["asOf"]),
        is_complete=bool(freshness["complete"]),
        left_out=left_out,
        reconciled_through=None if through is None else read_time(through),
    )

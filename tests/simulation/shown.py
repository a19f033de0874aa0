"""Compares what one snapshot shows with what really happened."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from core.calendar import DAY_MS, HOUR_MS, HOURS_PER_DAY
from metering.events import UsageEvent
from tests.simulation.invariants import Shown, require
from tests.simulation.truth import Count, Sums, count_of, shown_id
from tests.simulation.world import api_of


def days_of(shown: Shown) -> Sequence[int] | None:
    """Return the UTC days of a window, as the contract defines them."""
    today = int(ms_of(shown["generatedAt"])) // DAY_MS
    return {"today": [today], "week": range(today - 6, today + 1), "overall": None}[shown["window"]]


def ms_of(text: str) -> float:
    """Return a time that is shown, in milliseconds."""
    return datetime.fromisoformat(text).timestamp() * 1000


def sums_in(row: Shown) -> Sums:
    """Return the sums of a row that can only grow."""
    errors = round(row["errorRatePct"] * row["calls"] / 100)
    return Sums(row["calls"], errors, row["revenueMicros"])


def check_row(truth: Count, row: Shown) -> None:
    """Check that a row has only data of its own API."""
    api = api_of(int(row["endpoint"].rpartition("-")[2]))
    expected = (shown_id(api), api.tenant_id, api.owner, api.directory, api.price_micros / 1e6)
    found = tuple(row[name] for name in ("id", "tenantId", "owner", "directory", "priceUsd"))
    require(found == expected, f"tenants are mixed: {found}, expected {expected}")
    callers = truth.callers[row["id"]]
    require(row["uniqueCallers"] <= len(callers), f"{row['id']} has callers of another API")
    busiest = row["topCallerShare"] * row["calls"]
    require(
        busiest <= max(callers.values(), default=0) + 0.5,
        f"{row['id']}: its busiest caller is inflated",
    )


def check_totals(truth: Count, shown: Shown, rows: Mapping[str, Shown]) -> None:
    total = Sums()
    for row in rows.values():
        total = total.plus(sums_in(row))
    hero = shown["heroStats"]
    called = sum(row["calls"] > 0 for row in rows.values())
    require((hero["calls"], hero["publishedApis"]) == (total.calls, called), "the totals differ")
    require(hero["revenueMicros"] == total.revenue_micros, "the total revenue differs")
    require(
        sum(one["calls"] for one in shown["directories"]) == total.calls, "the directories differ"
    )
    hours = 1 if shown["window"] == "today" else HOURS_PER_DAY
    bounds = truth.by_period(hours)
    for point in shown["series"]:
        sums = Sums(point["calls"], point["errors"], point["revenueMicros"])
        bound = bounds.get(int(ms_of(point["startAt"])) // (hours * HOUR_MS), Sums())
        require(sums.within(bound), f"the series is inflated at {point['startAt']}")
    charted = sum(point["calls"] for point in shown["series"])
    require(charted == total.calls, f"the series has {charted} calls of {total.calls}")


def check_presence(
    events: Sequence[UsageEvent], days: Sequence[int] | None, rows: Mapping[str, Shown]
) -> None:
    for name, sums in count_of(events).by_api(days).items():
        if sums.calls:
            found = sums_in(rows[name]) if name in rows else Sums()
            require(sums.within(found), f"{name} has {found}; {sums} was acknowledged before")


def check_exact(
    shown: Shown,
    known: Iterable[UsageEvent],
    days: Sequence[int] | None,
    shard_of: Mapping[str, int],
) -> None:
    """Check that a snapshot equals the count of events, field by field."""
    window = shown["window"]
    counts = count_of(known)
    truth = {name: sums for name, sums in counts.by_api(days).items() if any(sums)}
    rows = {row["id"]: row for row in shown["allApis"]}
    require(rows.keys() == truth.keys(), f"shown are {sorted(rows)}, stored {sorted(truth)}")
    inside = [
        event
        for event in counts.events.values()
        if event.api and event.counted and (days is None or event.at_ms // DAY_MS in days)
    ]
    callers = {event.caller for event in inside}
    require(shown["heroStats"]["activeAgents"] == len(callers), f"there are {len(callers)} callers")
    for one in shown["directories"]:
        own = {e.caller for e in inside if e.api and e.api.directory == one["directory"]}
        require(one["uniqueCallers"] == len(own), f"{one['directory']} has {len(own)} callers")
    periods = Counter(event.at_ms // (HOUR_MS if window == "today" else DAY_MS) for event in inside)
    charted = {ms_of(one["startAt"]): one["calls"] for one in shown["series"] if one["calls"]}
    width_ms = HOUR_MS if window == "today" else DAY_MS
    expected = {period * width_ms: count for period, count in periods.items()}
    require(charted == expected, f"the series of {window} is {charted}, not {expected}")
    for name, row in rows.items():
        events = [event for event in inside if event.api and shown_id(event.api) == name]
        require(
            sums_in(row) == truth[name],
            f"{name} in {window}: {sums_in(row)} shown, {truth[name]} stored",
        )
        if not events:
            continue
        by_caller = Counter(event.caller for event in events)
        require(row["uniqueCallers"] == len(by_caller), f"{name} has {len(by_caller)} callers")
        hours = Counter(event.at_ms // HOUR_MS for event in events)
        # If an API moves to another shard within an hour, their bases cannot add up that hour.
        by_shard = Counter((event.at_ms // HOUR_MS, shard_of[event.request_id]) for event in events)
        for share, least, most in (
            ("topCallerShare", by_caller, by_caller),
            ("maxHourShare", by_shard, hours),
        ):
            low, high = (max(counts.values()) / len(events) for counts in (least, most))
            require(
                low - 0.0001 < row[share] < high + 0.0001,
                f"{name} in {window}: {share} is {row[share]}, not {high}",
            )
        latencies = sorted(event.latency_ms for event in events if event.latency_ms)
        mean = sum(latencies) / len(latencies) if latencies else 0.0
        p95 = latencies[math.ceil(0.95 * len(latencies)) - 1] if latencies else 0.0
        require(abs(row["latencyMs"] - mean) < 0.01, f"{name}: mean latency")
        require(abs(row["p95LatencyMs"] - p95) <= 0.0101 * p95, f"{name}: p95 latency")

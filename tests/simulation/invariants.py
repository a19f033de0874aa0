"""The invariants of every metering run.

1. Never inflated: no total is above the number of recorded events; no event is in KV under two
   keys; a batch never changes.
2. Nothing lost silently: the recorded events are those in KV, those in the memory of isolates
   that died, and those that were counted as dropped.
3. Summaries equal those rebuilt from the log: `compaction.check_summaries`.
4. Money: see `payments`.
5. Tenants never mix.
6. The cost of a read does not depend on the traffic: `compaction.check_price`.

And `freshness` never says complete while settled events are missing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core import keys
from core.calendar import DAY_MS, HOUR_MS, HOURS_PER_DAY, MINUTE_MS, timestamp
from metering.events import UsageEvent, decode_batch
from tests.simulation.reading import Reading
from tests.simulation.truth import Count, Sums, count_of, shown_id
from tests.simulation.world import World, api_of

Shown = Mapping[str, Any]

LARGE_SUMMARIES = ("summary/hour/", "summary/day/", "summary/month/")

BUFFERED_SHOWN_MS = 300_000
"""How old buffered events may be at most to be always in their own isolate's responses."""


class InvariantBroken(Exception):
    """A run broke an invariant."""


def require(condition: object, message: str) -> None:
    if not condition:
        raise InvariantBroken(message)


def days_of(window: str, now_ms: int) -> Sequence[int] | None:
    """Return the UTC days of a window, as the contract defines them."""
    today = now_ms // DAY_MS
    return {"today": [today], "week": range(today - 6, today + 1), "overall": None}[window]


def check_snapshot(
    world: World, reading: Reading, shown: Shown, *, listed_all: bool = False
) -> None:
    """Check one snapshot against what had happened when it was returned.

    `listed_all` says that its reader listed all batches.
    """
    days = days_of(shown["window"], reading.clock_ms)
    rows = {row["id"]: row for row in shown["allApis"]}
    require(len(rows) == len(shown["allApis"]), "an API is shown twice")
    truth = world.appended.by_api(days)
    for name, row in rows.items():
        _check_row(world.appended, row)
        require(name in truth, f"{name} is shown and was never called")
        require(
            sums_in(row).within(truth[name]),
            f"{name} is inflated in {shown['window']}: {sums_in(row)} of {truth[name]}",
        )
    _check_totals(world.appended, shown, rows)
    # Older ones may belong to a closed period, to which only compaction adds them.
    young = [
        event for event in reading.buffered if event.at_ms > reading.clock_ms - BUFFERED_SHOWN_MS
    ]
    _check_presence(young, days, rows, "buffered events of this isolate are missing")
    freshness = shown["freshness"]
    if freshness["complete"]:
        due = reading.due(as_of_ms(shown), listed_all=listed_all)
        _check_presence(due, days, rows, "freshness claims to be complete")


def as_of_ms(shown: Shown) -> float:
    """Return until when a snapshot is complete, in milliseconds."""
    return datetime.fromisoformat(shown["freshness"]["asOf"]).timestamp() * 1000


def sums_in(row: Shown) -> Sums:
    """Return the sums of a row that can only grow."""
    errors = round(row["errorRatePct"] * row["calls"] / 100)
    return Sums(row["calls"], errors, row["revenueMicros"])


def _check_row(appended: Count, row: Shown) -> None:
    """Check that a row has only data of its own API."""
    api = api_of(int(row["endpoint"].rpartition("-")[2]))
    expected = (shown_id(api), api.tenant_id, api.owner, api.directory, api.price_micros / 1e6)
    found = tuple(row[name] for name in ("id", "tenantId", "owner", "directory", "priceUsd"))
    require(found == expected, f"tenants are mixed: {found}, expected {expected}")
    callers = appended.callers[row["id"]]
    require(row["uniqueCallers"] <= len(callers), f"{row['id']} has callers of another API")
    busiest = row["topCallerShare"] * row["calls"]
    require(busiest <= max(callers.values()) + 0.5, f"{row['id']}: its busiest caller is inflated")


def _check_totals(appended: Count, shown: Shown, rows: Mapping[str, Shown]) -> None:
    total = Sums()
    for row in rows.values():
        total = total.plus(sums_in(row))
    hero = shown["heroStats"]
    require((hero["calls"], hero["publishedApis"]) == (total.calls, len(rows)), "the totals differ")
    require(hero["revenueMicros"] == total.revenue_micros, "the total revenue differs")
    require(
        sum(one["calls"] for one in shown["directories"]) == total.calls, "the directories differ"
    )
    hours = 1 if shown["window"] == "today" else HOURS_PER_DAY
    truth = appended.by_period(hours)
    for point in shown["series"]:
        at_ms = datetime.fromisoformat(point["startAt"]).timestamp() * 1000
        sums = Sums(point["calls"], point["errors"], point["revenueMicros"])
        true = truth.get(int(at_ms) // (hours * HOUR_MS), Sums())
        require(sums.within(true), f"the series is inflated at {point['startAt']}")
    # Requests refused before dispatch are in no row's calls, so only calls are equal.
    charted = sum(point["calls"] for point in shown["series"])
    require(charted == total.calls, f"the series has {charted} calls of {total.calls}")


def _check_presence(
    events: Sequence[UsageEvent],
    days: Sequence[int] | None,
    rows: Mapping[str, Shown],
    words: str,
) -> None:
    for name, sums in count_of(events).by_api(days).items():
        if sums.calls:
            found = sums_in(rows[name]) if name in rows else Sums()
            require(sums.within(found), f"{words}: {name} has {found}, at least {sums} is due")


def check_seen(world: World, reading: Reading, unseen: AbstractSet[str], shown: Shown) -> None:
    """Check that a read that could not get listed batches does not say it is complete.

    Batches after `asOf` may be missing. So may late batches while they have a marker: if a base
    covers their minute, no read lists them.
    """
    days = days_of(shown["window"], reading.clock_ms)
    for key in unseen - reading.local_keys - reading.late:
        if key.startswith(keys.USAGE_PREFIX) and not _is_summarised(world, key):
            at_ms = keys.parse_usage_batch(key).minute * MINUTE_MS
            day = at_ms // DAY_MS
            inside = (days is None or day in days) and at_ms < as_of_ms(shown)
            require(not (inside and shown["freshness"]["complete"]), f"complete without {key}")


def check_denied(reading: Reading, denied: AbstractSet[str], shown: Shown) -> None:
    """Check that a read to which KV did not show a summary does not say it is complete.

    Summaries of minutes are not checked: their batches are also in the log tail.
    """
    days = days_of(shown["window"], reading.clock_ms)
    for key in denied:
        if key.startswith(LARGE_SUMMARIES):
            # A large one has several parts, whose keys begin with the key of the head.
            first_key = "/".join(key.split("/")[:3])
            day = keys.parse_summary(first_key) * MINUTE_MS // DAY_MS
            inside = days is None or day in days
            require(not (inside and shown["freshness"]["complete"]), f"complete without {key}")


def _is_summarised(world: World, key: str) -> bool:
    """Return whether a minute's summary ever had this batch."""
    summary = keys.summary("minute", keys.parse_usage_batch(key).minute)
    versions = world.kv.records.get(summary, ())
    return any(keys.batch_name(key) in (version.value or "") for version in versions)


def check_events(world: World, events: Sequence[Shown]) -> None:
    """Check a page of events: each is real, appears once, newest first, with its own tenant."""
    names = [event["requestId"] for event in events]
    require(len(set(names)) == len(names), "an event is shown twice")
    times = [event["at"] for event in events]
    require(times == sorted(times, reverse=True), "events are not newest first")
    for shown in events:
        event = world.appended.events.get(shown["requestId"])
        require(event is not None, f"{shown['requestId']} never happened")
        assert event is not None
        tenant = event.api.tenant_id if event.api else None
        true = (tenant, timestamp(event.at_ms), event.caller, event.revenue_micros)
        found = tuple(shown[name] for name in ("tenantId", "at", "caller", "revenueMicros"))
        require(found == true, f"{event.request_id} is shown as {found}, was {true}")


@dataclass(slots=True)
class Stored:
    """The contents of KV at rest: the events, and the dropped events by day."""

    count: Count = field(default_factory=Count)
    dropped: Counter[int] = field(default_factory=Counter)


def check_log(world: World) -> Stored:
    """Check the whole log at rest; return the count of the events in KV."""
    require(not world.problems, "; ".join(world.problems))
    require(not world.loop.problems, "; ".join(world.loop.problems))
    require(not world.kv.breaches, "KV's limits were broken: " + "; ".join(world.kv.breaches))
    stored = Stored()
    events = stored.count.events
    for key, value in world.kv.content(keys.USAGE_PREFIX).items():
        minute, writer, _ = keys.parse_usage_batch(key)
        if writer == "bad":
            continue
        batch = decode_batch(value, minute)
        stored.dropped[minute * MINUTE_MS // DAY_MS] += batch.dropped
        for event in batch.events:
            require(event == world.appended.events.get(event.request_id), "an event was changed")
            require(event.request_id not in events, "an event is in KV twice")
            require(event.at_ms // MINUTE_MS == minute, f"{key} has an event of another minute")
            stored.count.add(event)
    accounted = events.keys() | world.lost | world.dropped
    missing = world.appended.events.keys() - accounted
    require(not missing, f"{len(missing)} events are lost silently: {sorted(missing)[:3]}")
    require(not world.dropped & events.keys(), "a dropped event is in KV")
    for key, acknowledged in world.kv.acknowledged.items():
        if key.startswith(keys.USAGE_PREFIX):
            require(
                world.kv.content(key).get(key) == acknowledged,
                f"{key} was acknowledged and is gone",
            )
    for isolate in world.isolates:
        require(not isolate.problems, "; ".join(isolate.problems))
    for isolate in world.living():
        held = isolate.log.report()["eventsHeld"]
        require(not held, f"a living isolate still buffers {held} events after its last request")
    _check_dropped(world, stored)
    return stored


def _check_dropped(world: World, stored: Stored) -> None:
    """Check that dropped events are reported in KV, or in memory, or in lost memory."""
    unreported = world.unreported + sum(one.log._dropped_unreported for one in world.living())
    content = world.kv.content(keys.USAGE_PREFIX)
    lost = sum(dropped for key, dropped in world.lost_batches.items() if key not in content)
    told = stored.dropped.total()
    require(
        told + unreported + lost == len(world.dropped),
        f"{len(world.dropped)} events were dropped, and KV reports {told}",
    )


def check_final(world: World, shown: Shown, now_ms: int, stored: Stored) -> None:
    """Check that a snapshot at rest equals the count of the events in KV, field by field."""
    days = days_of(shown["window"], now_ms)
    truth = {name: sums for name, sums in stored.count.by_api(days).items() if sums.calls}
    rows = {row["id"]: row for row in shown["allApis"]}
    require(rows.keys() == truth.keys(), f"shown are {sorted(rows)}, stored {sorted(truth)}")
    for name, row in rows.items():
        events = [
            event
            for event in stored.count.events.values()
            if event.api
            and event.counted
            and shown_id(event.api) == name
            and (days is None or event.at_ms // DAY_MS in days)
        ]
        require(
            sums_in(row) == truth[name],
            f"{name} in {shown['window']}: {sums_in(row)} shown, {truth[name]} stored",
        )
        callers = Counter(event.caller for event in events)
        require(row["uniqueCallers"] == len(callers), f"{name} has {len(callers)} callers")
        hours = Counter(event.at_ms // HOUR_MS for event in events)
        for share, counts in (("topCallerShare", callers), ("maxHourShare", hours)):
            true = max(counts.values()) / len(events)
            require(abs(row[share] - true) < 0.0001, f"{name}: {share} is {row[share]}, not {true}")
        latencies = sorted(event.latency_ms for event in events if event.latency_ms)
        mean = sum(latencies) / len(latencies) if latencies else 0.0
        p95 = latencies[math.ceil(0.95 * len(latencies)) - 1] if latencies else 0.0
        require(abs(row["latencyMs"] - mean) < 0.01, f"{name}: mean latency")
        require(abs(row["p95LatencyMs"] - p95) <= 0.0101 * p95, f"{name}: p95 latency")
    bad = any(key.split("/")[2] == "bad" for key in world.kv.names(keys.USAGE_PREFIX))
    complete = shown["freshness"]["complete"]
    require(not (complete and bad and days is None), "complete despite an unreadable batch")
    dropped = sum(n for day, n in stored.dropped.items() if days is None or day in days)
    require(shown["freshness"]["droppedEvents"] == dropped, f"{dropped} events were dropped")
    require(not (complete and dropped), "complete despite dropped events")

"""An imported event of any age is counted once, even if lists repeat or overlap."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import cloudflare
import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.legacy.batches import batches, caller_hashes, marks, read_list
from cli.legacy.counting import ranges, recent
from cli.legacy.entries import Entry
from cli.legacy.fields import Naming
from cli.legacy.importing import existing_keys
from cli.legacy.usage_store import UsageStore
from core import constants, keys
from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from metering.compactor import rebuild
from metering.state import rebuildable_from
from tests.support.builders import event
from tests.support.fakes import NOON_MS
from tests.support.usage_log import ENOUGH, Log, parts_of

NOW_MINUTE = NOON_MS // MINUTE_MS
NO_NAMES = Naming({})
DAYS = (0, 1, 38, 39, 40, 45)
Old = dict[str, Any]


def put(log: Log, values: Sequence[Old], now_ms: int) -> list[int]:
    """Import a list without checking for existing events; return the minutes of its events."""
    entries = [Entry(index, 1, value) for index, value in enumerate(values)]
    old = read_list(entries, NO_NAMES, now_ms)
    assert not old.refused
    found = list(old.events.values())
    for pair in [*marks(found, now_ms), *batches(found, caller_hashes("secret"))]:
        log.store.values[pair["key"]] = (pair["value"], pair["metadata"])
    return [one.minute for one in found]


def compact_recent(log: Log, minutes: Sequence[int], now_ms: int) -> None:
    """Rebuild summaries as `POST /__platform/compact` does."""
    for first, end in ranges(recent(minutes, now_ms // MINUTE_MS)):
        assert asyncio.run(rebuild(log.store, now_ms, first, end, ENOUGH)).done


def totals(log: Log, now_ms: int) -> tuple[Counter[str], Counter[str]]:
    """Return calls and micro-dollars of `overall` by slug."""
    calls: Counter[str] = Counter()
    revenue: Counter[str] = Counter()
    for part in parts_of(log.read("overall", now_ms)):
        for name, aggregate in part.apis.items():
            calls[name.slug] += aggregate.calls
            revenue[name.slug] += aggregate.revenue_micros
    return +calls, +revenue


def expected(lists: Sequence[Sequence[Old]]) -> tuple[Counter[str], Counter[str]]:
    """Count an event with an id once; others as often as in the list that has most of them."""
    most: dict[tuple[int, str], tuple[int, Old]] = {}
    for values in lists:
        times = Counter((one["at"], one["slug"]) for one in values)
        for one in values:
            name = (one["at"], one["slug"])
            count = 1 if "id" in one else times[name]
            most[name] = max(most.get(name, (0, one)), (count, one), key=lambda pair: pair[0])
    calls: Counter[str] = Counter()
    revenue: Counter[str] = Counter()
    for count, one in most.values():
        calls[one["slug"]] += count
        revenue[one["slug"]] += count * one["revenueMicros"]
    return +calls, +revenue


@st.composite
def old_events(draw: st.DrawFn) -> list[Old]:
    """Draw a list of events with distinct times, most of them close together."""
    days = draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=3))
    found = {}
    for number in range(draw(st.integers(1, 25))):
        day = draw(st.sampled_from(days))
        at = NOON_MS - day * DAY_MS - draw(st.integers(0, 5 * HOUR_MS))
        slug = draw(st.sampled_from(["weather", "maps"]))
        value = {
            "at": at,
            "slug": slug,
            "tenantId": f"t-{slug}",
            "status": 200,
            "revenueMicros": draw(st.integers(0, 3)),
            "latencyMs": draw(st.integers(0, 3)),
            "agentId": draw(st.sampled_from(["a", "b"])),
        }
        if draw(st.booleans()):
            value["id"] = f"id-{number}"
        found[at, slug] = value
    return list(found.values())


@settings(max_examples=15, deadline=None)
@given(data=st.data(), events=old_events(), has_log=st.booleans())
def test_each_event_of_any_lists_is_counted_once(
    data: st.DataObject, events: list[Old], has_log: bool
) -> None:
    log, now_ms = Log(), NOON_MS
    if has_log:
        log.commit([event(NOON_MS - 2 * HOUR_MS, api=None)])
        log.compact(now_ms)
    imported: list[list[Old]] = []
    for _ in range(data.draw(st.integers(1, 4), label="lists")):
        part = data.draw(st.lists(st.sampled_from(events), max_size=len(events) * 2), label="list")
        minutes = put(log, part, now_ms)
        imported.append(part)
        for step in data.draw(st.lists(st.sampled_from(["wait", "cron", "compact"])), label="then"):
            if step == "wait":
                now_ms += 7 * MINUTE_MS
            elif step == "cron":
                log.compact(now_ms)
            else:
                compact_recent(log, minutes, now_ms)
    # Compaction processes a minute with marks at most once a minute.
    now_ms += MINUTE_MS
    log.compact(now_ms)
    assert totals(log, now_ms) == expected(imported)
    for _ in range(4):
        now_ms += HOUR_MS
        log.compact(now_ms)
    assert totals(log, now_ms) == expected(imported)


@settings(max_examples=6, deadline=None)
@given(events=old_events())
def test_a_list_is_not_counted_again_after_its_batches_expired(events: list[Old]) -> None:
    log, now_ms = Log(), NOON_MS
    put(log, events, now_ms)
    for _ in range(5):
        log.compact(now_ms)
        now_ms += HOUR_MS
    for key in [key for key in log.store.values if key.startswith(keys.USAGE_PREFIX)]:
        del log.store.values[key]
    now_ms += 41 * DAY_MS
    log.compact(now_ms)
    assert totals(log, now_ms) == expected([events])
    put(log, events, now_ms)
    for _ in range(5):
        log.compact(now_ms)
        now_ms += HOUR_MS
    assert totals(log, now_ms) == expected([events])


def test_existing_events_are_found_also_after_their_batches_expired() -> None:
    log, now_ms = Log(), NOON_MS
    values = [
        {"at": NOON_MS - days * DAY_MS, "slug": "maps", "tenantId": "t", "status": 200}
        for days in (45, 44, 3, 2)
    ]
    put(log, values[::2], now_ms)
    log.compact(now_ms)
    old = read_list(
        [Entry(index, 1, value) for index, value in enumerate(values)], NO_NAMES, now_ms
    )
    known = [one.key for one in old.events.values()][::2]
    store = store_of(log)
    assert existing_keys(old.events, store, NOW_MINUTE) == frozenset(known)
    log.store.values = {
        key: value for key, value in log.store.values.items() if not key.startswith("usage/")
    }
    assert existing_keys(old.events, store, NOW_MINUTE + 41 * 1440) == frozenset(known)


def test_cron_counts_eighty_minutes_of_old_events_per_run() -> None:
    log, now_ms = Log(), NOON_MS
    log.commit([event(NOON_MS - 2 * HOUR_MS, api=None)])
    log.compact(now_ms)
    first = NOON_MS - 60 * DAY_MS
    put(
        log,
        [
            {"at": first + number * HOUR_MS, "slug": "maps", "tenantId": "t", "status": 200}
            for number in range(400)
        ],
        now_ms,
    )
    runs = 0
    while totals(log, now_ms)[0]["maps"] < 400:
        runs += 1
        now_ms += MINUTE_MS
        log.compact(now_ms, constants.COMPACTION_OPERATIONS)
        assert runs <= 400 / 80 + 4, "four more for their hours, days and months"


def store_of(log: Log) -> UsageStore:
    """Return the log's KV behind an account's API."""

    def answer(request: httpx.Request) -> httpx.Response:
        names = json.loads(request.content)["keys"]
        values = {name: log.store.values[name][0] for name in names if name in log.store.values}
        return httpx.Response(200, json={"success": True, "result": {"values": values}})

    http = httpx.Client(transport=httpx.MockTransport(answer))
    return UsageStore(cloudflare.Cloudflare(api_token="t", http_client=http), "0" * 32, "ns")


@given(st.lists(st.integers(0, 800)))
def test_ranges_contain_every_minute_once_and_are_short(minutes: list[int]) -> None:
    found = [minute for first, end in ranges(minutes) for minute in range(first, end)]
    assert len(found) == len(set(found))
    assert set(minutes) <= set(found)
    assert all(0 < end - first <= constants.REBUILD_MINUTES_MAX for first, end in ranges(minutes))


def test_minutes_too_old_for_a_request_are_left_to_their_markers() -> None:
    earliest = rebuildable_from(NOW_MINUTE)
    assert recent([earliest, earliest + 9, earliest + 10], NOW_MINUTE) == [earliest + 10]

"""Generated history has the log's real format, and is compacted as by cron."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import pytest

from core import keys
from core.calendar import HOUR_MS, MINUTE_MS, timestamp
from core.kv_store import all_names
from dev.history.log import SOURCE, WRITER, Entry, VirtualStore, demo_marker, write_history
from dev.history.traffic import Span, make_events
from metering.batches import Unread, read_batches
from metering.events import Batch, UsageEvent, batch_metadata, encode_batch
from metering.settlements import decode_settlement
from metering.state import decode_state
from tests.support.builders import event
from tests.unit.history.test_traffic import APIS, PRICED

SPAN = Span(2, 1_795_398_000_000)
EVENTS = make_events(APIS, PRICED, SPAN, 1)


def write(existing: Mapping[str, Entry] | None = None) -> VirtualStore:
    return asyncio.run(write_history(EVENTS, SPAN, existing or {}, lambda _done, _all: None))


@pytest.fixture(scope="module")
def store() -> VirtualStore:
    return write()


def stored_events(store: VirtualStore) -> list[UsageEvent]:
    found: list[UsageEvent] = []
    unread = Unread()

    async def read() -> None:
        names = await all_names(store, keys.USAGE_PREFIX)
        await read_batches(store, names, lambda _, batch: found.extend(batch.events), unread)

    asyncio.run(read())
    assert unread == Unread()
    return found


def test_the_log_has_every_event_once(store: VirtualStore) -> None:
    assert sorted(stored_events(store)) == sorted(EVENTS)


def test_writers_and_settlements_are_marked_as_demo(store: VirtualStore) -> None:
    writers = {keys.parse_usage_batch(name).writer for name in names(store, keys.USAGE_PREFIX)}
    assert all(one == WRITER or one.startswith("payment-demo-") for one in writers)
    settlements = [
        decode_settlement(store.entries[name].value)
        for name in names(store, keys.SETTLEMENT_PREFIX)
    ]
    assert {one.source for one in settlements} == {SOURCE}
    assert sum(one.amount_micros for one in settlements) == sum(
        one.revenue_micros for one in EVENTS
    )


def test_all_past_minutes_are_compacted(store: VirtualStore) -> None:
    progress = decode_state(store.entries[keys.COMPACTION_STATE].value)
    assert progress is not None
    assert progress.summarized_until == SPAN.end_ms // MINUTE_MS
    assert len(names(store, keys.summaries("day"))) == 1


def test_there_is_a_record_of_every_past_hour(store: VirtualStore) -> None:
    records = names(store, keys.PREVIOUS_PERIOD_PREFIX)
    hours = (SPAN.end_ms - SPAN.start_ms) // HOUR_MS
    assert hours - 2 <= len(records) <= hours


def test_writing_again_gives_the_same_entries(store: VirtualStore) -> None:
    batches = {name: store.entries[name] for name in names(store, keys.USAGE_PREFIX)}
    again = write(batches)
    assert again.entries == store.entries


def test_existing_events_are_part_of_the_summaries(store: VirtualStore) -> None:
    own = event(SPAN.start_ms + HOUR_MS)
    batch = Batch((own,), 0)
    minute = own.at_ms // MINUTE_MS
    entry = Entry(encode_batch(batch, minute), batch_metadata(batch), None)
    both = write({keys.usage_batch(minute, "w", 1): entry})
    assert sorted(stored_events(both)) == sorted([*EVENTS, own])
    day = keys.summary("day", SPAN.start_ms // MINUTE_MS)
    assert both.entries[day] != store.entries[day]


def test_expired_entries_are_left_out() -> None:
    store = VirtualStore(now_seconds=1_000)
    asyncio.run(store.put("short", "", {}, 60))
    asyncio.run(store.put("long", "", {}, 3_600))
    asyncio.run(store.put("ever", "", {}))
    assert store.unexpired().keys() == {"long", "ever"}
    asyncio.run(store.delete("ever"))
    assert names(store, "") == ["long", "short"]


def test_the_marker_has_time_range_and_counts() -> None:
    marker = json.loads(demo_marker(SPAN, 1, EVENTS, is_complete=True))
    assert (marker["events"], marker["days"], marker["complete"]) == (len(EVENTS), 2, True)
    assert marker["from"] == timestamp(SPAN.start_ms)


def names(store: VirtualStore, prefix: str) -> list[str]:
    return asyncio.run(all_names(store, prefix))

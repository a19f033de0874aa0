"""Pages of events have all events, newest first, at a bounded cost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import keys
from core.calendar import MINUTE_MS
from metering.events import Batch, UsageEvent, batch_metadata, encode_batch
from metering.pages import Position, newest_events
from tests.support.builders import event
from tests.support.fakes import NOON_MS, FakeStore

NO_BATCHES: Mapping[str, Batch] = {}


def store_of(*groups: Sequence[UsageEvent], dropped: int = 0) -> FakeStore:
    """Return a store with one batch for each group of events of the same minute."""
    store = FakeStore()
    for counter, group in enumerate(groups, start=1):
        minute = group[0].at_ms // MINUTE_MS
        batch = Batch(group, dropped)
        key = keys.usage_batch(minute, "w", counter)
        store.values[key] = (encode_batch(batch, minute), batch_metadata(batch))
    return store


moments = st.lists(st.integers(NOON_MS - 5 * MINUTE_MS, NOON_MS), min_size=1, max_size=40)


@given(moments, st.integers(1, 15))
def test_pages_have_all_events_newest_first(times: list[int], limit: int) -> None:
    some = [event(at, request_id=f"r{number:03d}") for number, at in enumerate(times)]
    store = store_of(*([one] for one in some))
    found: list[UsageEvent] = []
    position: Position | None = None
    while True:
        page, position = asyncio.run(newest_events(store, NO_BATCHES, limit, position))
        assert len(page) <= limit
        found += page
        if position is None:
            break
    assert found == sorted(some, key=lambda one: (-one.at_ms, one.request_id))


def test_a_position_stays_valid_while_events_come_in() -> None:
    store = store_of(*([event(NOON_MS - n, request_id=f"r{n}")] for n in range(6)))
    first, position = asyncio.run(newest_events(store, NO_BATCHES, 3, None))
    store.values.update(store_of([event(NOON_MS + 5, request_id="new")]).values)
    second, end = asyncio.run(newest_events(store, NO_BATCHES, 3, position))
    assert [one.request_id for one in (*first, *second)] == ["r0", "r1", "r2", "r3", "r4", "r5"]
    assert end is None


def test_the_newest_events_cost_few_operations_in_a_long_log() -> None:
    groups = [[event(NOON_MS - n * MINUTE_MS, request_id=f"r{n}")] for n in range(900)]
    store = store_of(*groups)
    asyncio.run(newest_events(store, NO_BATCHES, 50, None))
    assert len(store.operations) <= 3


@pytest.mark.parametrize("depth", [0, 1_500, 3_500])
def test_a_page_costs_the_same_at_any_depth_of_the_log(depth: int) -> None:
    groups = [[event(NOON_MS - n * 7_000, request_id=f"r{n}")] for n in range(4_000)]
    store = store_of(*groups)
    position: Position | None = None
    seen = 0
    while seen < depth:
        page, position = asyncio.run(newest_events(store, NO_BATCHES, 500, position))
        seen += len(page)
    store.operations.clear()
    page, _ = asyncio.run(newest_events(store, NO_BATCHES, 50, position))
    assert page[0].request_id == f"r{seen}"
    assert len(store.operations) <= 5


def test_buffered_events_are_in_order() -> None:
    store = store_of(*([event(NOON_MS - n * 1_000, request_id=f"r{n}")] for n in range(0, 10, 2)))
    buffered = {
        keys.usage_batch((NOON_MS - n * 1_000) // MINUTE_MS, "h", n): Batch(
            [event(NOON_MS - n * 1_000, request_id=f"r{n}")], 0
        )
        for n in range(1, 10, 2)
    }
    events, end = asyncio.run(newest_events(store, buffered, 20, None))
    assert [one.request_id for one in events] == [f"r{n}" for n in range(10)]
    assert end is None

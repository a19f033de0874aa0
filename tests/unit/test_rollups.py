"""Reading the log: every batch counts once, and what cannot be read is named."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

import keys
import limits
from aggregates import merged
from errors import StoreUnavailable
from events import Batch, UsageEvent, batch_metadata, encode_batch
from rollups import ApiId, Day, Listing, Position, newest_events, read_days
from series import Totals
from tests.fakes import NOON_MS, FakeStore
from tests.unit.making import MAPS, WEATHER, event

TODAY = NOON_MS // keys.DAY_MS
NOTHING: Mapping[str, Batch] = {}


def store_of(*groups: Sequence[UsageEvent], dropped: int = 0) -> FakeStore:
    """A store with one batch for each group; a group's events are of one minute."""
    store = FakeStore()
    for counter, group in enumerate(groups, start=1):
        minute = group[0].at_ms // keys.MINUTE_MS
        batch = Batch(group, dropped)
        key = keys.usage_batch(minute, "w", counter)
        store.values[key] = (encode_batch(batch, minute), batch_metadata(batch))
    return store


def read(
    store: FakeStore, days: Sequence[int] | None = None, held: Mapping[str, Batch] = NOTHING
) -> tuple[Mapping[int, Day], Listing]:
    return asyncio.run(read_days(store, held, days))


def calls(days: Mapping[int, Day]) -> int:
    return sum(one.calls for day in days.values() for one in day.apis.values())


def test_an_empty_log_is_no_days_and_complete() -> None:
    days, listing = read(FakeStore())
    assert (days, listing.complete, listing.operations) == ({}, True, 1)


def test_events_are_folded_by_day_and_api() -> None:
    yesterday = event(NOON_MS - keys.DAY_MS)
    days, _ = read(store_of([event(), event(api=MAPS)], [yesterday, event(api=None)]))
    assert set(days) == {TODAY - 1, TODAY}
    assert set(days[TODAY].apis) == {ApiId("tenant-1", "weather"), ApiId("tenant-2", "maps")}
    assert days[TODAY - 1].apis[ApiId("tenant-1", "weather")].calls == 1


def test_a_slug_that_changed_hands_keeps_two_sets_of_figures() -> None:
    heir = WEATHER._replace(tenant_id="tenant-9")
    days, _ = read(store_of([event(), event(api=heir)]))
    assert {identity.tenant_id for identity in days[TODAY].apis} == {"tenant-1", "tenant-9"}


def test_only_the_days_asked_for_are_read() -> None:
    store = store_of([event(NOON_MS - keys.DAY_MS)], [event()])
    days, listing = read(store, [TODAY])
    assert set(days) == {TODAY}
    assert listing.operations == 2


def test_more_than_a_page_of_keys_and_more_than_a_bulk_get_are_read_whole() -> None:
    count = limits.KV_LIST_KEYS_MAX + 250
    store = store_of(*([event(request_id=f"w-{number}")] for number in range(count)))
    days, listing = read(store)
    assert calls(days) == count
    assert listing.operations == 2 + 13


def test_what_is_held_counts_once_whether_kv_lists_it_or_not() -> None:
    store = store_of([event()])
    (listed,) = store.values
    unlisted = keys.usage_batch(NOON_MS // keys.MINUTE_MS, "w", 99)
    held = {listed: Batch([event()], 0), unlisted: Batch([event(), event()], 0)}
    assert calls(read(store, [TODAY], held)[0]) == 3


def test_a_held_batch_that_grew_and_was_written_meanwhile_counts_as_written() -> None:
    store = store_of([event(), event()])
    (key,) = store.values
    assert calls(read(store, None, {key: Batch([event()], 0)})[0]) == 2


def test_held_batches_of_other_days_stay_out() -> None:
    held = {keys.usage_batch(0, "w", 1): Batch([event(0)], 0)}
    assert calls(read(FakeStore(), [TODAY], held)[0]) == 0


@pytest.mark.parametrize("value", ["", "{", '{"v":2}'])
def test_a_batch_that_cannot_be_read_is_named_and_the_rest_counts(value: str) -> None:
    store = store_of([event()], [event()])
    bad = min(store.values)
    store.values[bad] = (value, None)
    days, listing = read(store)
    assert calls(days) == 1
    assert not listing.complete
    assert [problem.startswith(bad) for problem in listing.unreadable] == [True]


def test_a_foreign_key_is_named_and_the_rest_counts() -> None:
    store = store_of([event()])
    store.values["usage/zzz"] = ("{}", None)
    days, listing = read(store)
    assert calls(days) == 1
    assert listing.unreadable == ["usage/zzz: 'usage/zzz' is not the key of a usage batch"]


def test_a_key_that_is_listed_and_not_there_is_missing() -> None:
    store = store_of([event()], [event()])

    class Expiring(FakeStore):
        async def get_many(self, keys: Sequence[str]) -> Mapping[str, str | None]:
            return {**await super().get_many(keys), min(keys): None}

    days, listing = read(Expiring(values=store.values))
    assert (calls(days), listing.missing) == (1, [min(store.values)])


def test_a_read_stops_at_its_budget_with_the_newest_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "READ_OPERATIONS_MAX", 12)
    old = [[event(NOON_MS - keys.DAY_MS, request_id=f"o{n}")] for n in range(1_500)]
    new = [[event(request_id=f"n{n}")] for n in range(500)]
    days, listing = read(store_of(*old, *new))
    assert days[TODAY].apis[ApiId("tenant-1", "weather")].calls == 500
    assert listing.unlisted
    assert not listing.complete
    assert listing.operations <= 12


def test_dropped_events_are_added_up() -> None:
    days, _ = read(store_of([event()], [event()], dropped=3))
    assert days[TODAY].dropped == 6


def test_a_failing_kv_is_an_error_and_no_empty_answer() -> None:
    with pytest.raises(StoreUnavailable):
        read(FakeStore(unavailable=True))


moments = st.lists(st.integers(NOON_MS - 5 * keys.MINUTE_MS, NOON_MS), min_size=1, max_size=40)


@given(moments, st.integers(1, 15))
def test_pages_of_events_are_all_of_them_newest_first(times: list[int], limit: int) -> None:
    some = [event(at, request_id=f"r{number:03d}") for number, at in enumerate(times)]
    store = store_of(*([one] for one in some))
    found: list[UsageEvent] = []
    position: Position | None = None
    while True:
        page, position = asyncio.run(newest_events(store, NOTHING, limit, position))
        assert len(page) <= limit
        found += page
        if position is None:
            break
    assert found == sorted(some, key=lambda one: (-one.at_ms, one.request_id))


def test_a_position_stays_valid_while_events_come_in() -> None:
    store = store_of(*([event(NOON_MS - n, request_id=f"r{n}")] for n in range(6)))
    first, position = asyncio.run(newest_events(store, NOTHING, 3, None))
    store.values.update(store_of([event(NOON_MS + 5, request_id="new")]).values)
    second, end = asyncio.run(newest_events(store, NOTHING, 3, position))
    assert [one.request_id for one in (*first, *second)] == ["r0", "r1", "r2", "r3", "r4", "r5"]
    assert end is None


def test_the_newest_events_cost_few_operations_in_a_long_log() -> None:
    groups = [[event(NOON_MS - n * keys.MINUTE_MS, request_id=f"r{n}")] for n in range(900)]
    store = store_of(*groups)
    asyncio.run(newest_events(store, NOTHING, 50, None))
    assert len(store.operations) <= 3


def test_a_day_is_the_same_whatever_the_order_of_its_batches() -> None:
    one, other = Batch([event(), event(api=MAPS)], 1), Batch([event(status=500)], 0)
    forth, back = Day(), Day()
    for batch in (one, other):
        forth.add(batch)
    for batch in (other, one):
        back.add(batch)
    assert forth == back
    assert merged(forth.apis.values()).calls == 3


def test_a_day_knows_its_callers_and_course_over_all_apis() -> None:
    day = Day()
    refused = event(counted=False, status=402, caller="c9")
    day.add(Batch([event(), event(api=MAPS, status=500), refused, event(api=None)], 0))
    assert day.callers.distinct() == 1
    assert day.series.hours == {NOON_MS // keys.HOUR_MS: Totals(2, 1, 0)}

"""The recorder writes every event once, no matter how KV and requests fail."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from core import constants, keys
from core.calendar import MINUTE_MS
from core.ports import Json
from metering.events import Batch, UsageEvent, decode_batch, encode_batch
from tests.support.builders import SETTLEMENT, event
from tests.support.fakes import NOON_MS, FakeClock, FakeStore
from usage import CommitRole, UsageRecorder, record_settlement


def stored(store: FakeStore) -> list[str]:
    """Return the request ids in KV, including duplicates."""
    ids = []
    for key, (value, _) in store.values.items():
        batch = decode_batch(value, keys.parse_usage_batch(key).minute)
        ids += [one.request_id for one in batch.events]
    return sorted(ids)


def numbered(count: int, at_ms: int = NOON_MS) -> list[UsageEvent]:
    return [event(at_ms, request_id=f"w-{number:06d}") for number in range(count)]


def test_one_request_leads_and_the_others_only_record() -> None:
    log = UsageRecorder("w", FakeClock())
    roles = [log.record(one) for one in numbered(10)]
    assert roles == [CommitRole.LEAD] + [CommitRole.NONE] * 9


def test_a_leader_writes_everything_recorded_while_it_waited() -> None:
    log, store = UsageRecorder("w", FakeClock()), FakeStore()

    async def scene() -> None:
        first, *others = numbered(10)
        assert log.record(first) is CommitRole.LEAD
        leader = asyncio.ensure_future(log.commit_after_delay(store))
        for one in others:
            log.record(one)
        await leader

    asyncio.run(scene())
    assert stored(store) == [f"w-{number:06d}" for number in range(10)]
    assert store.operations == ["put"]
    assert log.report()["eventsHeld"] == 0


def test_the_request_that_fills_a_batch_commits_it_at_once() -> None:
    log, store = UsageRecorder("w", FakeClock()), FakeStore()
    roles = [log.record(one) for one in numbered(constants.BATCH_EVENTS_MAX)]
    assert roles[-1] is CommitRole.COMMIT
    asyncio.run(log.commit(store))
    assert len(stored(store)) == constants.BATCH_EVENTS_MAX
    assert log.record(event(request_id="later")) is CommitRole.NONE
    asyncio.run(log.commit_after_delay(store))
    assert len(stored(store)) == constants.BATCH_EVENTS_MAX + 1


def test_a_batch_never_crosses_a_minute() -> None:
    log, store = UsageRecorder("w", FakeClock()), FakeStore()
    log.record(event(NOON_MS - 1, request_id="before"))
    log.record(event(NOON_MS, request_id="after"))
    asyncio.run(log.commit_after_delay(store))
    minutes = {keys.parse_usage_batch(key).minute for key in store.values}
    assert minutes == {NOON_MS // MINUTE_MS - 1, NOON_MS // MINUTE_MS}
    assert stored(store) == ["after", "before"]


def test_a_rejected_put_is_retried_with_the_same_key() -> None:
    log, store = UsageRecorder("w", FakeClock()), FakeStore(failing_puts=3)
    log.record(event())
    asyncio.run(log.commit_after_delay(store))
    assert store.operations == ["put"] * 4
    assert stored(store) == ["w-000001"]
    assert log.report()["putsFailed"] == 3


def test_a_put_that_failed_after_its_effect_counts_once() -> None:
    log, store = (
        UsageRecorder("w", FakeClock()),
        FakeStore(failing_puts=2, puts_take_effect_anyway=True),
    )
    log.record(event())
    asyncio.run(log.commit_after_delay(store))
    assert stored(store) == ["w-000001"]


def test_the_next_leader_writes_what_kv_rejected_until_the_deadline() -> None:
    clock = FakeClock()
    log, store = UsageRecorder("w", clock), FakeStore(unavailable=True)
    log.record(event(request_id="one"))
    asyncio.run(log.commit_after_delay(store))
    assert clock.at_ms - NOON_MS <= 30_000, "a leader must end before its waitUntil does"
    assert log.report()["eventsHeld"] == 1
    store.unavailable = False
    assert log.record(event(clock.at_ms, request_id="two")) is CommitRole.LEAD
    asyncio.run(log.commit_after_delay(store))
    assert stored(store) == ["one", "two"]
    assert log.report()["eventsHeld"] == 0


def test_a_leader_that_dies_while_it_waits_is_replaced() -> None:
    clock = FakeClock()
    log, store = UsageRecorder("w", clock), FakeStore()
    assert log.record(event(request_id="one")) is CommitRole.LEAD
    clock.at_ms += 5_000
    assert log.record(event(clock.at_ms, request_id="two")) is CommitRole.LEAD
    asyncio.run(log.commit_after_delay(store))
    assert stored(store) == ["one", "two"]


@pytest.mark.parametrize("put_took_effect", [False, True])
def test_a_leader_that_dies_while_it_writes_is_replaced(put_took_effect: bool) -> None:
    clock = FakeClock()
    log = UsageRecorder("w", clock)

    class DyingStore(FakeStore):
        async def put(
            self,
            key: str,
            value: str,
            metadata: Mapping[str, Json],
            expiration_ttl_seconds: int | None = None,
        ) -> None:
            assert expiration_ttl_seconds == 40 * 86_400
            if put_took_effect:
                self.values[key] = (value, metadata)
            await asyncio.Event().wait()

    dying = DyingStore()

    async def scene() -> FakeStore:
        log.record(event(request_id="one"))
        abandoned = asyncio.ensure_future(log.commit_after_delay(dying))
        await asyncio.sleep(0.001)
        living = FakeStore(values=dict(dying.values))
        log.record(event(request_id="two"))
        await log.commit_after_delay(living)
        assert "one" not in stored(living) or put_took_effect, "the claim is still valid"
        clock.at_ms += 60_000
        log.record(event(NOON_MS + 60_000, request_id="three"))
        await log.commit_after_delay(living)
        assert not abandoned.done()
        abandoned.cancel()
        return living

    assert stored(asyncio.run(scene())) == ["one", "three", "two"]


def test_two_leaders_at_once_write_each_batch_once() -> None:
    log, store = UsageRecorder("w", FakeClock()), FakeStore()

    async def scene() -> None:
        for one in numbered(5):
            log.record(one)
        await asyncio.gather(
            log.commit_after_delay(store), log.commit_after_delay(store), log.commit(store)
        )

    asyncio.run(scene())
    assert store.operations == ["put"]
    assert len(stored(store)) == 5


def test_a_full_buffer_drops_events_and_reports_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "BUFFERED_EVENTS_MAX", 3)
    log, store = UsageRecorder("w", FakeClock()), FakeStore()
    for one in numbered(5):
        log.record(one)
    asyncio.run(log.commit_after_delay(store))
    assert len(stored(store)) == 3
    assert log.report()["eventsDropped"] == 2
    (value, metadata) = next(iter(store.values.values()))
    assert metadata["dropped"] == 2
    assert decode_batch(value, NOON_MS // MINUTE_MS).dropped == 2


def test_buffered_batches_have_open_and_sealed_events_by_their_final_key() -> None:
    log, store = UsageRecorder("w", FakeClock()), FakeStore(unavailable=True)
    log.record(event(request_id="sealed"))
    asyncio.run(log.commit_after_delay(store))
    log.record(event(request_id="open"))
    buffered = log.local_batches().buffered
    assert sorted(one.request_id for batch in buffered.values() for one in batch.events) == [
        "open",
        "sealed",
    ]
    store.unavailable = False
    asyncio.run(log.commit_after_delay(store))
    assert set(store.values) == set(buffered)
    assert log.local_batches().buffered == {}


def test_a_copy_of_buffered_batches_does_not_grow() -> None:
    log = UsageRecorder("w", FakeClock())
    log.record(event())
    buffered = log.local_batches().buffered
    log.record(event(request_id="later"))
    assert [len(batch.events) for batch in buffered.values()] == [1]


def test_a_late_batch_has_a_marker_that_is_written_first() -> None:
    log, store = UsageRecorder("w", FakeClock()), FakeStore()
    log.record(event(NOON_MS - (constants.LATE_AFTER_MINUTES + 1) * MINUTE_MS))
    asyncio.run(log.commit_after_delay(store))
    batch, marker = sorted(store.values, reverse=True)
    assert marker == keys.late_marker(batch, NOON_MS // MINUTE_MS)
    assert list(store.values) == [marker, batch]


def test_a_batch_written_in_time_has_no_marker() -> None:
    log, store = UsageRecorder("w", FakeClock()), FakeStore()
    log.record(event(NOON_MS - constants.LATE_AFTER_MINUTES * MINUTE_MS))
    asyncio.run(log.commit_after_delay(store))
    assert [key for key in store.values if key.startswith(keys.LATE_PREFIX)] == []


def test_a_settlement_is_recorded_with_its_revenue_and_a_late_one_with_a_marker() -> None:
    at_ms = NOON_MS - (constants.LATE_AFTER_MINUTES + 1) * MINUTE_MS
    minute = at_ms // MINUTE_MS
    key = keys.usage_batch(minute, keys.payment_writer(SETTLEMENT.payment_id), 1)
    value = encode_batch(Batch([event(at_ms, revenue_micros=10_000)], 0), minute)
    store = FakeStore()
    asyncio.run(record_settlement(store, FakeClock(), SETTLEMENT, key, value))
    marker = keys.late_marker(key, NOON_MS // MINUTE_MS)
    assert set(store.values) == {SETTLEMENT.key, marker, key}
    assert [*store.values].index(marker) < [*store.values].index(key)
    assert store.values[key][0] == value
    assert store.values[key][1]["revenueMicros"] == 10_000


def test_recent_batches_have_the_same_events_in_memory_and_in_kv(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(constants, "RECENT_EVENTS_MAX", 10)
    log, store = UsageRecorder("w", FakeClock()), FakeStore()
    for turn in range(20):
        for number in range(3):
            log.record(event(request_id=f"w-{turn}-{number}"))
        asyncio.run(log.commit_after_delay(store))
        recent = log.local_batches().recent
        assert sum(len(batch.events) for batch in recent.values()) <= 10
        for key, batch in recent.items():
            stored_batch = decode_batch(store.values[key][0], keys.parse_usage_batch(key).minute)
            assert list(stored_batch.events) == list(batch.events)
    assert log.local_batches().recent

"""The recorder sends every event once, however shards, KV and requests fail."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from core import constants, keys
from core.calendar import DAY_MS
from core.errors import BatchRefused, ShardUnavailable
from metering.batches import Batch, decode_batch
from metering.events import Api, UsageEvent
from metering.segments import batches_of
from tests.support.builders import SETTLEMENT, event, settlement_batch
from tests.support.fake_shards import FakeShards
from tests.support.fakes import NOON_MS, FakeClock, FakeStore
from usage import UsageRecorder, append


@dataclass
class Scene:
    """A recorder, its shards and KV."""

    count: int = 1
    clock: FakeClock = field(default_factory=FakeClock)
    store: FakeStore = field(default_factory=FakeStore)

    def __post_init__(self) -> None:
        self.shards = FakeShards(self.store, FakeClock(), self.count)
        self.recorder = UsageRecorder("w", self.clock, self.shards, self.store)

    def record(self, *names: str, at_ms: int | None = None) -> bool:
        """Record events; return whether one of the requests must send them."""
        at_ms = self.clock.at_ms if at_ms is None else at_ms
        roles = [self.recorder.record(event(at_ms, request_id=name)) for name in names]
        return any(roles)

    def send(self) -> None:
        asyncio.run(self.recorder.send())

    def committed(self, shard: int = 0) -> list[Batch]:
        log = self.shards.shard(shard).log
        return [batch for commit in log.tables.commits(0) for batch in batches_of(commit)]

    def spilled(self, shard: int = 0) -> list[Batch]:
        prefix = keys.spills(shard)
        values = self.store.values
        return [decode_batch(values[key][0]) for key in sorted(values) if key.startswith(prefix)]


def ids(batches: list[Batch]) -> list[str]:
    return [one.request_id for batch in batches for one in batch.events]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_one_request_sends_and_the_others_only_record(scene: Scene) -> None:
    assert [scene.record(str(number)) for number in range(5)] == [True] + [False] * 4
    scene.send()
    assert ids(scene.committed()) == ["0", "1", "2", "3", "4"]
    assert scene.shards.calls == [(0, "append")]
    assert scene.recorder.report()["eventsAcknowledged"] == 5
    assert scene.recorder.report()["eventsBuffered"] == 0


def test_events_recorded_during_a_send_are_sent_by_the_same_request(scene: Scene) -> None:
    async def both() -> None:
        scene.record("one")
        sender = asyncio.ensure_future(scene.recorder.send())
        await asyncio.sleep(0)
        scene.record("two")
        await sender

    asyncio.run(both())
    assert ids(scene.committed()) == ["one", "two"]


def test_sequences_count_from_one(scene: Scene) -> None:
    for name in ("one", "two", "three"):
        scene.record(name)
        scene.send()
    assert [(batch.writer, batch.sequence) for batch in scene.committed()] == [
        ("w", 1),
        ("w", 2),
        ("w", 3),
    ]


def test_a_batch_whose_response_was_lost_counts_once(scene: Scene) -> None:
    scene.shards.lost_responses = 2
    scene.record("one")
    scene.send()
    assert ids(scene.committed()) == ["one"]
    assert scene.recorder.report()["sendsFailed"] == 2


def test_a_batch_keeps_its_name_and_its_events_until_it_is_acknowledged(scene: Scene) -> None:
    scene.store.unavailable = True
    scene.shards.unavailable = {0}
    scene.record("one")
    scene.send()
    scene.shards.unavailable = set()
    scene.record("two")
    scene.send()
    assert [(batch.sequence, ids([batch])) for batch in scene.committed()] == [
        (1, ["one"]),
        (2, ["two"]),
    ]


def test_a_batch_is_spilled_to_kv_if_its_shard_does_not_respond_for_some_seconds(
    scene: Scene,
) -> None:
    scene.shards.unavailable = {0}
    scene.record("one")
    scene.send()
    assert constants.SPILL_AFTER_MS <= scene.clock.at_ms - NOON_MS < 10_000
    assert ids(scene.spilled()) == ["one"]
    key = keys.spill(0, "w", 1)
    lifetime = scene.store.lifetimes_seconds[key]
    assert lifetime == pytest.approx(constants.SPILL_DAYS * 86_400, abs=60)
    assert scene.recorder.report()["eventsSpilled"] == 1
    assert scene.recorder.report()["eventsBuffered"] == 0


def test_a_refused_batch_is_spilled_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> str:
        return '{"error": "batch_version_unknown", "message": "older"}'

    monkeypatch.setattr(scene.shards, "call", refuse)
    scene.record("one")
    scene.send()
    assert scene.clock.at_ms - NOON_MS < 1_000
    assert ids(scene.spilled()) == ["one"]


def test_a_sender_ends_in_time_if_shards_and_kv_fail_and_the_next_one_goes_on(
    scene: Scene,
) -> None:
    scene.shards.unavailable = {0}
    scene.store.unavailable = True
    scene.record("one")
    scene.send()
    assert scene.clock.at_ms - NOON_MS < 25_000, "the runtime cancels it after 30 s"
    assert scene.recorder.report()["eventsBuffered"] == 1
    scene.shards.unavailable = set()
    assert scene.record("two")
    scene.send()
    assert ids(scene.committed()) == ["one", "two"]


def test_a_leader_that_dies_before_it_sends_is_replaced(scene: Scene) -> None:
    assert scene.record("one")
    assert not scene.record("two", at_ms=NOON_MS + 1_000)
    assert scene.record("three", at_ms=NOON_MS + 2_000)
    scene.send()
    assert ids(scene.committed()) == ["one", "two", "three"]


def test_a_clock_that_is_set_back_delays_nothing(scene: Scene) -> None:
    assert scene.record("one")
    assert scene.record("two", at_ms=NOON_MS - 3_600_000)


@pytest.mark.parametrize("took_effect", [False, True])
def test_a_sender_that_dies_during_a_call_is_replaced(scene: Scene, took_effect: bool) -> None:
    call = scene.shards.call

    async def hang(shard: int, method: str, argument: str) -> str:
        if took_effect:
            await call(shard, method, argument)
        await asyncio.Event().wait()
        return ""

    async def both() -> None:
        scene.shards.call = hang  # type: ignore[method-assign]
        scene.record("one")
        dead = asyncio.ensure_future(scene.recorder.send())
        await asyncio.sleep(0.01)
        scene.shards.call = call  # type: ignore[method-assign]
        scene.record("two")
        await scene.recorder.send()
        assert "two" not in ids(scene.committed()), "the lease is still valid"
        scene.clock.at_ms += 10_000
        scene.record("three")
        await scene.recorder.send()
        dead.cancel()

    asyncio.run(both())
    assert ids(scene.committed()) == ["one", "two", "three"]


def test_a_replaced_sender_that_succeeds_late_changes_nothing(scene: Scene) -> None:
    call, go_on = scene.shards.call, asyncio.Event()

    async def slow(shard: int, method: str, argument: str) -> str:
        response = await call(shard, method, argument)
        if len(scene.shards.calls) == 1:
            await go_on.wait()
        return response

    async def both() -> None:
        scene.shards.call = slow  # type: ignore[method-assign]
        scene.record("one")
        late = asyncio.ensure_future(scene.recorder.send())
        await asyncio.sleep(0.01)
        scene.clock.at_ms += 10_000
        scene.record("two")
        await scene.recorder.send()
        go_on.set()
        await late

    asyncio.run(both())
    assert ids(scene.committed()) == ["one", "two"]
    report = scene.recorder.report()
    assert (report["eventsAcknowledged"], report["eventsBuffered"]) == (2, 0)


def test_each_shard_gets_the_events_of_its_tenants() -> None:
    scene = Scene(count=3)
    tenants = [f"tenant-{number}" for number in range(30)]
    for tenant in tenants:
        scene.recorder.record(event(api=Api(tenant, "s", "", "", 0), request_id=tenant))
    scene.send()
    for shard in range(3):
        mine = [tenant for tenant in tenants if scene.recorder.shard_of(tenant) == shard]
        assert mine
        assert ids(scene.committed(shard)) == mine


def test_a_shard_that_does_not_respond_delays_no_other() -> None:
    scene = Scene(count=2)
    names = {scene.recorder.shard_of(name): name for name in ("t1", "t2", "t3", "t4", "t5")}
    for name in names.values():
        scene.recorder.record(event(api=Api(name, "s", "", "", 0), request_id=name))
    scene.shards.unavailable = {0}
    scene.send()
    assert ids(scene.committed(1)) == [names[1]]
    assert ids(scene.spilled(0)) == [names[0]]


def test_an_event_without_an_api_goes_to_the_first_shard() -> None:
    scene = Scene(count=2)
    scene.recorder.record(event(api=None, request_id="one"))
    scene.send()
    assert ids(scene.committed(0)) == ["one"]


def test_a_full_buffer_drops_events_and_reports_how_many(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "BUFFERED_EVENTS_MAX", 3)
    scene.record(*"abcde")
    scene.send()
    (batch,) = scene.committed()
    assert (ids([batch]), batch.dropped) == (["a", "b", "c"], 2)
    assert scene.recorder.report()["eventsDropped"] == 2
    scene.record("f")
    scene.send()
    assert scene.committed()[-1].dropped == 0


def test_more_events_than_a_batch_may_have_are_sent_as_several(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "BATCH_EVENTS_MAX", 2)
    scene.record(*"abcde")
    scene.send()
    assert [ids([batch]) for batch in scene.committed()] == [["a", "b"], ["c", "d"], ["e"]]


def test_a_batch_is_never_longer_than_shards_accept(scene: Scene) -> None:
    for number in range(constants.BATCH_EVENTS_MAX):
        name = f"{number:0200}"
        api = Api(name, name, "\u4e2d" * 200, name, 0)
        scene.recorder.record(event(api=api, request_id=str(number)))
    scene.send()
    assert scene.spilled() == []
    assert len(ids(scene.committed())) == constants.BATCH_EVENTS_MAX


def test_a_recorder_that_was_idle_for_long_takes_a_new_name_for_that_shard(scene: Scene) -> None:
    scene.record("one")
    scene.send()
    scene.clock.at_ms += DAY_MS + 1_000
    scene.record("two")
    scene.send()
    assert [(batch.writer, batch.sequence) for batch in scene.committed()] == [("w", 1), ("w-1", 1)]


def test_a_spilled_batch_expires_before_the_shard_may_forget_its_writer(scene: Scene) -> None:
    scene.shards.unavailable = {0}
    scene.store.unavailable = True
    scene.record("one")
    scene.send()
    scene.store.unavailable = False
    scene.clock.at_ms = NOON_MS + 5 * DAY_MS
    scene.record("two")
    scene.send()
    lifetime = scene.store.lifetimes_seconds[keys.spill(0, "w", 1)]
    assert lifetime == pytest.approx(2 * 86_400, abs=60)
    assert constants.SPILL_DAYS < constants.WRITER_DAYS


def test_a_batch_that_the_shard_may_have_forgotten_is_dropped_and_reported(scene: Scene) -> None:
    scene.shards.unavailable = {0}
    scene.store.unavailable = True
    scene.record("one")
    scene.send()
    scene.shards.unavailable = set()
    scene.clock.at_ms += constants.ABANDON_MS + 1_000
    scene.record("two")
    scene.send()
    (batch,) = scene.committed()
    assert (ids([batch]), batch.dropped) == (["two"], 1)
    assert scene.recorder.report()["eventsDropped"] == 1


def test_events_wait_in_memory_without_the_binding() -> None:
    recorder = UsageRecorder("w", FakeClock(), None, FakeStore())
    assert recorder.record(event())
    asyncio.run(recorder.send())
    assert recorder.report()["eventsBuffered"] == 1


def test_a_settlement_that_is_appended_twice_counts_once(scene: Scene) -> None:
    revenue: UsageEvent = event(revenue_micros=10_000)

    async def twice() -> None:
        for _ in range(2):
            await append(scene.shards, 0, settlement_batch(SETTLEMENT, revenue))

    asyncio.run(twice())
    (batch,) = scene.committed()
    assert (list(batch.events), batch.settlement) == ([revenue], SETTLEMENT)


@dataclass
class Responding:
    """A shard that always responds the same."""

    response: str
    count: int = 1

    async def call(self, *_: object) -> str:
        return self.response


@pytest.mark.parametrize("response", ["", "[]", "{}", "null", '{"position": null}', '{"error": 1}'])
def test_a_response_that_is_not_understood_counts_as_none(response: str) -> None:
    with pytest.raises(ShardUnavailable):
        asyncio.run(append(Responding(response), 0, ""))


def test_a_refusal_has_the_code_of_the_shard() -> None:
    shards = Responding('{"error": "batch_unreadable", "message": "too long"}')
    with pytest.raises(BatchRefused, match="too long") as refused:
        asyncio.run(append(shards, 0, ""))
    assert refused.value.code == "batch_unreadable"

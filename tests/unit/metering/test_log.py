"""The log loses nothing that it acknowledged, counts nothing twice, and writes bounded values."""

from __future__ import annotations

import asyncio

import pytest

from core import constants
from core.calendar import DAY_MS
from core.errors import SqlRejected
from metering.batches import IMPORTED, Batch, encode_batch
from metering.segments import batches_of
from tests.support.builders import SETTLEMENT, event, numbered
from tests.support.fakes import NOON_MS
from tests.support.shard_scene import TODAY, ShardScene, ids, run, some_events


@pytest.fixture
def scene() -> ShardScene:
    return ShardScene()


def events_of(scene: ShardScene) -> list[str]:
    """Return the ids of all committed events, which are in KV, the database, or both."""
    found = {commit.position: commit for commit in scene.commits()}
    found |= {commit.position: commit for commit in scene.log.tables.commits(0)}
    assert sorted(found) == list(range(1, scene.log.position + 1)), "positions are contiguous"
    return ids(found[position] for position in sorted(found))


def test_batches_that_arrive_together_are_one_commit(scene: ShardScene) -> None:
    responses = scene.append(numbered(1), numbered(2), numbered(1, writer="b"))
    assert [response["position"] for response in responses] == [1, 1, 1]
    assert events_of(scene) == ["w-000001", "w-000002", "b-000001"]


def test_a_commit_waits_a_moment_for_other_batches(scene: ShardScene) -> None:
    scene.append(numbered(1))
    (commit,) = scene.log.tables.commits(0)
    assert commit.at_ms == NOON_MS + constants.COMMIT_DELAY_MS


def test_a_batch_that_arrives_twice_counts_once_whenever_it_arrives(scene: ShardScene) -> None:
    scene.append(numbered(1), numbered(1))
    assert scene.append(numbered(1))[0] == {"position": 1, "new": 0}
    scene.restart()
    scene.append(numbered(1))
    scene.log.checkpoint()
    scene.restart()
    scene.append(numbered(1))
    assert events_of(scene) == ["w-000001"]


def test_a_batch_that_arrives_out_of_order_is_counted(scene: ShardScene) -> None:
    for sequence in (3, 1, 2, 3):
        scene.append(numbered(sequence))
    assert sorted(events_of(scene)) == ["w-000001", "w-000002", "w-000003"]
    assert scene.log.writers.gaps() == {}


def test_a_payment_counts_once_whenever_it_arrives(scene: ShardScene) -> None:
    batch = Batch("", 0, 0, [event(revenue_micros=10_000)], SETTLEMENT)
    scene.append(batch, batch)
    scene.restart()
    scene.append(batch)
    scene.advance(DAY_MS)
    scene.restart()
    scene.append(batch)
    assert len(events_of(scene)) == 1
    assert len(scene.call("settlements", before=[1 << 50, ""], since=0, limit=9)) == 1


def test_imported_events_count_once_however_they_are_split_and_repeated(scene: ShardScene) -> None:
    events = some_events(TODAY - 40, 6)
    pieces = [events[:4], events[2:], [events[5], events[5]], events]
    batches = [Batch(IMPORTED, 0, 0, piece) for piece in pieces]
    assert sum(response["new"] for response in scene.append(*batches)) == 6
    scene.restart()
    assert [response["new"] for response in scene.append(*batches)] == [0, 0, 0, 0]
    assert events_of(scene) == [one.request_id for one in events]
    assert scene.overall() == scene.expected(*events)


def test_a_call_that_is_abandoned_delays_the_others_for_a_second_at_most(
    scene: ShardScene,
) -> None:
    async def both() -> None:
        abandoned = asyncio.ensure_future(scene.shard.append(encode_batch(numbered(1))))
        await asyncio.sleep(0)
        abandoned.cancel()
        await asyncio.gather(abandoned, return_exceptions=True)
        scene.clock.at_ms += 1_000
        await scene.shard.append(encode_batch(numbered(2)))

    run(both())
    assert events_of(scene) == ["w-000001", "w-000002"]


def test_a_clock_that_is_set_back_delays_no_commit(scene: ShardScene) -> None:
    async def both() -> None:
        abandoned = asyncio.ensure_future(scene.shard.append(encode_batch(numbered(1))))
        await asyncio.sleep(0)
        abandoned.cancel()
        scene.clock.at_ms -= 3_600_000
        await scene.shard.append(encode_batch(numbered(2)))

    run(both())
    assert events_of(scene) == ["w-000001", "w-000002"]


def test_a_commit_is_never_longer_than_a_row_may_be(
    scene: ShardScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "COMMIT_LENGTH_MAX", 1_000)
    scene.append(*(numbered(sequence) for sequence in range(1, 30)))
    commits = list(scene.log.tables.commits(0))
    assert len(commits) > 3
    assert all(len(commit.batches) <= 1_000 for commit in commits)
    assert len(events_of(scene)) == 29


def test_many_waiting_batches_are_committed_at_once(
    scene: ShardScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "COMMIT_LENGTH_MAX", 1_000)

    async def forever(_: int) -> None:
        await asyncio.Event().wait()

    async def both() -> None:
        scene.clock.sleep_ms = forever  # type: ignore[method-assign,assignment]
        texts = [encode_batch(numbered(sequence)) for sequence in range(1, 30)]
        calls = [asyncio.ensure_future(scene.shard.append(text)) for text in texts]
        await asyncio.sleep(0.01)
        assert scene.log.position > 3
        for call in calls:
            call.cancel()

    run(both())


def test_a_commit_that_the_database_rejects_is_not_acknowledged(scene: ShardScene) -> None:
    scene.append(numbered(1))

    async def both() -> list[BaseException | str]:
        texts = [encode_batch(numbered(2)), encode_batch(numbered(3))]
        calls = [asyncio.ensure_future(scene.shard.append(text)) for text in texts]
        await asyncio.sleep(0)
        scene.sql.failing = 1
        return await asyncio.gather(*calls, return_exceptions=True)

    assert [type(result) for result in run(both())] == [SqlRejected, SqlRejected]
    scene.restart()
    scene.append(numbered(2))
    assert events_of(scene) == ["w-000001", "w-000002"]


@pytest.mark.parametrize("statement", range(6))
def test_what_follows_from_a_commit_is_made_good_after_a_crash(
    scene: ShardScene, statement: int
) -> None:
    imported = some_events(TODAY - 1, 150)
    batches = (Batch("", 0, 0, [event()], SETTLEMENT), Batch(IMPORTED, 0, 0, imported), numbered(1))
    left = [statement]
    execute = scene.sql.execute

    def crash(text: str, *values: str | int | None) -> object:
        if text.startswith("INSERT"):
            left[0] -= 1
            if left[0] < 0:
                raise SqlRejected("the object was killed")
        return execute(text, *values)

    scene.sql.execute = crash  # type: ignore[method-assign,assignment]
    if statement < 4:
        with pytest.raises(SqlRejected):
            scene.append(*batches)
    else:
        scene.append(*batches)
    scene.sql.execute = execute  # type: ignore[method-assign]
    scene.restart()
    scene.append(*batches)
    assert len(events_of(scene)) == 152
    assert scene.overall() == scene.expected(*imported, event(), *numbered(1).events)


@pytest.mark.parametrize("seed", range(8))
def test_a_restart_at_any_time_changes_nothing(scene: ShardScene, seed: int) -> None:
    for step in range(12):
        scene.add_days(TODAY - step % 3)
        if seed & 1:
            run(scene.log.flush())
        if seed & 2 and step % 4 == 0:
            scene.log.checkpoint()
        if seed & 4 or step == 11:
            before = scene.overall()
            scene.restart()
            assert scene.overall() == before
    assert scene.overall() == scene.expected()
    assert scene.log.due_ms() is not None


def test_a_reader_lacks_nothing_after_a_restart(scene: ShardScene) -> None:
    scene.add_days(TODAY)
    known = scene.call("read", position=0, parts=[])
    scene.log.checkpoint()
    scene.add_days(TODAY)
    scene.restart()
    names = [part[:2] for part in known["parts"]]
    changes = scene.call("read", position=known["position"], parts=names)
    assert [len(part[3]) for part in changes["parts"]] == [1]
    unchanged = scene.call("read", position=changes["position"], parts=names)
    assert [len(part[3]) for part in unchanged["parts"]] == [0]


def test_checkpoints_are_due_although_the_object_restarts_before_each(scene: ShardScene) -> None:
    scene.append(numbered(1))
    for _ in range(40):
        scene.clock.at_ms += 10_000
        scene.restart()
        scene.run()
    assert scene.log.checkpointed == 1
    assert scene.shard.due_ms() is not None
    assert list(scene.log.tables.commits(0)) == []


def test_many_events_are_checkpointed_early(
    scene: ShardScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "CHECKPOINT_EVENTS_MAX", 5)
    scene.add_days(TODAY)
    assert scene.log.due_ms() != scene.log.unflushed_since_ms
    scene.add_days(TODAY)
    scene.run()
    assert scene.log.checkpointed == 2


def test_a_checkpoint_is_made_while_kv_fails(scene: ShardScene) -> None:
    scene.store.unavailable = True
    scene.append(numbered(1))
    scene.advance(constants.CHECKPOINT_MS + constants.RETRY_MS_MAX)
    assert (scene.log.checkpointed, scene.log.flushed) == (1, 0)


def test_a_writer_that_is_silent_for_eight_days_is_forgotten(scene: ShardScene) -> None:
    scene.append(numbered(1))
    scene.clock.at_ms += 7 * DAY_MS
    scene.append(numbered(1, writer="b"))
    scene.log.checkpoint()
    assert scene.log.writers.has("w", 1), "a spilled batch may still arrive"
    scene.clock.at_ms += DAY_MS + 1_000
    scene.log.checkpoint()
    scene.restart()
    assert not scene.log.writers.has("w", 1)
    assert scene.log.writers.has("b", 1)


def test_an_event_of_the_future_is_counted_at_the_time_of_its_commit(scene: ShardScene) -> None:
    scene.append(numbered(1, event(NOON_MS + 5 * DAY_MS)))
    assert [part.name.day for part in scene.folder.all_parts()] == [TODAY]


def test_dropped_events_count_on_the_day_of_the_commit(scene: ShardScene) -> None:
    scene.append(numbered(1, event(NOON_MS - DAY_MS), dropped=3))
    dropped = {part.name.day: part.totals.dropped for part in scene.folder.all_parts()}
    assert dropped == {TODAY: 3, TODAY - 1: 0}
    scene.restart()
    assert scene.call("health")["dropped"] == 3


def test_a_batch_without_events_is_counted_with_what_was_dropped(scene: ShardScene) -> None:
    scene.append(Batch("w", 1, 5, []))
    assert scene.call("health")["dropped"] == 5
    assert scene.append(Batch("w", 1, 5, []))[0]["position"] == 1


def test_an_event_without_an_api_is_in_the_log_alone(scene: ShardScene) -> None:
    scene.append(numbered(1, event(api=None, request_id="none")))
    assert events_of(scene) == ["none"]
    assert scene.folder.all_parts() == []


def test_the_log_stores_batches_as_they_were_sent(scene: ShardScene) -> None:
    batch = numbered(1, event(), event(request_id="two"))
    scene.append(batch)
    (commit,) = scene.log.tables.commits(0)
    assert [one._replace(events=tuple(one.events)) for one in batches_of(commit)] == [batch]

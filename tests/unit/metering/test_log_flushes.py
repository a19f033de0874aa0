"""Segments: every commit is in KV once, also after outages and restarts."""

from __future__ import annotations

import json

import pytest

from core import constants, keys
from core.errors import StoreUnavailable
from metering import log
from metering.batches import encode_batch
from tests.support.builders import numbered
from tests.support.fakes import NOON_MS
from tests.support.shard_scene import TODAY, ShardScene, ids, run


@pytest.fixture
def scene() -> ShardScene:
    return ShardScene()


def test_every_event_is_in_one_segment_within_ten_seconds(scene: ShardScene) -> None:
    for sequence in range(1, 40):
        scene.append(numbered(sequence))
        scene.advance(1_000)
    scene.advance(constants.FLUSH_MS)
    assert ids(scene.commits()) == [f"w-{sequence:06d}" for sequence in range(1, 40)]
    assert 3 <= scene.log.counters.segments <= 5
    key = keys.segment(0, 1)
    assert scene.store.lifetimes_seconds[key] == constants.SEGMENT_DAYS * 86_400


def test_a_flush_writes_what_was_there_when_it_began(scene: ShardScene) -> None:
    put = scene.store.put

    async def slow(*arguments: object) -> None:
        await put(*arguments)  # type: ignore[arg-type]
        await scene.shard.append(encode_batch(numbered(scene.log.position + 1)))

    scene.store.put = slow  # type: ignore[method-assign,assignment]
    scene.append(numbered(1))
    run(scene.log.flush())
    assert scene.log.counters.segments == 1
    assert (scene.log.flushed, scene.log.position) == (1, 2)


def test_a_segment_has_a_limited_length(scene: ShardScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "SEGMENT_LENGTH_MAX", 1_000)
    for sequence in range(1, 20):
        scene.append(numbered(sequence))
    assert scene.log.due_ms() == scene.log.unflushed_since_ms
    scene.run()
    segments = [key for key in scene.store.values if key.startswith("usage/0/")]
    assert len(segments) > 3
    assert all(len(scene.store.values[key][0]) < 1_300 for key in segments)
    assert ids(scene.commits()) == [f"w-{sequence:06d}" for sequence in range(1, 20)]


@pytest.mark.parametrize("took_effect", [False, True])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_put_is_repeated_with_the_same_value_although_more_arrived(
    scene: ShardScene, took_effect: bool, restarts: bool
) -> None:
    scene.store.puts_take_effect_anyway = took_effect
    scene.store.failing_puts = 1
    scene.append(numbered(1))
    with pytest.raises(StoreUnavailable):
        run(scene.log.flush())
    first = dict(scene.store.values)
    if restarts:
        scene.restart()
    scene.append(numbered(2))
    run(scene.log.flush())
    assert {key: scene.store.values[key] for key in first} == first
    assert json.loads(scene.store.values[keys.segment(0, 1)][0].partition("\n")[0])["last"] == 1
    assert ids(scene.commits()) == ["w-000001", "w-000002"]


def test_commits_are_deleted_when_they_are_in_a_segment_and_a_checkpoint(
    scene: ShardScene,
) -> None:
    scene.append(numbered(1))
    scene.log.checkpoint()
    assert len(list(scene.log.tables.commits(0))) == 1
    scene.append(numbered(2))
    run(scene.log.flush())
    assert [commit.position for commit in scene.log.tables.commits(0)] == [2]
    scene.log.checkpoint()
    assert list(scene.log.tables.commits(0)) == []


def test_what_is_flushed_is_not_due_again_after_a_restart(scene: ShardScene) -> None:
    scene.append(numbered(1))
    run(scene.log.flush())
    scene.restart()
    assert scene.log.due_ms() == NOON_MS + constants.COMMIT_DELAY_MS + constants.CHECKPOINT_MS


def test_an_outage_of_kv_is_made_up_for_with_a_read_of_each_commit(
    scene: ShardScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "SEGMENT_LENGTH_MAX", 600)
    for sequence in range(1, 200):
        scene.append(numbered(sequence))
    rows = [0]
    execute = scene.sql.execute

    def count(text: str, *values: str | int | None) -> object:
        found = execute(text, *values)
        rows[0] += len(found) if "FROM commits" in text else 0
        return found

    scene.sql.execute = count  # type: ignore[method-assign,assignment]
    while scene.log.due_ms() == scene.log.unflushed_since_ms:
        run(scene.log.flush())
    assert len(ids(scene.commits())) == 199
    assert rows[0] < 25 * scene.log.counters.segments


@pytest.mark.parametrize("restarts", [False, True])
def test_after_an_outage_of_kv_segments_have_the_days_of_commits_that_are_not_in_memory(
    scene: ShardScene, monkeypatch: pytest.MonkeyPatch, restarts: bool
) -> None:
    monkeypatch.setattr(log, "_NOTED_COMMITS_MAX", 3)
    monkeypatch.setattr(log, "_SEGMENTS_PER_FLUSH", 2)
    monkeypatch.setattr(constants, "SEGMENT_LENGTH_MAX", 600)
    scene.store.unavailable = True
    for step in range(12):
        scene.add_days(TODAY - step % 3)
        if step == 7:
            scene.log.checkpoint()
    if restarts:
        before = scene.log.due_ms()
        scene.restart()
        assert scene.log.due_ms() == before
    scene.store.unavailable = False
    while scene.log.flushed < scene.log.position:
        assert scene.log.due_ms() == scene.log.unflushed_since_ms
        run(scene.log.flush())
    assert sorted(ids(scene.commits())) == sorted(one.request_id for one in scene.events)
    for step in range(3):
        assert scene.rebuild(TODAY - step)["changed"] is False

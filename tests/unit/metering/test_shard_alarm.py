"""A shard does its work when it is due, and neither waits for nor is stopped by a failure."""

from __future__ import annotations

import asyncio
import json

import pytest

from core import constants, keys
from core.calendar import DAY_MS
from core.errors import StoreUnavailable
from metering.batches import encode_batch
from tests.support.builders import event, numbered
from tests.support.fakes import NOON_MS
from tests.support.shard_scene import TODAY, ShardScene, run


@pytest.fixture
def scene() -> ShardScene:
    return ShardScene()


def test_a_shard_at_rest_is_not_due(scene: ShardScene) -> None:
    scene.append(numbered(1))
    scene.advance(2 * DAY_MS)
    assert scene.shard.due_ms() is None
    scene.restart()
    scene.run()
    scene.advance(constants.SPILL_CHECK_MS)
    assert scene.shard.due_ms() is None


def test_an_outage_of_kv_is_retried_with_growing_pauses_and_loses_nothing(
    scene: ShardScene,
) -> None:
    scene.store.unavailable = True
    runs = 0
    end_ms = NOON_MS + 2 * 3_600_000
    sequence = 0
    while scene.clock.at_ms < end_ms:
        sequence += 1
        scene.append(numbered(sequence, event(scene.clock.at_ms)))
        due_ms = scene.shard.due_ms()
        assert due_ms is not None
        scene.clock.at_ms = max(scene.clock.at_ms, due_ms)
        scene.run()
        runs += 1
    assert runs < 200
    scene.store.unavailable = False
    scene.advance(constants.RETRY_MS_MAX)
    assert (scene.log.flushed, scene.log.position) == (sequence, sequence)
    assert len(scene.commits()) == sequence


def test_a_failure_of_one_task_does_not_stop_the_others(scene: ShardScene) -> None:
    scene.add_days(TODAY)
    spilled = keys.spill(0, "w", 1)
    scene.store.values[spilled] = (encode_batch(numbered(1)), {})
    scene.clock.at_ms += DAY_MS
    put = scene.store.put

    async def failing(key: str, *rest: object) -> None:
        if key.startswith(keys.USAGE_PREFIX):
            raise StoreUnavailable("429")
        await put(key, *rest)  # type: ignore[arg-type]

    scene.store.put = failing  # type: ignore[method-assign,assignment]
    scene.run()
    assert scene.log.flushed == 0
    assert spilled not in scene.store.values
    assert scene.folder.manifest.day == TODAY + 1


def test_a_task_that_fails_for_another_reason_is_not_due_again_at_once(scene: ShardScene) -> None:
    scene.append(numbered(1))

    async def broken(*_: object) -> None:
        raise RuntimeError("a fault of this software")

    scene.store.put = broken  # type: ignore[method-assign,assignment]
    with pytest.raises(RuntimeError):
        scene.run()
    due_ms = scene.shard.due_ms()
    assert due_ms is not None
    assert due_ms > scene.clock.at_ms


def test_a_clock_that_is_set_back_delays_a_flush_by_a_minute_at_most(scene: ShardScene) -> None:
    scene.store.unavailable = True
    scene.append(numbered(1))
    scene.advance(60_000)
    scene.store.unavailable = False
    scene.clock.at_ms -= 6 * 3_600_000
    due_ms = scene.shard.due_ms()
    assert due_ms is not None
    assert due_ms <= scene.clock.at_ms + constants.RETRY_MS_MAX
    scene.clock.at_ms = due_ms
    scene.run()
    assert scene.log.flushed == 1


def test_a_run_during_another_one_does_nothing_and_comes_again(scene: ShardScene) -> None:
    scene.append(numbered(1))

    async def both() -> None:
        await asyncio.gather(scene.shard.run(), scene.shard.run(), scene.shard.run())

    run(both())
    assert scene.store.operations.count("put") == 1
    assert scene.log.flushed == 1


def test_midnight_and_the_end_of_a_year_change_no_total(scene: ShardScene) -> None:
    scene.clock.at_ms = (20_818 + 1) * DAY_MS - 600_000
    for number in range(40):
        scene.add(event(scene.clock.at_ms, request_id=f"e{number}", latency_ms=number))
        assert scene.overall() == scene.expected()
        scene.advance(30_000)
    assert scene.folder.manifest.day == 20_819
    assert json.dumps(scene.call("health")["openParts"]).startswith("[[20819,")


def test_an_append_during_a_flush_waits_for_the_next_interval(scene: ShardScene) -> None:
    scene.append(numbered(1))
    scene.clock.at_ms += constants.FLUSH_MS
    started_ms = scene.clock.at_ms
    put, due = scene.store.put, []

    async def slow(*arguments: object) -> None:
        scene.clock.at_ms += 2_000
        await scene.shard.append(encode_batch(numbered(2)))
        due.append(scene.shard.due_ms())
        await put(*arguments)  # type: ignore[arg-type]

    scene.store.put = slow  # type: ignore[method-assign,assignment]
    scene.run()
    assert due == [started_ms + constants.FLUSH_MS]
    scene.store.put = put  # type: ignore[method-assign]
    scene.advance(3 * constants.FLUSH_MS)
    assert scene.store.operations.count("put") == 2

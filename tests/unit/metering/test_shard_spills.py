"""A shard drains the batches that recorders wrote to KV, each once, and keeps those it refuses."""

from __future__ import annotations

import pytest

from core import constants, keys
from core.errors import StoreUnavailable
from metering.batches import Batch, encode_batch
from tests.support.builders import event, numbered
from tests.support.shard_scene import ShardScene


@pytest.fixture
def scene() -> ShardScene:
    return ShardScene()


def spill(scene: ShardScene, *batches: Batch) -> None:
    for batch in batches:
        key = keys.spill(0, batch.writer, batch.sequence)
        scene.store.values[key] = (encode_batch(batch), {})


def spilled(scene: ShardScene) -> list[str]:
    return [key for key in scene.store.values if key.startswith(keys.spills(0))]


def drain(scene: ShardScene) -> None:
    """Let the next check of spills happen, to its end."""
    scene.clock.at_ms += constants.SPILL_CHECK_MS
    scene.call("health")
    scene.advance(0)


def test_a_spilled_batch_is_counted_once_and_deleted(scene: ShardScene) -> None:
    scene.append(numbered(1))
    spill(scene, numbered(1), numbered(2), numbered(1, writer="dead"))
    drain(scene)
    assert spilled(scene) == []
    assert scene.log.writers.has("w", 2)
    assert scene.log.writers.has("dead", 1)
    events = [event(request_id="x") for _ in range(3)]
    assert scene.overall() == scene.expected(*events)


@pytest.mark.parametrize("refused", [0, 30, 150, 450])
def test_refused_batches_never_block_the_others_however_many_there_are(
    scene: ShardScene, refused: int
) -> None:
    newer = encode_batch(numbered(1)).replace('"v":3', '"v":4')
    for number in range(refused):
        scene.store.values[keys.spill(0, "a", number + 1)] = (newer, {})
    scene.store.values[keys.spill(0, "b", 1)] = ("damaged", {})
    spill(scene, *(numbered(number) for number in range(1, 250)))
    drain(scene)
    assert len(spilled(scene)) == refused + 1
    assert scene.call("health")["spillsWaiting"] == refused + 1
    assert scene.log.writers.gaps() == {}
    assert scene.log.writers.has("w", 249)
    due_ms = scene.shard.due_ms()
    assert due_ms is not None
    assert due_ms > scene.clock.at_ms, "they are checked again later, not at once"


def test_a_batch_that_was_refused_is_accepted_by_a_later_version(scene: ShardScene) -> None:
    newer = encode_batch(numbered(1)).replace('"v":3', '"v":4')
    key = keys.spill(0, "w", 1)
    scene.store.values[key] = (newer, {})
    drain(scene)
    scene.store.values[key] = (encode_batch(numbered(1)), {})
    scene.advance(2 * constants.SPILL_CHECK_MS)
    assert spilled(scene) == []
    assert scene.call("health")["spillsWaiting"] == 0


def test_a_spilled_batch_that_kv_lists_but_does_not_show_yet_is_kept(scene: ShardScene) -> None:
    spill(scene, numbered(1))
    get = scene.store.get_many

    async def behind(names: list[str]) -> dict[str, None]:
        return dict.fromkeys(names)

    scene.store.get_many = behind  # type: ignore[method-assign,assignment]
    drain(scene)
    assert len(spilled(scene)) == 1
    scene.store.get_many = get  # type: ignore[method-assign]
    scene.advance(2 * constants.SPILL_CHECK_MS)
    assert spilled(scene) == []
    assert scene.log.writers.has("w", 1)


def test_long_spilled_batches_are_read_within_the_limits_of_kv(scene: ShardScene) -> None:
    names = "\u4e2d" * 150
    for number in range(1, 41):
        events = [event(request_id=names)] * 900
        spill(scene, numbered(number, *events))
    assert sum(len(value) for value, _ in scene.store.values.values()) > 30_000_000
    drain(scene)
    assert spilled(scene) == []


def test_spills_are_drained_although_a_delete_fails(scene: ShardScene) -> None:
    spill(scene, numbered(1), numbered(2))
    delete, left = scene.store.delete, [1]

    async def failing(key: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise StoreUnavailable("500")
        await delete(key)

    scene.store.delete = failing  # type: ignore[method-assign]
    drain(scene)
    scene.advance(constants.RETRY_MS_MAX)
    assert spilled(scene) == []
    assert scene.overall() == scene.expected(event(), event())


def test_an_idle_shard_that_is_only_read_looks_for_spills_every_few_minutes(
    scene: ShardScene,
) -> None:
    scene.run()
    scene.store.operations.clear()
    for number in range(60):
        scene.call("read", position=0, parts=[])
        scene.advance(30_000)
        if number % 3 == 0:
            scene.restart()
    assert scene.store.operations.count("list") == 60 * 30_000 // constants.SPILL_CHECK_MS

"""Closed days are folded into roll-ups and bases, exactly, once, and whatever fails meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from core import constants, keys
from core.calendar import DAY_MS
from core.errors import StoreUnavailable
from metering.batches import encode_batch
from metering.rollups import StoredTotals, get_rollups
from tests.support.builders import event, numbered
from tests.support.shard_scene import TODAY, ShardScene, run, some_events, text_of, totals_of

AFTER_MIDNIGHT_MS = DAY_MS // 2 + constants.FOLD_DELAY_MS


@pytest.fixture
def scene() -> ShardScene:
    return ShardScene()


def week(scene: ShardScene, used_on: int) -> str:
    """Return the base of the window `week` on a day."""
    return text_of(run(scene.folder.load(scene.folder.manifest.week[used_on])))


def expected_week(scene: ShardScene, used_on: int) -> str:
    totals = totals_of(one for one in scene.events if used_on - 6 <= one.at_ms // DAY_MS < used_on)
    totals.close_days(used_on)
    return text_of(totals)


def rolled(scene: ShardScene, day: int) -> str:
    return text_of(totals_of(one for one in scene.events if one.at_ms // DAY_MS == day))


def test_a_day_is_folded_some_minutes_after_midnight(scene: ShardScene) -> None:
    scene.add_days(TODAY)
    scene.advance(AFTER_MIDNIGHT_MS - 1_000)
    assert scene.folder.manifest.day == 0
    scene.advance(2_000)
    assert scene.folder.manifest.day == TODAY + 1
    assert scene.folder.all_parts() == []
    assert scene.rollup(TODAY) == rolled(scene, TODAY)
    assert scene.overall() == scene.expected()


def test_bases_have_what_their_windows_need_today_and_tomorrow(scene: ShardScene) -> None:
    for _ in range(9):
        scene.add_days(scene.clock.at_ms // DAY_MS)
        scene.advance(DAY_MS)
    end = scene.folder.manifest.day
    assert sorted(scene.folder.manifest.week) == [end, end + 1]
    for used_on in (end, end + 1):
        assert week(scene, used_on) == expected_week(scene, used_on)
    assert scene.overall() == scene.expected()


def test_days_that_passed_without_a_fold_are_folded_in_order(scene: ShardScene) -> None:
    scene.add_days(TODAY)
    scene.clock.at_ms += DAY_MS
    scene.add_days(TODAY + 1)
    scene.clock.at_ms += 3 * DAY_MS
    scene.run()
    assert scene.folder.manifest.day == TODAY + 2
    assert week(scene, TODAY + 2) == expected_week(scene, TODAY + 2)
    assert scene.overall() == scene.expected()


def test_late_events_of_a_folded_day_are_folded_within_an_hour(scene: ShardScene) -> None:
    scene.add_days(TODAY)
    scene.advance(DAY_MS)
    scene.add_days(TODAY, count=7)
    assert scene.overall() == scene.expected()
    scene.advance(constants.FOLD_LATE_MS - 120_000)
    assert len(scene.folder.all_parts()) == 1
    scene.advance(180_000)
    assert scene.folder.all_parts() == []
    assert scene.rollup(TODAY) == rolled(scene, TODAY)
    assert scene.overall() == scene.expected()
    assert week(scene, TODAY + 1) == expected_week(scene, TODAY + 1)


def test_late_events_are_folded_although_the_object_restarts_before(scene: ShardScene) -> None:
    scene.add_days(TODAY)
    scene.advance(DAY_MS)
    scene.add_days(TODAY)
    for _ in range(3):
        scene.clock.at_ms = max(scene.shard.due_ms() or 0, scene.clock.at_ms + 1_500_000)
        scene.restart()
        scene.run()
    assert scene.folder.all_parts() == []


def test_late_events_of_a_day_before_the_first_are_folded(scene: ShardScene) -> None:
    scene.add_days(TODAY)
    scene.advance(DAY_MS)
    scene.add_days(TODAY - 300, TODAY - 20, TODAY - 3)
    scene.advance(2 * constants.FOLD_LATE_MS)
    assert scene.folder.all_parts() == []
    assert scene.overall() == scene.expected()
    assert week(scene, TODAY + 1) == expected_week(scene, TODAY + 1)


def test_many_late_apis_are_folded_at_once(
    scene: ShardScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "LATE_APIS_MAX", 3)
    scene.add_days(TODAY)
    scene.advance(DAY_MS)
    scene.add_days(*range(TODAY - 10, TODAY))
    assert scene.shard.due_ms() == 0
    scene.run()
    assert len(scene.folder.all_parts()) <= 3
    assert scene.overall() == scene.expected()


async def run_some_steps(scene: ShardScene, steps: int) -> None:
    """Run the alarm's work for some steps of the event loop, then leave it."""
    work = asyncio.ensure_future(scene.shard.run())
    for _ in range(steps):
        await asyncio.sleep(0)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


@pytest.mark.parametrize("steps", range(1, 70, 2))
def test_a_fold_that_is_interrupted_anywhere_is_repeated_with_the_same_result(steps: int) -> None:
    scene = ShardScene()
    scene.add_days(TODAY - 8, TODAY - 1, TODAY)
    scene.log.checkpoint()
    scene.add_days(TODAY)
    scene.clock.at_ms += DAY_MS
    written: dict[str, Any] = {}
    put = scene.store.put

    async def once(key: str, value: str, *rest: Any) -> None:
        if key.startswith((keys.ROLLUP_PREFIX, keys.BASE_PREFIX)):
            assert written.setdefault(key, value) == value, f"{key} is written differently"
        await put(key, value, *rest)

    scene.store.put = once  # type: ignore[method-assign,assignment]
    run(run_some_steps(scene, steps))
    scene.restart()
    assert scene.overall() == scene.expected()
    scene.add_days(TODAY)
    assert scene.overall() == scene.expected()
    scene.clock.at_ms += 2 * constants.FOLD_LATE_MS
    scene.run(2)
    assert scene.folder.all_parts() == []
    assert scene.overall() == scene.expected()
    for day in (TODAY - 8, TODAY - 1, TODAY):
        assert scene.rollup(day) == rolled(scene, day)
        assert scene.rebuild(day)["changed"] is False


@pytest.mark.parametrize("put", range(7))
@pytest.mark.parametrize("took_effect", [False, True])
def test_a_fold_whose_put_fails_is_repeated(put: int, took_effect: bool) -> None:
    scene = ShardScene()
    scene.add_days(TODAY - 1, TODAY)
    scene.advance(60_000)
    scene.clock.at_ms += DAY_MS
    real, left = scene.store.put, [put]

    async def failing(*arguments: Any) -> None:
        left[0] -= 1
        if took_effect or left[0] != -1:
            await real(*arguments)
        if left[0] == -1:
            raise StoreUnavailable("429")

    scene.store.put = failing  # type: ignore[method-assign,assignment]
    scene.run()
    assert scene.overall() == scene.expected()
    due_ms = scene.shard.due_ms()
    assert due_ms is None or due_ms > scene.clock.at_ms, "a failure is not repeated at once"
    scene.clock.at_ms += constants.RETRY_MS_MAX
    scene.run()
    assert scene.folder.all_parts() == []
    assert scene.overall() == scene.expected()


def test_events_that_arrive_during_a_fold_are_in_a_part_of_their_own(scene: ShardScene) -> None:
    scene.add_days(TODAY)
    scene.clock.at_ms += DAY_MS
    late = some_events(TODAY, 4, 100)
    put = scene.store.put

    async def slow(key: str, *rest: Any) -> None:
        if key.startswith(keys.ROLLUP_PREFIX):
            batch = numbered(1, *late)
            await scene.shard.append(encode_batch(batch))
        await put(key, *rest)

    scene.store.put = slow  # type: ignore[method-assign,assignment]
    scene.run()
    assert scene.folder.manifest.day == TODAY + 1
    assert [part.name.day for part in scene.folder.all_parts()] == [TODAY]
    assert scene.overall() == scene.expected(*late)
    assert scene.rebuild(TODAY)["changed"] is False


def test_a_reader_has_every_event_once_before_during_and_after_a_fold(scene: ShardScene) -> None:
    scene.add_days(TODAY)
    scene.clock.at_ms += DAY_MS
    counts = []
    sleep = scene.clock.sleep_ms

    async def observed(duration_ms: int) -> None:
        manifest = scene.folder.document(scene.clock.at_ms)
        stored = manifest["overall"]
        total = 0
        if stored is not None:
            found = await get_rollups(scene.store, [StoredTotals(*stored)])
            total = sum(one.calls for one in found[stored[0]].totals.apis.values())  # type: ignore[union-attr,misc]
        parts = scene.folder.all_parts()
        total += sum(one.calls for part in parts for one in part.totals.apis.values())
        counts.append(total)
        await sleep(duration_ms)

    scene.clock.sleep_ms = observed  # type: ignore[method-assign]
    for _ in range(60):
        scene.add(event(scene.clock.at_ms, request_id="x", api=numbered(1).events[0].api))
    scene.run()
    run(observed(0))
    assert counts[-1] == 63
    assert counts == sorted(counts)


def test_the_manifest_in_kv_has_the_keys_of_the_newest_bases(scene: ShardScene) -> None:
    scene.add_days(TODAY)
    scene.advance(DAY_MS)
    value = scene.store.values[keys.manifest(0)][0]
    overall = scene.folder.manifest.overall
    assert overall is not None
    assert f'"{overall.key}"' in value


def test_totals_that_were_replaced_are_deleted_after_an_hour_and_no_others(
    scene: ShardScene,
) -> None:
    for _ in range(4):
        scene.add_days(scene.clock.at_ms // DAY_MS)
        scene.advance(DAY_MS)
    scene.clock.at_ms += 2 * constants.OBSOLETE_MS
    scene.append(numbered(1, event(api=None)))
    scene.advance(constants.FLUSH_MS)
    manifest = scene.folder.manifest
    stored = [manifest.overall, *manifest.week.values()]
    stored += [scene.folder.rollup_of(TODAY + index) for index in range(4)]
    kept = {key for one in stored if one is not None for key in keys.pieces(*one)}
    found = {
        key for key in scene.store.values if key.startswith((keys.ROLLUP_PREFIX, keys.BASE_PREFIX))
    }
    assert found == kept


def test_old_totals_are_not_deleted_while_the_manifest_in_kv_has_them(scene: ShardScene) -> None:
    scene.add_days(TODAY)
    scene.advance(DAY_MS)
    old = scene.folder.manifest.overall
    put = scene.store.put

    async def without_manifest(key: str, *rest: Any) -> None:
        if key == keys.manifest(0):
            raise StoreUnavailable("429")
        await put(key, *rest)

    scene.store.put = without_manifest  # type: ignore[method-assign,assignment]
    scene.add_days(TODAY + 1)
    scene.clock.at_ms += DAY_MS
    scene.run()
    scene.clock.at_ms += DAY_MS
    scene.run()
    assert old is not None
    assert old.key in scene.store.values


def test_the_comparison_has_the_hours_of_the_days_before(scene: ShardScene) -> None:
    scene.add_days(TODAY)
    scene.advance(DAY_MS)
    hours = scene.call("read", position=0, parts=[])["manifest"]["hours"][str(TODAY)]
    assert (len(hours), sum(calls for calls, _ in hours)) == (24, 3)

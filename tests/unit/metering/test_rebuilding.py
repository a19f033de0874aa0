"""What the log says and what is stored are the same; where not, the log is right."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from core import constants, keys
from core.calendar import DAY_MS
from core.errors import StoreUnavailable
from metering.batches import encode_batch
from metering.events import Api
from metering.rollups import Rollup, put_rollup
from metering.totals import Totals
from tests.support.builders import event, numbered
from tests.support.shard_scene import TODAY, ShardScene, run, some_events, text_of, totals_of

SETTLED_MS = 600_000


@pytest.fixture
def scene() -> ShardScene:
    return nine_days()


def nine_days() -> ShardScene:
    """A shard with nine folded days, late events of one of them, and a day that is open."""
    scene = ShardScene()
    for _ in range(9):
        scene.add_days(scene.clock.at_ms // DAY_MS)
        scene.advance(DAY_MS)
    scene.add_days(TODAY + 7, TODAY + 9)
    scene.advance(SETTLED_MS)
    return scene


def key_of(scene: ShardScene, day: int) -> str:
    stored = scene.folder.rollup_of(day)
    assert stored is not None
    return stored.key


def check(scene: ShardScene) -> None:
    """Check that everything is as if nothing had been damaged."""
    assert scene.overall() == scene.expected()
    manifest = scene.folder.manifest
    assert manifest.damaged == {}
    parts = {day: part.totals for day, part in scene.folder.parts.items()}
    for day in range(TODAY, TODAY + 9):
        totals = run(scene.folder.load(scene.folder.rollup_of(day)))
        totals.merge(parts.get(day, Totals()))
        assert text_of(totals) == text_of(
            totals_of(one for one in scene.events if one.at_ms // DAY_MS == day)
        )
    for used_on, stored in manifest.week.items():
        expected = Totals()
        for day in range(used_on - 6, min(used_on, manifest.day)):
            expected.merge(run(scene.folder.load(scene.folder.rollup_of(day))))
        expected.close_days(used_on)
        assert text_of(run(scene.folder.load(stored))) == text_of(expected)


def test_a_rebuild_of_sound_totals_changes_nothing(scene: ShardScene) -> None:
    before = dict(scene.store.values)
    for day in range(TODAY - 1, TODAY + 11):
        result = scene.rebuild(day)
        assert (result["changed"], result["reason"]) == (False, None)
    assert {key: scene.store.values[key] for key in before} == before
    check(scene)


def test_a_rebuild_reads_the_segments_of_its_day_alone_in_bounded_steps(
    scene: ShardScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "REBUILD_SEGMENTS_MAX", 1)
    steps = 0
    while not scene.call("rebuild", day=TODAY + 7)["complete"]:
        steps += 1
        assert steps < 5
    assert scene.call("rebuild", day=TODAY + 20) == {
        "complete": True,
        "segments": 0,
        "changed": False,
        "reason": None,
    }
    assert steps == 2


@pytest.mark.parametrize("day", [TODAY, TODAY + 7, TODAY + 8])
def test_a_damaged_rollup_is_written_again(scene: ShardScene, day: int) -> None:
    damaged = key_of(scene, day)
    scene.damage(damaged)
    assert scene.rebuild(day)["changed"] is True
    assert key_of(scene, day) != damaged
    check(scene)


def test_a_lost_rollup_is_written_again(scene: ShardScene) -> None:
    del scene.store.values[key_of(scene, TODAY + 8)]
    assert scene.rebuild(TODAY + 8)["changed"] is True
    check(scene)


@pytest.mark.parametrize("base", ["overall", "week"])
def test_a_damaged_base_is_written_again(scene: ShardScene, base: str) -> None:
    manifest = scene.folder.manifest
    stored = manifest.overall if base == "overall" else manifest.week[manifest.day]
    assert stored is not None
    scene.damage(stored.key)
    assert scene.rebuild(TODAY + 3)["changed"] is True
    check(scene)


def test_a_rebuild_of_any_day_finds_a_damaged_base() -> None:
    scene = nine_days()
    assert scene.folder.manifest.overall is not None
    scene.damage(scene.folder.manifest.overall.key)
    assert scene.rebuild(TODAY + 3)["changed"] is True
    check(scene)


def test_a_damaged_base_is_written_again_although_the_log_is_damaged(scene: ShardScene) -> None:
    assert scene.folder.manifest.overall is not None
    scene.damage(scene.folder.manifest.overall.key)
    for key in [key for key in scene.store.values if key.startswith(keys.USAGE_PREFIX)]:
        scene.damage(key)
    assert scene.rebuild(TODAY + 3)["reason"] is not None
    check(scene)


def wrong_rollup(scene: ShardScene) -> None:
    """Replace a roll-up by sound totals of other events."""
    day = TODAY + 6
    stored = run(put_rollup(scene.store, keys.rollup(0, day, 900), Rollup(Totals())))
    until = scene.log.tables.rollup_until(day)
    scene.log.tables.set_rollup(day, *stored, until)


def wrong_part(scene: ShardScene) -> None:
    scene.folder.parts[TODAY + 9].totals.add_all([event()])


def wrong_late_part(scene: ShardScene) -> None:
    del scene.folder.parts[TODAY + 7]


@pytest.mark.parametrize(
    ("day", "falsify"),
    [(TODAY + 6, wrong_rollup), (TODAY + 9, wrong_part), (TODAY + 7, wrong_late_part)],
)
def test_totals_that_differ_from_the_log_are_replaced(
    scene: ShardScene, day: int, falsify: Callable[[ShardScene], None]
) -> None:
    falsify(scene)
    assert scene.rebuild(day)["changed"] is True
    check(scene)
    scene.restart()
    check(scene)
    assert scene.rebuild(day)["changed"] is False


def test_events_that_arrive_during_a_rebuild_are_counted_once(scene: ShardScene) -> None:
    day = TODAY + 7
    scene.damage(key_of(scene, day))
    wrong_late_part(scene)
    get, count = scene.store.get_many, [0]

    async def slow(names: Any) -> Any:
        count[0] += 1
        batch = some_events(day, 1, 500 + count[0])
        scene.events += batch
        await scene.shard.append(encode_batch(numbered(count[0], *batch)))
        return await get(names)

    scene.store.get_many = slow  # type: ignore[method-assign,assignment]
    assert scene.rebuild(day)["changed"] is True
    scene.store.get_many = get  # type: ignore[method-assign]
    assert count[0] > 3
    check(scene)


def test_a_reader_gets_a_part_that_was_replaced_as_a_whole(scene: ShardScene) -> None:
    known = scene.call("read", position=0, parts=[])
    wrong_part(scene)
    scene.rebuild(TODAY + 9)
    names = [part[:2] for part in known["parts"]]
    found = scene.call("read", position=known["position"], parts=names)
    assert [len(part[3]) for part in found["parts"] if part[0] == TODAY + 9] == [1]
    assert [*(part[:2] for part in found["parts"])] != names


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_fold_repairs_what_it_needs_and_finds_damaged(scene: ShardScene, count: int) -> None:
    overall = scene.folder.manifest.overall
    assert overall is not None
    for key in [overall.key, *(key_of(scene, TODAY + 8 - index) for index in range(count))]:
        scene.damage(key)
    scene.advance(DAY_MS)
    assert scene.folder.manifest.day == TODAY + 10
    check(scene)


def test_repairs_are_made_in_bounded_runs(
    scene: ShardScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metering.rebuilding._ROLLUPS_PER_STEP", 2)
    overall = scene.folder.manifest.overall
    assert overall is not None
    scene.damage(overall.key)
    scene.clock.at_ms += DAY_MS
    scene.run()
    assert scene.folder.manifest.day == TODAY + 9
    assert (scene.shard.due_ms() or 0) <= scene.clock.at_ms
    scene.run(2)
    assert scene.folder.manifest.day == TODAY + 10
    check(scene)


def test_totals_that_the_log_no_longer_has_are_reported_after_some_time(scene: ShardScene) -> None:
    day = TODAY + 8
    damaged = key_of(scene, day)
    scene.damage(damaged)
    for key in [key for key in scene.store.values if key.startswith("usage/0/")]:
        scene.damage(key)
    assert "segment" in scene.rebuild(day)["reason"]
    assert scene.folder.manifest.damaged == {}
    scene.clock.at_ms += DAY_MS
    scene.run()
    assert scene.folder.manifest.day == TODAY + 9, "KV may show them again"
    scene.clock.at_ms += constants.REPAIR_MS
    scene.run()
    assert list(scene.folder.manifest.damaged) == [damaged]
    assert scene.folder.manifest.day == TODAY + 10
    assert scene.call("health")["damaged"].keys() == {damaged}
    assert scene.overall() == scene.expected(), "the base still has the day"


def test_totals_that_kv_does_not_show_yet_are_not_damaged(scene: ShardScene) -> None:
    overall = scene.folder.manifest.overall
    assert overall is not None
    value = scene.store.values.pop(overall.key)
    scene.folder.manifest.changed_ms = scene.clock.at_ms
    with pytest.raises(StoreUnavailable):
        run(scene.folder.load(overall))
    scene.store.values[overall.key] = value
    check(scene)


def test_a_day_whose_segments_have_expired_is_not_rebuilt_and_stays(scene: ShardScene) -> None:
    scene.clock.at_ms += (constants.SEGMENT_DAYS - 5) * DAY_MS
    scene.append(numbered(1, event(api=None)))
    scene.run(3)
    before = scene.overall()
    assert "expired" in scene.rebuild(TODAY)["reason"]
    scene.clock.at_ms += constants.SEGMENT_DAYS * DAY_MS
    scene.run(3)
    assert scene.log.tables.oldest_segment() is None
    for day in (TODAY, TODAY + 8):
        assert "expired" in scene.rebuild(day)["reason"]
    assert scene.overall() == before


def test_a_rebuild_during_an_outage_changes_nothing_and_goes_on_later(scene: ShardScene) -> None:
    scene.damage(key_of(scene, TODAY + 8))
    scene.store.unavailable = True
    with pytest.raises(StoreUnavailable):
        scene.rebuild(TODAY + 8)
    scene.store.unavailable = False
    assert scene.rebuild(TODAY + 8)["changed"] is True
    check(scene)


@pytest.mark.parametrize("steps", range(1, 60, 3))
def test_a_rebuild_that_is_interrupted_anywhere_can_be_repeated(steps: int) -> None:
    scene = ShardScene()
    scene.add_days(TODAY)
    scene.advance(DAY_MS)
    scene.add_days(TODAY, TODAY + 1)
    scene.advance(SETTLED_MS)
    day = TODAY
    until = scene.log.tables.rollup_until(day)
    stored = run(put_rollup(scene.store, keys.rollup(0, day, 900), Rollup(Totals())))
    scene.log.tables.set_rollup(day, *stored, until)

    async def some_steps() -> None:
        work = asyncio.ensure_future(scene.shard.rebuild(f'{{"day":{day}}}'))
        for _ in range(steps):
            await asyncio.sleep(0)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    run(some_steps())
    scene.restart()
    scene.rebuild(day)
    scene.run()
    assert scene.overall() == scene.expected()
    assert scene.rebuild(day)["changed"] is False


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_part_that_the_checkpoint_lost_is_added_up_from_the_log(
    scene: ShardScene, position: int
) -> None:
    scene.log.checkpoint()
    names = [name for name, _ in scene.log.tables.checkpoint() if name.startswith("part")]
    if position < len(names):
        scene.sql.execute("UPDATE checkpoint SET text = '[]' WHERE name = ?", names[position])
    else:
        scene.sql.execute("UPDATE checkpoint SET text = '[]' WHERE name <> 'writers'")
    scene.restart()
    scene.add_days(TODAY + 9, TODAY + 7)
    with pytest.raises(Exception, match="added up again"):
        scene.call("read", position=0, parts=[])
    scene.advance(2_000)
    assert scene.folder.lost == set()
    assert scene.call("read", position=0, parts=[])["complete"]
    check(scene)


def test_a_part_that_was_lost_during_its_fold_is_folded_again() -> None:
    scene = ShardScene()
    scene.add_days(TODAY)
    scene.run()
    scene.clock.at_ms += DAY_MS
    scene.store.failing_puts = 1
    scene.run()
    assert scene.folder.set_aside
    scene.sql.execute("UPDATE checkpoint SET text = '' WHERE name <> 'writers'")
    scene.restart()
    scene.advance(SETTLED_MS)
    assert scene.folder.manifest.day == TODAY + 1
    assert scene.overall() == scene.expected()


def test_a_large_part_that_was_replaced_is_read_in_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = ShardScene()
    for number in range(30):
        scene.add(event(api=Api("t", f"s{number}", "", "", 0), request_id=f"e{number}"))
    scene.folder.parts[TODAY].totals.dropped += 1
    scene.rebuild(TODAY)
    monkeypatch.setattr(constants, "SHARD_READ_LENGTH_MAX", 1_000)
    found = scene.call("read", position=0, parts=[])
    assert not found["complete"]
    assert 0 < len(found["parts"][0][3]) < 30

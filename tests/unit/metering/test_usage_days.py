"""The stored usage of a day is always that of its roll-up, and is repaired with it."""

from __future__ import annotations

from core.calendar import DAY_MS
from metering.usage.days import usage_rows
from tests.support.builders import event
from tests.support.fakes import NOON_MS
from tests.support.shard_scene import TODAY, ShardScene, run


def is_consistent(scene: ShardScene) -> bool:
    rollup = run(scene.folder.load(scene.folder.rollup_of(TODAY)))
    return [*scene.folder.usage.day(TODAY)] == [*usage_rows(rollup)]


def folded() -> ShardScene:
    scene = ShardScene()
    scene.add_days(TODAY, count=5)
    scene.advance(DAY_MS)
    assert len(scene.folder.usage.day(TODAY)) == 2
    return scene


def test_the_usage_of_a_day_is_that_of_its_roll_up_also_after_late_events() -> None:
    scene = folded()
    assert is_consistent(scene)
    before = scene.folder.usage.day(TODAY)
    scene.add(event(NOON_MS, request_id="late"))
    scene.advance(DAY_MS)
    assert is_consistent(scene)
    assert scene.folder.usage.day(TODAY)[0].sums.calls == before[0].sums.calls + 1


def test_a_rebuild_repairs_usage_that_is_wrong_or_missing() -> None:
    for damage in (
        "UPDATE usage_sums SET calls = calls + 1",
        "DELETE FROM usage_sums",
        "UPDATE usage_details SET detail = '[]'",
    ):
        scene = folded()
        scene.sql.execute(damage)
        assert scene.rebuild(TODAY)["changed"]
        assert is_consistent(scene)
        assert not scene.rebuild(TODAY)["changed"]


def test_the_usage_survives_a_restart() -> None:
    scene = folded()
    scene.restart()
    assert is_consistent(scene)
    assert scene.folder.usage_missing == []

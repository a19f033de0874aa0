"""An import can be undone until one of its days is folded; its events then never count."""

from __future__ import annotations

import json

import pytest

from core import constants
from core.calendar import DAY_MS
from core.ports import Json
from metering.batches import IMPORTED, Batch
from metering.events import UsageEvent
from tests.support.shard_scene import TODAY, ShardScene, run, some_events

HOUR_MS = 3_600_000


def import_of(scene: ShardScene, name: str, *events: UsageEvent) -> Json:
    (response,) = scene.append(Batch(IMPORTED, 0, 0, events, source=name))
    return response


def events_of(*days: int, first: int = 100) -> list[UsageEvent]:
    return [one for day in days for one in some_events(day, 3, first + 10 * day)]


def undo(scene: ShardScene, name: str, *, execute: bool = True) -> Json:
    return scene.call("undo", **{"import": name, "execute": execute})


@pytest.fixture
def scene() -> ShardScene:
    """A shard with a folded day, and one that is open."""
    scene = ShardScene()
    scene.add_days(TODAY)
    scene.advance(DAY_MS)
    scene.add_days(TODAY + 1)
    return scene


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("checkpoints", [False, True])
def test_an_undo_leaves_what_was_there_before(
    scene: ShardScene, restarts: bool, checkpoints: bool
) -> None:
    before = scene.overall()
    events = events_of(TODAY - 3, TODAY, TODAY + 1)
    assert import_of(scene, "old", *events)["new"] == len(events)
    assert scene.overall() == scene.expected(*events) != before
    if checkpoints:
        scene.log.checkpoint()
    if restarts:
        scene.restart()
        assert scene.overall() == scene.expected(*events)
    found = undo(scene, "old")
    assert (found["state"], found["events"], found["untilMs"]) == ("undone", len(events), None)
    assert scene.overall() == scene.expected() == before
    scene.restart()
    assert scene.overall() == before


@pytest.mark.parametrize("flushes", [False, True])
def test_a_rebuild_after_an_undo_changes_nothing(scene: ShardScene, flushes: bool) -> None:
    import_of(scene, "old", *events_of(TODAY - 3, TODAY, TODAY + 1))
    kept = events_of(TODAY, TODAY + 1, first=500)
    import_of(scene, "kept", *kept)
    if flushes:
        scene.run()
    undo(scene, "old")
    for day in (TODAY - 3, TODAY, TODAY + 1):
        assert scene.rebuild(day)["changed"] is False
    assert scene.overall() == scene.expected(*kept)


def test_an_import_that_is_undone_during_a_rebuild_does_not_come_back(
    scene: ShardScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "REBUILD_SEGMENTS_MAX", 1)
    for first in (1000, 2000):
        import_of(scene, "old", *events_of(TODAY + 1, first=first))
        scene.advance(constants.FLUSH_MS)
    steps = [scene.call("rebuild", day=TODAY + 1) for _ in range(2)]
    assert not any(step["complete"] for step in steps)
    assert undo(scene, "old")["state"] == "undone"
    assert scene.rebuild(TODAY + 1)["changed"] is False
    assert scene.overall() == scene.expected()


def test_a_part_of_an_import_that_was_damaged_is_rebuilt(scene: ShardScene) -> None:
    kept = events_of(TODAY, TODAY + 1, first=500)
    import_of(scene, "kept", *kept)
    scene.log.imports.parts[TODAY, "kept"].totals.dropped += 1
    assert scene.rebuild(TODAY)["changed"] is True
    assert scene.overall() == scene.expected(*kept)
    assert undo(scene, "kept")["state"] == "undone"
    assert scene.overall() == scene.expected()


def test_an_import_is_folded_an_hour_after_its_first_event_and_cannot_be_undone(
    scene: ShardScene,
) -> None:
    events = events_of(TODAY - 3)
    import_of(scene, "old", *events)
    until_ms = undo(scene, "old", execute=False)["untilMs"]
    assert until_ms == scene.clock.at_ms + HOUR_MS
    scene.advance(HOUR_MS - 60_000)
    assert undo(scene, "old", execute=False)["state"] == "open"
    scene.advance(120_000)
    assert undo(scene, "old") == {"state": "folded", "events": 0, "untilMs": None}
    assert scene.overall() == scene.expected(*events)
    later = events_of(TODAY - 4)
    assert import_of(scene, "old", *later)["new"] == len(later)
    assert undo(scene, "old")["state"] == "folded"
    assert scene.overall() == scene.expected(*events, *later)


def test_an_import_into_an_empty_log_can_be_undone_for_an_hour() -> None:
    scene = ShardScene()
    events = events_of(TODAY - 9, TODAY - 1)
    import_of(scene, "old", *events)
    scene.advance(HOUR_MS - 60_000)
    assert undo(scene, "old", execute=False)["state"] == "open"
    scene.advance(120_000)
    assert undo(scene, "old")["state"] == "folded"
    assert scene.overall() == scene.expected(*events)


def test_an_import_of_today_is_folded_with_the_day(scene: ShardScene) -> None:
    events = events_of(TODAY + 1)
    import_of(scene, "old", *events)
    until_ms = undo(scene, "old", execute=False)["untilMs"]
    assert until_ms == (TODAY + 2) * DAY_MS + constants.FOLD_DELAY_MS
    scene.advance(DAY_MS)
    assert undo(scene, "old")["state"] == "folded"
    assert scene.overall() == scene.expected(*events)


def test_what_was_undone_can_be_imported_again_under_another_name(scene: ShardScene) -> None:
    events = events_of(TODAY - 3)
    import_of(scene, "old", *events)
    undo(scene, "old")
    assert import_of(scene, "old", *events)["error"] == "import_undone"
    assert scene.overall() == scene.expected()
    assert import_of(scene, "new", *events)["new"] == len(events)
    assert scene.overall() == scene.expected(*events)


def test_an_undo_is_safe_to_repeat(scene: ShardScene) -> None:
    import_of(scene, "old", *events_of(TODAY - 3))
    undo(scene, "old")
    position = scene.log.position
    assert undo(scene, "old") == {"state": "undone", "events": 0, "untilMs": None}
    assert undo(scene, "other")["state"] == "unknown"
    assert scene.log.position == position


def test_an_event_belongs_to_the_import_that_had_it_first(scene: ShardScene) -> None:
    events = events_of(TODAY - 3)
    import_of(scene, "first", *events[:2])
    assert import_of(scene, "second", *events)["new"] == 1
    undo(scene, "second")
    assert scene.overall() == scene.expected(*events[:2])


def test_imports_of_one_commit_are_undone_one_by_one(scene: ShardScene) -> None:
    names = ("a", "b", "c")
    own = {name: events_of(TODAY, first=1000 * (at + 1)) for at, name in enumerate(names)}
    scene.append(*(Batch(IMPORTED, 0, 0, own[name], source=name) for name in names))
    parts = {part.source: part.name for part in scene.folder.all_parts() if part.source}
    assert len(set(parts.values())) == 3
    undo(scene, "a")
    scene.restart()
    again = {part.source: part.name for part in scene.folder.all_parts() if part.source}
    assert again == {name: parts[name] for name in ("b", "c")}
    assert scene.overall() == scene.expected(*own["b"], *own["c"])


def test_events_that_were_undone_are_named_for_pages(scene: ShardScene) -> None:
    import_of(scene, "old", *events_of(TODAY))
    undo(scene, "old")
    request = json.dumps({"before": scene.log.position, "limit": 10})
    assert json.loads(run(scene.shard.events(request)))["undone"] == ["old"]

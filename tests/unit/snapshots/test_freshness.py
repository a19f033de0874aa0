"""A snapshot says what it lacks, and its ETag covers everything that it shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from analytics import WINDOWS
from core import constants, keys
from core.calendar import DAY_MS
from core.errors import ShardUnavailable
from snapshots.serialization import etag_of
from tests.support.builders import MAPS, event
from tests.support.fakes import NOON_MS
from tests.support.snapshot_builders import Deployment, run


def test_a_shard_that_does_not_respond_is_shown_as_of_its_last_read() -> None:
    async def scene() -> None:
        deployment = Deployment()
        deployment.shards.count = 2
        await deployment.append([event(NOON_MS)], 0)
        await deployment.append([event(NOON_MS)], 1)
        isolate = deployment.isolate()
        await isolate.check("today")
        as_of_ms = deployment.clock.at_ms
        deployment.clock.at_ms += 90_000
        deployment.shards.unavailable.add(1)
        await deployment.append([event(NOON_MS)], 0)
        found = await isolate.read("today")
        assert found["heroStats"]["calls"] == 3
        freshness = found["freshness"]
        assert (freshness["complete"], freshness["unavailableShards"]) == (False, [1])
        assert freshness["lagSeconds"] == (deployment.clock.at_ms - as_of_ms) // 1_000 >= 90
        deployment.shards.unavailable.clear()
        await isolate.check("today")

    run(scene())


def test_a_new_isolate_shows_what_kv_has_of_a_shard_that_does_not_respond() -> None:
    async def scene() -> None:
        deployment = Deployment()
        await deployment.append([event(NOON_MS - DAY_MS), event(NOON_MS)])
        await deployment.advance(DAY_MS)
        deployment.shards.unavailable.add(0)
        found = await deployment.isolate().read("overall")
        assert found["heroStats"]["calls"] == 2
        assert not found["freshness"]["complete"]
        assert found["freshness"]["asOf"] == "2026-11-22T23:00:00.000Z"
        del deployment.store.values[keys.manifest(0)]
        with pytest.raises(ShardUnavailable):
            await deployment.isolate().read("overall")

    run(scene())


def damage(deployment: Deployment, key: str) -> str:
    """Damage the only base or roll-up whose key contains `key`, and return its key."""
    (name,) = [name for name in deployment.store.values if key in name]
    value, metadata = deployment.store.values[name]
    deployment.store.values[name] = (value.replace("alice", "malory", 1), metadata)
    return name


@pytest.mark.parametrize("window", ["week", "overall"])
def test_damaged_totals_are_named_and_not_counted(window: str) -> None:
    async def scene() -> None:
        deployment = Deployment()
        await deployment.append([event(NOON_MS)])
        await deployment.advance(DAY_MS)
        await deployment.append([event(NOON_MS + DAY_MS)])
        name = {"week": "base/0/week/2026-11-23", "overall": "base/0/overall"}[window]
        stored = dict(deployment.store.values)
        name = damage(deployment, name)
        isolate = deployment.isolate()
        found = await isolate.read(window)
        assert found["heroStats"]["calls"] == 1
        freshness = found["freshness"]
        assert (freshness["complete"], freshness["damagedTotals"]) == (False, [name])
        assert (await isolate.read("today"))["freshness"]["complete"]
        deployment.store.values.update(stored)
        deployment.clock.at_ms += constants.DAMAGED_RETRY_MS
        await isolate.check(window)

    run(scene())


def test_dropped_events_make_a_window_incomplete() -> None:
    async def scene() -> None:
        deployment = Deployment()
        isolate = deployment.isolate()
        await deployment.append([event(NOON_MS)])
        await isolate.check("today")
        await deployment.shards.append([], dropped=4)
        found = (await isolate.read())["freshness"]
        assert (found["complete"], found["droppedEvents"]) == (False, 4)

    run(scene())


def tags_of(deployment: Deployment, windows: Sequence[str] = WINDOWS) -> dict[str, str]:
    async def read() -> dict[str, str]:
        isolate = deployment.isolate()
        return {window: etag_of([await isolate.read(window)]) for window in windows}

    return run(read())


def test_the_tag_changes_only_with_what_is_shown() -> None:
    deployment = Deployment()
    run(deployment.append([event(NOON_MS), event(NOON_MS - DAY_MS, MAPS)]))
    before = tags_of(deployment)
    deployment.clock.at_ms += 30_000
    assert tags_of(deployment) == before
    run(deployment.append([event(NOON_MS, counted=False, status=402)]))
    assert tags_of(deployment) == before, "a refused request changes nothing"
    run(deployment.append([event(NOON_MS - DAY_MS, MAPS)]))
    after = tags_of(deployment)
    assert after["week"] != before["week"]
    assert after["overall"] != before["overall"]
    run(deployment.shards.append([], dropped=1))
    assert tags_of(deployment)["today"] != after["today"], "it is no longer complete"
    deployment.clock.at_ms += DAY_MS
    assert len({*tags_of(deployment).values(), *after.values()}) == 6


@pytest.mark.parametrize(
    "path",
    [
        ("allApis", 0, "calls"),
        ("series", 0, "errors"),
        ("directories", 0, "uniqueCallers"),
        ("heroStats", "activeAgents"),
        ("previous", "heroStats", "calls"),
        ("freshness", "complete"),
        ("freshness", "droppedEvents"),
        ("apis", "total"),
        ("range", "startAt"),
        ("window",),
    ],
)
def test_the_tag_covers_every_part(path: tuple[str | int, ...]) -> None:
    deployment = Deployment()
    run(deployment.append([event(NOON_MS - DAY_MS - 1), event(NOON_MS)]))
    found = json.loads(json.dumps(run(deployment.isolate().read())))
    before = etag_of([found])
    *parents, last = path
    place: Any = found
    for name in parents:
        place = place[name]
    place[last] = "changed"
    assert etag_of([found]) != before

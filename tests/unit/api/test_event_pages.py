"""Events and settlements are listed newest first, each once, from all shards, at a bounded cost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import usage
from core import constants
from core.errors import ShardUnavailable
from metering.events import Api
from tests.support.builders import SETTLEMENT, event, settlement_batch
from tests.support.fake_shards import FakeShards
from tests.support.fakes import FakeStore
from tests.support.platform_scene import Scene

ROUTE = "/__platform/events"


def shards_of(scene: Scene) -> FakeShards:
    assert scene.environment.usage_shards is not None
    return scene.environment.usage_shards


def store_of(scene: Scene) -> FakeStore:
    assert scene.environment.usage_store is not None
    return scene.environment.usage_store


def append(scene: Scene, names: list[str], tenant: str = "t") -> None:
    """Send one batch; the shard makes one commit of it."""
    for name in names:
        scene.recorder.record(
            event(scene.clock.at_ms, Api(tenant, "a", "", "", 0), request_id=name)
        )
    asyncio.run(scene.recorder.send())


def flush(scene: Scene) -> None:
    """Write segments, and delete their commits from the database."""
    scene.clock.at_ms += constants.CHECKPOINT_MS
    asyncio.run(shards_of(scene).run())


def read_all(scene: Scene, limit: int, route: str = ROUTE) -> list[list[str]]:
    """Return the ids of each page, from the newest to the oldest."""
    pages = []
    cursor = ""
    while True:
        body = scene.body(route, f"?limit={limit}{cursor}")
        rows: list[dict[str, Any]] = body.get("events") or body.get("settlements") or []
        pages.append([str(row.get("paymentId") or row["requestId"]) for row in rows])
        if body["cursor"] is None:
            return pages
        assert len(rows) == limit
        cursor = f"&cursor={body['cursor']}"


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 100])
def test_pages_have_every_event_once_from_commits_and_from_segments(limit: int) -> None:
    scene = Scene()
    names = [f"r{number:02d}" for number in range(17)]
    append(scene, names[:5])
    append(scene, names[5:6])
    flush(scene)
    append(scene, names[6:10])
    flush(scene)
    append(scene, names[10:14])
    append(scene, names[14:])
    pages = read_all(scene, limit)
    assert [name for page in pages for name in page] == names[::-1]


def test_a_page_without_events_ends_the_list() -> None:
    body = Scene().body(ROUTE)
    assert (body["events"], body["cursor"], body["unreadable"]) == ([], None, [])


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_the_events_of_all_shards_are_in_the_order_of_their_commits(limit: int) -> None:
    scene = Scene()
    shards_of(scene).count = 4
    names = [f"r{number:02d}" for number in range(12)]
    for number, name in enumerate(names):
        append(scene, [name], f"tenant-{number % 5}")
        if number == 6:
            flush(scene)
    assert len({shard for shard, method in shards_of(scene).calls if method == "append"}) > 1
    assert [name for page in read_all(scene, limit) for name in page] == names[::-1]


def test_a_cursor_stays_valid_while_events_arrive_and_are_flushed() -> None:
    scene = Scene()
    append(scene, ["r1", "r2", "r3"])
    first = scene.body(ROUTE, "?limit=1")
    append(scene, ["r4"])
    flush(scene)
    second = scene.body(ROUTE, f"?limit=1&cursor={first['cursor']}")
    shards_of(scene).count = 2
    third = scene.body(ROUTE, f"?limit=9&cursor={second['cursor']}")
    pages = (first, second, third)
    assert [one["requestId"] for page in pages for one in page["events"]] == ["r3", "r2", "r1"]


def test_the_cost_of_a_page_does_not_depend_on_the_length_of_the_log() -> None:
    costs = []
    for segments in (3, 30):
        scene = Scene()
        for number in range(segments):
            append(scene, [f"r{number}-{index}" for index in range(20)])
            flush(scene)
        store_of(scene).operations.clear()
        shards_of(scene).calls.clear()
        scene.body(ROUTE, "?limit=10")
        costs.append((len(store_of(scene).operations), len(shards_of(scene).calls)))
    assert costs[0] == costs[1] == (1, 1)


def test_a_damaged_segment_is_named_and_left_out() -> None:
    scene = Scene()
    for name in ("r1", "r2", "r3"):
        append(scene, [name])
        flush(scene)
    store_of(scene).values["usage/0/000000000002"] = ("{", {})
    body = scene.body(ROUTE, "?limit=9")
    assert [one["requestId"] for one in body["events"]] == ["r3", "r1"]
    (text,) = body["unreadable"]
    assert "segment 2 of shard 0 is damaged" in text


def test_a_shard_that_does_not_respond_is_an_error_and_not_a_gap() -> None:
    scene = Scene()
    shards_of(scene).unavailable = {0}
    for route in (ROUTE, "/__platform/settlements"):
        with pytest.raises(ShardUnavailable):
            scene.body(route)


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_settlements_of_all_shards_are_listed_by_their_claims(limit: int) -> None:
    scene = Scene()
    shards_of(scene).count = 3
    names = [f"p{number:02d}" for number in range(10)]
    for number, name in enumerate(names):
        # Two payments are claimed in the same millisecond.
        at_ms = SETTLEMENT.claimed_at_ms + number // 2
        one = SETTLEMENT._replace(payment_id=name, claimed_at_ms=at_ms)
        asyncio.run(usage.append(shards_of(scene), number % 3, settlement_batch(one)))
    pages = read_all(scene, limit, "/__platform/settlements")
    assert [name for page in pages for name in page] == names[::-1]

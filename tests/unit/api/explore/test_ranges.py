"""Ranges of the public page have the sums of their hours or days, in the form of a window."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from core import keys
from core.calendar import DAY_MS, HOUR_MS, timestamp
from core.ports import Response
from tests.support.dispatcher_scene import Scene, error


def snapshot_of(scene: Scene, query: str) -> dict[str, Any]:
    response = scene.request(f"/api/explore/analytics?{query}")
    assert isinstance(response, Response)
    body = json.loads(response.body)
    assert body["ok"] is True, body
    snapshot: dict[str, Any] = body["snapshot"]
    return snapshot


def called(*hours_ago: int) -> Scene:
    """Return a deployment whose API was called so long ago."""
    scene = Scene()
    now_ms = scene.clock.at_ms
    for hours in sorted(hours_ago, reverse=True):
        scene.clock.at_ms = now_ms - hours * HOUR_MS
        scene.request("/t/weather/today")
    scene.clock.at_ms = now_ms
    return scene


@pytest.mark.parametrize(
    ("name", "calls", "before"),
    [("24h", 2, 1), ("30d", 4, 1), ("90d", 5, 0), ("2026-11-22", 1, 1), ("2026-11-21", 2, 0)],
)
def test_a_range_has_its_calls_and_those_of_the_time_before(
    name: str, calls: int, before: int
) -> None:
    scene = called(0, 13, 30, 24 * 20, 24 * 40)
    snapshot = snapshot_of(scene, f"range={name}")
    assert snapshot["heroStats"]["calls"] == calls
    assert sum(point["calls"] for point in snapshot["series"]) == calls
    assert sum(row["calls"] for row in snapshot["allApis"]) == calls
    previous = snapshot["previous"]
    assert (0 if previous is None else previous["heroStats"]["calls"]) == before


def test_what_is_not_counted_in_a_range_is_null() -> None:
    snapshot = snapshot_of(called(0), "range=24h")
    assert snapshot["heroStats"]["activeAgents"] is None
    (row, *others) = snapshot["allApis"]
    assert row["uniqueCallers"] is None
    assert (row["calls"], sum(row["trend"])) == (1, 1)
    assert [other["calls"] for other in others] == [0, 0]
    assert snapshot_of(called(0), "range=30d")["heroStats"]["activeAgents"] == 1


@pytest.mark.parametrize(("name", "window"), [("7d", "week"), ("all", "overall")])
def test_ranges_that_equal_a_window_are_the_same(name: str, window: str) -> None:
    scene = called(0, 13)
    assert snapshot_of(scene, f"range={name}") == snapshot_of(scene, f"window={window}")


def test_a_range_has_the_owner_category_and_order_of_its_apis() -> None:
    scene = called(0, 1)
    scene.request("/t/fx/today")
    rows = snapshot_of(scene, "range=24h")["allApis"]
    assert [(row["rank"], row["endpoint"], row["owner"], row["directory"]) for row in rows[:2]] == [
        (1, "/t/weather", "@alice", "Data"),
        (2, "/t/fx", "@unknown", "APIs"),
    ]


@pytest.mark.parametrize("name", ["year", "2026-02-30", "2026-11-23", "24H", ""])
def test_an_invalid_range_says_which_there_are(name: str) -> None:
    shown = error(Scene().request(f"/api/explore/analytics?range={name}"))
    assert (shown["status"], shown["error"]) == (400, "invalid_parameter")
    assert "UTC day" in shown["expected"]


def test_any_number_of_days_is_kept_in_bounded_memory() -> None:
    scene = called(0)
    for day in range(30):
        at = timestamp(scene.clock.at_ms - day * DAY_MS)[:10]
        snapshot_of(scene, f"range={at}")
    assert len(scene.dispatcher.explore._caches) <= 20


def test_generated_history_is_labelled() -> None:
    scene = called(0)
    assert snapshot_of(scene, "window=today")["demoHistory"] is None
    mark = {"from": "2026-10-24T00:00:00.000Z", "to": "2026-11-22T09:00:00.000Z", "seed": 1}
    store = scene.environment.usage_store
    assert store is not None
    asyncio.run(store.put(keys.DEMO_HISTORY, json.dumps(mark), {}))
    scene.clock.at_ms += 11 * 60_000
    found = snapshot_of(scene, "window=today")["demoHistory"]
    assert found == {"from": mark["from"], "to": mark["to"]}

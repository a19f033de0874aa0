"""Isolates show what shard 0 reads for all of them, and read the shards themselves without it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from typing import Any

import pytest

from analytics import WINDOWS, Analytics
from core.calendar import DAY_MS, MINUTE_MS
from core.errors import BindingMissing, ShardUnavailable
from metering.events import Api
from snapshots.serialization import etag_of, snapshot_json
from tests.support.builders import event
from tests.support.fakes import FakeClock, FakeStore
from tests.support.snapshot_builders import Deployment, counted, direct, run
from tests.unit.snapshots.test_reading import some_events


def analytics_of(deployment: Deployment) -> Analytics:
    return Analytics(deployment.clock, deployment.shards, deployment.store)


async def check(analytics: Analytics, deployment: Deployment, window: str) -> Mapping[str, Any]:
    """Read a window; fail unless it equals what all events add up to."""
    expected = direct(deployment.events, window, deployment.clock.now_ms())
    found = (await analytics.snapshots((window,), 3))[window]
    assert found["freshness"]["complete"]
    assert counted(found) == {**counted(expected), "topApis": expected["allApis"][:3]}
    assert json.loads(snapshot_json(found)) == found
    assert found["allApis"][:3] == found["topApis"]
    return found


@pytest.mark.parametrize("seed", range(6))
def test_every_isolate_shows_the_sum_of_all_events(seed: int) -> None:
    async def scene() -> None:
        rng = random.Random(seed)
        deployment = Deployment()
        isolates = [analytics_of(deployment) for _ in range(3)]
        for _ in range(20):
            await deployment.append(some_events(rng, deployment.clock.at_ms, rng.randrange(12)))
            if rng.random() < 0.3:
                await deployment.shards.run()
            if rng.random() < 0.2:
                deployment.shards.restart()
            tags = set()
            window = rng.choice(WINDOWS)
            for isolate in rng.sample(isolates, 2):
                found = await check(isolate, deployment, window)
                tags.add(etag_of([found]))
            assert len(tags) == 1
            deployment.clock.at_ms += rng.choice((1_000, MINUTE_MS, DAY_MS))

    run(scene())


def test_a_read_is_one_call_that_sends_only_what_has_changed() -> None:
    async def scene() -> None:
        deployment = Deployment()
        apis = [Api("t", f"api-{number}", "alice", "Data", 0) for number in range(100)]
        await deployment.append([event(api=api) for api in apis])
        first, second = analytics_of(deployment), analytics_of(deployment)
        lengths: list[int] = []
        call = deployment.shards.call

        async def measured(shard: int, method: str, argument: str) -> str:
            response = await call(shard, method, argument)
            lengths.append(response.count("\n"))
            return response

        deployment.shards.call = measured  # type: ignore[method-assign]
        for isolate in (first, first, second):
            await check(isolate, deployment, "today")
        await deployment.append([event(api=apis[7])])
        for isolate in (first, second, second):
            await check(isolate, deployment, "today")
        reads = [method for _, method in deployment.shards.calls if method != "append"]
        assert reads == ["snapshots"] * 6
        assert [length for length in lengths if length] == [100, 100, 1, 1]

    run(scene())


def test_requests_of_one_isolate_do_not_mix_their_responses() -> None:
    async def scene() -> None:
        deployment = Deployment()
        isolate = analytics_of(deployment)

        async def read() -> None:
            before = len(deployment.events)
            found = (await isolate.snapshots(("today",), 5))["today"]
            calls = [row["calls"] for row in found["allApis"]]
            assert before <= sum(calls) == found["heroStats"]["calls"] <= len(deployment.events) + 1

        tasks = []
        for number in range(30):
            await deployment.append([event(api=Api("t", f"{number % 7}", "", "", 0))])
            tasks += [asyncio.create_task(read()) for _ in range(4)]
        await asyncio.gather(*tasks)
        await check(isolate, deployment, "today")

    run(scene())


def test_a_restarted_object_sends_everything_again() -> None:
    async def scene() -> None:
        deployment = Deployment()
        isolate = analytics_of(deployment)
        for caller in ("a", "b", "c"):
            await deployment.append([event(caller=caller)])
            await check(isolate, deployment, "today")
            deployment.shards.restart()

    run(scene())


def test_without_shard_0_an_isolate_shows_what_it_got_last() -> None:
    async def scene() -> None:
        deployment = Deployment()
        await deployment.append([event()])
        isolate = analytics_of(deployment)
        before = await check(isolate, deployment, "today")
        deployment.shards.unavailable.add(0)
        deployment.clock.at_ms += 7_000
        found = (await isolate.snapshots(("today",), 1))["today"]
        assert found["heroStats"] == before["heroStats"]
        assert found["topApis"] == before["allApis"][:1]
        freshness = found["freshness"]
        assert freshness["asOf"] == before["freshness"]["asOf"]
        assert (freshness["complete"], freshness["unavailableShards"]) == (False, [0])
        assert freshness["lagSeconds"] == 7
        assert etag_of([found]) != etag_of([before])
        deployment.clock.at_ms += DAY_MS
        with pytest.raises(ShardUnavailable):
            await isolate.snapshots(("today",), 1)
        deployment.shards.unavailable.clear()
        await check(isolate, deployment, "today")

    run(scene())


def test_without_shard_0_a_new_isolate_reads_the_others_itself() -> None:
    async def scene() -> None:
        deployment = Deployment()
        deployment.shards.count = 2
        deployment.shards.unavailable.add(0)
        await deployment.append([event(), event()], shard=1)
        found = (await analytics_of(deployment).snapshots(("today",), 25))["today"]
        assert found["heroStats"]["calls"] == 2
        freshness = found["freshness"]
        assert (freshness["complete"], freshness["unavailableShards"]) == (False, [0])

    run(scene())


def test_without_another_shard_the_snapshot_says_so() -> None:
    async def scene() -> None:
        deployment = Deployment()
        deployment.shards.count = 2
        await deployment.append([event()], shard=0)
        deployment.shards.unavailable.add(1)
        found = (await analytics_of(deployment).snapshots(("today",), 25))["today"]
        assert found["heroStats"]["calls"] == 1
        assert found["freshness"]["unavailableShards"] == [1]

    run(scene())


def test_an_isolate_of_a_deployment_with_more_shards_reads_all_of_them() -> None:
    async def scene() -> None:
        deployment = Deployment()
        await deployment.append([event()])
        old = analytics_of(deployment)
        await check(old, deployment, "today")
        deployment.shards.count = 2
        await deployment.append([event()], shard=1)
        await check(analytics_of(deployment), deployment, "today")

    run(scene())


def test_without_its_bindings_analytics_name_the_missing_one() -> None:
    deployment = Deployment()
    for shards, store, name in (
        (None, deployment.store, "USAGE_SHARD"),
        (deployment.shards, None, "USAGE_KV"),
    ):
        with pytest.raises(BindingMissing, match=name):
            run(Analytics(FakeClock(), shards, store).snapshots(WINDOWS, 25))


def test_a_response_of_another_version_is_no_response() -> None:
    class OtherShards:
        count = 1

        async def call(self, *_: Any) -> str:
            return '{"position": 1, "complete": true, "manifest": {}}'

    with pytest.raises(ShardUnavailable):
        run(Analytics(FakeClock(), OtherShards(), FakeStore()).snapshots(WINDOWS, 25))


@pytest.mark.parametrize(
    "response",
    ["", "[]", "{}", '{"reader": "r", "windows": {"today": [1, {}, ["t:a"], 0]}}'],
)
def test_a_response_of_another_version_makes_an_isolate_read_itself(response: str) -> None:
    async def scene() -> None:
        deployment = Deployment()
        await deployment.append([event()])
        call = deployment.shards.call

        async def other(shard: int, method: str, argument: str) -> str:
            return response if method == "snapshots" else await call(shard, method, argument)

        deployment.shards.call = other  # type: ignore[method-assign]
        await check(analytics_of(deployment), deployment, "today")

    run(scene())

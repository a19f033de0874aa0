"""Snapshots equal what all events add up to, whatever shards and isolates do meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence

import pytest

from analytics import WINDOWS
from core import constants
from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from metering.events import Api, UsageEvent
from tests.support.builders import MAPS, WEATHER, event
from tests.support.fakes import NOON_MS, FakeClock
from tests.support.snapshot_builders import Deployment, counted, run

MIDNIGHT_MS = NOON_MS // DAY_MS * DAY_MS
AGES_MS = (0, 0, 0, MINUTE_MS, HOUR_MS, 5 * HOUR_MS, DAY_MS, 6 * DAY_MS, 7 * DAY_MS, 40 * DAY_MS)
APIS = [
    Api(f"tenant-{number % 3}", f"api-{number}", "alice", f"Category {number % 2}", 10)
    for number in range(7)
]


def some_events(rng: random.Random, now_ms: int, count: int) -> Sequence[UsageEvent]:
    """Return events of now and of earlier days; few of them move an API to another category."""
    found = []
    for _ in range(count):
        api = rng.choice(APIS)
        if rng.random() < 0.02:
            api = api._replace(directory="Moved")
        found.append(
            event(
                max(0, now_ms - rng.choice(AGES_MS) - rng.randrange(HOUR_MS)),
                api,
                status=rng.choice((200, 200, 404, 500)),
                latency_ms=rng.randrange(3_000),
                caller=f"{rng.randrange(40):x}",
                counted=rng.random() < 0.9,
                revenue_micros=rng.choice((0, 0, 5_000)),
            )
        )
    return found


@pytest.mark.parametrize("seed", range(8))
def test_every_read_equals_a_plain_sum_of_all_events(seed: int) -> None:
    async def scene() -> None:
        rng = random.Random(seed)
        deployment = Deployment()
        deployment.shards.count = rng.choice((1, 2))
        isolates = [deployment.isolate(), deployment.isolate(rng.choice((-1, 1)) * 3 * MINUTE_MS)]
        maintenance = []
        for _ in range(25):
            for shard in range(deployment.shards.count):
                events = some_events(rng, deployment.clock.at_ms, rng.randrange(12))
                own = [one for one in events if one.api and hash_of(one.api, deployment) == shard]
                if own:
                    await deployment.append(own, shard)
            if rng.random() < 0.6:
                # Reads come while days are folded.
                maintenance.append(asyncio.create_task(deployment.shards.run()))
            if rng.random() < 0.1:
                await asyncio.gather(*maintenance)
                maintenance.clear()
                deployment.shards.restart(rng.randrange(deployment.shards.count))
            reader = rng.choice((*isolates, deployment.isolate()))
            await reader.check(rng.choice(WINDOWS))
            deployment.clock.at_ms += rng.choice((1_000, MINUTE_MS, 4 * MINUTE_MS, 3 * HOUR_MS))
            if rng.random() < 0.1:
                deployment.clock.at_ms += rng.randrange(1, 9) * DAY_MS
        await asyncio.gather(*maintenance)

    run(scene())


def hash_of(api: Api, deployment: Deployment) -> int:
    return int(api.tenant_id[-1]) % deployment.shards.count


@pytest.mark.parametrize("ahead_minutes", [-5, 0, 5])
@pytest.mark.parametrize("window", WINDOWS)
def test_windows_are_exact_around_midnight_and_folds(window: str, ahead_minutes: int) -> None:
    async def scene() -> None:
        rng = random.Random(5)
        deployment = Deployment(FakeClock(MIDNIGHT_MS - 10 * MINUTE_MS))
        await deployment.append(some_events(rng, deployment.clock.at_ms, 200))
        isolate = deployment.isolate(ahead_minutes * MINUTE_MS)
        for _ in range(15):
            await deployment.append(some_events(rng, deployment.clock.at_ms, 2))
            await isolate.check(window)
            await deployment.isolate(ahead_minutes * MINUTE_MS).check(window)
            await deployment.advance(2 * MINUTE_MS)

    run(scene())


def test_a_late_event_in_the_busiest_hour_of_a_folded_day_is_added_to_that_hour() -> None:
    async def scene() -> None:
        deployment = Deployment()
        await deployment.append([event(NOON_MS)] * 3 + [event(NOON_MS - HOUR_MS)] * 3)
        await deployment.advance(DAY_MS)
        await deployment.append([event(NOON_MS)] * 2)
        found = await deployment.isolate().check("overall")
        assert found["allApis"][0]["maxHourShare"] == 5 / 8

    run(scene())


def test_late_events_are_not_added_to_the_part_that_was_folded_between_two_reads() -> None:
    async def scene() -> None:
        deployment = Deployment()
        await deployment.append([event(NOON_MS), event(NOON_MS, MAPS)])
        isolate = deployment.isolate()
        await isolate.check("overall")
        await deployment.advance(DAY_MS)
        await deployment.append([event(NOON_MS)])
        await isolate.check("overall")

    run(scene())


def test_a_read_is_one_call_and_bases_are_read_once() -> None:
    async def scene() -> None:
        deployment = Deployment()
        await deployment.append([event(NOON_MS - DAY_MS), event(NOON_MS)])
        await deployment.advance(DAY_MS)
        await deployment.append([event(NOON_MS + DAY_MS)])
        isolate = deployment.isolate()
        deployment.shards.calls.clear()
        deployment.store.operations.clear()
        for _ in range(3):
            await isolate.check("overall")
        assert deployment.shards.calls == [(0, "read")] * 3
        assert deployment.store.operations == ["get"]

    run(scene())


def test_concurrent_reads_of_one_isolate_see_what_was_acknowledged_before_each() -> None:
    async def scene() -> None:
        deployment = Deployment()
        isolate = deployment.isolate()

        async def read() -> None:
            window, before = "today", len(deployment.events)
            found = await isolate.read(window)
            assert before <= found["heroStats"]["calls"] <= len(deployment.events) + 1

        tasks = []
        for _ in range(30):
            await deployment.append([event(deployment.clock.at_ms)])
            tasks += [asyncio.create_task(read()) for _ in range(4)]
        await asyncio.gather(*tasks)
        await isolate.check("today")
        assert len(deployment.shards.calls) < 30 + 4 * 30 * 3

    run(scene())


class SlowShards:
    """Shards whose responses arrive when the test lets them."""

    count = 1

    def __init__(self, deployment: Deployment) -> None:
        self.shards = deployment.shards
        self.arrivals: list[asyncio.Event] = []
        self.is_slow = True

    async def call(self, shard: int, method: str, argument: str) -> str:
        response = await self.shards.call(shard, method, argument)
        if not self.is_slow:
            return response
        self.arrivals.append(asyncio.Event())
        await self.arrivals[-1].wait()
        return response


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_responses_that_overtake_each_other_are_never_mixed(order: tuple[int, int]) -> None:
    async def scene() -> None:
        deployment = Deployment()
        slow = SlowShards(deployment)
        isolate = deployment.isolate(shards=slow)
        reads = []
        for number in range(2):
            await deployment.append([event(deployment.clock.at_ms, APIS[number])])
            reads.append(asyncio.create_task(isolate.read()))
            await settle()
            assert len(slow.arrivals) == number + 1
        for number in order:
            slow.arrivals[number].set()
            await settle()
        for arrival in slow.arrivals[2:]:
            arrival.set()
        calls = [(await read)["heroStats"]["calls"] for read in reads]
        assert calls[0] in (1, 2)
        assert calls[1] == 2, "what was acknowledged before the second read is in it"
        slow.is_slow = False
        await isolate.check("today")

    run(scene())


def test_a_response_to_an_older_state_does_not_bring_back_a_folded_part() -> None:
    async def scene() -> None:
        deployment = Deployment()
        slow = SlowShards(deployment)
        isolate = deployment.isolate(shards=slow)
        await deployment.append([event(NOON_MS)])
        old = asyncio.create_task(isolate.read("overall"))
        await settle()
        assert len(slow.arrivals) == 1
        await deployment.advance(DAY_MS)
        new = asyncio.create_task(isolate.read("overall"))
        await settle()
        assert len(slow.arrivals) == 2
        slow.arrivals[1].set()
        assert (await new)["heroStats"]["calls"] == 1
        slow.arrivals[0].set()
        await settle()
        for arrival in slow.arrivals:
            arrival.set()
        assert (await old)["heroStats"]["calls"] == 1

    run(scene())


def test_a_fold_while_bases_are_read_does_not_lose_them() -> None:
    async def scene() -> None:
        deployment = Deployment()
        await deployment.append([event(NOON_MS)])
        await deployment.advance(DAY_MS)
        await deployment.append([event(NOON_MS + DAY_MS)])
        isolate, store = deployment.isolate(), deployment.store
        arrived, go = asyncio.Event(), asyncio.Event()
        get_many = store.get_many

        async def slow_get_many(keys: Sequence[str]) -> Mapping[str, str | None]:
            values = await get_many(keys)
            arrived.set()
            await go.wait()
            return values

        store.get_many = slow_get_many  # type: ignore[method-assign]
        read = asyncio.create_task(isolate.read("overall"))
        await arrived.wait()
        store.get_many = get_many  # type: ignore[method-assign]
        await deployment.advance(DAY_MS)
        await isolate.read("today")
        go.set()
        found = await read
        assert found["heroStats"]["calls"] == 2
        assert found["freshness"]["complete"]

    run(scene())


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(50):
        await asyncio.sleep(0)


def test_a_shard_whose_database_was_deleted_is_read_from_the_start() -> None:
    async def scene() -> None:
        deployment = Deployment()
        isolate = deployment.isolate()
        for _ in range(3):
            await deployment.append([event(NOON_MS)])
        await isolate.check("today")
        deployment.shards.databases.clear()
        deployment.shards.restart()
        deployment.events.clear()
        await deployment.append([event(NOON_MS)])
        await isolate.check("today")

    run(scene())


def test_a_long_answer_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "SHARD_READ_LENGTH_MAX", 100)

    async def scene() -> None:
        deployment = Deployment()
        isolate = deployment.isolate()
        for number in range(12):
            await deployment.append([event(deployment.clock.at_ms, APIS[number % 7])])
        deployment.shards.calls.clear()
        await isolate.check("today")
        assert len(deployment.shards.calls) > 3

    run(scene())


def test_apis_of_one_tenant_in_several_shards_are_added_up() -> None:
    async def scene() -> None:
        deployment = Deployment()
        isolate = deployment.isolate()
        await deployment.append([event(NOON_MS - DAY_MS, caller="a"), event(NOON_MS, caller="a")])
        await isolate.check("today")
        deployment.shards.count = 3
        isolate = deployment.isolate()
        await deployment.append([event(NOON_MS, caller="b"), event(NOON_MS, caller="a")], shard=2)
        for window in WINDOWS:
            await isolate.check(window)
        await deployment.advance(DAY_MS)
        await deployment.append([event(NOON_MS + DAY_MS)], shard=1)
        for window in WINDOWS:
            found = await isolate.read(window)
            assert counted(found)["heroStats"]["calls"] == {"today": 1}.get(window, 5)

    run(scene())


def test_large_bases_are_kept_for_one_window_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "READ_APIS_MAX", 1)

    async def scene() -> None:
        deployment = Deployment()
        await deployment.append([event(NOON_MS)])
        await deployment.advance(DAY_MS)
        isolate = deployment.isolate()
        deployment.store.operations.clear()
        for window in ("week", "week", "overall", "overall", "week"):
            await isolate.check(window)
        assert deployment.store.operations == ["get"] * 3

    run(scene())


def test_the_previous_period_has_calls_and_revenue_until_the_same_time() -> None:
    deployment = Deployment()
    ages = [HOUR_MS * hours for hours in (1, 23, 25, 26, 36.5, 24 * 7 + 1, 24 * 8, 24 * 15)]
    run(deployment.append([event(NOON_MS - int(age), WEATHER, revenue_micros=10) for age in ages]))

    def previous() -> dict[str, tuple[int, int] | None]:
        found = {}
        for window in WINDOWS:
            one = run(deployment.isolate().read(window))["previous"]
            hero = one and one["heroStats"]
            found[window] = hero and (hero["calls"], hero["revenueMicros"])
        return found

    expected = {"today": (2, 20), "week": (2, 20), "overall": (3, 30)}
    assert previous() == expected
    for _ in range(3):
        run(deployment.shards.run())
    deployment.clock.at_ms = NOON_MS + MINUTE_MS
    assert previous() == expected, "the same from folded days"
    found = run(deployment.isolate().read())["previous"]
    assert found["heroStats"]["activeAgents"] is None
    assert found["range"] == {
        "startAt": "2026-11-21T00:00:00.000Z",
        "endAt": "2026-11-21T12:01:00.000Z",
    }


def test_the_hour_under_way_is_interpolated() -> None:
    deployment = Deployment()
    run(deployment.append([event(NOON_MS - DAY_MS + minute * MINUTE_MS) for minute in range(60)]))
    deployment.clock.at_ms = NOON_MS + 15 * MINUTE_MS
    run(deployment.append([event(NOON_MS)]))
    assert run(deployment.isolate().read())["previous"]["heroStats"]["calls"] == 15


def test_without_earlier_data_there_is_no_previous_period() -> None:
    deployment = Deployment()
    run(deployment.append([event(NOON_MS)]))
    for window in WINDOWS:
        assert run(deployment.isolate().read(window))["previous"] is None

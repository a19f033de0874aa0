"""Usage in any range is what the events of that range add up to, however they arrived."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import get_args

import pytest

from analytics import Analytics
from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS, month_of
from core.errors import BindingMissing, ShardUnavailable
from metering.events import Api, UsageEvent
from metering.sketches.periods import Counts
from metering.usage import ranges
from metering.usage.ranges import Grouping, Interval, UsageRange
from snapshots.usage_ranges import RangeTooLarge, Usage
from tests.support.builders import WEATHER, event
from tests.support.fakes import NOON_MS, FakeClock
from tests.support.snapshot_builders import Deployment, run
from tests.support.usage_model import busiest, expected_rows

TODAY = NOON_MS // DAY_MS
APIS = [
    Api(f"tenant-{number // 2}", f"api-{number % 5}", "", "", 1_000 * number) for number in range(7)
]
KINDS = ("status", "method", "outcome")


def some_events(rng: random.Random, now_ms: int, count: int) -> Sequence[UsageEvent]:
    return [
        event(
            now_ms - rng.choice((0, 0, 0, HOUR_MS, DAY_MS, 3 * DAY_MS, 40 * DAY_MS)),
            rng.choice(APIS),
            status=rng.choice((200, 201, 404, 500)),
            latency_ms=rng.choice((0, 3, 900)),
            caller=f"{rng.randrange(30):016x}",
            counted=rng.random() < 0.9,
            revenue_micros=rng.choice((0, 0, 5_000)),
            method=rng.choice(("GET", "POST")),
            outcome=rng.choice(("served", "tenant_worker_failure")),
        )
        for _ in range(count)
    ]


def some_range(rng: random.Random, now_ms: int) -> UsageRange:
    interval: Interval = rng.choice(get_args(Interval))
    is_of_hours = interval in ("hour", "hours")
    width_ms = HOUR_MS if is_of_hours else DAY_MS
    end = now_ms // width_ms + 1 - rng.choice((0, 0, 1, 5))
    first = end - rng.choice((1, 2, 30, 100))
    groupings: tuple[Grouping | None, ...] = (None, None, "api", "tenant")
    if not is_of_hours:
        groupings = (*groupings, "status", "method", "outcome")
    tenants = rng.choice((None, None, [], ["tenant-0"], ["tenant-1", "tenant-2", "other"]))
    slug = rng.choice((None, None, "api-0", "api-1", "other"))
    return UsageRange(interval, first, end, tenants, slug, rng.choice(groupings))


async def check(analytics: Analytics, events: Sequence[UsageEvent], wanted: UsageRange) -> Usage:
    """Read a range; fail unless it equals the count of the events."""
    usage = await analytics.usage(wanted)
    expected = expected_rows(events, wanted)
    width_ms = HOUR_MS if wanted.is_of_hours else DAY_MS
    shown = {}
    for row in usage.rows:
        at = row.start_ms // width_ms
        bucket = {"month": month_of(at), "all": 0, "hours": 0}.get(wanted.interval, at)
        shown[bucket, row.tenant_id, row.slug, row.group] = row
    assert len(shown) == len(usage.rows)
    has_latencies = wanted.group_by not in KINDS
    for key, row in shown.items():
        found = expected.pop(key, None)
        if found is None:
            assert not any(row.sums)
            assert not row.requests
            assert not row.callers
            continue
        assert row.sums[:3] == found[:3]
        assert row.sums[3:] == (found[3:5] if has_latencies else (0, 0))
        assert row.requests == (0 if has_latencies else found.requests)
        if row.callers is None:
            is_several_days = wanted.interval in ("month", "all")
            by_api = wanted.group_by in ("api", "tenant")
            assert wanted.is_of_hours or not has_latencies or (is_several_days and by_api)
        else:
            assert row.callers == found.callers
    # A request that was refused without revenue is in no row, except by kind.
    assert not any(any(row[:3]) for row in expected.values())
    assert (
        usage.totals[:3]
        == tuple(
            sum(numbers)
            for numbers in zip(Counts(), *(row.sums for row in usage.rows), strict=True)
        )[:3]
    )
    return usage


@pytest.mark.parametrize("seed", range(20))
def test_every_range_equals_a_count_of_its_events(seed: int) -> None:
    async def scene() -> None:
        rng = random.Random(seed)
        deployment = Deployment()
        deployment.shards.count = rng.choice((1, 1, 3))
        analytics = Analytics(deployment.clock, deployment.shards, deployment.store)
        for _ in range(12):
            shard = rng.randrange(deployment.shards.count)
            events = some_events(rng, deployment.clock.at_ms, rng.randrange(30))
            await deployment.append(events, shard)
            if rng.random() < 0.5:
                await deployment.shards.run()
            if rng.random() < 0.1:
                deployment.shards.restart()
            for _ in range(4):
                await check(analytics, deployment.events, some_range(rng, deployment.clock.at_ms))
            deployment.clock.at_ms += rng.choice((MINUTE_MS, 2 * HOUR_MS, DAY_MS))

    run(scene())


def test_a_range_of_any_length_is_one_call_to_each_shard_and_none_to_kv() -> None:
    async def scene() -> None:
        deployment = Deployment()
        deployment.shards.count = 2
        for back in range(400):
            deployment.clock.at_ms = NOON_MS + back * DAY_MS
            await deployment.append([event(deployment.clock.at_ms, caller="a")])
            await deployment.shards.run()
        analytics = Analytics(deployment.clock, deployment.shards, None)
        deployment.shards.calls.clear()
        before = len(deployment.store.operations)
        wanted = UsageRange("day", TODAY, TODAY + 400)
        usage = await check(analytics, deployment.events, wanted)
        assert usage.totals.calls == 400
        assert deployment.shards.calls == [(0, "usage"), (1, "usage")]
        assert len(deployment.store.operations) == before

    run(scene())


def test_a_caller_is_counted_once_in_a_month_and_in_a_day() -> None:
    async def scene() -> None:
        deployment = Deployment()
        analytics = Analytics(deployment.clock, deployment.shards, deployment.store)
        for day in range(3):
            deployment.clock.at_ms = NOON_MS + day * DAY_MS
            calls = [event(deployment.clock.at_ms, api, caller="a") for api in APIS]
            await deployment.append(calls)
            await deployment.shards.run()
        days = await analytics.usage(UsageRange("day", TODAY, TODAY + 3))
        assert [row.callers for row in days.rows] == [1, 1, 1]
        all_days = await analytics.usage(UsageRange("all", TODAY, TODAY + 3))
        assert [row.callers for row in all_days.rows] == [1]

    run(scene())


def test_the_busiest_callers_are_exact_up_to_300_a_day() -> None:
    async def scene() -> None:
        rng = random.Random(1)
        deployment = Deployment()
        analytics = Analytics(deployment.clock, deployment.shards, deployment.store)
        for day in range(3):
            deployment.clock.at_ms = NOON_MS + day * DAY_MS
            weights = [f"{rng.randrange(1, 250):016x}" for _ in range(1_000)]
            await deployment.append([event(deployment.clock.at_ms, caller=one) for one in weights])
            await deployment.shards.run()
        wanted = UsageRange("all", TODAY, TODAY + 3, None, WEATHER.slug, "caller")
        usage = await analytics.usage(wanted)
        expected = busiest(deployment.events, wanted)
        named = {row.group: row.sums.calls for row in usage.rows if row.group}
        assert sorted(named.values()) == sorted(expected.values())[-100:]
        assert named.items() <= expected.items()
        assert usage.totals.calls == 3_000
        assert usage.fuzzy_calls == 0

    run(scene())


def test_above_300_callers_a_day_the_busiest_are_found_within_one_percent() -> None:
    async def scene() -> None:
        rng = random.Random(2)
        deployment = Deployment()
        analytics = Analytics(deployment.clock, deployment.shards, deployment.store)
        names = [f"{rng.getrandbits(64):016x}" for _ in range(1_500)]
        for day in range(2):
            deployment.clock.at_ms = NOON_MS + day * DAY_MS
            busy = [names[rng.randrange(10)] for _ in range(1_000)]
            others = [names[rng.randrange(1_500)] for _ in range(3_000)]
            calls = [event(deployment.clock.at_ms, caller=one) for one in (*busy, *others)]
            rng.shuffle(calls)
            await deployment.append(calls)
            await deployment.shards.run()
        wanted = UsageRange("all", TODAY, TODAY + 2, None, WEATHER.slug, "caller")
        usage = await analytics.usage(wanted)
        expected = busiest(deployment.events, wanted)
        assert {row.group for row in usage.rows[:10]} == set(names[:10])
        for row in usage.rows:
            if row.group:
                assert 0 <= row.sums.calls - expected[row.group] <= 80
        assert len([row for row in usage.rows if row.group]) == 100
        assert (usage.fuzzy_calls, usage.sampled > 1_000) == (8_000, True)

    run(scene())


def test_a_shard_that_does_not_respond_is_named() -> None:
    async def scene() -> None:
        deployment = Deployment()
        deployment.shards.count = 2
        await deployment.append([event()])
        deployment.shards.unavailable = {1}
        analytics = Analytics(deployment.clock, deployment.shards, deployment.store)
        usage = await analytics.usage(UsageRange("day", TODAY, TODAY + 1))
        assert (usage.unavailable, usage.totals.calls) == ([1], 1)
        deployment.shards.unavailable = {0, 1}
        with pytest.raises(ShardUnavailable):
            await analytics.usage(UsageRange("day", TODAY, TODAY + 1))

    run(scene())


def test_days_that_an_older_version_folded_are_added_and_missing_until_then() -> None:
    async def scene() -> None:
        deployment = Deployment()
        await deployment.append([event()])
        await deployment.advance(DAY_MS)
        deployment.shards.databases[0].execute("DELETE FROM usage_sums")
        deployment.shards.restart()
        analytics = Analytics(deployment.clock, deployment.shards, deployment.store)
        wanted = UsageRange("day", TODAY, TODAY + 2)
        usage = await analytics.usage(wanted)
        assert (usage.missing_days, usage.totals.calls) == (1, 0)
        assert deployment.shards.shard(0).due_ms() == 0
        await deployment.shards.run()
        usage = await analytics.usage(wanted)
        assert (usage.missing_days, usage.totals.calls) == (0, 1)

    run(scene())


def test_too_many_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        deployment = Deployment()
        await deployment.append([event(api=api) for api in APIS])
        analytics = Analytics(deployment.clock, deployment.shards, deployment.store)
        monkeypatch.setattr(ranges, "ROWS_MAX", 5)
        with pytest.raises(RangeTooLarge, match="the limit is 5"):
            await analytics.usage(UsageRange("day", TODAY, TODAY + 1, group_by="api"))

    run(scene())


def test_the_usage_of_many_apis_is_exact_without_their_callers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        rng = random.Random(3)
        deployment = Deployment()
        analytics = Analytics(deployment.clock, deployment.shards, deployment.store)
        for _ in range(4):
            await deployment.append(some_events(rng, deployment.clock.at_ms, 40))
            await deployment.advance(DAY_MS)
        monkeypatch.setattr(ranges, "SKETCHES_MAX", 1)
        monkeypatch.setattr(ranges, "ROWS_MAX", 50)
        for tenants, slug in (
            (["tenant-0", "tenant-1", "other"], None),
            (["tenant-0", "tenant-1"], "api-1"),
            (None, "api-0"),
        ):
            for interval in ("day", "month", "all"):
                wanted = UsageRange(interval, TODAY - 39, TODAY + 5, tenants, slug)
                usage = await analytics.usage(wanted)
                expected = expected_rows(deployment.events, wanted)
                found = sum(row.calls for row in expected.values())
                assert usage.totals.calls == found > 0
                assert usage.totals.revenue_micros == sum(
                    row.revenue_micros for row in expected.values()
                )

    run(scene())


def test_usage_needs_the_binding_of_the_shards() -> None:
    with pytest.raises(BindingMissing):
        run(Analytics(FakeClock(), None, None).usage(UsageRange("day", TODAY, TODAY + 1)))

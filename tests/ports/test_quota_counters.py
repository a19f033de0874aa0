"""What every `QuotaCounters` promises: the fake on the host, and Durable Objects.

This file also runs inside workerd, where `tests/runtime/inside` links to it. There it
cannot import from the tests, and all tests share the counters, so each uses its own names.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from core.ports import QuotaCounters
from core.quotas import QuotaLimits, Release, Reserved, Usage

DAY_MS = 86_400_000
AT_MS = 1_795_348_800_000
DAY = AT_MS // DAY_MS


async def test_a_reservation_is_counted_and_returned(quota_counters: QuotaCounters) -> None:
    bounds = QuotaLimits(monthly_requests=10, daily_micros=2**52)
    first = await quota_counters.reserve("told", AT_MS, bounds, 2**51)
    assert first == Reserved(Usage(DAY, 1, 1))
    held = await quota_counters.hold("told", AT_MS, bounds, 2**51)
    assert held == Reserved(Usage(DAY, 1, 1, 2**51, 2**51, 2**51))
    await quota_counters.release("told", Release(DAY, 0, DAY, 2**51, is_paid=True))
    second = await quota_counters.hold("told", AT_MS, bounds, 1)
    assert second.usage == Usage(DAY, 1, 1, 2**51 + 1, 2**51 + 1, 1)
    full = await quota_counters.hold("told", AT_MS, bounds, 2**51)
    assert full == Reserved(second.usage, "daily_micros", is_busy=True)


async def test_an_exceeded_limit_is_named_and_nothing_is_counted(
    quota_counters: QuotaCounters,
) -> None:
    bounds = QuotaLimits(daily_requests=1)
    first = await quota_counters.reserve("full", AT_MS, bounds, 0)
    for _ in range(3):
        refused = await quota_counters.reserve("full", AT_MS, bounds, 0)
        assert refused == Reserved(first.usage, "daily_requests")


async def test_one_of_many_concurrent_requests_gets_the_last_place(
    quota_counters: QuotaCounters,
) -> None:
    asked = [
        quota_counters.reserve("race", AT_MS, QuotaLimits(daily_requests=7), 0) for _ in range(32)
    ]
    found = Counter(reserved.exceeded for reserved in await asyncio.gather(*asked))
    assert found == {"": 7, "daily_requests": 25}


async def test_only_released_places_are_reserved_again(
    quota_counters: QuotaCounters,
) -> None:
    bounds = QuotaLimits(daily_requests=5, daily_micros=50)
    served = 0

    async def request(number: int) -> None:
        nonlocal served
        reserved = await quota_counters.reserve("churn", AT_MS, bounds, 10)
        if reserved.exceeded:
            return
        held = await quota_counters.hold("churn", AT_MS, bounds, 10)
        is_served = number % 3 != 0 and not held.exceeded
        micros = 0 if held.exceeded else 10
        released = Release(DAY, int(not is_served), DAY, micros, is_paid=is_served)
        await quota_counters.release("churn", released)
        served += is_served

    await asyncio.gather(*(request(number) for number in range(60)))
    assert 0 < served <= 5
    for _ in range(6):
        await request(1)
    assert served == 5
    last = await quota_counters.reserve("churn", AT_MS, bounds, 10)
    assert (last.exceeded, last.usage) == ("daily_requests", Usage(DAY, 5, 5, 50, 50))


async def test_each_name_has_a_counter_of_its_own(quota_counters: QuotaCounters) -> None:
    for name in ("apart/a", "apart/b", "apart/ä \U0001f600"):
        reserved = await quota_counters.reserve(name, AT_MS, QuotaLimits(daily_requests=1), 0)
        assert reserved.usage.daily_requests == 1


async def test_a_new_day_and_a_new_month_start_at_zero(quota_counters: QuotaCounters) -> None:
    bounds = QuotaLimits(monthly_requests=2, daily_requests=1)
    outcomes = [
        (await quota_counters.reserve("turn", AT_MS + days * DAY_MS, bounds, 0)).exceeded
        for days in (0, 0, 1, 2, 9)
    ]
    assert outcomes == ["", "daily_requests", "", "monthly_requests", ""]


async def test_a_release_of_yesterday_changes_only_the_month(
    quota_counters: QuotaCounters,
) -> None:
    await quota_counters.reserve("back", AT_MS, QuotaLimits(), 10)
    await quota_counters.reserve("back", AT_MS + DAY_MS, QuotaLimits(), 10)
    await quota_counters.release("back", Release(DAY, 1, DAY, 0, is_paid=False))
    reserved = await quota_counters.reserve("back", AT_MS + DAY_MS, QuotaLimits(), 10)
    assert reserved.usage == Usage(DAY + 1, 2, 2)

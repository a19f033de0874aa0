"""What the counters of quotas keep, whoever implements them: the fake and Durable Objects alike.

This very file also runs inside workerd, where `tests/runtime/inside` links to it. So it
imports nothing of the tests, and each test has counters of its own: there they outlive
a test.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from core.ports import QuotaCounters
from core.quotas import QuotaLimits, Reserved, Usage

DAY_MS = 86_400_000
AT_MS = 1_795_348_800_000
DAY = AT_MS // DAY_MS


async def test_a_reservation_is_counted_and_told(quota_counters: QuotaCounters) -> None:
    bounds = QuotaLimits(monthly_requests=10, daily_micros=2**52)
    first = await quota_counters.reserve("told", AT_MS, bounds, 2**51)
    assert first == Reserved(Usage(DAY, 1, 1, 2**51, 2**51))
    second = await quota_counters.reserve("told", AT_MS, bounds, 1)
    assert second.usage == Usage(DAY, 2, 2, 2**51 + 1, 2**51 + 1)


async def test_a_bound_without_room_is_named_and_nothing_is_counted(
    quota_counters: QuotaCounters,
) -> None:
    bounds = QuotaLimits(daily_requests=1)
    first = await quota_counters.reserve("full", AT_MS, bounds, 0)
    for _ in range(3):
        refused = await quota_counters.reserve("full", AT_MS, bounds, 0)
        assert refused == Reserved(first.usage, "daily_requests")


async def test_of_many_at_once_the_last_place_is_given_once(quota_counters: QuotaCounters) -> None:
    asked = [
        quota_counters.reserve("race", AT_MS, QuotaLimits(daily_requests=7), 0) for _ in range(32)
    ]
    found = Counter(reserved.exceeded for reserved in await asyncio.gather(*asked))
    assert found == {"": 7, "daily_requests": 25}


async def test_places_given_back_meanwhile_are_given_again_and_no_others(
    quota_counters: QuotaCounters,
) -> None:
    bounds = QuotaLimits(daily_requests=5, daily_micros=50)
    served = 0

    async def request(number: int) -> None:
        nonlocal served
        reserved = await quota_counters.reserve("churn", AT_MS, bounds, 10)
        if reserved.exceeded:
            return
        if number % 3 == 0:
            await quota_counters.release("churn", reserved.usage.day, 1, 10)
        else:
            served += 1

    await asyncio.gather(*(request(number) for number in range(60)))
    assert 0 < served <= 5
    for _ in range(6):
        await request(1)
    assert served == 5
    last = await quota_counters.reserve("churn", AT_MS, bounds, 10)
    assert (last.exceeded, last.usage) == ("daily_requests", Usage(DAY, 5, 5, 50, 50))


async def test_counters_of_other_names_are_others(quota_counters: QuotaCounters) -> None:
    for name in ("apart/a", "apart/b", "apart/ä \U0001f600"):
        reserved = await quota_counters.reserve(name, AT_MS, QuotaLimits(daily_requests=1), 0)
        assert reserved.usage.daily_requests == 1


async def test_a_day_and_a_month_begin_anew(quota_counters: QuotaCounters) -> None:
    bounds = QuotaLimits(monthly_requests=2, daily_requests=1)
    outcomes = [
        (await quota_counters.reserve("turn", AT_MS + days * DAY_MS, bounds, 0)).exceeded
        for days in (0, 0, 1, 2, 9)
    ]
    assert outcomes == ["", "daily_requests", "", "monthly_requests", ""]


async def test_what_is_given_back_of_yesterday_frees_the_month_alone(
    quota_counters: QuotaCounters,
) -> None:
    await quota_counters.reserve("back", AT_MS, QuotaLimits(), 10)
    await quota_counters.reserve("back", AT_MS + DAY_MS, QuotaLimits(), 10)
    await quota_counters.release("back", DAY, 1, 10)
    reserved = await quota_counters.reserve("back", AT_MS + DAY_MS, QuotaLimits(), 10)
    assert reserved.usage == Usage(DAY + 1, 2, 2, 20, 20)

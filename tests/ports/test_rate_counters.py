"""What every `RateCounter` promises: the fakes on the host, and the bindings of workerd.

This file also runs inside workerd, where `tests/runtime/inside` links to it. There it
cannot import from the tests, and all tests share the counters, so each uses its own keys.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from core.ports import RateCounter
from tenants.limits import RateLimit

RateCounterOf = Callable[[str], RateCounter]
"""Returns the binding of a name, which must exist."""


async def in_one_window(window_seconds: int, count: Callable[[str], Awaitable[int]]) -> int:
    """Count with a new key; repeat if a window ended in between, because counts restart then."""
    for attempt in range(5):
        window = time.time() // window_seconds
        found = await count(f"{window_seconds}/{window}/{attempt}")
        if time.time() // window_seconds == window:
            return found
    raise AssertionError("every attempt took longer than a window")


@pytest.mark.parametrize("window_seconds", [10, 60])
@pytest.mark.parametrize("requests", [1, 5, 22, 100])
async def test_the_bindings_of_a_rate_allow_it_exactly(
    rate_counter_of: RateCounterOf, requests: int, window_seconds: int
) -> None:
    counters = [rate_counter_of(name) for name in RateLimit(requests, window_seconds).bindings]

    async def take(key: str) -> bool:
        for counter in counters:
            if await counter.take(key):
                return True
        return False

    async def count(name: str) -> int:
        key = f"exact/{requests}/{name}"
        return sum(await asyncio.gather(*(take(key) for _ in range(requests + 16))))

    assert await in_one_window(window_seconds, count) == requests


@pytest.mark.parametrize("window_seconds", [10, 60])
async def test_each_power_of_two_up_to_the_largest_has_a_binding(
    rate_counter_of: RateCounterOf, window_seconds: int
) -> None:
    for name in RateLimit(8_191, window_seconds).bindings:
        assert await rate_counter_of(name).take("first")


async def test_keys_are_counted_separately(rate_counter_of: RateCounterOf) -> None:
    counter = rate_counter_of("RATE_60S_1")

    async def count(name: str) -> int:
        keys = [f"apart/{name}/{part}" for part in ("a", "b", "a")]
        return sum([await counter.take(key) for key in keys])

    assert await in_one_window(60, count) == 2

"""The counters of rates and quotas, implemented on the host for tests."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from core import quotas
from core.quotas import CounterUnavailable, QuotaLimits, Reserved, Usage


@dataclass
class FakeRateCounter:
    """A rate-limit binding of limit `limit`, in one window that never ends."""

    limit: int
    unavailable: bool = False
    taken: Counter[str] = field(default_factory=Counter)
    asked: int = 0

    async def take(self, key: str) -> bool:
        await asyncio.sleep(0)
        self.asked += 1
        if self.unavailable:
            raise CounterUnavailable("Network connection lost.")
        if self.taken[key] >= self.limit:
            return False
        self.taken[key] += 1
        return True


def fake_rate_counters(*windows: int) -> dict[str, FakeRateCounter]:
    """Make the rate-limit bindings of `wrangler.toml` for some windows, by name."""
    return {
        f"RATE_{window}S_{1 << bit}": FakeRateCounter(1 << bit)
        for window in windows
        for bit in range(13)
    }


@dataclass
class FakeQuotaCounters:
    """Durable counters in memory.

    The next call of the method `failing` fails; `works_all_the_same` makes it
    count nevertheless, as an answer that is lost does.
    """

    uses: dict[str, Usage] = field(default_factory=dict)
    failing: str = ""
    works_all_the_same: bool = False
    asked: list[str] = field(default_factory=list)

    async def reserve(self, name: str, at_ms: int, bounds: QuotaLimits, micros: int) -> Reserved:
        await self._arrive("reserve")
        reserved = quotas.reserve(self.uses.get(name, Usage()), at_ms, bounds, micros)
        self._answer("reserve", name, reserved.usage)
        await asyncio.sleep(0)
        return reserved

    async def release(self, name: str, day: int, requests: int, micros: int) -> None:
        await self._arrive("give_back")
        use = quotas.release(self.uses.get(name, Usage()), day, requests, micros)
        self._answer("give_back", name, use)
        await asyncio.sleep(0)

    async def _arrive(self, method: str) -> None:
        self.asked.append(method)
        await asyncio.sleep(0)

    def _answer(self, method: str, name: str, use: Usage) -> None:
        fails = method == self.failing
        self.failing = "" if fails else self.failing
        if not fails or self.works_all_the_same:
            self.uses[name] = use
        if fails:
            raise CounterUnavailable("Network connection lost.")

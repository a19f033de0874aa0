"""The ports to rate and quota counters, implemented in memory for tests."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from core import quotas
from core.quotas import CounterUnavailable, QuotaLimits, Release, Reserved, Usage


@dataclass
class FakeRateCounter:
    """A rate-limit binding that allows `limit` calls per key, in one endless window."""

    limit: int
    unavailable: bool = False
    taken: Counter[str] = field(default_factory=Counter)
    calls: int = 0

    async def take(self, key: str) -> bool:
        await asyncio.sleep(0)
        self.calls += 1
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
    """Durable counters in memory, by name.

    The next call of the method `failing` fails; with `takes_effect_anyway` it counts
    nevertheless, as if only its response were lost.
    """

    usage: dict[str, Usage] = field(default_factory=dict)
    failing: str = ""
    takes_effect_anyway: bool = False
    calls: list[str] = field(default_factory=list)

    async def reserve(self, name: str, at_ms: int, limits: QuotaLimits, micros: int) -> Reserved:
        await self._call("reserve")
        reserved = quotas.reserve(self.usage.get(name, Usage()), at_ms, limits, micros)
        self._store("reserve", name, reserved.usage)
        await asyncio.sleep(0)
        return reserved

    async def hold(self, name: str, at_ms: int, limits: QuotaLimits, micros: int) -> Reserved:
        await self._call("hold")
        held = quotas.hold(self.usage.get(name, Usage()), at_ms, limits, micros)
        self._store("hold", name, held.usage)
        await asyncio.sleep(0)
        return held

    async def release(self, name: str, released: Release) -> None:
        await self._call("release")
        usage = quotas.release(self.usage.get(name, Usage()), released)
        self._store("release", name, usage)
        await asyncio.sleep(0)

    async def _call(self, method: str) -> None:
        self.calls.append(method)
        await asyncio.sleep(0)

    def _store(self, method: str, name: str, usage: Usage) -> None:
        fails = method == self.failing
        self.failing = "" if fails else self.failing
        if not fails or self.takes_effect_anyway:
            self.usage[name] = usage
        if fails:
            raise CounterUnavailable("Network connection lost.")

"""Fakes that simulate the death of the isolate before or after any of their operations."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.ports import Fetched, Json, Row, Statement
from core.quotas import QuotaLimits, Release, Reserved
from tests.support.fake_counters import FakeQuotaCounters
from tests.support.fake_network import FakeDatabase, FakeFetcher
from tests.support.fake_shards import FakeShards
from tests.support.fakes import FakeClock, FakeNamespace, FakeStore, FakeUpstreamResponse


class IsolateDied(BaseException):
    """The isolate has died, and its work has stopped."""


@dataclass
class CrashPoint:
    """Counts steps, one before and one after each operation; the isolate dies after `after`."""

    after: int | None = None
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.after is not None and self.steps > self.after:
            raise IsolateDied


@dataclass
class CrashingStore(FakeStore):
    """KV at whose operations the isolate may die."""

    crash_point: CrashPoint = field(default_factory=CrashPoint)

    async def put(
        self,
        key: str,
        value: str,
        metadata: Mapping[str, Json],
        expiration_ttl_seconds: int | None = None,
    ) -> None:
        self.crash_point.step()
        await super().put(key, value, metadata, expiration_ttl_seconds)
        self.crash_point.step()


@dataclass
class CrashingShards(FakeShards):
    """Shards during whose calls the isolate may die; the shards survive."""

    crash_point: CrashPoint = field(default_factory=CrashPoint)

    async def call(self, shard: int, method: str, argument: str) -> str:
        self.crash_point.step()
        result = await super().call(shard, method, argument)
        self.crash_point.step()
        return result


class CrashingDatabase(FakeDatabase):
    """D1 at whose operations the isolate may die."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.crash_point = CrashPoint()

    async def execute(self, *statements: Statement) -> list[list[Row]]:
        self.crash_point.step()
        found = [[*rows] for rows in await super().execute(*statements)]
        self.crash_point.step()
        return found


@dataclass
class CrashingQuotaCounters(FakeQuotaCounters):
    """Counters at whose operations the isolate may die; the counters survive."""

    crash_point: CrashPoint = field(default_factory=CrashPoint)

    async def reserve(self, name: str, at_ms: int, limits: QuotaLimits, micros: int) -> Reserved:
        self.crash_point.step()
        reserved = await super().reserve(name, at_ms, limits, micros)
        self.crash_point.step()
        return reserved

    async def hold(self, name: str, at_ms: int, limits: QuotaLimits, micros: int) -> Reserved:
        self.crash_point.step()
        held = await super().hold(name, at_ms, limits, micros)
        self.crash_point.step()
        return held

    async def release(self, name: str, released: Release) -> None:
        self.crash_point.step()
        await super().release(name, released)
        self.crash_point.step()


@dataclass
class CrashingFetcher(FakeFetcher):
    """A network at whose operations the isolate may die."""

    crash_point: CrashPoint = field(default_factory=CrashPoint)

    async def fetch(self, url: str, **options: Any) -> Fetched:
        self.crash_point.step()
        fetched = await super().fetch(url, **options)
        self.crash_point.step()
        return fetched


@dataclass
class CrashingNamespace(FakeNamespace):
    """Scripts at which the isolate may die, or which wait for `gate`."""

    crash_point: CrashPoint = field(default_factory=CrashPoint)
    gate: asyncio.Event | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def fetch(self, *arguments: Any) -> FakeUpstreamResponse:
        self.crash_point.step()
        self.reached.set()
        if self.gate is not None:
            await self.gate.wait()
        reply = await super().fetch(*arguments)
        self.crash_point.step()
        return reply

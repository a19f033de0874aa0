"""Stores, scripts and a network at which an isolate may die, before or after any operation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.ports import Fetched, Json, Row, Statement
from core.quotas import QuotaLimits, Reserved
from tests.support.fake_counters import FakeQuotaCounters
from tests.support.fake_network import FakeDatabase, FakeFetcher
from tests.support.fakes import FakeNamespace, FakeStore, FakeUpstreamResponse


class Died(BaseException):
    """The isolate is gone; nothing that it was doing goes on."""


@dataclass
class Fuse:
    """Burns by one before and after each operation; when it is burnt down, all is over."""

    left: int | None = None
    burnt: int = 0

    def burn(self) -> None:
        self.burnt += 1
        if self.left is not None and self.burnt > self.left:
            raise Died


@dataclass
class FusedStore(FakeStore):
    """KV that an isolate may die at."""

    fuse: Fuse = field(default_factory=Fuse)

    async def put(
        self,
        key: str,
        value: str,
        metadata: Mapping[str, Json],
        expiration_ttl_seconds: int | None = None,
    ) -> None:
        self.fuse.burn()
        await super().put(key, value, metadata, expiration_ttl_seconds)
        self.fuse.burn()


class FusedDatabase(FakeDatabase):
    """D1 that an isolate may die at."""

    def __init__(self) -> None:
        super().__init__()
        self.fuse = Fuse()

    async def execute(self, *statements: Statement) -> list[list[Row]]:
        self.fuse.burn()
        found = [[*rows] for rows in await super().execute(*statements)]
        self.fuse.burn()
        return found


@dataclass
class FusedQuotaCounters(FakeQuotaCounters):
    """Counters that an isolate may die at; they themselves live on."""

    fuse: Fuse = field(default_factory=Fuse)

    async def reserve(self, name: str, at_ms: int, bounds: QuotaLimits, micros: int) -> Reserved:
        self.fuse.burn()
        reserved = await super().reserve(name, at_ms, bounds, micros)
        self.fuse.burn()
        return reserved

    async def release(self, name: str, day: int, requests: int, micros: int) -> None:
        self.fuse.burn()
        await super().release(name, day, requests, micros)
        self.fuse.burn()


@dataclass
class FusedFetcher(FakeFetcher):
    """A network that an isolate may die at."""

    fuse: Fuse = field(default_factory=Fuse)

    async def fetch(self, url: str, **options: Any) -> Fetched:
        self.fuse.burn()
        fetched = await super().fetch(url, **options)
        self.fuse.burn()
        return fetched


@dataclass
class FusedNamespace(FakeNamespace):
    """Scripts that an isolate may die at, or that take until a gate is opened."""

    fuse: Fuse = field(default_factory=Fuse)
    gate: asyncio.Event | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def fetch(self, *arguments: Any) -> FakeUpstreamResponse:
        self.fuse.burn()
        self.reached.set()
        if self.gate is not None:
            await self.gate.wait()
        reply = await super().fetch(*arguments)
        self.fuse.burn()
        return reply

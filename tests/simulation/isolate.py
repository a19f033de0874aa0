"""A simulated isolate: the real recorder and platform API, with its own clock, until it dies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from collections.abc import Set as AbstractSet
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, Protocol

from analytics import Analytics
from api.auth import PUBLIC_SETTING
from api.platform import PlatformApi
from api.tokens import TOKEN_SETTING
from core.errors import StoreUnavailable
from core.ports import Response
from metering.events import UsageEvent
from tenants.directory import TenantDirectory
from tests.simulation.loop import SCOPE, VirtualLoop
from tests.simulation.store import SimulatedStore
from tests.support.fake_network import FakeFetcher
from tests.support.fakes import FakeRequest
from usage import CommitRole, UsageRecorder

BACKGROUND_MS = 30_000
"""How long workerd lets `waitUntil` work on after the response."""

TOKEN = "token"
SETTINGS = {PUBLIC_SETTING: "true", TOKEN_SETTING: TOKEN}
_HEADERS = {"x-platform-token": TOKEN}


@dataclass(slots=True)
class IsolateClock:
    """A monotonic clock whose error changes over time, up to `off_ms`.

    Starting at the error `offset_ms`, it is fast by the share `drift` until the error is
    `off_ms`, then slow until it is the opposite, and so on. It also leaps ahead once.
    """

    loop: VirtualLoop
    off_ms: float = 0.0
    offset_ms: float = 0.0
    drift: float = 0.0
    leap_at_ms: float = float("inf")
    leap_ms: float = 0.0
    late_ms: float = 0.0

    def now_ms(self) -> int:
        return int(self.loop.now_ms + self._offset_ms())

    def be_true(self) -> None:
        """From now on, return the true time, and sleep exactly."""
        self.off_ms = self.offset_ms = self.drift = self.late_ms = 0.0
        self.leap_at_ms = float("inf")

    def _offset_ms(self) -> float:
        true_ms = self.loop.now_ms
        offset_ms = self.offset_ms
        if self.drift:
            # A triangle wave from -off to off.
            swing_ms = 4 * self.off_ms
            gained_ms = (true_ms * self.drift + offset_ms) % swing_ms
            offset_ms = abs(gained_ms - swing_ms / 2) - self.off_ms
        if true_ms >= self.leap_at_ms:
            offset_ms = min(self.off_ms, offset_ms + self.leap_ms)
        return offset_ms

    async def sleep_ms(self, duration_ms: int) -> None:
        await asyncio.sleep((duration_ms + self.late_ms) / 1000)


class Mortal(Protocol):
    """Gets notified when an isolate dies."""

    def died(self, isolate: Isolate) -> None:
        """Record what is lost with it."""
        ...


@dataclass(slots=True)
class SimulatedEnvironment:
    """The bindings of an isolate."""

    usage_store: SimulatedStore
    tenant_store: None = None
    namespace: None = None
    assets: None = None
    control_database: None = None
    fetcher: FakeFetcher = field(default_factory=FakeFetcher)
    quota_counters: None = None
    kv_counters: Mapping[tuple[str, str, bool], int] = field(default_factory=dict)

    def rate_counter(self, name: str) -> None:
        """Return None: no rate is limited in a simulation."""

    def setting(self, name: str) -> str | None:
        return SETTINGS.get(name)


@dataclass(slots=True)
class Isolate:
    """One isolate at one location; it dies after `fuse` steps."""

    loop: VirtualLoop
    store: SimulatedStore
    clock: IsolateClock
    log: UsageRecorder
    registry: Mortal
    fuse: int
    alive: bool = True
    analytics: Analytics = field(init=False)
    api: PlatformApi = field(init=False)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        environment = SimulatedEnvironment(self.store)
        directory = TenantDirectory(self.clock, None, None)
        self.analytics = Analytics(self.clock, self.log)
        self.api = PlatformApi(environment, self.clock, directory, self.log, self.analytics)

    def die(self) -> None:
        """End at once: work in progress stops, and memory is lost."""
        if self.alive:
            self.alive = False
            self.registry.died(self)

    def cached_keys(self) -> AbstractSet[str]:
        """Return the keys of the batches that its reader has cached."""
        return self.analytics._tail_cache._batches.keys()

    def serve(self, event: UsageEvent, invocation: Invocation) -> None:
        """Serve a request: record its event, and run what the recorder requires."""
        invocation.context.run(self._record, event, invocation)
        invocation.responded()

    def _record(self, event: UsageEvent, invocation: Invocation) -> None:
        role = self.log.record(event)
        if role is CommitRole.LEAD:
            invocation.run(self.log.commit_after_delay(self.store))
        elif role is CommitRole.COMMIT:
            invocation.run(self.log.commit(self.store))

    async def ask(
        self, path: str, query: str, invocation: Invocation, method: str = "GET"
    ) -> Response | None:
        """Call the platform API; None if KV was unavailable."""
        request = FakeRequest(f"http://localhost{path}{query}", method, _HEADERS)
        try:
            return await self.api.handle(request, path, query, "request", invocation)
        except StoreUnavailable:
            return None


@dataclass(slots=True)
class Invocation:
    """One request or cron run of an isolate, with its background work."""

    isolate: Isolate
    fuse: int = 0
    operations: int = 0
    listed: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    unseen: set[str] = field(default_factory=set)
    """Keys that a listing showed to this invocation, and every read reported missing."""
    denied: set[str] = field(default_factory=set)
    """Existing keys that were reported missing since it last listed all batches."""
    listed_all: bool = False
    """Whether its newest listing of all batches reached the end."""
    cut_at_ms: float = float("inf")
    context: Context = field(init=False)

    def __post_init__(self) -> None:
        self.context = copy_context()
        self.context.run(SCOPE.set, self)

    def may_run(self) -> bool:
        isolate = self.isolate
        if self.has_ended():
            return False
        self.fuse -= 1
        if self.fuse == 0:
            # Only its request is dropped; the isolate survives.
            self.cut_at_ms = isolate.loop.now_ms
            return False
        isolate.fuse -= 1
        if isolate.fuse == 0:
            isolate.die()
        return isolate.alive

    def has_ended(self) -> bool:
        return not self.isolate.alive or self.isolate.loop.now_ms >= self.cut_at_ms

    def responded(self) -> None:
        """Start the time limit of background work."""
        self.cut_at_ms = self.isolate.loop.now_ms + BACKGROUND_MS

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run background work of this invocation (the port `Background`)."""
        loop = self.isolate.loop
        loop.keep(work)
        loop.create_task(self._watch(work), context=self.context)

    async def _watch(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except StoreUnavailable:
            pass
        except Exception as error:  # noqa: BLE001 (any error is a finding)
            self.isolate.problems.append(f"background work failed: {error!r}")


def parse(response: Response) -> Mapping[str, Any]:
    """Decode a response of the platform API."""
    body: Mapping[str, Any] = json.loads(response.body)
    return body

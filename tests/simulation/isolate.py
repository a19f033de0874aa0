"""A simulated isolate: the real recorder and platform API, with its own clock, until it dies."""

from __future__ import annotations

import json
from collections.abc import Coroutine, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, Protocol

from analytics import Analytics
from api.auth import PUBLIC_SETTING
from api.platform import PlatformApi
from api.tokens import TOKEN_SETTING
from cli.doctor.outgoing import HostSigner
from core.errors import ShardUnavailable, StoreUnavailable
from core.ports import Signer
from metering.batches import decode_batch
from metering.events import UsageEvent
from tenants.directory import TenantDirectory
from tests.simulation.clock import IsolateClock
from tests.simulation.loop import SCOPE, VirtualLoop
from tests.simulation.store import SimulatedStore
from tests.support.fake_network import FakeFetcher
from usage import UsageRecorder

TOKEN = "token-of-the-simulation"
SETTINGS = {
    PUBLIC_SETTING: "true",
    TOKEN_SETTING: TOKEN,
    "CALLER_HASH_SECRET": "secret",
}
BACKGROUND_MS = 30_000
"""How long workerd lets `waitUntil` work on after the response."""


class Shards(Protocol):
    """The shards of a run, as isolates call them."""

    async def call_shard(self, shard: int, method: str, argument: str) -> str:
        """Call a method of a shard. Raises `ShardUnavailable`."""
        ...


@dataclass(slots=True)
class IsolateShards:
    """The binding `USAGE_SHARD` of an isolate; its `USAGE_SHARDS` is that of its start."""

    shards: Shards
    count: int

    async def call(self, shard: int, method: str, argument: str) -> str:
        scope = SCOPE.get()
        if isinstance(scope, Invocation):
            scope.calls += 1
        return await self.shards.call_shard(shard, method, argument)


@dataclass(slots=True)
class Recorder(UsageRecorder):
    """The real recorder; `abandoned` has the ids of events in batches that it gave up."""

    abandoned: set[str] = field(default_factory=set)

    def _abandon(self, queue: Any, sending: Any) -> None:
        self.abandoned |= {event.request_id for event in decode_batch(sending.text).events}
        UsageRecorder._abandon(self, queue, sending)


@dataclass(slots=True)
class SimulatedEnvironment:
    """The bindings of an isolate."""

    usage_store: SimulatedStore
    usage_shards: IsolateShards
    tenant_store: None = None
    namespace: None = None
    assets: None = None
    control_database: None = None
    fetcher: FakeFetcher = field(default_factory=FakeFetcher)
    signer: Signer = field(default_factory=HostSigner)
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
    shards: IsolateShards
    clock: IsolateClock
    recorder: Recorder
    fuse: int
    alive: bool = True
    problems: list[str] = field(default_factory=list)
    analytics: Analytics = field(init=False)
    api: PlatformApi = field(init=False)

    def __post_init__(self) -> None:
        environment = SimulatedEnvironment(self.store, self.shards)
        directory = TenantDirectory(self.clock, None, None)
        self.analytics = Analytics(self.clock, self.shards, self.store)
        self.api = PlatformApi(environment, self.clock, directory, self.recorder, self.analytics)

    def die(self) -> None:
        """End at once: work in progress stops, and memory is lost."""
        self.alive = False

    def serve(self, event: UsageEvent, invocation: Invocation) -> None:
        """Serve a request: record its event, and run what the recorder requires."""
        invocation.context.run(self._record, event, invocation)
        invocation.responded()

    def _record(self, event: UsageEvent, invocation: Invocation) -> None:
        if self.recorder.record(event):
            invocation.run(self.recorder.send())


@dataclass(slots=True)
class Invocation:
    """One request or cron run of an isolate, with its background work."""

    isolate: Isolate
    fuse: int = 0
    operations: int = 0
    """Its operations on KV."""
    calls: int = 0
    """Its calls to shards."""
    cut_at_ms: float = float("inf")
    was_dropped: bool = False
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
            self.was_dropped = True
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
        except (StoreUnavailable, ShardUnavailable):
            pass
        except Exception as error:  # noqa: BLE001 (any error is a finding)
            self.isolate.problems.append(f"background work failed: {error!r}")


def parse(text: str) -> Mapping[str, Any]:
    """Decode a JSON object."""
    found: Mapping[str, Any] = json.loads(text)
    return found

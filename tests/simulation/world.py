"""One run: schedules requests, deaths and faults, and records what the invariants need."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from random import Random

from core import keys
from core.calendar import DAY_MS
from core.errors import BatchRefused, ShardUnavailable
from metering.batches import IMPORTED, Batch, decode_batch
from metering.events import Api, UsageEvent
from metering.imports.undoing import IMPORT_UNDONE
from metering.settlements import SettlementEvent
from tests.simulation.clock import IsolateClock
from tests.simulation.isolate import Invocation, Isolate, IsolateShards, Recorder
from tests.simulation.kv import SimulatedKv, Temper, Version, Write
from tests.simulation.loop import VirtualLoop
from tests.simulation.objects import ShardObject
from tests.simulation.shape import Network, Shape, shape_of
from tests.simulation.store import SimulatedStore
from tests.simulation.truth import LogTruth
from tests.support.builders import settlement_batch
from usage import append

IMMUTABLE = (keys.USAGE_PREFIX, keys.ROLLUP_PREFIX, keys.BASE_PREFIX)
_OUTBOX_MS = 20_000
_CRON_MS = DAY_MS // 2


@dataclass(slots=True)
class World:
    """The state of one run."""

    seed: int
    shape: Shape
    random: Random
    loop: VirtualLoop
    kv: SimulatedKv
    network: Network = field(init=False)
    shard_fuse: int = field(init=False)
    shard_count: int = field(init=False)
    isolates: list[Isolate] = field(default_factory=list)
    objects: dict[int, ShardObject] = field(default_factory=dict)
    recorded: dict[str, UsageEvent] = field(default_factory=dict)
    """Every event as it was recorded."""
    recorded_by: dict[str, Isolate] = field(default_factory=dict)
    dropped: dict[str, Isolate] = field(default_factory=dict)
    acknowledged: dict[str, float] = field(default_factory=dict)
    """When the acknowledgment of each event arrived."""
    paid: dict[str, float] = field(default_factory=dict)
    """When the acknowledgment of each payment arrived."""
    payments: dict[str, tuple[int, SettlementEvent, UsageEvent]] = field(default_factory=dict)
    """The ledger: each payment with its shard."""
    imported: dict[str, list[UsageEvent]] = field(default_factory=dict)
    """By import; those without a name cannot be undone."""
    import_acks: set[tuple[str, str]] = field(default_factory=set)
    """The import and the event of each acknowledgment of an imported event."""
    undone: set[str] = field(default_factory=set)
    """The imports whose undo was acknowledged."""
    undone_before: set[str] = field(default_factory=set)
    """The imports that were undone when events for them arrived."""
    damaged: set[str] = field(default_factory=set)
    truth: LogTruth = field(default_factory=LogTruth)
    object_problems: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _started: int = 0
    _requests: int = 0

    def __post_init__(self) -> None:
        self.network = self.shape.network
        self.shard_fuse, self.shard_count = self.shape.shard_fuse, self.shape.shards

    def start_isolate(self) -> Isolate:
        """Start an isolate at a random location, with its own clock."""
        shape, random = self.shape, self.random
        self._started += 1
        clock = self.new_clock()
        store = SimulatedStore(self.kv, self.some_location())
        shards = IsolateShards(self, self.shard_count)
        isolate = Isolate(
            self.loop,
            store,
            shards,
            clock,
            Recorder(f"{self._started:016x}", clock, shards, store),
            fuse=int(random.expovariate(1 / shape.fuse)) + 1 if shape.fuse else 0,
        )
        self.isolates.append(isolate)
        return isolate

    def new_clock(self) -> IsolateClock:
        """Return the clock of a new isolate."""
        shape, random = self.shape, self.random
        off_ms = shape.clock_off_ms
        clock = IsolateClock(
            self.loop,
            off_ms,
            offset_ms=random.uniform(-off_ms, off_ms),
            late_ms=random.uniform(0, shape.timers_late_ms),
        )
        if shape.clocks_drift and off_ms:
            clock.drift = random.choice((0.001, 0.05, 0.4))
            clock.leap_at_ms = self.loop.now_ms + random.uniform(0, 120_000)
            clock.leap_ms = random.choice((0.0, random.uniform(0, off_ms)))
        return clock

    def some_location(self) -> str:
        return f"location-{self.random.randrange(self.shape.locations)}"

    def living(self) -> Sequence[Isolate]:
        return [isolate for isolate in self.isolates if isolate.alive]

    def some_isolate(self) -> Isolate:
        """Return the isolate for the next request; dead isolates are replaced."""
        living = self.living()
        if len(living) < self.shape.isolates:
            return self.start_isolate()
        return self.random.choice(living)

    def invocation(self, isolate: Isolate) -> Invocation:
        """Start an invocation, which may be dropped after some steps."""
        cut = self.random.random() < self.shape.cut
        return Invocation(isolate, fuse=self.random.randint(1, 20) if cut else 0)

    def object_clock(self) -> IsolateClock:
        """Return the clock of an object that starts."""
        return self.new_clock()

    def object_of(self, shard: int) -> ShardObject:
        """Return the object of a shard."""
        found = self.objects.get(shard)
        if found is None:
            random = Random(self.random.random())
            found = self.objects[shard] = ShardObject(shard, self.kv, random, self)
        return found

    async def call_shard(self, shard: int, method: str, argument: str) -> str:
        """Call a shard from an isolate, and record what it acknowledges."""
        text = await self.object_of(shard).call(method, argument)
        if method == "append" and "position" in json.loads(text):
            self._acknowledge(decode_batch(argument))
        if method == "append" and json.loads(text).get("error") == IMPORT_UNDONE:
            self.undone_before.add(decode_batch(argument).source)
        return text

    def wake_shards(self) -> None:
        """Call every shard, as cron does: it may have spilled batches and no other calls."""
        isolate = self.some_isolate()
        for shard in {*range(self.shard_count), *self.objects}:
            self.invocation(isolate).run(self.call(isolate, shard, "health", ""))

    async def call(self, isolate: Isolate, shard: int, method: str, argument: str) -> None:
        """Call a shard in the background of an invocation."""
        await isolate.shards.call(shard, method, argument)

    def read_truth(self) -> LogTruth:
        """Return what all shards have committed durably until now."""
        for number, found in self.objects.items():
            self.truth.read(number, found.sql.commits)
        return self.truth

    def _acknowledge(self, batch: Batch) -> None:
        truth, now_ms = self.read_truth(), self.loop.now_ms
        for event in batch.events:
            self.acknowledged.setdefault(event.request_id, now_ms)
            if batch.writer == IMPORTED:
                self.import_acks.add((batch.source, event.request_id))
            if event.request_id not in truth.ever.events:
                self.problems.append(f"{event.request_id} is acknowledged and not durable")
        if batch.settlement is not None:
            self.paid.setdefault(batch.settlement.payment_id, now_ms)

    def watch(self, key: str, version: Version) -> None:
        """Check every write to KV when it takes effect: what is immutable never changes."""
        if not key.startswith(IMMUTABLE) or version.value is None:
            return
        before = [old.value for old in self.kv.records[key][-2:-1] if old.value is not None]
        if before not in ([], [version.value]) and key not in self.damaged:
            self.problems.append(f"{key} is written with another value")

    def request(self, isolate: Isolate | None = None, number: int | None = None) -> None:
        """Serve and record one request."""
        isolate = isolate or self.some_isolate()
        event = self.event(isolate.clock.now_ms(), number)
        self.recorded[event.request_id] = event
        self.recorded_by[event.request_id] = isolate
        counters = isolate.recorder.counters
        known = counters.events_dropped
        isolate.serve(event, self.invocation(isolate))
        if counters.events_dropped > known:
            self.dropped[event.request_id] = isolate

    def pay(self) -> None:
        """Claim and settle a payment, and append it until that is acknowledged."""
        isolate = self.some_isolate()
        event = self.event(isolate.clock.now_ms(), self.random.randrange(self.shape.apis))
        api = event.api
        assert api is not None
        event = event._replace(counted=True, revenue_micros=api.price_micros)
        self.recorded[event.request_id] = event
        payment_id = f"payment-{len(self.payments)}"
        settlement = SettlementEvent(
            payment_id,
            event.request_id,
            api.tenant_id,
            api.slug,
            event.caller,
            "network",
            "asset",
            str(event.revenue_micros),
            event.revenue_micros,
            "transaction",
            "facilitator",
            event.at_ms,
            event.at_ms,
        )
        shard = isolate.recorder.shard_of(api.tenant_id)
        self.payments[payment_id] = shard, settlement, event
        self.resend(payment_id)

    def resend(self, payment_id: str) -> None:
        """Append a payment from some isolate, as cron does for the ledger's outbox."""
        if payment_id in self.paid and self.random.random() < 0.7:
            return
        isolate = self.some_isolate()
        invocation = self.invocation(isolate)

        async def resend() -> None:
            with suppress(ShardUnavailable, BatchRefused):
                shard, settlement, event = self.payments[payment_id]
                await append(isolate.shards, shard, settlement_batch(settlement, event))

        at(self, self.loop.now_ms + _OUTBOX_MS, lambda: self.resend(payment_id))
        invocation.run(resend())

    @property
    def may_write_again(self) -> bool:
        """Whether a rebuild may report a change although nothing was damaged.

        A shard whose clock leaps takes bases for lost that KV does not show yet, and writes them
        again under other keys.
        """
        shape = self.shape
        return bool(shape.clocks_drift and shape.clock_off_ms and shape.temper.stale)

    def rebuild(self) -> None:
        """Rebuild a day of a shard, as an operator does; without damage, nothing changes."""
        if not self.objects:
            return
        shard = self.random.choice([*self.objects])
        day = int(self.loop.now_ms) // DAY_MS - self.random.choice((0, 0, 1, 1, 2))
        isolate = self.some_isolate()

        async def steps() -> None:
            for _ in range(20):
                text = await isolate.shards.call(shard, "rebuild", json.dumps({"day": day}))
                if json.loads(text)["changed"] and not (self.damaged or self.may_write_again):
                    self.problems.append(f"the rebuild of day {day} of shard {shard} changes it")
                if json.loads(text)["complete"]:
                    break

        self.invocation(isolate).run(steps())

    def kill(self) -> None:
        """Let an isolate die."""
        if living := self.living():
            self.random.choice(living).die()

    def restart(self) -> None:
        """Restart the object of a shard."""
        if self.objects:
            self.random.choice([*self.objects.values()]).restart()

    def damage(self) -> None:
        """Damage a value in KV, or lose it."""
        content = self.kv.content(self.random.choice(IMMUTABLE))
        spills = f"{keys.USAGE_PREFIX}spill/"
        names = [key for key, value in content.items() if value and not key.startswith(spills)]
        if names:
            key = self.random.choice(names)
            value = self.kv.content(key)[key]
            middle = self.random.randrange(len(value))
            other = str(9 - int(value[middle])) if value[middle].isdecimal() else "~"
            broken = value[:middle] + other + value[middle + 1 :]
            self.damaged.add(key)
            damaged = self.random.choice((None, broken, broken, value[:middle]))
            self.kv.place(Write(key, damaged, {}))

    def event(self, at_ms: int, number: int | None = None) -> UsageEvent:
        """Return a random event, of API `number` if it is given."""
        random, shape = self.random, self.shape
        self._requests += 1
        if number is None:
            number = random.randrange(shape.apis + 1)
        api = None if number == shape.apis else api_of(number)
        counted = api is not None and random.random() < 0.9
        return UsageEvent(
            request_id=f"request-{self._requests:06x}",
            at_ms=at_ms,
            api=api,
            method="GET",
            status=random.choice((200, 200, 200, 404, 429, 502)),
            latency_ms=random.choice((0, 3, 40, 900, 20_000)),
            caller=caller_of(number, random.randrange(shape.callers)),
            outcome="served",
            counted=counted,
            revenue_micros=api.price_micros if api and counted and random.random() < 0.5 else 0,
            network=random.choice(("", "00000000000000aa", "00000000000000bb")),
        )


def api_of(number: int) -> Api:
    """Return API `number`. Each tenant has two, and each API has a different price."""
    tenant = number // 2
    return Api(
        f"tenant-{tenant}", f"api-{number}", f"@owner-{tenant}", f"Kind {tenant}", 1000 + number
    )


def caller_of(api: int, number: int) -> str:
    """Return the hash of a caller, who calls only one API."""
    return hashlib.blake2b(f"{api} {number}".encode(), digest_size=8).hexdigest()


def new_world(seed: int) -> World:
    """Return the initial state of a run."""
    random = Random(seed)
    shape = shape_of(random)
    loop = VirtualLoop(Random(random.random()), shape.start_ms)  # type: ignore[abstract]
    kv = SimulatedKv(loop, Random(random.random()), shape.temper)
    world = World(seed, shape, random, loop, kv)
    kv.watch = world.watch
    return world


@contextmanager
def limits(shape: Shape) -> Iterator[None]:
    """Replace the real limits by those of the run."""
    real = []
    for name, value in shape.limits.items():
        module_name, _, attribute = name.rpartition(":")
        module = importlib.import_module(module_name or "core.constants")
        real.append((module, attribute, getattr(module, attribute)))
        setattr(module, attribute, value)
    try:
        yield
    finally:
        for module, attribute, value in real:
            setattr(module, attribute, value)


def schedule(world: World) -> None:
    """Schedule requests, payments, deaths, restarts and damage."""
    shape, random = world.shape, world.random
    for burst in shape.bursts:
        at_ms = burst.at_ms
        for _ in range(burst.requests):
            at(world, at_ms, world.request)
            at_ms += random.uniform(0, 2 * burst.spacing_ms)

    for times, act in (
        (shape.kills, world.kill),
        (shape.restarts, world.restart),
        (shape.payments, world.pay),
        (shape.damages, world.damage),
        (shape.rebuilds, world.rebuild),
    ):
        for at_ms in times:
            at(world, at_ms, act)
    for number in range(1, int((shape.traffic_ends_ms - shape.start_ms) / _CRON_MS) + 1):
        at(world, shape.start_ms + number * _CRON_MS, world.wake_shards)
    if shape.more_shards is not None:
        at_ms, count = shape.more_shards
        at(world, at_ms, lambda: setattr(world, "shard_count", count))


def at(world: World, at_ms: float, act: Callable[[], None]) -> None:
    """Schedule an action outside of all isolates."""
    world.loop.call_at(at_ms / 1000, act, context=world.kv.outside)


def end_faults(world: World) -> None:
    """End all faults, also those of what runs already."""
    world.shape = replace(world.shape, cut=0.0, fuse=0)
    world.network, world.shard_fuse = Network(), 0
    world.kv.temper = Temper(page_keys=world.kv.temper.page_keys)
    for isolate in world.living():
        isolate.fuse = 0
    for found in world.objects.values():
        if found.memory is not None:
            found.memory.fuse = 0

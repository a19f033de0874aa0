"""One run: schedules requests, deaths and faults, and records what the invariants need."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random

from core import constants, keys
from core.calendar import MINUTE_MS, timestamp
from metering.builder import CompactionReport
from metering.events import Api, UsageEvent, decode_batch
from tests.simulation.drawing import shape_of
from tests.simulation.isolate import Invocation, Isolate, IsolateClock
from tests.simulation.kv import SimulatedKv, Temper, Version, Write
from tests.simulation.loop import VirtualLoop
from tests.simulation.reading import Reading, buffered_by, local_keys
from tests.simulation.shape import Shape
from tests.simulation.store import SimulatedStore
from tests.simulation.truth import Count
from usage import UsageRecorder

REST_MS = 600_000
"""How long a run continues after its last request: claims expire, listings settle."""


@dataclass(slots=True)
class World:
    """The state of one run."""

    seed: int
    shape: Shape
    random: Random
    loop: VirtualLoop
    kv: SimulatedKv
    isolates: list[Isolate] = field(default_factory=list)
    appended: Count = field(default_factory=Count)
    dropped: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    lost_batches: dict[str, int] = field(default_factory=dict)
    """Dropped events that each lost batch would have reported, by key."""
    unreported: int = 0
    key_of: dict[str, str] = field(default_factory=dict)
    committed: list[tuple[float, str, Sequence[UsageEvent]]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    compactions: list[CompactionReport] = field(default_factory=list)
    published: dict[str, Reading] = field(default_factory=dict)
    """The readings at the times when snapshots were published, by `generatedAt`."""
    after_compaction: Callable[[Sequence[str]], None] = lambda _made: None
    _started: int = 0
    _requests: int = 0

    def start_isolate(self) -> Isolate:
        """Start an isolate at a random location, with its own clock."""
        shape, random = self.shape, self.random
        self._started += 1
        clock = self.new_clock()
        isolate = Isolate(
            self.loop,
            SimulatedStore(self.kv, f"location-{random.randrange(shape.locations)}"),
            clock,
            UsageRecorder(f"{self._started:016x}", clock),
            self,
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

    def living(self) -> Sequence[Isolate]:
        return [isolate for isolate in self.isolates if isolate.alive]

    def some_isolate(self) -> Isolate:
        """Return the isolate for the next request; dead isolates are replaced."""
        living = self.living()
        if len(living) < self.shape.isolates:
            return self.start_isolate()
        return self.random.choice(living)

    def request(self, isolate: Isolate | None = None) -> None:
        """Serve and record one request."""
        isolate = isolate or self.some_isolate()
        event = self._event(isolate)
        self.appended.add(event)
        counters = isolate.log.counters
        known = counters.events_dropped
        isolate.serve(event, self.invocation(isolate))
        if counters.events_dropped > known:
            self.dropped.add(event.request_id)

    def invocation(self, isolate: Isolate) -> Invocation:
        """Start an invocation, which may be dropped after some steps."""
        cut = self.random.random() < self.shape.cut
        return Invocation(isolate, fuse=self.random.randint(1, 12) if cut else 0)

    def died(self, isolate: Isolate) -> None:
        """Record what is lost with an isolate (the protocol `Mortal`)."""
        self.lost.update(event.request_id for event in buffered_by(isolate))
        for key, batch in isolate.log.local_batches().buffered.items():
            self.lost_batches[key] = batch.dropped
        self.unreported += isolate.log._dropped_unreported

    def watch(self, key: str, version: Version) -> None:
        """Check every write when it takes effect."""
        if not key.startswith(keys.USAGE_PREFIX):
            return
        before = self.kv.records[key][:-1]
        if before:
            if any(old.value != version.value for old in before):
                self.problems.append(f"the batch {key} was written with another value")
            return
        events = decode_batch(version.value or "", keys.parse_usage_batch(key).minute).events
        for event in events:
            other = self.key_of.setdefault(event.request_id, key)
            if other != key:
                self.problems.append(f"event {event.request_id} is in KV as {other} and {key}")
        self.committed.append((self.loop.now_ms, key, events))

    def about_to_read(self, isolate: Isolate) -> Reading:
        """Return what a read that starts now must include."""
        # A late batch is due when compaction has deleted its marker.
        late = {
            keys.parse_late_marker(marker).batch_key for marker in self.kv.content(keys.LATE_PREFIX)
        }
        return Reading(
            self.loop.now_ms,
            isolate.clock.now_ms(),
            self.shape.clock_off_ms,
            local_keys(isolate),
            buffered_by(isolate),
            [(at_ms, events) for at_ms, key, events in self.committed if key not in late],
            late,
        )

    def about_to_publish(self, isolate: Isolate) -> None:
        """Record what snapshots that are published now must include."""
        reading = self.about_to_read(isolate)
        self.published[timestamp(reading.clock_ms)] = replace(reading, buffered=[])

    def place_bad_batch(self) -> None:
        """Put an undecodable batch: truncated, of a newer version, or something else."""
        minute = int(self.loop.now_ms) // MINUTE_MS
        key = keys.usage_batch(minute, "bad", self.random.randrange(1_000_000))
        value = self.random.choice(("", '{"v":1,"apis":[', '{"v":99}', "null", "[]"))
        versions = self.kv.records.setdefault(key, [])
        if not versions:
            del self.kv.records[key]
            watch, self.kv.watch = self.kv.watch, lambda _key, _version: None
            self.kv.place(Write(key, value, {}))
            self.kv.watch = watch

    def _event(self, isolate: Isolate) -> UsageEvent:
        random, shape = self.random, self.shape
        self._requests += 1
        number = random.randrange(shape.apis + 1)
        api = None if number == shape.apis else api_of(number)
        counted = api is not None and random.random() < 0.9
        return UsageEvent(
            request_id=f"{isolate.log.writer}-{self._requests:06x}",
            at_ms=isolate.clock.now_ms(),
            api=api,
            method="GET",
            status=random.choice((200, 200, 200, 404, 429, 502)),
            latency_ms=random.choice((0, 3, 40, 900, 20_000)),
            caller=caller_of(number, random.randrange(shape.callers)),
            outcome="served",
            counted=counted,
            revenue_micros=api.price_micros if api and counted and random.random() < 0.5 else 0,
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
    real = {name: getattr(constants, name) for name in shape.limits}
    for name, value in shape.limits.items():
        setattr(constants, name, value)
    try:
        yield
    finally:
        for name, value in real.items():
            setattr(constants, name, value)


def schedule(world: World) -> None:
    """Schedule requests, deaths and bad batches."""
    shape, random = world.shape, world.random
    for burst in shape.bursts:
        at_ms = burst.at_ms
        for _ in range(burst.requests):
            at(world, at_ms, world.request)
            at_ms += random.uniform(0, 2 * burst.spacing_ms)

    def kill() -> None:
        if living := world.living():
            random.choice(living).die()

    def come_back() -> None:
        if buffering := [one for one in world.living() if one.log.report()["eventsHeld"]]:
            world.request(random.choice(buffering))

    for at_ms in shape.returns:
        at(world, at_ms, come_back)
    for at_ms in shape.kills:
        at(world, at_ms, kill)
    for _ in range(shape.bad_batches):
        at(world, random.uniform(shape.start_ms, shape.traffic_ends_ms), world.place_bad_batch)


def at(world: World, at_ms: float, act: Callable[[], None]) -> None:
    """Schedule an action outside of all isolates."""
    world.loop.call_at(at_ms / 1000, act, context=world.kv.outside)


def come_to_rest(world: World) -> None:
    """Stop all faults, send one more request to every living isolate, and wait."""
    world.shape = replace(world.shape, cut=0.0)
    world.kv.temper = Temper(page_keys=world.kv.temper.page_keys)
    world.loop.run(world.loop.now_ms + REST_MS)
    for isolate in world.living():
        isolate.fuse = 0
        world.request(isolate)
    world.loop.run(world.loop.now_ms + REST_MS)

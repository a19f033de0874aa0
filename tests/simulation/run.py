"""Runs one seed and checks all invariants."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from tests.simulation.compaction import schedule_cron, schedule_repairs
from tests.simulation.invariants import (
    InvariantBroken,
    check_denied,
    check_events,
    check_seen,
    check_snapshot,
)
from tests.simulation.isolate import Invocation, Isolate, parse
from tests.simulation.kv import STALE_READ_MS_MAX
from tests.simulation.rest import ANALYTICS, EVENTS, check_at_rest, snapshots_in
from tests.simulation.world import World, at, come_to_rest, limits, new_world, schedule

HOURS = "summary/hour/"
QUERIES = ("?window=today", "?window=week", "?window=overall", "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one run; `failure` is None if all invariants held."""

    seed: int
    failure: str | None
    requests: int
    stored: int
    lost: int
    dropped: int
    reads: int
    reads_complete: int
    isolates: int
    operations: int
    steps: int


class Readers:
    """Read snapshots and events at any time from any isolate, and check the responses."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.responses = 0
        self.complete = 0
        self.followed = 0
        self.failures: list[str] = []

    def schedule(self) -> None:
        for at_ms in self.world.shape.reads:
            at(self.world, at_ms, self.start)
        self.world.after_compaction = self.follow

    def follow(self, made: Sequence[str]) -> None:
        """Schedule a read while KV may not show yet what compaction has just written."""
        world = self.world
        chance = 0.9 if any(key.startswith(HOURS) for key in made) else 0.2
        if self.followed < world.shape.reads_after_compaction and world.random.random() < chance:
            self.followed += 1
            at(
                world,
                world.loop.now_ms + world.random.uniform(0, STALE_READ_MS_MAX / 2),
                self.start,
            )

    def check(self) -> None:
        """Raise the first failure that a reader found."""
        for failure in self.failures:
            raise InvariantBroken(failure)

    def start(self) -> None:
        world = self.world
        # Isolates with buffered events have more sources to combine, so they are preferred.
        buffering = [one for one in world.living() if one.log.report()["eventsHeld"]]
        chosen = buffering if buffering and world.random.random() < 0.6 else [world.some_isolate()]
        isolate = world.random.choice(chosen)
        if world.random.random() < 0.3:
            self.read(isolate, EVENTS, f"?limit={world.random.choice((1, 5, 2000))}")
        else:
            self.read(isolate, ANALYTICS, world.random.choice(QUERIES))

    def read(self, isolate: Isolate, path: str, query: str) -> None:
        invocation = self.world.invocation(isolate)
        invocation.run(self._read(invocation, path, query))

    async def _read(self, invocation: Invocation, path: str, query: str) -> None:
        isolate = invocation.isolate
        reading = self.world.about_to_read(isolate)
        response = await isolate.ask(path, query, invocation)
        if response is None:
            return
        self.responses += 1
        # Events that were committed during the read may be in a part that was already read.
        reading = reading.still_buffered(isolate)
        try:
            if path == EVENTS:
                check_events(self.world, parse(response)["events"])
            else:
                found = snapshots_in(response)
                for shown in found:
                    self.complete += shown["freshness"]["complete"]
                    published = self.world.published.get(shown["generatedAt"])
                    listed_all = published is None and invocation.listed_all
                    check_snapshot(self.world, published or reading, shown, listed_all=listed_all)
                    check_seen(self.world, reading, invocation.unseen, shown)
                    if len(found) == 1:
                        # With several windows, KV may show a summary to one and not to another.
                        check_denied(reading, invocation.denied, shown)
        except InvariantBroken as broken:
            self.failures.append(f"{broken} (read {path}{query})")


def run(seed: int) -> Outcome:
    """Run one seed; the same seed gives the same run, step by step."""
    logging.disable(logging.CRITICAL)
    world = new_world(seed)
    readers = Readers(world)
    failure = None
    with limits(world.shape):
        try:
            schedule(world)
            schedule_cron(world)
            schedule_repairs(world)
            readers.schedule()
            world.loop.run(world.shape.traffic_ends_ms + world.shape.aftermath_ms)
            come_to_rest(world)
            readers.check()
            check_at_rest(world)
            readers.check()
        except Exception as error:  # noqa: BLE001 (any error is a finding)
            failure = f"{type(error).__name__}: {error}"
        finally:
            world.loop.dispose()
            logging.disable(logging.NOTSET)
    stored = world.key_of.keys()
    return Outcome(
        seed=seed,
        failure=failure,
        requests=len(world.appended.events),
        stored=len(stored),
        lost=len(world.lost - stored),
        dropped=len(world.dropped),
        reads=readers.responses,
        reads_complete=readers.complete,
        isolates=len(world.isolates),
        operations=world.kv.operations,
        steps=world.loop.steps,
    )


def replay_command(seed: int) -> str:
    """Return the command that runs a seed again."""
    return f"make simulate KIND=metering SEED={seed}"

"""Runs one seed and checks everything that must hold; says how to do it again."""

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
from tests.simulation.world import World, at, bounds, come_to_rest, new_world, schedule

HOURS = "summary/hour/"
QUERIES = ("?window=today", "?window=week", "?window=overall", "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run came to; `failure` is None when everything held."""

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
    """Ask for snapshots and events at any time from any isolate, and check the answers."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.answered = 0
        self.complete = 0
        self.followed = 0
        self.failures: list[str] = []

    def schedule(self) -> None:
        for at_ms in self.world.shape.reads:
            at(self.world, at_ms, self.start)
        self.world.after_compaction = self.follow

    def follow(self, made: Sequence[str]) -> None:
        """Ask while KV may not show yet what compaction has just written, if that is much."""
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
        """Raise what the first reader found that was shown something wrong."""
        for failure in self.failures:
            raise InvariantBroken(failure)

    def start(self) -> None:
        world = self.world
        # Those who hold events have more to put together, and to get wrong.
        holding = [one for one in world.living() if one.log.report()["eventsHeld"]]
        chosen = holding if holding and world.random.random() < 0.6 else [world.some_isolate()]
        isolate = world.random.choice(chosen)
        if world.random.random() < 0.3:
            self.ask(isolate, EVENTS, f"?limit={world.random.choice((1, 5, 2000))}")
        else:
            self.ask(isolate, ANALYTICS, world.random.choice(QUERIES))

    def ask(self, isolate: Isolate, path: str, query: str) -> None:
        invocation = self.world.invocation(isolate)
        invocation.run(self._ask(invocation, path, query))

    async def _ask(self, invocation: Invocation, path: str, query: str) -> None:
        isolate = invocation.isolate
        reading = self.world.about_to_read(isolate)
        answer = await isolate.ask(path, query, invocation)
        if answer is None:
            return
        self.answered += 1
        # What was written while it read may have moved on, to where it does not look.
        reading = reading.still_held(isolate)
        try:
            if path == EVENTS:
                check_events(self.world, parse(answer)["events"])
            else:
                found = snapshots_in(answer)
                for shown in found:
                    self.complete += shown["freshness"]["complete"]
                    published = self.world.published.get(shown["generatedAt"])
                    listed_all = published is None and invocation.listed_all
                    check_snapshot(self.world, published or reading, shown, listed_all=listed_all)
                    check_seen(self.world, reading, invocation.unseen, shown)
                    if len(found) == 1:
                        # Of several windows, one may be given what another is not.
                        check_denied(reading, invocation.denied, shown)
        except InvariantBroken as broken:
            self.failures.append(f"{broken} (asked {path}{query})")


def run(seed: int) -> Outcome:
    """Run one seed to its end; the same seed is the same run, step by step."""
    logging.disable(logging.CRITICAL)
    world = new_world(seed)
    readers = Readers(world)
    failure = None
    with bounds(world.shape):
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
        except Exception as error:  # noqa: BLE001, whatever it is, it is a finding
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
        reads=readers.answered,
        reads_complete=readers.complete,
        isolates=len(world.isolates),
        operations=world.kv.operations,
        steps=world.loop.steps,
    )


def replay_command(seed: int) -> str:
    """How to run one seed again."""
    return f"make simulate KIND=metering SEED={seed}"

"""Runs one seed and checks all invariants."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from tests.simulation import rest
from tests.simulation.importing import schedule_imports
from tests.simulation.reading import Readers
from tests.simulation.world import limits, new_world, schedule


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one run; `failure` is None if all invariants held."""

    seed: int
    failure: str | None
    requests: int
    acknowledged: int
    logged: int
    dropped: int
    reads: int
    reads_exact: int
    restarts: int
    isolates: int
    operations: int
    steps: int


def run(seed: int) -> Outcome:
    """Run one seed; the same seed gives the same run, step by step."""
    logging.disable(logging.CRITICAL)
    world = new_world(seed)
    readers = Readers(world)
    failure = None
    with limits(world.shape):
        try:
            schedule(world)
            schedule_imports(world)
            readers.schedule()
            world.loop.run(world.shape.traffic_ends_ms + world.shape.aftermath_ms)
            rest.come_to_rest(world)
            readers.check()
            rest.check_at_rest(world)
        except Exception as error:  # noqa: BLE001 (any error is a finding)
            failure = f"{type(error).__name__}: {error}"
        finally:
            world.loop.dispose()
            logging.disable(logging.NOTSET)
    return Outcome(
        seed=seed,
        failure=failure,
        requests=len(world.recorded),
        acknowledged=len(world.acknowledged),
        logged=len(world.truth.count.events),
        dropped=len(world.dropped),
        reads=readers.responses,
        reads_exact=readers.exact,
        restarts=sum(found.restarts for found in world.objects.values()),
        isolates=len(world.isolates),
        operations=world.kv.operations,
        steps=world.loop.steps,
    )


def replay_command(seed: int) -> str:
    """Return the command that runs a seed again."""
    return f"make simulate KIND=metering SEED={seed}"

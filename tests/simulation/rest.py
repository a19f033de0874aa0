"""The end of a run: faults end, work continues until nothing is left, and all is checked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress

from core import constants
from core.calendar import HOUR_MS, MINUTE_MS
from core.errors import ShardUnavailable
from tests.simulation.invariants import (
    Shown,
    check_log,
    check_problems,
    check_shards,
    require,
    totals_by_day,
)
from tests.simulation.isolate import parse
from tests.simulation.objects import ShardObject
from tests.simulation.reading import check_reads
from tests.simulation.usage_reading import check_usage_at_rest
from tests.simulation.world import World, end_faults

_REBUILD_STEPS_MAX = 300 + constants.REPAIR_MS // 1_000


def come_to_rest(world: World) -> None:
    """Stop all faults, send one more request from every living isolate, and wait."""
    end_faults(world)
    world.loop.run(world.loop.now_ms + 2 * MINUTE_MS)
    for isolate in world.living() or [world.start_isolate()]:
        for number in range(world.shape.apis + 1):
            world.request(isolate, number)
    for _ in range(2):
        world.wake_shards()
        world.loop.run(world.loop.now_ms + 6 * MINUTE_MS)
        # A sender may have given up, and the events that were dropped are to be reported.
        for isolate in world.living():
            world.request(isolate, 0)
    # Late events of folded days are folded after an hour.
    world.loop.run(world.loop.now_ms + world.random.choice((10 * MINUTE_MS, 2 * HOUR_MS)))


def check_at_rest(world: World) -> None:
    """Check everything, rebuild everything, and check again."""
    check_problems(world)
    check_log(world)
    damaged = bool(world.damaged)
    for found in world.objects.values():
        days = days_of(world, found)
        # After damage, every day is repaired; otherwise, one is checked.
        for day in days if damaged else world.random.sample(days, min(1, len(days))):
            changed = rebuild(world, found, day)
            is_explained = damaged or world.may_write_again
            require(is_explained or not changed, f"the rebuild of day {day} changes it")
    check_shards(world)
    check_reads(world)
    check_usage_at_rest(world)


def days_of(world: World, found: ShardObject) -> Sequence[int]:
    """Return the days of which a shard has events."""
    days = totals_by_day(world.read_truth().shards[found.number].commits)
    return sorted(days)


def rebuild(world: World, found: ShardObject, day: int) -> bool:
    """Rebuild a day in steps, as an operator does; return whether that changed anything."""
    results: list[Shown] = []

    async def steps() -> None:
        for _ in range(_REBUILD_STEPS_MAX):
            # KV may not show yet what was written shortly before.
            with suppress(ShardUnavailable):
                results.append(parse(await found.call("rebuild", json.dumps({"day": day}))))
                if results[-1]["complete"]:
                    return
            await asyncio.sleep(1)

    work = world.loop.create_task(steps(), context=world.kv.outside)
    while not work.done():
        world.loop.run(world.loop.now_ms + 1_000)
    require(results and results[-1]["complete"], f"the rebuild of day {day} does not end")
    reason = results[-1]["reason"]
    require(world.damaged or reason is None, f"day {day} cannot be rebuilt: {reason}")
    return bool(results[-1]["changed"])

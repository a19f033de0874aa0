"""Compaction in a run: when cron runs, how a run ends, and two invariants.

3. Every summary rebuilt from the log is byte-for-byte identical to the stored one.
6. The cost of a read, in KV operations, does not depend on the traffic.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random

from core import constants, keys
from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS, timestamp
from core.ports import Json
from metering import summary as summaries
from metering.compactor import compact
from metering.state import CompactionState, decode_state
from tests.simulation.invariants import InvariantBroken, require
from tests.simulation.isolate import Invocation, Isolate
from tests.simulation.kv import SimulatedKv, Write
from tests.simulation.loop import VirtualLoop
from tests.simulation.shape import closing_ms
from tests.simulation.store import SimulatedStore
from tests.simulation.world import World, at

SUMMARIES = "summary/"
BASES = "summary/base/"
NO_SUMMARIES = (keys.COMPACTION_STATE, keys.PUBLISHED)
COMPACT = "/__platform/compact"

SNAPSHOT_OPERATIONS_MAX = 6
"""The most operations that a snapshot of one window may cost at rest, for any log."""

_RESTS_AT_MIDNIGHT = 0.3
_UNTIL_QUIET_MS = 20 * MINUTE_MS
_RUNS_MAX = 200
_CRON_TIMES_MAX = 20

_CRON_MINUTES = (0, 1, 2, 3, 4, 20, 21)
"""When cron runs after a burst."""

_LATE_MINUTES = (-121, -61, -1, 0, 1, 2, 3, 4, 5, 20, 21, 40, 41, 61, 62)
"""When cron runs around late batches: before, at once, and when their minutes are listed again."""


def schedule_cron(world: World) -> None:
    """Schedule cron after each burst and around late batches.

    The seed determines how late cron is and how many times it runs.
    """
    shape, random = world.shape, world.random
    times: list[float] = []
    closed_ms = closing_ms(shape.bursts[-1].at_ms)
    always = [closed_ms + minutes * MINUTE_MS for minutes in range(4)]
    for burst in shape.bursts:
        times += [
            burst.at_ms + minutes * MINUTE_MS
            for minutes in _CRON_MINUTES
            if minutes < 2 or not shape.cron_pauses
        ]
        times += [closing_ms(burst.at_ms) + minutes * MINUTE_MS for minutes in range(3)]
    if shape.returns:
        # Only these runs see late batches, so they are always scheduled.
        always += [shape.returns[0] + minutes * MINUTE_MS for minutes in _LATE_MINUTES]

    def run() -> None:
        cron(world, world.some_isolate())

    for at_ms in always + random.sample(times, min(len(times), _CRON_TIMES_MAX)):
        for _ in range(shape.cron_runs):
            at(world, at_ms + random.uniform(0, shape.cron_late_ms), run)


def schedule_repairs(world: World) -> None:
    """Schedule rebuilds of ranges by operators, concurrent with everything else."""
    for at_ms in world.shape.repairs:
        burst = world.random.choice(world.shape.bursts)
        first = int(burst.at_ms) // MINUTE_MS - world.random.choice((0, 1, 30))
        end = first + world.random.choice((1, 2, 90))
        query = f"?from={timestamp(first * MINUTE_MS)}"
        query += f"&to={timestamp(end * MINUTE_MS)}"

        def rebuild(query: str = query) -> None:
            isolate = world.some_isolate()
            invocation = world.invocation(isolate)
            invocation.run(_ask_to_rebuild(isolate, query, invocation))

        at(world, at_ms, rebuild)


async def _ask_to_rebuild(isolate: Isolate, query: str, invocation: Invocation) -> None:
    await isolate.ask(COMPACT, query, invocation, "POST")


def cron(world: World, isolate: Isolate) -> None:
    """Run compaction once, as cron does."""
    world.invocation(isolate).run(_compact(world, isolate))


async def _compact(world: World, isolate: Isolate) -> None:
    report = await compact(isolate.store, isolate.clock.now_ms(), constants.COMPACTION_OPERATIONS)
    world.compactions.append(report)
    world.after_compaction(report.made)
    world.about_to_publish(isolate)
    await isolate.analytics.publish(isolate.store)


def come_to_rest(world: World) -> int:
    """Run compaction until it has nothing left to do; return the time of its clock."""
    isolate = world.start_isolate()
    isolate.fuse = 0
    isolate.clock.be_true()
    rested_ms = world.loop.now_ms + 2 * HOUR_MS
    if world.random.random() < _RESTS_AT_MIDNIGHT:
        # The new day has no summaries yet, and those of the old one must be sufficient.
        midnight_ms = (rested_ms // DAY_MS + 1) * DAY_MS
        rested_ms = midnight_ms + world.random.uniform(0, 90) * MINUTE_MS
    world.loop.run(rested_ms)
    now_ms = isolate.clock.now_ms()
    for _ in range(_RUNS_MAX):
        now_ms = isolate.clock.now_ms()
        done = len(world.compactions)
        cron(world, isolate)
        world.loop.run(world.loop.now_ms + 70_000)
        require(not isolate.problems, "; ".join(isolate.problems))
        require(len(world.compactions) > done, "compaction does not end at rest")
        report = world.compactions[-1]
        if report.done and not report.made:
            # The isolate that compacted last may have had a clock ahead of this one.
            is_ahead = _state(world).summarized_until > now_ms // MINUTE_MS
            if not is_ahead and not world.kv.content(keys.LATE_PREFIX):
                return now_ms
            world.loop.run(world.loop.now_ms + _UNTIL_QUIET_MS)
    raise InvariantBroken("compaction always finds something to do")


def _state(world: World) -> CompactionState:
    state = decode_state(world.kv.content(keys.COMPACTION_STATE)[keys.COMPACTION_STATE])
    assert state is not None
    return state


def rebuilt(world: World, now_ms: int) -> Mapping[str, str]:
    """Build every summary from the log alone, in a new and fault-free namespace."""
    loop = VirtualLoop(Random(0), now_ms)  # type: ignore[abstract]
    kv = SimulatedKv(loop, Random(0))
    for key, value in world.kv.content(keys.USAGE_PREFIX).items():
        kv.place(Write(key, value, world.kv.records[key][-1].metadata))
    store = SimulatedStore(kv, "rebuilt")
    for _ in range(_RUNS_MAX):
        task = loop.create_task(compact(store, now_ms, constants.COMPACTION_OPERATIONS))
        loop.run(loop.now_ms + 60_000)
        report = task.result()
        if report.done and not report.made:
            break
    loop.dispose()
    return _summaries(kv)


def check_summaries(world: World, now_ms: int) -> None:
    """Check that the summaries at rest are byte-for-byte those rebuilt from the log."""
    stored, expected = _summaries(world.kv), rebuilt(world, now_ms)
    for key in sorted(stored.keys() | expected.keys()):
        if key.startswith(BASES) and key not in expected:
            # Bases of earlier hours are no longer read, and expire.
            continue
        require(key in expected, f"{key} is stored, and the log has no events for it")
        require(key in stored, f"{key} is missing")
        same = _unnumbered(key, stored[key]) == _unnumbered(key, expected[key])
        require(same, f"{key} is not what the log says")


def _unnumbered(key: str, text: str) -> Json:
    """Remove the version from a base, which counts how many times bases were written."""
    if not key.startswith(BASES) or key.count("/") > BASES.count("/") + 1:
        return text
    body = json.loads(text[summaries.DIGEST_LENGTH :])
    body[summaries.SOURCES_AT] = []
    return body


def check_price(operations: int, windows: int) -> None:
    """Check the cost of a read at rest against the limit for any traffic."""
    allowed = SNAPSHOT_OPERATIONS_MAX * windows
    require(operations <= allowed, f"a read of {windows} windows took {operations} operations")


def _summaries(kv: SimulatedKv) -> Mapping[str, str]:
    found = kv.content(SUMMARIES)
    return {key: value for key, value in found.items() if key not in NO_SUMMARIES}

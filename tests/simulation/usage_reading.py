"""Reads usage in ranges from isolates, and checks each row against what was committed.

1. Never inflated: no row exceeds the count of the committed events.
7. Everything acknowledged before a read began is in its response, if all shards responded.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import get_args

from core.calendar import DAY_MS, HOUR_MS, month_of
from core.errors import ShardUnavailable
from metering.events import UsageEvent
from metering.usage.ranges import Grouping, Interval, UsageRange
from snapshots.usage_ranges import Usage
from tests.simulation.invariants import InvariantBroken, require
from tests.simulation.isolate import Invocation, Isolate
from tests.simulation.world import World
from tests.support.usage_model import ExpectedRow, Key, expected_rows

_KINDS = ("status", "method", "outcome")


def some_range(random: Random, now_ms: int) -> UsageRange:
    """Return a range that ends about now."""
    interval: Interval = random.choice(get_args(Interval))
    groupings: tuple[Grouping | None, ...] = (None, None, "api", "tenant")
    is_of_hours = interval in ("hour", "hours")
    if not is_of_hours:
        groupings = (*groupings, "status", "outcome")
    end = now_ms // (HOUR_MS if is_of_hours else DAY_MS) + random.choice((0, 1, 1, 2))
    first = end - random.choice((1, 2, 3, 50))
    tenants = random.choice((None, None, ["tenant-0"], ["tenant-0", "tenant-1"], []))
    slug = random.choice((None, None, None, "api-0", "api-1"))
    return UsageRange(interval, first, end, tenants, slug, random.choice(groupings))


async def read_usage(world: World, isolate: Isolate, random: Random, problems: list[str]) -> None:
    """Read a range during a run."""
    due = {name for name in world.acknowledged if world.truth.shard_of[name] < isolate.shards.count}
    wanted = some_range(random, int(world.loop.now_ms))
    try:
        usage = await isolate.analytics.usage(wanted)
    except ShardUnavailable:
        return
    try:
        check_usage(world, isolate, wanted, usage, due)
    except InvariantBroken as broken:
        problems.append(str(broken))


def check_usage_at_rest(world: World) -> None:
    """Check some ranges of a new isolate, which must be exact."""
    random, isolate = Random(world.seed), world.start_isolate()
    for _ in range(3):
        wanted = some_range(random, int(world.loop.now_ms))
        found: list[Usage] = []

        async def keep(wanted: UsageRange = wanted, found: list[Usage] = found) -> None:
            found.append(await isolate.analytics.usage(wanted))

        invocation = Invocation(isolate)
        invocation.run(keep())
        world.loop.run(world.loop.now_ms + 20_000)
        require(not isolate.problems, "; ".join(isolate.problems))
        require(found, f"a read of {wanted} at rest gets no response")
        require(invocation.operations == 0, "a read of usage costs operations on KV")
        require(invocation.calls == isolate.shards.count, "a read costs several calls to a shard")
        check_usage(world, isolate, wanted, found[0], set(world.truth.count.events))


def check_usage(
    world: World, isolate: Isolate, wanted: UsageRange, usage: Usage, due: set[str]
) -> None:
    """Check rows; `due` was acknowledged before the read."""
    truth = world.read_truth()
    known = {
        name: event
        for name, event in truth.count.events.items()
        if truth.shard_of[name] < isolate.shards.count
    }
    shown = _rows(wanted, usage)
    most = expected_rows(known.values(), wanted)
    for key, row in shown.items():
        _require_within(f"{key} of {wanted} is inflated", row, most.get(key))
    if usage.unavailable or usage.missing_days or world.damaged:
        return
    least = expected_rows(_of(known, due), wanted)
    for key, expected in least.items():
        if any(expected[:3]) or wanted.group_by in _KINDS:
            require(key in shown, f"{key} of {wanted} is missing")
            _require_within(f"{key} of {wanted} lacks something", expected, shown[key])


def _of(known: Mapping[str, UsageEvent], names: set[str]) -> list[UsageEvent]:
    return [event for name, event in known.items() if name in names]


def _rows(wanted: UsageRange, usage: Usage) -> dict[Key, ExpectedRow]:
    """Return the rows by key; what a range does not show is unlimited."""
    width_ms = HOUR_MS if wanted.is_of_hours else DAY_MS
    found: dict[Key, ExpectedRow] = {}
    for row in usage.rows:
        at = row.start_ms // width_ms
        bucket = {"month": month_of(at), "all": 0, "hours": 0}.get(wanted.interval, at)
        callers = -1 if row.callers is None else row.callers
        requests = row.requests if wanted.group_by in _KINDS else -1
        latencies = (-1, -1) if wanted.group_by in _KINDS else row.sums[3:]
        key = (bucket, row.tenant_id, row.slug, row.group)
        found[key] = ExpectedRow(*row.sums[:3], *latencies, requests, callers)
    return found


def _require_within(message: str, low: ExpectedRow, high: ExpectedRow | None) -> None:
    """Check that no number of `low` is above that of `high`; -1 is not known."""
    high = high or ExpectedRow(*[0] * len(ExpectedRow._fields))
    is_within = all(one <= other for one, other in zip(low, high, strict=True) if other != -1)
    require(is_within, f"{message}: {low}, {high}")

"""The invariants of every metering run at rest.

1. Never inflated: every event is in the log at most once, and in every total exactly as often.
2. Nothing lost silently: positions are contiguous; what was acknowledged or spilled is in the
   log; segments have exactly the log; what a living isolate dropped is reported.
3. The totals that are stored equal those made from the log, byte for byte.
4. Money: a payment is in the log once; see also `payments`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from core import constants, keys
from core.calendar import DAY_MS
from core.errors import SummaryUnreadable
from metering.batches import decode_batch
from metering.rollups import Rollup, StoredTotals, base_of, decode_rollup, encode_rollup
from metering.segments import Commit, decode_segment
from metering.totals import Totals
from metering.usage.days import usage_rows
from tests.simulation.objects import ShardObject
from tests.simulation.truth import Committed
from tests.simulation.world import World

Shown = Mapping[str, Any]


class InvariantBroken(Exception):
    """A run broke an invariant."""


def require(condition: object, message: str) -> None:
    if not condition:
        raise InvariantBroken(message)


def check_problems(world: World) -> None:
    """Check what was recorded during the run."""
    problems = [*world.problems, *world.object_problems, *world.loop.problems]
    for isolate in world.isolates:
        problems += isolate.problems
    problems += world.read_truth().problems
    require(not problems, "; ".join(problems[:5]))
    require(not world.kv.breaches, "KV's limits were broken: " + "; ".join(world.kv.breaches))


def check_log(world: World) -> None:
    """Check that the log has every event that it must have, unchanged."""
    truth = world.read_truth()
    logged = truth.count.events
    for name, event in logged.items():
        recorded = world.recorded.get(name)
        require(recorded is not None, f"{name} was never recorded")
        assert recorded is not None
        early = event._replace(at_ms=recorded.at_ms)
        require(early == recorded and event.at_ms <= recorded.at_ms, f"{name} is {event}")
    spilled = {
        event.request_id
        for key, value in world.kv.acknowledged.items()
        if key.startswith(f"{keys.USAGE_PREFIX}spill/") and value is not None
        for event in decode_batch(value).events
    }
    missing_imports = world.undone - truth.undone
    require(not missing_imports, f"{sorted(missing_imports)} are not undone in the log")
    undone = {event.request_id for name in truth.undone for event in truth.imports[name]}
    for source, name in world.import_acks:
        # An import without a name, or of the same events, may have met them before the undo.
        is_lost = source.endswith("-again") and source not in truth.undone and name not in logged
        require(not is_lost, f"{name} is acknowledged as imported again, and lost")
    for what, names in (("acknowledged", world.acknowledged.keys()), ("spilled", spilled)):
        missing = names - logged.keys() - undone
        require(not missing, f"{len(missing)} {what} events are lost: {sorted(missing)[:3]}")
    # A batch that was given up after days may have arrived.
    abandoned = {name for isolate in world.isolates for name in isolate.recorder.abandoned}
    for name, isolate in world.recorded_by.items():
        if isolate.alive and name not in world.dropped and name not in abandoned:
            require(name in logged, f"{name} is lost in a living isolate")
    require(not world.dropped.keys() & logged.keys(), "a dropped event is in the log")
    told = truth.dropped.total()
    due = sum(isolate.alive for isolate in world.dropped.values())
    most = len(world.dropped) + len(abandoned)
    require(due <= told <= most, f"{told} of {most} drops are reported")
    require(sorted(truth.payments) == sorted(world.payments), f"payments are {truth.payments}")
    left = world.kv.content(f"{keys.USAGE_PREFIX}spill/")
    require(not left, f"{[*left]} are not drained")


def check_shards(world: World) -> None:
    """Check the segments and totals of all shards."""
    truth = world.read_truth()
    for number, found in world.objects.items():
        check_health(found)
        _check_segments(world, found, truth.shards[number].commits)
        has_log = not any(key.startswith(f"{keys.USAGE_PREFIX}{number}/") for key in world.damaged)
        try:
            _check_totals(world, found, truth.shards[number].commits)
        except (InvariantBroken, SummaryUnreadable) as error:
            # What cannot be rebuilt is reported, by the shard or by its reader.
            lost = found.started().shard.log.folder.manifest.damaged
            is_missing = isinstance(error, SummaryUnreadable)
            if has_log or not (lost or is_missing):
                raise


def check_health(found: ShardObject) -> None:
    """Check that the numbers of health are zero, or explained."""
    log = found.started().shard.log
    numbers = (log.position, log.flushed)
    require(log.position == len(found.sql.commits), f"position {log.position} is not durable")
    require(log.flushed == log.position, f"shard {found.number} is at {numbers} at rest")
    require(log.unflushed_since_ms is None, "an event is not flushed at rest")


def _check_segments(world: World, found: ShardObject, commits: Sequence[Committed]) -> None:
    """Check that the segments have the log, and nothing twice."""
    prefix = f"{keys.USAGE_PREFIX}{found.number}/"
    stored: list[Commit] = []
    for key, value in world.kv.content(prefix).items():
        first = int(key.removeprefix(prefix))
        if key in world.damaged:
            stored += found.sql.commits[first - 1 : _last(world, key)]
        else:
            stored += decode_segment(value, found.number, first)
    for key in world.damaged:
        if key.startswith(prefix) and key not in world.kv.content(prefix):
            first = int(key.removeprefix(prefix))
            stored += found.sql.commits[first - 1 : _last(world, key)]
    stored.sort()
    require(stored == found.sql.commits, f"segments have {len(stored)} of {len(commits)} commits")


def _last(world: World, key: str) -> int:
    """Return the last position of a segment that was damaged."""
    return int(max(version.metadata.get("last", 0) for version in world.kv.records[key]))


def _check_totals(world: World, found: ShardObject, commits: Sequence[Committed]) -> None:
    """Check that roll-ups, bases and open parts equal those made from the log."""
    log = found.started().shard.log
    folder, manifest = log.folder, log.folder.manifest
    require(not folder.set_aside, "a fold does not end")
    days = totals_by_day(commits)
    damaged = sorted(manifest.damaged)
    require(world.damaged or not damaged, f"{damaged} are damaged")
    stored = {day: StoredTotals(*at) for day, at in log.tables.rollups(0, 1 << 30).items()}
    for day in days.keys() | stored.keys() | {part.name.day for part in folder.all_parts()}:
        expected, total = days.get(day, Totals()), Totals()
        if day in stored:
            rollup = _stored(world, stored[day]).totals
            is_same = [*usage_rows(rollup)] == [*log.folder.usage.day(day)]
            require(is_same, f"the usage of day {day} is not that of its roll-up")
            total.merge(rollup)
        for part in folder.parts_of(day):
            total.merge(part.totals)
        require(text_of(total) == text_of(expected), f"day {day} of shard {found.number} differs")
    base_days = [day for day in sorted(stored) if day < manifest.day]
    require(base_days == sorted(stored), "a roll-up is not in the bases")
    folded = {day: _stored(world, stored[day]).totals for day in base_days}
    if manifest.overall is not None:
        overall = Totals()
        for day in base_days:
            overall.merge(folded[day])
        overall.close_days(manifest.day)
        overall.forget_days(manifest.day - constants.TREND_DAYS)
        _check_base(world, manifest.overall, overall)
    for used_on, base in manifest.week.items():
        week = Totals()
        for day in base_days:
            if used_on - 6 <= day < used_on:
                week.merge(folded[day])
        week.close_days(used_on)
        _check_base(world, base, week)


def _stored(world: World, stored: StoredTotals) -> Rollup:
    content = world.kv.content(stored.key)
    names = keys.pieces(*stored)
    return decode_rollup(stored.key, [content.get(name) for name in names])


def _check_base(world: World, stored: StoredTotals, expected: Totals) -> None:
    content = world.kv.content(stored.key)
    found = [content.get(name) for name in keys.pieces(*stored)]
    made = encode_rollup(stored.key, base_of(expected))
    require(found == [*made], f"{stored.key} differs from the log")


def totals_by_day(commits: Sequence[Committed]) -> Mapping[int, Totals]:
    """Add up the log of a shard, without the imports that were undone."""
    days: dict[int, Totals] = {}
    undone = {batch.undoes for commit in commits for batch in commit.batches if batch.undoes}
    for commit in commits:
        for batch in commit.batches:
            if batch.source in undone:
                continue
            if batch.dropped:
                days.setdefault(commit.at_ms // DAY_MS, Totals()).dropped += batch.dropped
            for event in batch.events:
                if event.api is not None:
                    days.setdefault(event.at_ms // DAY_MS, Totals()).add_all([event])
    return days


def text_of(totals: Totals) -> str:
    """Encode totals to compare them."""
    header, apis = totals.encode()
    return json.dumps([header, list(apis)])

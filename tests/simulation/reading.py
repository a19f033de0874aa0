"""Reads windows and pages of events from isolates, and checks what they show.

1. Never inflated: nothing shown exceeds what the shards have committed.
5. Tenants never mix: each row has only what is of its API.
6. A read costs one call for each shard, and new totals in KV only after a fold.
7. Everything acknowledged before a read began is in its response. If a shard did not respond, that
   holds for what was acknowledged before `asOf`.

When nothing is committed during a read, it must be exact, field by field.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from core import constants
from core.calendar import timestamp
from core.errors import DispatcherError, ShardUnavailable, StoreUnavailable
from core.ports import Response
from tests.simulation.invariants import InvariantBroken, Shown, require
from tests.simulation.isolate import Invocation, Isolate, parse
from tests.simulation.shown import (
    check_exact,
    check_presence,
    check_row,
    check_totals,
    days_of,
    ms_of,
    sums_in,
)
from tests.simulation.truth import count_of
from tests.simulation.usage_reading import read_usage
from tests.simulation.world import World, at
from tests.support.fakes import FakeRequest

ANALYTICS = "/__platform/analytics"
EVENTS = "/__platform/events"
_QUERIES = ("?window=today", "?window=week", "?window=overall", "")
_USAGE_SEEDS = 3
"""Every third run also reads usage while requests arrive."""
_HEADERS = {"x-platform-token": "token-of-the-simulation"}


async def ask(isolate: Isolate, path: str, query: str) -> Response | None:
    """Call the platform API; None if a store or shard was unavailable."""
    request = FakeRequest(f"http://localhost{path}{query}", "GET", _HEADERS)
    try:
        return await isolate.api.handle(request, path, query, "request")
    except (StoreUnavailable, ShardUnavailable, DispatcherError):
        return None


def snapshots_in(response: Response) -> Sequence[Shown]:
    """Return the snapshots of a response, for one window or for all."""
    body = parse(response.body)
    return [body["snapshot"]] if "snapshot" in body else list(body["windows"].values())


@dataclass(slots=True)
class Readers:
    """Read at any time from any isolate."""

    world: World
    responses: int = 0
    exact: int = 0
    failures: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    """What was shown with each `ETag`."""
    usage: Random | None = None
    """Chooses ranges; None if the run does not read any before it is at rest."""

    def __post_init__(self) -> None:
        if self.world.seed % _USAGE_SEEDS == 0:
            self.usage = Random(self.world.seed)

    def schedule(self) -> None:
        for at_ms in self.world.shape.reads:
            at(self.world, at_ms, self.start)

    def check(self) -> None:
        """Raise the first failure that a read found."""
        for failure in self.failures:
            raise InvariantBroken(failure)

    def start(self) -> None:
        """Start a read of something in some isolate."""
        random = self.world.random
        isolate = self.world.some_isolate()
        if self.usage is not None:
            work = read_usage(self.world, isolate, self.usage, self.failures)
            self.world.invocation(isolate).run(work)
        invocation = self.world.invocation(isolate)
        if random.random() < 0.25:
            invocation.run(self.read(isolate, EVENTS, f"?limit={random.choice((1, 5, 2000))}"))
        else:
            invocation.run(self.read(isolate, ANALYTICS, random.choice(_QUERIES)))

    async def read(self, isolate: Isolate, path: str, query: str) -> None:
        """Read and check the response."""
        world = self.world
        undone = frozenset(world.read_truth().undone)
        due = {
            name: at_ms
            for name, at_ms in world.acknowledged.items()
            if world.truth.shard_of[name] < isolate.shards.count
        }
        response = await ask(isolate, path, query)
        if response is None:
            return
        self.responses += 1
        try:
            if path == EVENTS:
                check_events(world, parse(response.body)["events"])
            else:
                self._check_tag(response)
                for shown in snapshots_in(response):
                    self.exact += check_snapshot(world, isolate, due, shown, undone)
        except InvariantBroken as broken:
            self.failures.append(f"{broken} (read {path}{query})")

    def _check_tag(self, response: Response) -> None:
        """Check that responses with the same `ETag` show the same."""
        tag = dict(response.headers)["etag"]
        shown = _without_times(snapshots_in(response))
        require(self.tags.setdefault(tag, shown) == shown, "an ETag has two contents")


def _without_times(snapshots: Sequence[Shown]) -> str:
    """Return what is shown, without the times of the read."""
    shown = [
        {
            **one,
            "generatedAt": None,
            "range": one["range"]["startAt"],
            "freshness": {**one["freshness"], "asOf": None, "lagSeconds": None},
        }
        for one in snapshots
    ]
    return json.dumps(shown)


def check_snapshot(
    world: World,
    isolate: Isolate,
    due: Mapping[str, float],
    shown: Shown,
    undone: Collection[str],
) -> bool:
    """Check one snapshot; return whether it is exact.

    `due` was acknowledged, and the imports `undone` were undone, before the read.
    """
    truth = world.read_truth()
    days = days_of(shown)
    known = {
        name: event
        for name, event in truth.count.events.items()
        if truth.shard_of[name] < isolate.shards.count
    }
    due = {name: at_ms for name, at_ms in due.items() if name in known}
    # What was undone during the read may be shown, and a reader without a shard has an older state.
    is_older = len(undone) < len(truth.undone) or (
        truth.undone and shown["freshness"]["unavailableShards"]
    )
    count = truth.ever if is_older else truth.count
    most = [
        event for name, event in count.events.items() if truth.shard_of[name] < isolate.shards.count
    ]
    rows = {row["id"]: row for row in shown["allApis"]}
    require(len(rows) == len(shown["allApis"]), "an API is shown twice")
    bounds = count_of(most).by_api(days)
    for name, row in rows.items():
        check_row(count, row)
        require(name in bounds, f"{name} is shown and was never called")
        require(
            sums_in(row).within(bounds[name]),
            f"{name} is inflated in {shown['window']}: {sums_in(row)} of {bounds[name]}",
        )
    check_totals(count, shown, rows)
    freshness = shown["freshness"]
    if freshness["damagedTotals"]:
        require(not freshness["complete"], "complete without damaged totals")
        # A reader whose shard does not respond may look for bases that are replaced since.
        may_lack = freshness["unavailableShards"] or world.damaged or world.shape.temper.stale
        require(may_lack, f"{freshness['damagedTotals']} are not damaged")
        return False
    if freshness["unavailableShards"]:
        require(not freshness["complete"], "complete without a shard")
        as_of_ms = ms_of(freshness["asOf"]) - world.shape.clock_off_ms - 1
        due = {name: at_ms for name, at_ms in due.items() if at_ms <= as_of_ms}
    check_presence([known[name] for name in due], days, rows)
    if is_older or len(due) < len(known):
        return False
    check_exact(shown, known.values(), days, truth.shard_of)
    return True


def check_events(world: World, events: Sequence[Shown]) -> None:
    """Check a page of events: each is real, appears once, and has its own tenant."""
    # A page may be older than an undo.
    logged = world.read_truth().ever.events
    names = [event["requestId"] for event in events]
    require(len(set(names)) == len(names), "an event is shown twice")
    for shown in events:
        event = logged.get(shown["requestId"])
        require(event is not None, f"{shown['requestId']} was never committed")
        assert event is not None
        tenant = event.api.tenant_id if event.api else None
        true = (tenant, timestamp(event.at_ms), event.caller, event.revenue_micros)
        found = tuple(shown[name] for name in ("tenantId", "at", "caller", "revenueMicros"))
        require(found == true, f"{event.request_id} is shown as {found}, was {true}")


def check_pages(world: World, isolate: Isolate) -> None:
    """Check that pages of events have the whole log, each event once, the newest first."""
    limit = world.random.choice((3, 7, 2_000, 2_000))
    found: list[str] = []
    cursor = ""
    while True:
        query = f"?limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        response = result(world, isolate, EVENTS, query)[0]
        page = parse(response.body)
        check_events(world, page["events"])
        require(len(page["events"]) <= limit, "a page of events is too long")
        found += [event["requestId"] for event in page["events"]]
        cursor = page["cursor"]
        if cursor is None or len(found) > 2 * len(world.recorded):
            break
    logged = [*world.read_truth().count.events]
    require(
        len(found) == len(set(found)) and (world.damaged or set(found) == set(logged)),
        f"pages have {len(found)} events of {len(logged)}",
    )
    for number in world.objects:
        newest = [name for name in found if world.truth.shard_of[name] == number]
        own = [name for name in logged if world.truth.shard_of[name] == number]
        is_ordered = newest == [name for name in reversed(own) if name in set(newest)]
        require(is_ordered, f"events of shard {number} are not newest first")


def check_cost(world: World, isolate: Isolate) -> None:
    """Check that a second read costs one call for each shard, and nothing else."""
    before = sum(one.calls for one in world.objects.values())
    _, invocation = result(world, isolate, ANALYTICS, "")
    require(invocation.operations == 0, f"a read costs {invocation.operations} operations on KV")
    require(invocation.calls == 1, f"a read costs an isolate {invocation.calls} calls")
    calls = sum(one.calls for one in world.objects.values()) - before
    count = isolate.shards.count
    require(calls == count, f"a read costs {calls} calls to {count} shards")


def result(world: World, isolate: Isolate, path: str, query: str) -> tuple[Response, Invocation]:
    """Read at rest, where every read succeeds."""
    invocation = Invocation(isolate)
    found: list[Response | None] = []

    async def keep() -> None:
        found.append(await ask(isolate, path, query))

    invocation.run(keep())
    world.loop.run(world.loop.now_ms + 20_000)
    require(not isolate.problems, "; ".join(isolate.problems))
    require(found and found[0] is not None, f"a read of {path} at rest gets no response")
    assert found[0] is not None
    return found[0], invocation


def check_reads(world: World) -> None:
    """Check the windows and pages of a new isolate, and of every one that has caches."""
    fresh = world.start_isolate()
    older = [one for one in world.living() if one.shards.count >= len(world.objects)]
    # Reads are slow to simulate, so a run makes some of them.
    for isolate in (world.random.choice(older), fresh) if world.random.random() < 0.3 else (fresh,):
        response, _ = result(world, isolate, ANALYTICS, "")
        logged = dict.fromkeys(world.truth.count.events, 0.0)
        for shown in snapshots_in(response):
            exact = check_snapshot(world, isolate, logged, shown, world.truth.undone)
            require(exact or world.damaged, f"{shown['window']} is not exact at rest")
            freshness = shown["freshness"]
            days = days_of(shown)
            dropped = sum(
                count for day, count in world.truth.dropped.items() if days is None or day in days
            )
            require(
                world.damaged or freshness["droppedEvents"] == dropped,
                f"{freshness['droppedEvents']} of {dropped} dropped events are shown",
            )
            require(
                world.damaged or freshness["complete"] == (dropped == 0),
                f"complete is {freshness['complete']} with {dropped} dropped events",
            )
    is_large = min(constants.SHARD_READ_LENGTH_MAX, constants.ROLLUP_PIECE_LENGTH_MAX) > 10_000
    if is_large and not world.damaged:
        check_cost(world, fresh)
    if world.random.random() < 0.5:
        check_pages(world, fresh)

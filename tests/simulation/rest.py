"""A run at rest: everything shown must equal what is in KV, at a bounded cost."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from core.ports import Response
from tests.simulation import compaction
from tests.simulation.invariants import (
    Shown,
    Stored,
    check_events,
    check_final,
    check_log,
    require,
)
from tests.simulation.isolate import Invocation, Isolate, parse
from tests.simulation.world import World

ANALYTICS = "/__platform/analytics"
EVENTS = "/__platform/events"

Result = TypeVar("Result")


def check_at_rest(world: World) -> None:
    """Let compaction come to rest, then check everything from a new isolate."""
    stored = check_log(world)
    compaction.check_summaries(world, compaction.come_to_rest(world))
    isolate = world.start_isolate()
    isolate.fuse = 0
    now_ms = isolate.clock.now_ms()
    for shown in _read_windows(world, isolate):
        check_final(world, shown, now_ms, stored)
    _check_pages(world, isolate, stored)


def snapshots_in(response: Response) -> Sequence[Shown]:
    """Return the snapshots of a response, for one window or for all."""
    body = parse(response)
    return [body["snapshot"]] if "snapshot" in body else list(body["windows"].values())


def _read_windows(world: World, isolate: Isolate) -> Sequence[Shown]:
    invocation = Invocation(isolate)

    async def ask() -> tuple[Response | None, int]:
        return await isolate.ask(ANALYTICS, "", invocation), invocation.operations

    response, operations = result(world, invocation, ask())
    compaction.check_price(operations, windows=3)
    require(response is not None, "a read at rest gets no response")
    assert response is not None
    return snapshots_in(response)


def _check_pages(world: World, isolate: Isolate, stored: Stored) -> None:
    """Check that pages of events have all events, each once, newest first."""
    limit = world.random.choice((1, 7, 2_000)) if len(stored.count.events) < 40 else 50
    found: list[Shown] = []
    cursor = ""
    while True:
        query = f"?limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        invocation = Invocation(isolate)
        response = result(world, invocation, isolate.ask(EVENTS, query, invocation))
        assert response is not None
        page = parse(response)
        require(len(page["events"]) <= limit, "a page of events is too long")
        found += page["events"]
        cursor = page["cursor"]
        if cursor is None:
            break
        require(page["events"], "an empty page of events has a cursor")
    check_events(world, found)
    missing = stored.count.events.keys() - {event["requestId"] for event in found}
    require(not missing, f"{len(missing)} of {len(stored.count.events)} events are on no page")


def result(world: World, invocation: Invocation, work: Coroutine[Any, Any, Result]) -> Result:
    results: list[Result] = []

    async def keep() -> None:
        results.append(await work)

    world.loop.keep(work)
    invocation.run(keep())
    world.loop.run(world.loop.now_ms + 60_000)
    problems = invocation.isolate.problems
    require(not problems, "; ".join(problems))
    require(results, "a read at rest does not end")
    return results[0]

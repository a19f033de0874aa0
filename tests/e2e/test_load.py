"""Under load every response is counted once, also after restarts, with few KV writes."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path

from core import constants
from dev.demo.sender import Outcome, send
from dev.demo.traffic import plan
from dev.launch import Server

from .caller import Caller, eventually
from .conftest import TOKEN, Starter
from .local_kv import keys
from .marketplace import DEMO_TENANTS

REQUESTS = 5_000
CONCURRENCY = 32
FLUSHED_SECONDS = 20.0
"""Events are in KV within 15 s."""

DIRECTORY = json.loads(DEMO_TENANTS.read_text(encoding="utf-8"))


def load(server: Server, requests: int, seed: int) -> list[Outcome]:
    """Send mixed traffic and return the outcomes."""
    return asyncio.run(send(plan(requests, seed), server.url, CONCURRENCY, lambda _: None))


def counted(outcomes: list[Outcome]) -> Counter[str]:
    """Return how many calls should be counted, by slug."""
    return Counter(str(outcome.planned.api) for outcome in outcomes if outcome.counted)


def counted_by_slug(caller: Caller) -> Counter[str]:
    """Return how many calls the dispatcher has counted, by slug."""
    slugs = {tenant["tenantId"]: tenant["slug"] for tenant in DIRECTORY["tenants"]}
    apis = caller.snapshot("overall")["allApis"]
    return Counter({slugs[api["tenantId"]]: api["calls"] for api in apis})


def segments_in(state: Path) -> int:
    """Return how many segments KV has, and check that no batch was spilled."""
    found = keys(state, "usage/")
    assert all(name.startswith("usage/0/") for name in found), found
    return len(found)


def flushed(caller: Caller) -> bool:
    """Return whether KV has everything that is acknowledged."""
    (shard,) = caller.platform("health")["log"]["shards"]
    return bool(shard["flushed"] == shard["acknowledged"] > 0)


def test_every_response_is_counted_once_before_and_after_restarts(
    start: Starter, tmp_path: Path
) -> None:
    with start(tmp_path, DIRECTORY) as server, Caller(server.url, TOKEN) as caller:
        started = time.monotonic()
        first = load(server, REQUESTS, seed=1)
        assert all(outcome.has_response for outcome in first)
        expected = counted(first)
        eventually(lambda: caller.calls() >= expected.total(), "all calls in the totals")
        assert counted_by_slug(caller) == expected
        eventually(lambda: flushed(caller), "all events in KV", FLUSHED_SECONDS)
        seconds = time.monotonic() - started
        assert 1 <= segments_in(tmp_path) <= 1000 * seconds / constants.FLUSH_MS + 1

    with start(tmp_path, DIRECTORY) as server, Caller(server.url, TOKEN) as caller:
        assert counted_by_slug(caller) == expected, "after a restart"
        expected += counted(load(server, 500, seed=2))
        eventually(lambda: caller.calls() >= expected.total(), "the calls of the second run")
        assert counted_by_slug(caller) == expected, "after a second run"
        caller.wait_until_written()
        server.kill_hard()

    with start(tmp_path, DIRECTORY) as server, Caller(server.url, TOKEN) as caller:
        assert counted_by_slug(caller) == expected, "after kill -9"
        assert caller.snapshot("today")["freshness"]["complete"] is True


def test_a_kill_under_load_loses_only_the_latest_calls_and_adds_none(
    start: Starter, tmp_path: Path
) -> None:
    shown_early = 0
    responses = 0
    with start(tmp_path, DIRECTORY) as server, Caller(server.url, TOKEN) as caller:

        def watch(_: Outcome) -> None:
            nonlocal responses, shown_early
            responses += 1
            if responses == 200:
                shown_early = caller.calls()
            elif responses == 500:
                server.kill_hard()

        asyncio.run(send(plan(600, seed=3), server.url, CONCURRENCY, watch))

    with start(tmp_path, DIRECTORY) as server, Caller(server.url, TOKEN) as caller:
        kept = caller.calls()
        assert 0 < shown_early <= kept <= 600
        more = counted(load(server, 100, seed=4)).total()
        eventually(lambda: caller.calls() >= kept + more, "calls after the kill")
        assert caller.calls() == kept + more


def test_totals_read_under_load_never_decrease(start: Starter, tmp_path: Path) -> None:
    readings: list[int] = []
    with start(tmp_path, DIRECTORY) as server, Caller(server.url, TOKEN) as caller:

        async def watch(done: asyncio.Event) -> None:
            while not done.is_set():
                readings.append(await asyncio.to_thread(caller.calls))

        async def both() -> list[Outcome]:
            done = asyncio.Event()
            watching = asyncio.create_task(watch(done))
            outcomes = await send(plan(600, seed=5), server.url, CONCURRENCY, lambda _: None)
            done.set()
            await watching
            return outcomes

        expected = counted(asyncio.run(both())).total()
        eventually(lambda: caller.calls() >= expected, "all calls in the totals")
        assert caller.calls() == expected
    assert readings == sorted(readings)
    assert len(set(readings)) > 2

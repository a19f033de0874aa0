"""Under load every response is counted once, also after restarts, with few KV writes."""

import asyncio
import json
import sqlite3
import time
from collections import Counter
from pathlib import Path

from core import constants
from dev.demo.sender import Outcome, send
from dev.demo.traffic import plan
from dev.launch import Server

from .caller import Caller, eventually
from .conftest import TOKEN, Starter
from .marketplace import DEMO_TENANTS

REQUESTS = 5_000
CONCURRENCY = 32

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


def writes_max(requests: int, seconds: float) -> float:
    """The most writes: one for each commit delay, each full batch and each minute that ended."""
    delays = seconds * 1000 / constants.COMMIT_DELAY_MS
    return delays + requests / constants.BATCH_EVENTS_MAX + seconds / 60 + 2


def usage_keys(state: Path) -> set[str]:
    """Return the keys of the usage log, read from miniflare's files."""
    keys: set[str] = set()
    for file in state.rglob("*.sqlite"):
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
            if "_mf_entries" in tables:
                keys |= {key for (key,) in database.execute("SELECT key FROM _mf_entries")}
    return {key for key in keys if key.startswith("usage/")}


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
        caller.wait_until_written()
        writes = len(usage_keys(tmp_path))
        assert 1 <= writes <= writes_max(REQUESTS, time.monotonic() - started)

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

"""The simulated KV keeps KV's guarantees, and misbehaves in every way that KV may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from core.errors import StoreUnavailable
from tests.ports.conftest import simulated
from tests.simulation.clock import IsolateClock
from tests.simulation.isolate import Invocation, Isolate, IsolateShards, Recorder
from tests.simulation.kv import LISTING_LAG_MS_MAX, STALE_READ_MS_MAX, Temper
from tests.simulation.store import OPERATIONS_MAX, SimulatedStore

Result = TypeVar("Result")

WORST = Temper(
    refused=0.1,
    failed=0.1,
    failed_after_effect=0.1,
    failed_before_effect=0.1,
    slow=0.3,
    reads_fail=0.1,
    listing_lag_ms=LISTING_LAG_MS_MAX,
    listing_flaps=0.3,
    stale=0.7,
    page_keys=3,
    odd_pages=0.3,
)
SEEDS = range(40)


def play(store: SimulatedStore, scene: Coroutine[Any, Any, Result]) -> Result:
    """Run a scene on virtual time."""
    loop = store.kv.loop
    task = loop.create_task(scene, context=copy_context())
    loop.run(loop.now_ms + 3_600_000)
    assert loop.problems == []
    return task.result()


async def retry(operation: Callable[[], Awaitable[Result]]) -> Result:
    """Call until KV responds."""
    while True:
        try:
            return await operation()
        except StoreUnavailable:
            continue


async def pause(store: SimulatedStore, milliseconds: int) -> None:
    await IsolateClock(store.kv.loop).sleep_ms(milliseconds)


async def names(store: SimulatedStore) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = await retry(lambda cursor=cursor: store.list_page("k/", cursor))  # type: ignore[misc]
        found += [key.name for key in page.keys]
        cursor = page.cursor
        if cursor is None:
            return found


async def write_and_read(store: SimulatedStore, count: int) -> tuple[list[list[str]], list[str]]:
    """Write five keys, `k/a` twice, then list and read `k/a` repeatedly while time passes."""
    for key in ("a", "b", "c", "d", "e"):
        await retry(lambda key=key: store.put(f"k/{key}", "old", {}))  # type: ignore[misc]
        await pause(store, 10_000)
    await retry(lambda: store.put("k/a", "new", {}))
    listings, values = [], []
    for _ in range(count):
        listings.append(await names(store))
        values.append(str((await retry(lambda: store.get_many(["k/a"])))["k/a"]))
        await pause(store, 8_000)
    return listings, values


def test_listings_lag_behind_and_may_show_a_later_key_first() -> None:
    early = [look for seed in SEEDS for look in play_reads(seed)[0][:3]]
    assert any(len(look) < 5 for look in early)
    assert any("k/d" in look and "k/a" not in look for look in early)


def play_reads(seed: int) -> tuple[list[list[str]], list[str]]:
    store = simulated(WORST, seed)
    return play(store, write_and_read(store, 20))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_listing_is_ascending_without_duplicates_and_complete_after_two_minutes(
    seed: int,
) -> None:
    listings, _ = play_reads(seed)
    assert all(look == sorted(set(look)) for look in listings)
    assert listings[-1] == ["k/a", "k/b", "k/c", "k/d", "k/e"]


def test_an_old_value_may_be_read_for_a_while() -> None:
    assert any("old" in play_reads(seed)[1][:3] for seed in SEEDS)
    assert any("None" in play_reads(seed)[1][:3] for seed in SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_read_returns_a_written_value_and_after_a_minute_the_last_one(seed: int) -> None:
    _, values = play_reads(seed)
    assert set(values) <= {"old", "new", "None"}
    assert set(values[-(20 - STALE_READ_MS_MAX // 8_000 - 4) :]) == {"new"}


@pytest.mark.parametrize(
    ("share", "takes_effect"),
    [
        ("refused", False),
        ("failed", False),
        ("failed_after_effect", True),
        ("failed_before_effect", True),
    ],
)
def test_a_put_that_fails_may_have_worked(share: str, takes_effect: bool) -> None:
    store = simulated(replace(Temper(), **{share: 1.0}))  # type: ignore[arg-type]

    async def scene() -> None:
        with pytest.raises(StoreUnavailable):
            await store.put("k/a", "v", {})

    play(store, scene())
    assert list(store.kv.content()) == (["k/a"] if takes_effect else [])
    assert store.kv.acknowledged == {}


def test_a_failed_put_can_take_effect_after_the_next_one() -> None:
    last = set()
    for seed in SEEDS:
        store = simulated(Temper(), seed)

        async def scene(store: SimulatedStore = store) -> None:
            store.kv.temper = Temper(failed_before_effect=1.0)
            with pytest.raises(StoreUnavailable):
                await store.put("k/a", "first", {})
            store.kv.temper = Temper()
            await store.put("k/a", "second", {})

        play(store, scene())
        last.add(store.kv.content()["k/a"])
    assert last == {"first", "second"}


def test_a_second_write_to_a_key_within_a_second_is_rejected() -> None:
    store = simulated(Temper())

    async def scene() -> None:
        await store.put("k/a", "first", {})
        await store.put("k/b", "another key", {})
        with pytest.raises(StoreUnavailable):
            await store.put("k/a", "second", {})
        await pause(store, 1_000)
        await store.put("k/a", "third", {})

    play(store, scene())
    assert store.kv.content() == {"k/a": "third", "k/b": "another key"}


def test_an_outage_rejects_everything_and_ends() -> None:
    store = simulated(Temper())
    now_ms = store.kv.loop.now_ms
    store.kv.temper = Temper(outages=[(now_ms, now_ms + 60_000)])

    async def scene() -> None:
        with pytest.raises(StoreUnavailable):
            await store.put("k/a", "v", {})
        with pytest.raises(StoreUnavailable):
            await store.list_page("k/", None)
        with pytest.raises(StoreUnavailable):
            await store.get_many(["k/a"])
        await pause(store, 60_000)
        await store.put("k/a", "v", {})

    play(store, scene())
    assert store.kv.content() == {"k/a": "v"}


def test_limits_apply_at_its_worst_and_breaches_are_recorded() -> None:
    store = simulated(WORST)

    async def scene() -> None:
        with pytest.raises(StoreUnavailable, match="512"):
            await store.put("k" * 513, "v", {})
        with pytest.raises(StoreUnavailable, match="1024"):
            await store.put("k", "v", {"m": "x" * 1_024})
        with pytest.raises(StoreUnavailable, match="limit 100"):
            await store.get_many([f"k/{number}" for number in range(101)])

    play(store, scene())
    assert len(store.kv.breaches) == 3


class NoShards:
    async def call_shard(self, shard: int, method: str, argument: str) -> str:
        raise AssertionError(f"{method} of shard {shard} is called with {argument}")


def test_an_invocation_has_a_thousand_operations() -> None:
    store = simulated(Temper())
    clock = IsolateClock(store.kv.loop)
    shards = IsolateShards(NoShards(), 1)
    recorder = Recorder("w", clock, shards, store)
    isolate = Isolate(store.kv.loop, store, shards, clock, recorder, fuse=0)
    done = []

    async def scene() -> None:
        for number in range(OPERATIONS_MAX + 1):
            await store.list_page("k/", None)
            done.append(number)

    Invocation(isolate).run(scene())
    store.kv.loop.run(store.kv.loop.now_ms + 3_600_000)
    assert len(done) == OPERATIONS_MAX
    assert store.kv.breaches == ["too many API requests by single Worker invocation"]
    store.kv.loop.dispose()

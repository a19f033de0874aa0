"""The runtime module on real bindings: every crossing between Python and JavaScript."""

import asyncio
from typing import Any

import js
import pytest

from core.errors import StoreUnavailable
from core.quotas import UNBOUNDED, CounterUnavailable
from runtime.counters import RuntimeQuotaCounters, RuntimeRateCounter
from runtime.environment import RuntimeBackground, RuntimeClock, RuntimeEnvironment, writer_id
from runtime.kv import RuntimeStore

# KV, beyond what every store promises (`test_key_value_store.py`).


async def test_a_refused_operation_has_the_words_of_kv(store: RuntimeStore) -> None:
    """A key or a request that KV refuses is our own error with KV's reason."""
    with pytest.raises(StoreUnavailable, match="512"):
        await store.put("k" * 600, "v", {})
    with pytest.raises(StoreUnavailable, match="100"):
        await store.get_many([f"many/{number}" for number in range(101)])


# The environment.


def test_bindings_and_settings_are_found_and_missing_ones_are_none(raw_env: Any) -> None:
    """What wrangler.toml binds is there; what nobody set is None."""
    environment = RuntimeEnvironment(raw_env)
    assert environment.usage_store is not None
    assert environment.tenant_store is not None
    assert environment.namespace is not None
    assert environment.assets is not None
    assert environment.control_database is not None
    assert environment.quota_counters is not None
    assert environment.rate_counter("RATE_10S_1") is not None
    assert environment.setting("CALLER_HASH_SECRET")
    assert environment.setting("NOBODY_SET_THIS") is None


def test_nothing_bound_is_nothing_there() -> None:
    """An environment without bindings is no error until a request needs one."""
    environment = RuntimeEnvironment(js.Object.new())
    assert environment.usage_store is None
    assert environment.namespace is None
    assert environment.assets is None
    assert environment.control_database is None
    assert environment.quota_counters is None
    assert environment.rate_counter("RATE_10S_1") is None
    assert environment.setting("PLATFORM_ANALYTICS_TOKEN") is None


def test_a_json_variable_reads_as_the_text_it_was() -> None:
    """A directory given as a JSON variable arrives as an object and is text again."""
    raw = js.JSON.parse('{"TENANT_DIRECTORY_JSON": {"tenants": []}, "EMPTY": ""}')
    environment = RuntimeEnvironment(raw)
    assert environment.setting("TENANT_DIRECTORY_JSON") == '{"tenants":[]}'
    assert environment.setting("EMPTY") is None


# Time, names, and work after the response.


async def test_the_clock_sleeps_at_least_as_long_as_asked() -> None:
    """Both are `Date.now`'s milliseconds."""
    clock = RuntimeClock()
    before_ms = clock.now_ms()
    await clock.sleep_ms(30)
    assert 29 <= clock.now_ms() - before_ms < 5_000


def test_writers_have_names_of_their_own() -> None:
    """64 random bits, in hexadecimal."""
    names = {writer_id() for _ in range(100)}
    assert len(names) == 100
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in names)


async def test_background_work_runs_to_its_end(ctx: Any) -> None:
    """What fails is over as well, and nobody waits for it."""
    background = RuntimeBackground(ctx)
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append("ran")

    async def fail() -> None:
        done.append("failed")
        raise LookupError("failed")

    background.run(work())
    background.run(fail())
    await asyncio.sleep(0.05)
    assert sorted(done) == ["failed", "ran"]


# Counters.


async def test_a_rate_limit_that_fails_says_so_in_the_ports_words() -> None:
    """Whatever the binding throws is one exception of ours."""
    raw = js.Object.new()
    raw.limit = js.Promise.reject.bind(js.Promise, js.Error.new("Network connection lost."))
    with pytest.raises(CounterUnavailable, match="connection lost"):
        await RuntimeRateCounter(raw).take("key")


async def test_a_counter_that_fails_says_so_in_the_ports_words(raw_env: Any) -> None:
    """An exception inside the Durable Object is one of ours, and it counts on afterwards."""
    counters = RuntimeQuotaCounters(raw_env.QUOTAS)
    with pytest.raises(CounterUnavailable):
        await counters.reserve("broken", 0, UNBOUNDED, "no number")  # type: ignore[arg-type]
    assert (await counters.reserve("broken", 0, UNBOUNDED, 5)).usage.daily_requests == 1

"""The package `runtime` on real bindings."""

import asyncio
from typing import Any

import js
import pytest

from core.errors import StoreUnavailable
from core.quotas import UNBOUNDED, CounterUnavailable
from runtime.counters import RuntimeQuotaCounters, RuntimeRateCounter
from runtime.environment import RuntimeBackground, RuntimeClock, RuntimeEnvironment, writer_id
from runtime.kv import RuntimeStore

# KV, in addition to what every store promises (`test_key_value_store.py`).


async def test_a_rejected_operation_has_the_message_of_kv(store: RuntimeStore) -> None:
    """If KV rejects a key or a request, the error has KV's reason."""
    with pytest.raises(StoreUnavailable, match="512"):
        await store.put("k" * 600, "v", {})
    with pytest.raises(StoreUnavailable, match="100"):
        await store.get_many([f"many/{number}" for number in range(101)])


# The environment.


def test_bindings_and_settings_are_found_and_missing_ones_are_none(raw_env: Any) -> None:
    """Everything that wrangler.toml binds exists; a missing setting is None."""
    environment = RuntimeEnvironment(raw_env)
    assert environment.usage_store is not None
    assert environment.tenant_store is not None
    assert environment.namespace is not None
    assert environment.assets is not None
    assert environment.control_database is not None
    assert environment.quota_counters is not None
    assert environment.usage_shards is not None
    assert environment.usage_shards.count == 1
    assert environment.rate_counter("RATE_10S_1") is not None
    assert environment.setting("CALLER_HASH_SECRET")
    assert environment.setting("MISSING_SETTING") is None


def test_an_environment_without_bindings_is_no_error() -> None:
    """Each binding is None."""
    environment = RuntimeEnvironment(js.Object.new())
    assert environment.usage_store is None
    assert environment.namespace is None
    assert environment.assets is None
    assert environment.control_database is None
    assert environment.usage_shards is None
    assert environment.quota_counters is None
    assert environment.rate_counter("RATE_10S_1") is None
    assert environment.setting("PLATFORM_ANALYTICS_TOKEN") is None


def test_a_json_variable_is_read_as_text() -> None:
    """A directory in a JSON variable arrives as an object and is converted back."""
    raw = js.JSON.parse('{"TENANT_DIRECTORY_JSON": {"tenants": []}, "EMPTY": ""}')
    environment = RuntimeEnvironment(raw)
    assert environment.setting("TENANT_DIRECTORY_JSON") == '{"tenants":[]}'
    assert environment.setting("EMPTY") is None


# Time, names, and work after the response.


async def test_the_clock_sleeps_at_least_the_given_time() -> None:
    """In milliseconds of `Date.now`."""
    clock = RuntimeClock()
    before_ms = clock.now_ms()
    await clock.sleep_ms(30)
    assert 29 <= clock.now_ms() - before_ms < 5_000


def test_writers_have_unique_names() -> None:
    """64 random bits, in hexadecimal."""
    names = {writer_id() for _ in range(100)}
    assert len(names) == 100
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in names)


async def test_background_work_runs_to_its_end(ctx: Any) -> None:
    """A failure in the background reaches no other work."""
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


async def test_a_failing_rate_limit_raises_the_error_of_the_port() -> None:
    """Any exception of the binding becomes `CounterUnavailable`."""
    raw = js.Object.new()
    raw.limit = js.Promise.reject.bind(js.Promise, js.Error.new("Network connection lost."))
    with pytest.raises(CounterUnavailable, match="connection lost"):
        await RuntimeRateCounter(raw).take("key")


async def test_a_failing_counter_raises_the_error_of_the_port(raw_env: Any) -> None:
    """An exception in the Durable Object becomes `CounterUnavailable`, and it still counts."""
    counters = RuntimeQuotaCounters(raw_env.QUOTAS)
    with pytest.raises(CounterUnavailable):
        await counters.reserve("broken", 0, UNBOUNDED, "no number")  # type: ignore[arg-type]
    assert (await counters.reserve("broken", 0, UNBOUNDED, 5)).usage.daily_requests == 1

"""Every request and every KV operation is counted."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import StoreUnavailable
from core.kv_store import KvCounters, MeteredStore
from core.ports import ProxyResponse, Response
from core.telemetry import ANSWERED, PLATFORM, PUBLIC, SERVED, Histogram, RequestCounters
from tests.support.fakes import FakeStore, FakeUpstreamResponse


def test_a_duration_is_counted_in_the_first_bucket_whose_bound_it_does_not_exceed() -> None:
    histogram = Histogram((10, 100))
    for duration_ms in (0, 10, 11, 100, 101, -5):
        histogram.add(duration_ms)
    assert (histogram.counts, histogram.sum_ms) == ([3, 2, 1], 222)


def test_requests_are_counted_by_surface_outcome_and_status_class() -> None:
    counters = RequestCounters()
    counters.add(PUBLIC, ProxyResponse(FakeUpstreamResponse(503), (), ()), 20)
    counters.add(PUBLIC, ProxyResponse(FakeUpstreamResponse(500), (), ()), 30)
    counters.add(PUBLIC, Response(404, (), "", "tenant_not_found"), 1)
    counters.add(PLATFORM, Response(200, (), "{}"), 400)
    assert counters.counts == {
        (PUBLIC, SERVED, 5): 2,
        (PUBLIC, "tenant_not_found", 4): 1,
        (PLATFORM, ANSWERED, 2): 1,
    }
    assert {name: sum(one.counts) for name, one in counters.durations.items()} == {
        PUBLIC: 3,
        PLATFORM: 1,
    }


def test_kv_operations_are_counted_whether_they_succeed_or_fail() -> None:
    counters: KvCounters = {}
    fake = FakeStore(failing_puts=1)
    store = MeteredStore(fake, "USAGE_KV", counters)

    async def use() -> None:
        with pytest.raises(StoreUnavailable):
            await store.put("a", "1", {})
        await store.put("a", "1", {}, 60)
        assert await store.get_many(["a"]) == {"a": "1"}
        assert [key.name for key in (await store.list_page("", None)).keys] == ["a"]
        assert (await store.list_names("", None)).names == ["a"]
        await store.delete("a")
        fake.unavailable = True
        lists = (store.list_page("", None), store.list_names("", None))
        for work in (store.get_many(["a"]), *lists, store.delete("a")):
            with pytest.raises(StoreUnavailable):
                await work

    asyncio.run(use())
    assert counters == {
        ("USAGE_KV", "put", False): 1,
        ("USAGE_KV", "put", True): 1,
        **{("USAGE_KV", name, did): 1 for name in ("get", "delete") for did in (True, False)},
        ("USAGE_KV", "list", True): 2,
        ("USAGE_KV", "list", False): 2,
    }
    assert fake.lifetimes_seconds["a"] == 60

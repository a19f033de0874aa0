"""Entries of the explore cache are made rarely, and by one request at a time."""

from __future__ import annotations

import asyncio
import json

import pytest

from api.explore.cache import decode, render
from core import constants
from core.errors import FetchFailed
from core.ports import Fetched, Json
from metering.compactor import compact
from tests.support.explore_scene import Isolate, upstream, upstream_body
from tests.support.fakes import NOON_MS, FakeClock
from tests.support.log_lines import log_lines

READ = constants.SNAPSHOT_OPERATIONS_MAX


class StillClock(FakeClock):
    """A clock that does not advance while requests wait."""

    async def sleep_ms(self, duration_ms: int) -> None:
        await asyncio.sleep(duration_ms / 1_000)


def busy_isolate() -> Isolate:
    """Return an isolate with three calls in a compacted log."""
    isolate = Isolate(clock=StillClock())
    isolate.record_calls(3)
    asyncio.run(compact(isolate.store, NOON_MS, constants.COMPACTION_OPERATIONS))
    isolate.store.operations.clear()
    return isolate


def test_ten_thousand_requests_cost_as_much_as_one() -> None:
    isolate = busy_isolate()

    async def send_all() -> None:
        for number in range(10_000):
            query = f"?window={('today', 'week', 'overall')[number % 3]}&top={number}"
            assert (await isolate.handle(query)).status == 200
        await isolate.background.finish()

    asyncio.run(send_all())
    assert 0 < len(isolate.store.operations) <= 3 * READ


def test_concurrent_requests_wait_for_one_read() -> None:
    isolate = busy_isolate()

    async def send_all() -> list[int]:
        responses = await asyncio.gather(*(isolate.handle() for _ in range(500)))
        await isolate.background.finish()
        return [
            json.loads(response.body)["snapshot"]["heroStats"]["calls"] for response in responses
        ]

    assert set(asyncio.run(send_all())) == {3}
    assert 0 < len(isolate.store.operations) <= READ


def test_isolates_at_one_location_share_an_entry() -> None:
    first = Isolate()
    first.record_calls(3)
    assert first.calls() == 3
    first.store.operations.clear()
    for _ in range(20):
        assert Isolate(first.store, first.clock, first.edge).calls() == 3
    assert first.store.operations == []
    assert first.edge is not None
    assert set(first.edge.lifetimes_seconds.values()) == {constants.EXPLORE_STALE_IF_ERROR_SECONDS}


def test_without_an_edge_cache_each_isolate_reads() -> None:
    first = Isolate(edge=None)
    first.record_calls(3)
    assert first.calls() == 3
    assert Isolate(first.store, first.clock, edge=None).calls() == 3


def test_a_stale_entry_is_returned_and_renewed_in_the_background() -> None:
    isolate = upstream()
    isolate.set_upstream(upstream_body(calls=1))
    assert isolate.calls() == 1
    isolate.set_upstream(upstream_body(calls=2))
    isolate.clock.at_ms += constants.EXPLORE_FRESH_SECONDS * 1_000
    assert isolate.calls() == 1, "still fresh"
    assert len(isolate.fetcher.sent) == 1
    isolate.clock.at_ms += 1
    assert isolate.calls() == 1, "stale"
    assert len(isolate.fetcher.sent) == 2
    assert isolate.calls() == 2


def test_only_one_request_renews_at_a_time() -> None:
    isolate = upstream()
    isolate.set_upstream(upstream_body())
    isolate.body()
    isolate.clock.at_ms += constants.EXPLORE_FRESH_SECONDS * 1_000 + 1

    async def send_all() -> None:
        await asyncio.gather(*(isolate.handle(f"?top={number}") for number in range(50)))
        assert len(isolate.background.work) == 1
        await isolate.background.finish()

    asyncio.run(send_all())
    assert len(isolate.fetcher.sent) == 2


def test_another_request_renews_if_the_first_dies() -> None:
    isolate = upstream()
    isolate.set_upstream(upstream_body(calls=1))
    isolate.body()
    isolate.clock.at_ms += constants.EXPLORE_FRESH_SECONDS * 1_000 + 1
    asyncio.run(isolate.handle())
    isolate.background.work.pop().close()
    isolate.set_upstream(upstream_body(calls=2))
    isolate.clock.at_ms += constants.EXPLORE_LEASE_MS
    assert isolate.calls() == 1
    assert isolate.calls() == 2


def test_a_request_that_waits_for_one_that_dies_makes_the_entry() -> None:
    isolate = upstream()

    async def never(_url: str, _body: Json) -> Fetched:
        await asyncio.Event().wait()
        raise AssertionError

    async def die_while_renewing() -> None:
        isolate.fetcher.respond = never
        dying = asyncio.create_task(isolate.handle())
        await asyncio.sleep(0.01)
        waiting = asyncio.create_task(isolate.handle())
        await asyncio.sleep(0)
        dying.cancel()
        isolate.set_upstream(upstream_body())
        response = await waiting
        assert json.loads(response.body)["ok"]
        await isolate.background.finish()

    asyncio.run(die_while_renewing())


def test_a_request_waits_if_the_entry_is_too_old() -> None:
    isolate = upstream()
    isolate.set_upstream(upstream_body(calls=1))
    isolate.body()
    isolate.set_upstream(upstream_body(calls=2))
    isolate.clock.at_ms += constants.EXPLORE_STALE_SECONDS * 1_000 + 1
    assert isolate.calls() == 2


def test_if_making_an_entry_fails_the_old_one_is_returned_up_to_an_age() -> None:
    isolate = upstream()
    isolate.set_upstream(upstream_body())
    isolate.body()
    isolate.fetcher.respond = None
    isolate.clock.at_ms += constants.EXPLORE_STALE_IF_ERROR_SECONDS * 1_000
    assert isolate.calls() == 7
    # Another isolate of this location gets it from the edge cache.
    assert Isolate(edge=isolate.edge, clock=isolate.clock, settings=isolate.settings).calls() == 7
    isolate.clock.at_ms += 1
    assert isolate.body()["error"] == "upstream_unreachable"


def test_after_a_failure_there_is_a_pause_before_the_next_attempt() -> None:
    isolate = upstream()
    for _ in range(100):
        assert not isolate.body()["ok"]
        isolate.clock.at_ms += 10
    assert len(isolate.fetcher.sent) == 1
    isolate.set_upstream(upstream_body())
    isolate.clock.at_ms += constants.EXPLORE_RETRY_SECONDS * 1_000
    assert isolate.body()["ok"]
    assert len(isolate.fetcher.sent) == 2


def test_a_failure_in_the_background_is_not_repeated_by_every_request() -> None:
    isolate = upstream()
    isolate.set_upstream(upstream_body())
    isolate.body()
    isolate.fetcher.respond = None
    isolate.clock.at_ms += constants.EXPLORE_FRESH_SECONDS * 1_000 + 1
    for _ in range(100):
        assert isolate.calls() == 7
    assert len(isolate.fetcher.sent) == 2


def test_requests_that_wait_for_a_failure_get_its_error() -> None:
    isolate = upstream()

    async def send_all() -> list[str]:
        responses = await asyncio.gather(*(isolate.handle() for _ in range(50)))
        return [json.loads(response.body)["error"] for response in responses]

    assert set(asyncio.run(send_all())) == {"upstream_unreachable"}
    assert len(isolate.fetcher.sent) == 1


def test_yesterdays_entry_is_not_used_today() -> None:
    isolate = upstream()
    isolate.clock.at_ms = 1_795_392_000_000 - 1_000
    isolate.set_upstream(upstream_body(calls=1))
    assert isolate.calls() == 1
    isolate.set_upstream(upstream_body(calls=0))
    isolate.clock.at_ms += 1_000
    assert isolate.calls() == 0
    isolate.fetcher.respond = None
    isolate.clock.at_ms += 86_400_000
    assert not isolate.body()["ok"]


def test_a_damaged_entry_of_the_edge_cache_is_replaced() -> None:
    isolate = Isolate()
    isolate.record_calls(3)
    isolate.body()
    assert isolate.edge is not None
    for damage in ("", "\n", "a b\n{\n}", "1\n{\n}", "x" * 100):
        isolate.edge.entries = dict.fromkeys(isolate.edge.entries, damage)
        assert Isolate(isolate.store, isolate.clock, isolate.edge).calls() == 3


def test_a_decoded_entry_equals_the_encoded_one() -> None:
    snapshot = {"a": 1, "topApis": [], "allApis": [{"n": number} for number in range(150)]}
    rendered = render({"ok": True}, snapshot, 5)
    assert decode(rendered.encode()) == rendered
    for top in (0, 1, 100):
        rows = snapshot["allApis"]
        assert isinstance(rows, list)
        expected = {"ok": True, "snapshot": {**snapshot, "topApis": rows[:top]}}
        assert json.loads(rendered.body(top)) == expected


def test_a_number_that_json_does_not_have_is_an_error() -> None:
    with pytest.raises(ValueError, match="JSON"):
        render({"ok": True}, {"allApis": [], "x": float("nan")}, 5)


def test_the_log_has_the_cause_of_an_unavailable_snapshot(caplog: pytest.LogCaptureFixture) -> None:
    isolate = upstream()

    async def refused(_url: str, _body: Json) -> Fetched:
        raise FetchFailed("connection refused")

    isolate.fetcher.respond = refused
    isolate.body()
    (line,) = log_lines(caplog)
    assert (line["event"], line["code"]) == (
        "public_snapshot_unavailable",
        "upstream_unreachable",
    )
    assert line["cause"] == "https://dispatch.example: connection refused"

"""Entries of the explore cache are made rarely, and by one request at a time."""

from __future__ import annotations

import asyncio
import json

import pytest

from core import constants
from core.calendar import DAY_MS
from core.errors import FetchFailed
from core.ports import Fetched, Json
from tests.support.builders import WEATHER, event
from tests.support.explore_scene import Isolate, header, upstream, upstream_body
from tests.support.fakes import NOON_MS, FakeClock
from tests.support.log_lines import log_lines

FRESH_MS = constants.EXPLORE_FRESH_SECONDS * 1_000


class StillClock(FakeClock):
    """A clock that does not advance while requests wait."""

    async def sleep_ms(self, duration_ms: int) -> None:
        await asyncio.sleep(duration_ms / 1_000)


def busy_isolate() -> Isolate:
    """Return an isolate with three calls."""
    isolate = Isolate(clock=StillClock())
    isolate.record_calls(3)
    return isolate


def test_ten_thousand_requests_cost_as_much_as_one() -> None:
    isolate = busy_isolate()

    async def send_all() -> None:
        for number in range(10_000):
            query = f"?window={('today', 'week', 'overall')[number % 3]}&top={number}"
            assert (await isolate.handle(query)).status == 200

    asyncio.run(send_all())
    assert isolate.reads == 3


def test_concurrent_requests_wait_for_one_read() -> None:
    isolate = busy_isolate()

    async def send_all() -> list[int]:
        responses = await asyncio.gather(*(isolate.handle() for _ in range(500)))
        return [
            json.loads(response.body)["snapshot"]["heroStats"]["calls"] for response in responses
        ]

    assert set(asyncio.run(send_all())) == {3}
    assert isolate.reads == 1


def test_an_entry_is_served_until_its_age() -> None:
    isolate = upstream()
    isolate.set_upstream(upstream_body(calls=1))
    assert isolate.calls() == 1
    isolate.set_upstream(upstream_body(calls=2))
    isolate.clock.at_ms += FRESH_MS
    assert isolate.calls() == 1, "still fresh"
    isolate.clock.at_ms += 1
    assert isolate.calls() == 2
    assert isolate.requests == 2


def test_while_one_request_renews_an_entry_the_others_get_the_old_one() -> None:
    isolate = upstream()
    isolate.set_upstream(upstream_body(calls=1))
    isolate.body()
    isolate.clock.at_ms += FRESH_MS + 1
    isolate.set_upstream(upstream_body(calls=2))

    async def send_all() -> list[int]:
        responses = await asyncio.gather(*(isolate.handle(f"?top={n + 1}") for n in range(50)))
        return [json.loads(one.body)["snapshot"]["heroStats"]["calls"] for one in responses]

    assert asyncio.run(send_all()) == [2, *[1] * 49]
    assert isolate.requests == 2


async def never(_url: str, _body: Json) -> Fetched:
    await asyncio.Event().wait()
    raise AssertionError


def test_another_request_renews_if_the_first_dies_without_a_trace() -> None:
    isolate = upstream()
    isolate.set_upstream(upstream_body(calls=1))
    isolate.body()
    isolate.clock.at_ms += FRESH_MS + 1

    async def scene() -> None:
        isolate.fetcher.respond = never
        dying = asyncio.create_task(isolate.handle())
        await asyncio.sleep(0)
        isolate.set_upstream(upstream_body(calls=2))
        for age_ms, calls in ((0, 1), (constants.EXPLORE_LEASE_MS, 2)):
            isolate.clock.at_ms += age_ms
            response = await isolate.handle()
            assert json.loads(response.body)["snapshot"]["heroStats"]["calls"] == calls
        dying.cancel()

    asyncio.run(scene())


def test_a_request_that_waits_for_one_that_dies_makes_the_entry() -> None:
    isolate = upstream()

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
    isolate.clock.at_ms += 1
    assert isolate.body()["error"] == "upstream_unreachable"


def test_after_a_failure_there_is_a_pause_before_the_next_attempt() -> None:
    isolate = upstream()
    for _ in range(100):
        assert not isolate.body()["ok"]
        isolate.clock.at_ms += 10
    assert isolate.requests == 1
    isolate.set_upstream(upstream_body())
    isolate.clock.at_ms += constants.EXPLORE_RETRY_SECONDS * 1_000
    assert isolate.body()["ok"]
    assert isolate.requests == 2


def test_a_failure_is_not_repeated_by_every_request() -> None:
    isolate = upstream()
    isolate.set_upstream(upstream_body())
    isolate.body()
    isolate.fetcher.respond = None
    isolate.clock.at_ms += FRESH_MS + 1
    for _ in range(100):
        assert isolate.calls() == 7
    assert isolate.requests == 2


def test_requests_that_wait_for_a_failure_get_its_error() -> None:
    isolate = upstream()

    async def send_all() -> list[str]:
        responses = await asyncio.gather(*(isolate.handle() for _ in range(50)))
        return [json.loads(response.body)["error"] for response in responses]

    assert set(asyncio.run(send_all())) == {"upstream_unreachable"}
    assert isolate.requests == 1


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


def test_yesterdays_response_of_this_worker_is_not_served_today() -> None:
    isolate = busy_isolate()
    isolate.clock.at_ms = NOON_MS // DAY_MS * DAY_MS + DAY_MS - 1
    assert isolate.calls() == 3
    isolate.clock.at_ms += 1
    assert isolate.calls() == 0


def test_the_tag_changes_with_what_is_shown_and_not_with_time() -> None:
    isolate = busy_isolate()
    tag = header(isolate.request(), "etag")
    isolate.clock.at_ms += FRESH_MS + 1
    assert isolate.request("", {"if-none-match": tag}).status == 304
    assert isolate.reads == 2
    isolate.record_calls(1)
    isolate.clock.at_ms += FRESH_MS + 1
    assert isolate.request("", {"if-none-match": tag}).status == 200


def test_rows_that_did_not_change_are_not_sanitized_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    isolate = busy_isolate()
    isolate.body()
    monkeypatch.setattr("api.explore.sanitize._row", None)
    isolate.clock.at_ms += FRESH_MS + 1
    assert isolate.calls() == 3


def test_a_body_has_as_many_top_rows_as_requested() -> None:
    isolate = Isolate()
    apis = [WEATHER._replace(slug=f"api-{number}") for number in range(150)]
    assert isolate.shards is not None
    asyncio.run(isolate.shards.append([event(api=api) for api in apis]))
    for top in (1, 100):
        snapshot = isolate.body(f"?top={top}")["snapshot"]
        assert snapshot["topApis"] == snapshot["allApis"][:top]
        assert len(snapshot["allApis"]) == 150


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

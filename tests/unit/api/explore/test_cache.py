"""The public page's answers are made seldom: by one request at a time, behind the others."""

from __future__ import annotations

import asyncio
import json

import pytest

from api.explore.cache import decode, render
from core import constants
from core.errors import FetchFailed
from core.ports import Fetched, Json
from metering.compactor import compact
from tests.support.explore_scene import Isolate, snapshot_answer, upstream
from tests.support.fakes import NOON_MS, FakeClock
from tests.support.log_lines import log_lines

READ = constants.SNAPSHOT_OPERATIONS_MAX


class StillClock(FakeClock):
    """A clock that does not move while others wait, however many there are."""

    async def sleep_ms(self, duration_ms: int) -> None:
        await asyncio.sleep(duration_ms / 1_000)


def busy_isolate() -> Isolate:
    """An isolate with three calls in a log that cron looks after."""
    isolate = Isolate(clock=StillClock())
    isolate.call(3)
    asyncio.run(compact(isolate.store, NOON_MS, constants.COMPACTION_OPERATIONS))
    isolate.store.operations.clear()
    return isolate


def test_ten_thousand_visitors_cost_as_much_as_one() -> None:
    isolate = busy_isolate()

    async def visits() -> None:
        for number in range(10_000):
            query = f"?window={('today', 'week', 'overall')[number % 3]}&top={number}"
            assert (await isolate.answer(query)).status == 200
        await isolate.background.finish()

    asyncio.run(visits())
    assert 0 < len(isolate.store.operations) <= 3 * READ


def test_visitors_who_come_at_once_wait_for_one_read() -> None:
    isolate = busy_isolate()

    async def visits() -> list[int]:
        answers = await asyncio.gather(*(isolate.answer() for _ in range(500)))
        await isolate.background.finish()
        return [json.loads(answer.body)["snapshot"]["heroStats"]["calls"] for answer in answers]

    assert set(asyncio.run(visits())) == {3}
    assert 0 < len(isolate.store.operations) <= READ


def test_isolates_of_one_location_share_what_one_of_them_read() -> None:
    first = Isolate()
    first.call(3)
    assert first.calls() == 3
    first.store.operations.clear()
    for _ in range(20):
        assert Isolate(first.store, first.clock, first.edge).calls() == 3
    assert first.store.operations == []
    assert first.edge is not None
    assert set(first.edge.lifetimes_seconds.values()) == {constants.EXPLORE_STALE_IF_ERROR_SECONDS}


def test_without_an_edge_cache_each_isolate_reads_for_itself() -> None:
    first = Isolate(edge=None)
    first.call(3)
    assert first.calls() == 3
    assert Isolate(first.store, first.clock, edge=None).calls() == 3


def test_an_old_answer_is_given_at_once_and_renewed_behind() -> None:
    isolate = upstream()
    isolate.upstream_says(snapshot_answer(calls=1))
    assert isolate.calls() == 1
    isolate.upstream_says(snapshot_answer(calls=2))
    isolate.clock.at_ms += constants.EXPLORE_FRESH_SECONDS * 1_000
    assert isolate.calls() == 1, "still fresh"
    assert len(isolate.fetcher.sent) == 1
    isolate.clock.at_ms += 1
    assert isolate.calls() == 1, "slightly old, and not waited for"
    assert len(isolate.fetcher.sent) == 2
    assert isolate.calls() == 2


def test_only_one_request_renews_at_a_time() -> None:
    isolate = upstream()
    isolate.upstream_says(snapshot_answer())
    isolate.body()
    isolate.clock.at_ms += constants.EXPLORE_FRESH_SECONDS * 1_000 + 1

    async def visits() -> None:
        await asyncio.gather(*(isolate.answer(f"?top={number}") for number in range(50)))
        assert len(isolate.background.work) == 1
        await isolate.background.finish()

    asyncio.run(visits())
    assert len(isolate.fetcher.sent) == 2


def test_whoever_dies_while_renewing_is_replaced() -> None:
    isolate = upstream()
    isolate.upstream_says(snapshot_answer(calls=1))
    isolate.body()
    isolate.clock.at_ms += constants.EXPLORE_FRESH_SECONDS * 1_000 + 1
    asyncio.run(isolate.answer())
    isolate.background.work.pop().close()
    isolate.upstream_says(snapshot_answer(calls=2))
    isolate.clock.at_ms += constants.EXPLORE_LEASE_MS
    assert isolate.calls() == 1
    assert isolate.calls() == 2


def test_whoever_waits_for_one_who_dies_reads_for_itself() -> None:
    isolate = upstream()

    async def never(_url: str, _body: Json) -> Fetched:
        await asyncio.Event().wait()
        raise AssertionError

    async def scene() -> None:
        isolate.fetcher.answer = never
        dying = asyncio.create_task(isolate.answer())
        await asyncio.sleep(0.01)
        waiting = asyncio.create_task(isolate.answer())
        await asyncio.sleep(0)
        dying.cancel()
        isolate.upstream_says(snapshot_answer())
        answer = await waiting
        assert json.loads(answer.body)["ok"]
        await isolate.background.finish()

    asyncio.run(scene())


def test_an_answer_too_old_to_be_given_at_once_is_waited_for() -> None:
    isolate = upstream()
    isolate.upstream_says(snapshot_answer(calls=1))
    isolate.body()
    isolate.upstream_says(snapshot_answer(calls=2))
    isolate.clock.at_ms += constants.EXPLORE_STALE_SECONDS * 1_000 + 1
    assert isolate.calls() == 2


def test_while_nothing_new_can_be_had_the_old_is_shown_up_to_an_age() -> None:
    isolate = upstream()
    isolate.upstream_says(snapshot_answer())
    isolate.body()
    isolate.fetcher.answer = None
    isolate.clock.at_ms += constants.EXPLORE_STALE_IF_ERROR_SECONDS * 1_000
    assert isolate.calls() == 7
    # Another isolate of this location knows it, too.
    assert Isolate(edge=isolate.edge, clock=isolate.clock, settings=isolate.settings).calls() == 7
    isolate.clock.at_ms += 1
    assert isolate.body()["error"] == "upstream_unreachable"


def test_a_failure_is_asked_about_again_after_a_pause_and_then_forgotten() -> None:
    isolate = upstream()
    for _ in range(100):
        assert not isolate.body()["ok"]
        isolate.clock.at_ms += 10
    assert len(isolate.fetcher.sent) == 1
    isolate.upstream_says(snapshot_answer())
    isolate.clock.at_ms += constants.EXPLORE_RETRY_SECONDS * 1_000
    assert isolate.body()["ok"]
    assert len(isolate.fetcher.sent) == 2


def test_a_failure_behind_an_answer_is_not_repeated_with_every_answer() -> None:
    isolate = upstream()
    isolate.upstream_says(snapshot_answer())
    isolate.body()
    isolate.fetcher.answer = None
    isolate.clock.at_ms += constants.EXPLORE_FRESH_SECONDS * 1_000 + 1
    for _ in range(100):
        assert isolate.calls() == 7
    assert len(isolate.fetcher.sent) == 2


def test_those_who_wait_for_a_failure_get_it_too() -> None:
    isolate = upstream()

    async def visits() -> list[str]:
        answers = await asyncio.gather(*(isolate.answer() for _ in range(50)))
        return [json.loads(answer.body)["error"] for answer in answers]

    assert set(asyncio.run(visits())) == {"upstream_unreachable"}
    assert len(isolate.fetcher.sent) == 1


def test_yesterdays_window_is_not_shown_as_todays() -> None:
    isolate = upstream()
    isolate.clock.at_ms = 1_795_392_000_000 - 1_000
    isolate.upstream_says(snapshot_answer(calls=1))
    assert isolate.calls() == 1
    isolate.upstream_says(snapshot_answer(calls=0))
    isolate.clock.at_ms += 1_000
    assert isolate.calls() == 0
    isolate.fetcher.answer = None
    isolate.clock.at_ms += 86_400_000
    assert not isolate.body()["ok"]


def test_what_was_left_by_others_and_is_damaged_is_made_again() -> None:
    isolate = Isolate()
    isolate.call(3)
    isolate.body()
    assert isolate.edge is not None
    for damage in ("", "\n", "a b\n{\n}", "1\n{\n}", "x" * 100):
        isolate.edge.kept = dict.fromkeys(isolate.edge.kept, damage)
        assert Isolate(isolate.store, isolate.clock, isolate.edge).calls() == 3


def test_a_finished_answer_is_read_back_as_it_was_written() -> None:
    snapshot = {"a": 1, "topApis": [], "allApis": [{"n": number} for number in range(150)]}
    finished = render({"ok": True}, snapshot, 5)
    assert decode(finished.encode()) == finished
    for top in (0, 1, 100):
        rows = snapshot["allApis"]
        assert isinstance(rows, list)
        expected = {"ok": True, "snapshot": {**snapshot, "topApis": rows[:top]}}
        assert json.loads(finished.body(top)) == expected


def test_what_is_no_json_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        render({"ok": True}, {"allApis": [], "x": float("nan")}, 5)


def test_the_log_says_why_there_was_nothing(caplog: pytest.LogCaptureFixture) -> None:
    isolate = upstream()

    async def refused(_url: str, _body: Json) -> Fetched:
        raise FetchFailed("connection refused")

    isolate.fetcher.answer = refused
    isolate.body()
    (line,) = log_lines(caplog)
    assert (line["event"], line["code"]) == (
        "public_snapshot_unavailable",
        "upstream_unreachable",
    )
    assert line["cause"] == "https://dispatch.example: connection refused"

"""Expired batches stay in the totals, even if the state of compaction is lost."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import WINDOWS
from core import constants, keys
from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from core.errors import InvalidParameter
from metering.compactor import rebuild
from metering.events import UsageEvent
from tests.support.builders import MAPS, WEATHER, event
from tests.support.fakes import NOON_MS, FakeClock
from tests.support.platform_scene import Scene
from tests.support.usage_log import Log
from usage import UsageRecorder

MINUTE = MINUTE_MS
HOUR = HOUR_MS
DAY = DAY_MS
START_MS = NOON_MS - 70 * DAY

RECOVERY_OPERATIONS_MAX = 120
"""The operations that recovering the state may cost in addition to a run's budget."""


def old(days: int = 70) -> Log:
    """Return a log of these days until noon, compacted daily, whose old batches have expired."""
    return deepcopy(_old(days))


@cache
def _old(days: int) -> Log:
    log = Log()
    for day in range(days, 0, -1):
        at_ms = NOON_MS - day * DAY
        log.commit([event(at_ms), event(at_ms + 5 * HOUR, MAPS), event(at_ms + 5 * HOUR + MINUTE)])
        log.compact(at_ms + 12 * HOUR)
        log.expire(at_ms + 12 * HOUR)
    log.compact(NOON_MS)
    return log


def assert_whole(log: Log, now_ms: int = NOON_MS) -> None:
    for window in WINDOWS:
        assert log.calls(window, now_ms) == log.expected(window, now_ms), window


def test_a_batch_expires_after_forty_days() -> None:
    log, store = UsageRecorder("w", FakeClock()), Log().store
    log.record(event())
    asyncio.run(log.commit_after_delay(store))
    assert set(store.lifetimes_seconds.values()) == {40 * 86_400}


def test_summaries_never_expire() -> None:
    lifetimes = old(3).store.lifetimes_seconds
    kept = {key for key, seconds in lifetimes.items() if seconds is None}
    assert {key.split("/")[1] for key in kept} == {"minute", "hour", "day", "month", "progress"} - {
        "month"
    }


def test_totals_outlive_their_batches() -> None:
    log = old()
    assert len([key for key in log.store.values if key.startswith("usage/")]) < 3 * 42
    assert log.expected("overall", NOON_MS).total() == 210
    assert_whole(log)


@pytest.mark.parametrize("level", ["hour", "day", "month"])
def test_a_damaged_summary_is_rebuilt_from_the_level_below_after_batches_expired(
    level: str,
) -> None:
    log = old()
    sound = log.summaries()
    damaged = max(key for key in sound if key.startswith(f"summary/{level}/"))
    log.store.values[damaged] = ("damage", {})
    # A late batch of the same day causes a rebuild.
    log.commit([event(START_MS + 2 * HOUR)], late=True)
    log.compact(NOON_MS)
    assert_whole(log)
    assert log.store.values[damaged][0] not in ("damage", "")


def test_a_late_batch_adds_to_a_minute_whose_other_batches_have_expired() -> None:
    log = old()
    log.commit([event(NOON_MS - 60 * DAY, request_id="late")], late=True)
    log.compact(NOON_MS)
    assert_whole(log)


def test_a_minute_whose_batches_expired_never_loses_totals() -> None:
    log = old()
    before = log.summaries()
    minute = START_MS // MINUTE
    report = asyncio.run(rebuild(log.store, NOON_MS, minute, minute + 120, 10_000))
    assert (report.done, report.changed) == (True, [])
    assert log.summaries() == before


def test_a_damaged_minute_whose_batches_expired_is_reported_and_not_changed() -> None:
    log = old()
    minute = START_MS // MINUTE
    damaged = keys.summary("minute", minute)
    log.store.values[damaged] = ("damage", {})
    log.commit([event(START_MS, request_id="late")], late=True)
    report = log.compact(NOON_MS)
    assert damaged in report.stopped_by
    assert "may have expired" in report.stopped_by
    assert log.store.values[damaged][0] == "damage"
    report = asyncio.run(rebuild(log.store, NOON_MS, minute, minute + 1, 10_000))
    assert not report.done
    assert damaged in report.stopped_by


@pytest.mark.parametrize("left", [None, "", "{", "[1,2,3,4,5,6,7]", "null"])
def test_a_lost_state_is_recovered_from_listings(left: str | None) -> None:
    log = old()
    sound = log.summaries()
    if left is None:
        del log.store.values[keys.COMPACTION_STATE]
    else:
        log.store.values[keys.COMPACTION_STATE] = (left, {})
    log.store.operations.clear()
    assert log.compact(NOON_MS, 700).done
    assert len(log.store.operations) <= RECOVERY_OPERATIONS_MAX + 250
    assert log.summaries() == sound
    assert_whole(log)
    log.commit([event(NOON_MS), event(NOON_MS - 50 * DAY, request_id="late")], late=True)
    for hours in range(1, 60, 7):
        log.compact(NOON_MS + hours * HOUR)
        assert_whole(log, NOON_MS + hours * HOUR)


@pytest.mark.parametrize("level", ["minute", "hour", "day"])
def test_summaries_that_are_not_listed_yet_are_rebuilt_from_the_log(level: str) -> None:
    log = old()
    sound = log.summaries()
    newest = sorted(key for key in sound if key.startswith(f"summary/{level}/"))[:3]
    log.store.unlisted.update(newest)
    del log.store.values[keys.COMPACTION_STATE]
    log.compact(NOON_MS)
    assert_whole(log)
    assert log.summaries() == sound


def test_a_state_lost_after_forty_days_without_compaction_loses_no_summary() -> None:
    log = Log()
    # Summarized, but not settled: no hour has this minute, and its batch will expire.
    log.commit([event(START_MS - 2 * HOUR), event(START_MS - 13 * MINUTE)])
    log.compact(START_MS)
    later_ms = START_MS + 45 * DAY
    log.expire(later_ms)
    del log.store.values[keys.COMPACTION_STATE]
    while not log.compact(later_ms, 700).done:
        pass
    assert log.calls("overall", later_ms) == {"weather": 2}


def test_the_first_run_on_a_log_of_a_month_is_bounded() -> None:
    log = old()
    del log.store.values[keys.COMPACTION_STATE]
    log.store.operations.clear()
    log.compact(NOON_MS, 10)
    assert len(log.store.operations) <= RECOVERY_OPERATIONS_MAX


moments = st.integers(NOON_MS - 100 * DAY, NOON_MS)
some_events = st.lists(
    st.builds(event, moments, st.sampled_from([WEATHER, MAPS])), min_size=1, max_size=30
)


@settings(max_examples=60, deadline=None)
@given(some_events, st.lists(moments, max_size=8), st.sets(moments, max_size=5))
def test_totals_equal_a_count_whenever_the_state_is_lost(
    events: list[UsageEvent], times: list[int], losses: set[int]
) -> None:
    log = Log()
    waiting = sorted(events, key=lambda one: one.at_ms)
    # Compaction may pause for a month, but not for longer than batches exist.
    regular = range(NOON_MS - 100 * DAY, NOON_MS, 30 * DAY)
    for now_ms in sorted({*times, *losses, *regular, NOON_MS + MINUTE}):
        log.commit([one for one in waiting if one.at_ms < now_ms])
        waiting = [one for one in waiting if one.at_ms >= now_ms]
        log.expire(now_ms)
        if now_ms in losses:
            log.store.values.pop(keys.COMPACTION_STATE, None)
        log.compact(now_ms)
        assert_whole(log, now_ms)


def test_a_range_whose_batches_may_have_expired_is_rejected_with_the_earliest_time() -> None:
    query = "?from=2026-10-14T11:59Z&to=2026-10-14T12:30Z"
    refusal = Scene().error("/__platform/compact", query, method="POST")
    assert isinstance(refusal, InvalidParameter)
    assert refusal.evidence["parameter"] == "from"
    assert "2026-10-14T12:00:00.000Z or later" in refusal.message
    assert "40 days" in refusal.message
    body = Scene().body(
        "/__platform/compact", "?from=2026-10-14T12:00Z&to=2026-10-14T12:30Z", method="POST"
    )
    assert (body["complete"], body["stoppedBy"]) == (True, None)


def test_the_margin_exceeds_the_clock_difference() -> None:
    assert constants.REBUILD_DAYS < constants.BATCH_DAYS

"""Late batches: none is lost, with any delay of listings and reads, and with concurrent runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from core import keys
from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from core.kv_store import BudgetedStore
from metering.builder import SummaryBuilder
from metering.compactor import rebuild
from metering.events import UsageEvent
from metering.invalidation import LateArrivals
from metering.state import decode_state
from tests.support.builders import event
from tests.support.fakes import NOON_MS
from tests.support.usage_log import ENOUGH, Log

MINUTE = MINUTE_MS
HOUR = HOUR_MS
DAY = DAY_MS
LATE_MS = NOON_MS - 5 * HOUR
"""When the late events of these tests happened; their hour is closed by noon."""


def markers(log: Log) -> Sequence[str]:
    return [key for key in log.store.values if key.startswith(keys.LATE_PREFIX)]


def commit_late(log: Log, events: Sequence[UsageEvent], written_ms: int) -> Sequence[str]:
    """Write late batches with their markers; return their keys."""
    known = set(log.store.values)
    log.commit(events)
    written = [key for key in log.store.values if key not in known]
    for key in written:
        log.store.values[keys.late_marker(key, written_ms // MINUTE)] = ("", {})
    return written


def closed_log() -> Log:
    """Return a log with bases in which all hours until noon are closed."""
    log = Log()
    log.commit([event(NOON_MS - hours * HOUR - MINUTE) for hours in range(12)])
    assert log.compact(NOON_MS + 21 * MINUTE).done
    return log


def compact_each_minute(log: Log, first_ms: int, minutes: int) -> int:
    """Run compaction each minute; return the time of the last run."""
    for minute in range(minutes):
        assert log.compact(first_ms + minute * MINUTE).done
    return first_ms + (minutes - 1) * MINUTE


def test_a_late_batch_counts_at_once_and_its_marker_is_deleted_within_hours() -> None:
    log = closed_log()
    now_ms = NOON_MS + 25 * MINUTE
    commit_late(log, [event(LATE_MS)], now_ms)
    compact_each_minute(log, now_ms, 1)
    assert log.calls("today", now_ms) == log.expected("today", now_ms)
    assert markers(log)
    now_ms = compact_each_minute(log, now_ms + MINUTE, 70)
    assert not markers(log)
    state = decode_state(log.store.values[keys.COMPACTION_STATE][0])
    assert state is not None
    assert (state.late, state.invalidated) == ({}, set())


def test_a_late_batch_that_a_listing_shows_and_then_hides_stays_counted() -> None:
    log = closed_log()
    now_ms = NOON_MS + 25 * MINUTE
    (flapping,) = commit_late(log, [event(LATE_MS, request_id="a")], now_ms)
    log.compact(now_ms)
    commit_late(log, [event(LATE_MS + 1, request_id="b")], now_ms)
    log.store.unlisted.add(flapping)
    log.compact(now_ms + MINUTE)
    assert log.calls("today", now_ms) == log.expected("today", now_ms)


def test_a_late_batch_that_is_not_listed_at_first_is_found_later() -> None:
    log = closed_log()
    now_ms = NOON_MS + 25 * MINUTE
    (hidden,) = commit_late(log, [event(LATE_MS)], now_ms)
    log.store.unlisted.add(hidden)
    now_ms = compact_each_minute(log, now_ms, 3)
    log.store.unlisted.clear()
    now_ms = compact_each_minute(log, now_ms + MINUTE, 1)
    assert log.calls("today", now_ms) == log.expected("today", now_ms)


def test_no_window_is_complete_while_a_late_batch_is_being_added_to_it() -> None:
    now_ms = NOON_MS + 25 * MINUTE
    partly = 0
    for budget in range(60):
        log = closed_log()
        commit_late(log, [event(LATE_MS)], now_ms)
        commit_late(log, [event(LATE_MS - DAY)], now_ms)
        log.compact(now_ms, budget)
        state = decode_state(log.store.values[keys.COMPACTION_STATE][0])
        assert state is not None
        if len(state.late) == 2:
            for window in ("today", "week", "overall"):
                data = log.read(window, now_ms)
                partly += not data.complete
                is_right = log.calls(window, now_ms) == log.expected(window, now_ms)
                assert is_right or not data.complete
                assert data.complete or (data.as_of or 0) * MINUTE <= LATE_MS
    assert partly
    assert log.read("overall", now_ms).complete


def test_a_late_batch_of_yesterday_leaves_today_complete() -> None:
    now_ms = NOON_MS + 25 * MINUTE
    for budget in range(0, 60, 3):
        log = closed_log()
        commit_late(log, [event(LATE_MS - DAY)], now_ms)
        log.compact(now_ms, budget)
        assert log.read("today", now_ms).complete


@pytest.mark.parametrize("minutes", [0, 1, 3, 4, 20, 40, 41, 59])
def test_a_late_batch_survives_an_older_state_overwriting_a_newer_one(minutes: int) -> None:
    log = closed_log()
    older = dict(log.store.values)
    now_ms = NOON_MS + 25 * MINUTE
    commit_late(log, [event(LATE_MS)], now_ms)
    now_ms = compact_each_minute(log, now_ms, minutes + 1)
    # Another run, which did not know the batch, writes its summaries and its state now.
    log.store.values |= {key: value for key, value in older.items() if key.startswith("summary/")}
    now_ms = compact_each_minute(log, now_ms + MINUTE, 130)
    assert log.calls("today", now_ms) == log.expected("today", now_ms)
    fresh = Log(events=log.events)
    fresh.store.values = {
        key: value for key, value in log.store.values.items() if key.startswith(keys.USAGE_PREFIX)
    }
    fresh.compact(now_ms)
    assert log.summaries() == fresh.summaries()
    assert not markers(log)


def test_the_last_listing_corrects_summaries_that_another_run_wrote_late() -> None:
    log = closed_log()
    older = dict(log.store.values)
    now_ms = NOON_MS + 25 * MINUTE
    commit_late(log, [event(LATE_MS)], now_ms)
    now_ms = compact_each_minute(log, now_ms, 15)
    right = log.summaries()
    # Another run writes its summaries, but not its state.
    log.store.values |= {key: older[key] for key in right if key in older}
    assert log.summaries() != right
    compact_each_minute(log, now_ms + MINUTE, 70)
    assert right.items() <= log.summaries().items()


def test_a_late_batch_of_an_empty_hour_stops_nothing() -> None:
    log = Log()
    for hours in range(8):
        log.commit([event(NOON_MS + hours * HOUR)])
        log.compact(NOON_MS + hours * HOUR + 30 * MINUTE)
    now_ms = NOON_MS + 8 * HOUR
    commit_late(log, [event(NOON_MS - HOUR), event(NOON_MS - 4 * DAY)], now_ms)
    now_ms = compact_each_minute(log, now_ms, 2)
    for window in ("today", "week", "overall"):
        assert log.calls(window, now_ms) == log.expected(window, now_ms)


def test_another_late_batch_of_an_hour_keeps_batches_that_reads_do_not_show_yet() -> None:
    log = Log()
    for hours in range(8):
        log.commit([event(NOON_MS + hours * HOUR)])
        log.compact(NOON_MS + hours * HOUR + 30 * MINUTE)
    now_ms = NOON_MS + 8 * HOUR + 16 * MINUTE
    before = dict(log.store.values)
    commit_late(log, [event(NOON_MS - 4 * DAY, request_id="a")], now_ms)
    # The first is processed; then an hour is closed, so old fingerprints are dropped.
    now_ms = compact_each_minute(log, now_ms, 10)
    commit_late(log, [event(NOON_MS - 4 * DAY + MINUTE, request_id="b")], now_ms)
    hour = keys.summary("hour", (NOON_MS - 4 * DAY) // MINUTE)
    assert hour not in before
    del log.store.values[hour]
    log.store.unlisted.add(keys.summary("minute", (NOON_MS - 4 * DAY) // MINUTE))
    now_ms = compact_each_minute(log, now_ms + MINUTE, 1)
    assert log.calls("overall", now_ms) == log.expected("overall", now_ms)


def test_a_marker_without_a_batch_is_deleted_when_the_batch_can_no_longer_arrive() -> None:
    log = closed_log()
    now_ms = NOON_MS + 25 * MINUTE
    lost = keys.usage_batch(LATE_MS // MINUTE, "dead", 1)
    log.store.values[keys.late_marker(lost, now_ms // MINUTE)] = ("", {})
    before = log.summaries()
    now_ms = compact_each_minute(log, now_ms, 40)
    assert markers(log)
    compact_each_minute(log, now_ms + MINUTE, 30)
    assert not markers(log)
    assert before.items() <= log.summaries().items()


def test_an_invalid_marker_is_deleted() -> None:
    log = closed_log()
    log.store.values["late/nonsense"] = ("", {})
    log.compact(NOON_MS + 25 * MINUTE)
    assert not markers(log)


def test_a_rebuild_keeps_batches_that_the_listing_lacks() -> None:
    log = closed_log()
    before = log.summaries()
    batches = [key for key in log.store.values if key.startswith(keys.USAGE_PREFIX)]
    log.store.unlisted.update(batches)
    first = NOON_MS // MINUTE - 120
    report = asyncio.run(rebuild(log.store, NOON_MS, first, first + 120, ENOUGH))
    assert (report.done, report.changed) == (True, [])
    assert log.summaries() == before


def test_compaction_finishes_a_rebuild_that_stopped_at_its_budget() -> None:
    log = closed_log()
    sound = log.summaries()
    hour = keys.summary("hour", NOON_MS // MINUTE - 60)
    day = keys.summary("day", NOON_MS // MINUTE - 720)
    log.store.values[hour] = ("damage", {})
    report = asyncio.run(rebuild(log.store, NOON_MS, NOON_MS // MINUTE - 1, NOON_MS // MINUTE, 5))
    assert not report.done
    compact_each_minute(log, NOON_MS + 22 * MINUTE, 1)
    assert log.summaries() == sound
    assert day not in sound


def test_the_late_batches_of_an_outage_are_processed_in_bounded_runs() -> None:
    log = closed_log()
    now_ms = NOON_MS + 25 * MINUTE
    minutes = [LATE_MS - LATE_MS % HOUR - minute * MINUTE for minute in range(90)]
    for number in range(10):
        tardy = [event(at_ms + number, request_id=f"{number}-{at_ms}") for at_ms in minutes]
        commit_late(log, tardy, now_ms)
    assert len(markers(log)) == 900
    runs = 0
    while markers(log):
        report = log.compact(now_ms, 300)
        assert report.operations <= 300
        now_ms += MINUTE
        runs += 1
        if runs > 5:
            assert log.calls("today", now_ms) == log.expected("today", now_ms)
    # The last listing is due after 40 minutes; 20 minutes later markers are deleted, 200 at a time.
    assert runs < 80


def test_a_minute_with_a_marker_is_listed_each_minute_only_while_it_is_new() -> None:
    log = closed_log()
    now_minute = NOON_MS // MINUTE + 25
    commit_late(log, [event(LATE_MS)], now_minute * MINUTE)
    state = decode_state(log.store.values[keys.COMPACTION_STATE][0])
    assert state is not None
    listings = []
    for minute in range(60):
        counted = BudgetedStore(log.store, ENOUGH)
        listing = LateArrivals(SummaryBuilder(counted, state, 0), now_minute + minute).process()
        asyncio.run(listing)
        if counted.spent > 1:
            listings.append(minute)
    assert listings == [0, 1, 2, 3, 20, 40]

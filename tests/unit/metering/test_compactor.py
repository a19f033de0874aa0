"""Compaction: the same result after any interruption, and correct reads at any time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import WINDOWS
from core import keys
from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from core.errors import StoreUnavailable
from metering.compactor import rebuild
from metering.events import Api, UsageEvent
from metering.state import SETTLE_MINUTES
from snapshots.window_cache import WindowCache
from tests.support.builders import MAPS, WEATHER, event
from tests.support.fakes import NOON_MS, FakeStore
from tests.support.usage_log import Log, parts_of

MINUTE = MINUTE_MS
HOUR = HOUR_MS
DAY = DAY_MS
MONTH_END_MS = NOON_MS + 9 * DAY
"""2026-12-01T12:00Z."""

moments = st.one_of(
    st.integers(NOON_MS - 8 * DAY, MONTH_END_MS - 1),
    st.sampled_from(
        [
            NOON_MS - NOON_MS % DAY + offset
            for offset in (-1, 0, 1, HOUR - 1, HOUR, DAY - 1, DAY, 9 * DAY - 1, 9 * DAY)
        ]
    ),
)
some_events = st.lists(
    st.builds(
        event,
        moments,
        st.sampled_from([WEATHER, MAPS]),
        caller=st.sampled_from(["00000000000000a1", "00000000000000a2"]),
        counted=st.booleans(),
        status=st.sampled_from([200, 500]),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(some_events, st.lists(st.integers(0, 18 * DAY), max_size=6), st.integers(30, 400))
def test_windows_equal_a_count_of_the_events_at_any_progress_of_compaction(
    events: list[UsageEvent], pauses: list[int], budget: int
) -> None:
    log, views = Log(), {window: WindowCache() for window in WINDOWS}
    waiting = sorted(events, key=lambda one: one.at_ms)
    for now_ms in sorted({NOON_MS - 9 * DAY + pause for pause in pauses} | {MONTH_END_MS}):
        log.commit([one for one in waiting if one.at_ms < now_ms])
        waiting = [one for one in waiting if one.at_ms >= now_ms]
        log.compact(now_ms, budget)
        for window in WINDOWS:
            expected = log.expected(window, now_ms)
            assert log.calls(window, now_ms) == expected
            assert log.calls(window, now_ms, views[window]) == expected


@settings(max_examples=40, deadline=None)
@given(some_events, st.lists(st.integers(3, 120), min_size=1, max_size=5))
def test_interrupted_compaction_writes_the_same_bytes(
    events: list[UsageEvent], budgets: list[int]
) -> None:
    whole, pieces = Log(), Log()
    for log in (whole, pieces):
        log.commit(events)
    now_ms = MONTH_END_MS + 2 * HOUR
    assert whole.compact(now_ms).done
    for turn in range(5_000):
        if pieces.compact(now_ms, budgets[turn % len(budgets)] + 40).done:
            break
    assert pieces.summaries() == whole.summaries()


@settings(max_examples=30, deadline=None)
@given(some_events)
def test_compacting_again_changes_nothing(events: list[UsageEvent]) -> None:
    log = Log()
    log.commit(events)
    log.compact(MONTH_END_MS)
    log.compact(MONTH_END_MS)
    before = dict(log.store.values)
    report = log.compact(MONTH_END_MS)
    assert report.made == []
    assert log.store.values == before


@settings(max_examples=30, deadline=None)
@given(some_events, some_events)
def test_a_batch_written_days_late_is_counted_and_its_summaries_are_rebuilt(
    events: list[UsageEvent], tardy: list[UsageEvent]
) -> None:
    log, fresh = Log(), Log()
    log.commit(events)
    log.compact(MONTH_END_MS)
    log.commit(tardy, late=True)
    log.compact(MONTH_END_MS + MINUTE)
    for window in WINDOWS:
        assert log.calls(window, MONTH_END_MS) == log.expected(window, MONTH_END_MS)
    for hours in (1, 2):
        assert log.compact(MONTH_END_MS + hours * HOUR).done
    assert not [key for key in log.store.values if key.startswith(keys.LATE_PREFIX)]
    fresh.store.values = {
        key: value for key, value in log.store.values.items() if key.startswith(keys.USAGE_PREFIX)
    }
    fresh.compact(MONTH_END_MS + 2 * HOUR)
    assert fresh.summaries() == log.summaries()


def busy(minutes: int, apis: int) -> Log:
    """Return a log with a batch of every API in each of these minutes before noon."""
    log = Log()
    for minute in range(minutes):
        log.commit(
            [
                event(NOON_MS - (minute + 1) * MINUTE, Api(f"t{n}", f"s{n}", "", "", 0))
                for n in range(apis)
            ]
        )
    return log


@pytest.mark.parametrize("minutes", [10, 600, 6_000])
def test_a_read_costs_at_most_six_operations_at_any_traffic(minutes: int) -> None:
    log = busy(minutes, 3)
    assert log.compact(NOON_MS).done
    for window in WINDOWS:
        log.store.operations.clear()
        data = log.read(window, NOON_MS + 30_000)
        assert data.complete
        assert len(log.store.operations) <= 6
        assert log.calls(window, NOON_MS) == log.expected(window, NOON_MS)


def test_a_backlog_is_processed_in_bounded_runs_while_reads_are_correct() -> None:
    log = busy(3_000, 1)
    runs = 0
    while True:
        report = log.compact(NOON_MS, 200)
        assert report.operations <= 200
        data = log.read("overall", NOON_MS)
        counted = sum(part.apis[key].calls for part in parts_of(data) for key in part.apis)
        assert counted <= 3_000
        if data.complete:
            assert counted == 3_000
        else:
            assert data.as_of is not None
            before = sum(one.at_ms < data.as_of * MINUTE for one in log.events)
            assert counted >= before
        runs += 1
        if report.done:
            break
    assert runs > 2
    assert log.calls("overall", NOON_MS)["s0"] == 3_000


def test_a_minute_that_was_only_partly_listed_is_rebuilt_when_it_has_settled() -> None:
    log = Log()
    log.commit([event(NOON_MS, request_id="a")])
    log.commit([event(NOON_MS + 1, request_id="b")])
    hidden = max(key for key in log.store.values if key.startswith(keys.USAGE_PREFIX))
    log.store.unlisted.add(hidden)
    log.compact(NOON_MS + 2 * MINUTE)
    assert log.calls("today", NOON_MS + 2 * MINUTE)["weather"] == 1
    log.store.unlisted.clear()
    later_ms = NOON_MS + (SETTLE_MINUTES + 2) * MINUTE
    assert log.calls("today", later_ms)["weather"] == 2, "listed batches count at once"
    log.compact(later_ms)
    assert log.calls("today", later_ms)["weather"] == 2


@pytest.mark.parametrize("damage", ["", "{", "0" * 16 + "[]"])
def test_a_summary_that_fails_its_own_check_is_rebuilt(damage: str) -> None:
    log = busy(200, 2)
    log.compact(NOON_MS)
    sound = log.summaries()
    hours = [key for key in sound if key.startswith("summary/hour/")]
    for key in hours:
        log.store.values[key] = (damage, {})
    later_ms = NOON_MS + 80 * MINUTE
    log.compact(later_ms)
    assert log.calls("overall", later_ms) == log.expected("overall", later_ms)
    assert {key: log.summaries()[key] for key in hours} == {key: sound[key] for key in hours}


def test_an_undecodable_batch_is_reported_and_stops_nothing() -> None:
    log = busy(3, 1)
    bad = max(log.store.values)
    log.store.values[bad] = ('{"v":9}', {})
    log.compact(NOON_MS)
    data = log.read("overall", NOON_MS)
    assert data.unreadable == [bad]
    assert sum(log.calls("overall", NOON_MS).values()) == 2


def test_a_failure_of_kv_loses_nothing() -> None:
    log = busy(300, 2)

    class Failing(FakeStore):
        async def put(self, *arguments: object, **named: object) -> None:
            if len(self.operations) % 7 == 0:
                self.failing_puts = 1
            await super().put(*arguments, **named)  # type: ignore[arg-type]

    log.store = Failing(values=log.store.values)
    for _ in range(400):
        # Compaction raises an error only if it cannot save its state.
        with suppress(StoreUnavailable):
            if log.compact(NOON_MS).done:
                break
    assert log.calls("overall", NOON_MS) == log.expected("overall", NOON_MS)


def test_a_rebuild_of_intact_summaries_changes_nothing() -> None:
    log = busy(300, 2)
    log.compact(NOON_MS)
    before = log.summaries()
    first = NOON_MS // MINUTE - 200
    report = asyncio.run(rebuild(log.store, NOON_MS, first, first + 120, 10_000))
    assert (report.done, report.changed) == (True, [])
    assert len(report.made) >= 120
    assert log.summaries() == before


def test_a_rebuild_repairs_damaged_summaries_and_reports_them() -> None:
    log = busy(300, 2)
    log.compact(NOON_MS)
    sound = log.summaries()
    minute = NOON_MS // MINUTE - 150
    damaged = [keys.summary("minute", minute), keys.summary("hour", minute - minute % 60)]
    for key in damaged:
        log.store.values[key] = ("damage", {})
    report = asyncio.run(rebuild(log.store, NOON_MS, minute, minute + 1, 10_000))
    assert sorted(report.changed) == sorted(damaged)
    assert log.summaries() == sound


def test_a_rebuild_stops_at_its_budget_and_reports_it() -> None:
    log = busy(300, 2)
    log.compact(NOON_MS)
    first = NOON_MS // MINUTE - 200
    report = asyncio.run(rebuild(log.store, NOON_MS, first, first + 120, 50))
    assert not report.done
    assert report.operations <= 50


def test_the_first_compaction_of_a_log_starts_with_its_oldest_batch() -> None:
    log = Log()
    log.commit([event(NOON_MS - 400 * DAY), event(NOON_MS - 3 * DAY), event(NOON_MS)])
    while not log.compact(NOON_MS + HOUR, 300).done:
        pass
    assert log.calls("overall", NOON_MS + HOUR) == {"weather": 3}
    assert len([key for key in log.summaries() if "/month/" in key]) == 1

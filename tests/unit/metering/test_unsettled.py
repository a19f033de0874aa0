"""Unsettled minutes: compaction lists all their batches, and reads rely on that."""

from __future__ import annotations

import pytest

from core import constants, keys
from core.calendar import MINUTE_MS
from metering.state import SETTLE_MINUTES
from tests.support.builders import event
from tests.support.fakes import NOON_MS
from tests.support.usage_log import Log

MINUTE = MINUTE_MS


def listed_longer_than_a_page() -> Log:
    """Return a log of 12 minutes with 120 batches each, compacted as by cron."""
    log = Log()
    for half_second in range(1_500):
        log.commit([event(NOON_MS - half_second * 500)])
    log.compact(NOON_MS)
    assert log.read("today", NOON_MS).seen_until_ms == NOON_MS - SETTLE_MINUTES * MINUTE
    log.compact(NOON_MS)
    return log


def test_minutes_before_the_listed_page_are_as_of_compactions_listing() -> None:
    log = listed_longer_than_a_page()
    data = log.read("today", NOON_MS)
    assert data.complete
    assert data.seen_until_ms == NOON_MS - constants.KV_SETTLE_SECONDS * 1_000
    assert log.calls("today", NOON_MS) == log.expected("today", NOON_MS)
    # The next run finds new batches of minutes before the page.
    log.commit([event(NOON_MS - 12 * MINUTE)])
    assert log.read("today", NOON_MS).seen_until_ms == data.seen_until_ms
    assert log.calls("today", NOON_MS) != log.expected("today", NOON_MS)
    log.compact(NOON_MS + MINUTE)
    assert log.calls("today", NOON_MS + MINUTE) == log.expected("today", NOON_MS)
    later = log.read("today", NOON_MS + MINUTE)
    assert (later.complete, later.seen_until_ms) == (True, NOON_MS)


def test_as_of_is_not_later_than_the_oldest_summary_that_kv_shows() -> None:
    log = listed_longer_than_a_page()
    minute = NOON_MS // MINUTE - 11
    key = keys.summary("minute", minute)
    before = log.store.values[key]
    log.commit([event(minute * MINUTE)])
    log.compact(NOON_MS)
    log.store.values[key] = before
    data = log.read("today", NOON_MS)
    assert (data.complete, data.seen_until_ms) == (True, minute * MINUTE)


def test_too_many_batches_for_one_listing_are_listed_by_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = listed_longer_than_a_page()
    monkeypatch.setattr(constants, "COMPACTION_PAGES_MAX", 1)
    assert log.compact(NOON_MS + MINUTE).done
    data = log.read("today", NOON_MS + MINUTE)
    assert data.seen_until_ms == NOON_MS - constants.KV_SETTLE_SECONDS * 1_000
    assert log.calls("today", NOON_MS + MINUTE) == log.expected("today", NOON_MS)


def test_a_minute_with_more_batches_than_a_read_gets_waits_for_compaction() -> None:
    log = Log()
    for number in range(1_200):
        log.commit([event(NOON_MS - 1 + number * 40)])
    log.compact(NOON_MS)
    for _ in range(2):
        log.store.operations.clear()
        data = log.read("today", NOON_MS + 50_000)
        assert len(log.store.operations) <= constants.SNAPSHOT_OPERATIONS_MAX
        assert (data.complete, data.behind) == (True, False)
        assert data.as_of == NOON_MS // MINUTE
    # Later that is a gap, because compaction should have run.
    data = log.read("today", NOON_MS + 3 * MINUTE)
    assert (data.complete, data.behind) == (False, True)
    log.compact(NOON_MS + MINUTE)
    assert log.calls("today", NOON_MS + MINUTE) == log.expected("today", NOON_MS)


def test_a_new_log_costs_few_operations() -> None:
    log = Log()
    assert log.compact(NOON_MS).operations <= 3
    assert len(log.store.operations) <= 10
    log.store.operations.clear()
    assert log.compact(NOON_MS + MINUTE).operations <= 2
    assert log.read("today", NOON_MS + MINUTE).complete

"""An isolate reads each of the newest batches once, and caches them in bounded memory."""

from __future__ import annotations

import pytest

from core import constants
from core.calendar import MINUTE_MS
from metering.events import Batch
from snapshots.log_tail import LogTailCache
from snapshots.window_cache import WindowCache
from tests.support.builders import event
from tests.support.fakes import NOON_MS
from tests.support.usage_log import Log

MINUTE = MINUTE_MS


def test_a_batch_is_read_once() -> None:
    log = Log()
    log.commit([event(NOON_MS - 1_000)])
    first = log.read("today", NOON_MS)
    log.commit([event(NOON_MS - 900)])
    log.store.operations.clear()
    again = log.read("today", NOON_MS)
    assert log.store.operations == ["get", "list", "get"]
    assert len(again.batches) == 2
    assert first.batches.items() <= again.batches.items()


def test_all_windows_share_the_cached_batches() -> None:
    log = Log()
    log.commit([event(NOON_MS - 1_000)])
    log.read("today", NOON_MS)
    log.store.operations.clear()
    assert len(log.read("overall", NOON_MS).batches) == 1
    assert log.store.operations == ["get", "list"]


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "CACHED_EVENTS_MAX", 10)
    kept = LogTailCache()
    for number in range(100):
        kept.keep(str(number), Batch([event(NOON_MS)] * 3, 0))
        assert kept.get(str(number)) is not None
    assert sum(kept.get(str(number)) is not None for number in range(100)) <= 3


def test_batches_dropped_from_the_cache_are_read_again_and_count_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(constants, "CACHED_EVENTS_MAX", 2)
    log, cache = Log(), WindowCache()
    for seconds in range(20):
        now_ms = NOON_MS + seconds * 1_000
        log.commit([event(now_ms)])
        assert log.calls("today", now_ms, cache) == log.expected("today", now_ms)


def test_a_read_lists_few_keys_and_more_if_more_batches_came() -> None:
    log = Log()
    log.commit([event(NOON_MS - 1_000)])
    log.read("today", NOON_MS)
    assert log.kept.keys_wanted == constants.NEWEST_KEYS_MIN
    for number in range(constants.NEWEST_KEYS_MIN + 10):
        log.commit([event(NOON_MS - 900 + number)])
    log.store.operations.clear()
    assert log.calls("today", NOON_MS) == log.expected("today", NOON_MS)
    assert log.store.operations[:3] == ["get", "list", "list"]
    assert log.kept.keys_wanted == 2 * (constants.NEWEST_KEYS_MIN + 11)
    log.store.operations.clear()
    assert log.calls("today", NOON_MS) == log.expected("today", NOON_MS)
    assert log.store.operations == ["get", "list"]

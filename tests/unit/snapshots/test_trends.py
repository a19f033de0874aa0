"""Trends: the calls of each API over time."""

from __future__ import annotations

from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from snapshots.render import WINDOWS, snapshot
from snapshots.window_cache import WindowCache
from tests.support.builders import event
from tests.support.fakes import NOON_MS
from tests.support.snapshot_builders import shot
from tests.support.usage_log import Log


def test_a_trend_has_hours_today_and_days_in_other_windows_and_ends_now() -> None:
    ages = [0, 0, 1, 6, 7, 29, 30]
    events = [event(NOON_MS - days * DAY_MS) for days in ages]
    found = {window: shot(events, window)["allApis"][0]["trend"] for window in WINDOWS}
    assert found["today"] == [*[0] * 12, 2]
    assert found["week"] == [1, 0, 0, 0, 0, 1, 2]
    assert found["overall"] == [1, *[0] * 21, 1, 1, 0, 0, 0, 0, 1, 2]


def test_a_trend_from_summaries_equals_one_from_events_and_moves_with_the_hour() -> None:
    log, caches = Log(), {window: WindowCache() for window in WINDOWS}
    log.commit([event(NOON_MS - hours * HOUR_MS) for hours in range(0, 40 * 24, 5)])
    log.compact(NOON_MS)
    for minutes in (0, 30, 59, 61, 12 * 60 + 1):
        now_ms = NOON_MS + minutes * MINUTE_MS
        if minutes == 30:
            log.compact(now_ms)
        for window, cache in caches.items():
            row = snapshot(window, log.read(window, now_ms, cache), cache, now_ms, 25)["allApis"]
            plain = shot(log.events, window, now_ms)["allApis"]
            assert [one["trend"] for one in row] == [one["trend"] for one in plain]

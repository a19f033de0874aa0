"""Trends: what each API's row shows of its calls over time."""

from __future__ import annotations

from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from snapshots.render import WINDOWS, snapshot
from snapshots.window_cache import WindowCache
from tests.support.builders import event
from tests.support.fakes import NOON_MS
from tests.support.snapshot_builders import shot
from tests.support.usage_log import Log


def test_a_trend_has_hours_of_today_and_days_of_the_others_and_ends_now() -> None:
    ages = [0, 0, 1, 6, 7, 29, 30]
    events = [event(NOON_MS - days * DAY_MS) for days in ages]
    found = {window: shot(events, window)["allApis"][0]["trend"] for window in WINDOWS}
    assert found["today"] == [*[0] * 12, 2]
    assert found["week"] == [1, 0, 0, 0, 0, 1, 2]
    assert found["overall"] == [1, *[0] * 21, 1, 1, 0, 0, 0, 0, 1, 2]


def test_a_trend_is_the_same_from_summaries_and_goes_on_with_the_hour() -> None:
    log, views = Log(), {window: WindowCache() for window in WINDOWS}
    log.commit([event(NOON_MS - hours * HOUR_MS) for hours in range(0, 40 * 24, 5)])
    log.compact(NOON_MS)
    for minutes in (0, 30, 59, 61, 12 * 60 + 1):
        now_ms = NOON_MS + minutes * MINUTE_MS
        if minutes == 30:
            log.compact(now_ms)
        for window, view in views.items():
            row = snapshot(window, log.read(window, now_ms, view), view, now_ms, 25)["allApis"]
            plain = shot(log.events, window, now_ms)["allApis"]
            assert [one["trend"] for one in row] == [one["trend"] for one in plain]

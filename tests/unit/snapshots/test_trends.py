"""Trends: the calls of each API over time."""

from __future__ import annotations

from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from snapshots.window_parts import WINDOWS
from tests.support.builders import event
from tests.support.fakes import NOON_MS
from tests.support.snapshot_builders import Deployment, run, shot


def test_a_trend_has_hours_today_and_days_in_other_windows_and_ends_now() -> None:
    ages = [0, 0, 1, 6, 7, 29, 30]
    events = [event(NOON_MS - days * DAY_MS) for days in ages]
    found = {window: shot(events, window)["allApis"][0]["trend"] for window in WINDOWS}
    assert found["today"] == [*[0] * 12, 2]
    assert found["week"] == [1, 0, 0, 0, 0, 1, 2]
    assert found["overall"] == [1, *[0] * 21, 1, 1, 0, 0, 0, 0, 1, 2]


def test_trends_move_with_the_hour_and_the_day() -> None:
    async def scene() -> None:
        deployment = Deployment()
        isolate = deployment.isolate()
        await deployment.append([event(NOON_MS - hours * HOUR_MS) for hours in range(0, 960, 5)])
        for minutes in (0, 30, 29, 2, 60, 10 * 60, 24 * 60):
            await deployment.advance(minutes * MINUTE_MS)
            for window in WINDOWS:
                await isolate.check(window)

    run(scene())

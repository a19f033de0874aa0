"""Previous periods: the totals of a window a day or a week ago, from hourly records."""

from __future__ import annotations

import pytest

from core import keys
from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS, timestamp
from core.ports import Json
from snapshots.render import WINDOWS, snapshot
from snapshots.window_cache import WindowCache
from tests.support.builders import MAPS, event
from tests.support.fakes import NOON_MS
from tests.support.usage_log import Log

HOUR = HOUR_MS
DAY = DAY_MS
MIDNIGHT = NOON_MS - 12 * HOUR


def compacted_hourly(log: Log, first_ms: int, last_ms: int) -> None:
    """Run compaction once an hour, when the previous hour has settled."""
    for now_ms in range(first_ms, last_ms + 1, HOUR):
        assert log.compact(now_ms + 25 * MINUTE_MS).done


def previous(log: Log, window: str, now_ms: int) -> Json:
    return snapshot(window, log.read(window, now_ms), WindowCache(), now_ms, 25)["previous"]


def test_a_new_marketplace_has_no_previous_period() -> None:
    log = Log()
    log.commit([event(NOON_MS)])
    compacted_hourly(log, NOON_MS, NOON_MS + HOUR)
    for window in WINDOWS:
        assert previous(log, window, NOON_MS + 2 * HOUR) is None


def test_today_is_compared_with_yesterday_at_the_same_time() -> None:
    log = Log()
    for hour in range(24):
        at_ms = MIDNIGHT + hour * HOUR
        log.commit(
            [
                event(at_ms, caller=f"{hour:016x}", revenue_micros=5),
                event(at_ms, MAPS, caller="0" * 16),
            ]
        )
    compacted_hourly(log, MIDNIGHT, MIDNIGHT + DAY)
    for hours in (0, 0.25, 1, 11.5, 23.75):
        now_ms = MIDNIGHT + DAY + round(hours * HOUR)
        found = previous(log, "today", now_ms)
        assert found["range"] == {
            "startAt": timestamp(MIDNIGHT),
            "endAt": timestamp(now_ms - DAY),
        }
        assert found["heroStats"]["calls"] == round(2 * hours)
        assert found["heroStats"]["revenueMicros"] == round(5 * hours)
        assert found["heroStats"]["activeAgents"] == round(hours)
        assert found["heroStats"]["publishedApis"] == min(2, round(2 * hours))


@pytest.mark.parametrize("window", ["week", "overall"])
def test_other_windows_are_compared_with_a_week_ago(window: str) -> None:
    log = Log()
    days = 9
    log.commit([event(MIDNIGHT + day * DAY + 30 * MINUTE_MS) for day in range(-days, 8)])
    log.compact(MIDNIGHT - DAY + 30 * MINUTE_MS)
    compacted_hourly(log, MIDNIGHT - DAY + HOUR, MIDNIGHT + DAY)
    before_today = {"week": 6, "overall": days}[window]
    for hours, calls in ((0, 0), (0.25, 0.25), (0.5, 0.5), (1, 1), (5.5, 1), (23, 1)):
        found = previous(log, window, MIDNIGHT + 7 * DAY + round(hours * HOUR))
        assert found["heroStats"]["calls"] == round(before_today + calls), hours
        assert (found["range"]["startAt"] is None) == (window == "overall")


def test_an_invalid_or_newer_record_is_ignored() -> None:
    log = Log()
    log.commit([event(NOON_MS - DAY)])
    compacted_hourly(log, NOON_MS - DAY, NOON_MS - DAY + 2 * HOUR)
    assert previous(log, "today", NOON_MS + HOUR) is not None
    key = keys.previous_record((NOON_MS - DAY + HOUR) // MINUTE_MS)
    for value in (
        "",
        "{",
        "[2,{}]",
        "7",
        '[1,{"today":[1]}]',
        '[1,{"today":[1,2,3,4,"x"]}]',
        "[1,{}]",
    ):
        log.store.values[key] = (value, {})
        assert previous(log, "today", NOON_MS + HOUR) is None

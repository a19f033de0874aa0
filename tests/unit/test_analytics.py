"""Analytics returns current snapshots, or slightly older published ones with their age."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from analytics import WINDOWS, Analytics
from core import constants, keys
from core.calendar import HOUR_MS, MINUTE_MS
from metering.events import Api, UsageEvent
from tests.support.builders import event
from tests.support.fakes import NOON_MS, FakeBackground, FakeClock
from tests.support.usage_log import Log
from usage import UsageRecorder

MINUTE = MINUTE_MS


class Isolate:
    """One isolate's analytics and its background work."""

    def __init__(self, log: Log, now_ms: int = NOON_MS) -> None:
        self.store = log.store
        self.clock = FakeClock(now_ms)
        self.analytics = Analytics(self.clock, UsageRecorder("w", self.clock))
        self.background = FakeBackground()

    def read(self, window: str = "overall", top: int = 25) -> Mapping[str, Any]:
        found = self.analytics.snapshots(self.store, (window,), top, self.background)
        return asyncio.run(found)[window]

    def publish(self) -> bool:
        return asyncio.run(self.analytics.publish(self.store))

    def finish(self) -> None:
        asyncio.run(self.background.finish())


def first_read(log: Log, window: str = "overall", now_ms: int = NOON_MS) -> Mapping[str, Any]:
    isolate = Isolate(log, now_ms)
    found = isolate.read(window)
    isolate.finish()
    return found


def calls_of(apis: int, at_ms: int = NOON_MS - 90 * MINUTE) -> list[UsageEvent]:
    return [
        event(at_ms, Api(f"t{number}", f"api-{number}", "alice", "Data", 10))
        for number in range(apis)
    ]


def a_log(apis: int, now_ms: int = NOON_MS) -> Log:
    log = Log()
    log.commit(calls_of(apis))
    log.compact(now_ms)
    return log


def test_a_new_isolate_returns_published_snapshots_with_their_age() -> None:
    log = a_log(120)
    assert Isolate(log).publish()
    log.commit(calls_of(1, NOON_MS + MINUTE))
    isolate = Isolate(log, NOON_MS + 2 * MINUTE)
    log.store.operations.clear()
    found = isolate.read(top=7)
    assert log.store.operations == ["get", "list", "get"]
    assert (found["heroStats"]["calls"], len(found["topApis"])) == (120, 7)
    assert found["freshness"]["asOf"] == "2026-11-22T11:59:00.000Z"
    assert found["freshness"]["lagSeconds"] == 180
    isolate.finish()
    assert isolate.read()["heroStats"]["calls"] == 121, "it has read the log in the background"
    assert isolate.read("today")["heroStats"]["calls"] == 121, "and every window of it"
    isolate.finish()


def test_only_one_request_at_a_time_warms_the_caches() -> None:
    log = a_log(120)
    Isolate(log).publish()
    isolate = Isolate(log)
    isolate.read()
    isolate.read("week")
    assert len(isolate.background.work) == 1
    isolate.clock.at_ms += constants.WARMING_MS_MAX
    isolate.read()
    assert len(isolate.background.work) == 2, "the first may have been cancelled"
    isolate.finish()


def test_snapshots_published_too_long_ago_are_not_used() -> None:
    log = a_log(120)
    Isolate(log).publish()
    log.commit(calls_of(1, NOON_MS))
    later_ms = NOON_MS + constants.PUBLISHED_TTL_SECONDS * 1_000 + 1
    assert first_read(log, now_ms=later_ms)["heroStats"]["calls"] == 121


def test_snapshots_published_yesterday_are_not_used() -> None:
    midnight_ms = NOON_MS + 12 * HOUR_MS
    log = a_log(120, midnight_ms)
    Isolate(log, midnight_ms - 1_000).publish()
    found = first_read(log, "today", midnight_ms + 1_000)
    assert found["heroStats"]["calls"] == 0
    assert found["range"]["startAt"] == "2026-11-23T00:00:00.000Z"


def test_snapshots_of_few_apis_are_not_published() -> None:
    log = a_log(constants.PUBLISHED_APIS_MIN - 1)
    assert not Isolate(log).publish()
    assert keys.PUBLISHED not in log.store.values


def test_published_snapshots_equal_computed_ones() -> None:
    log = a_log(120)
    log.commit(calls_of(3, NOON_MS - MINUTE))
    expected = {window: first_read(log, window) for window in WINDOWS}
    assert Isolate(log).publish()
    log.store.operations.clear()
    assert {window: first_read(log, window) for window in WINDOWS} == expected
    assert keys.PUBLISHED in log.store.values

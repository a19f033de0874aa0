"""Health finds and explains every broken invariant, and its remedy repairs it."""

from __future__ import annotations

import pytest

from core import keys
from core.calendar import HOUR_MS, MINUTE_MS, Period
from core.ports import Json
from metering.events import Api, Batch, batch_metadata, encode_batch
from metering.summary import Summary, encode_summary
from metering.totals import Totals
from tests.support.builders import event
from tests.support.fakes import NOON_MS, FakeClock, FakeEnvironment
from tests.support.platform_scene import SETTINGS, Scene
from tests.support.usage_log import Log

MINUTE = MINUTE_MS
HOUR = HOUR_MS
NOW_MS = NOON_MS + 50 * MINUTE
SETTLED_HOUR = NOON_MS // MINUTE - 60
OPERATIONS_MAX = 12


def busy(hours: int = 3) -> Log:
    """Return a log with two batches every other minute until now, compacted until now."""
    log = Log()
    for at_ms in range(NOW_MS - hours * HOUR, NOW_MS, 2 * MINUTE):
        for number in range(2):
            log.commit([event(at_ms + number, revenue_micros=100 + number)] * (number + 1))
    log.compact(NOW_MS)
    return log


class HealthReport:
    """The health report of a log, checked for consistency."""

    def __init__(self, log: Log, now_ms: int = NOW_MS) -> None:
        environment = FakeEnvironment(usage_store=log.store, settings=dict(SETTINGS))
        self.scene = Scene(environment, clock=FakeClock(now_ms))
        self.log = log
        self.refresh()

    def refresh(self) -> None:
        self.log.store.operations.clear()
        self.body = self.scene.body("/__platform/health")
        assert len(self.log.store.operations) <= OPERATIONS_MAX
        self.all = {invariant["name"]: invariant for invariant in self.body["log"]["invariants"]}
        for invariant in self.all.values():
            assert invariant["expected"] == 0
            assert bool(invariant["value"]) == bool(invariant["explanation"])
            assert not invariant["needsSomeone"] or (invariant["value"] and invariant["remedy"])
        named = {
            problem["message"].split()[0]
            for problem in self.body["problems"]
            if problem["code"] == "invariant_broken"
        }
        assert named == {name for name, invariant in self.all.items() if invariant["needsSomeone"]}
        assert self.body["healthy"] == (not self.body["problems"])

    @property
    def broken(self) -> set[str]:
        return {name for name, invariant in self.all.items() if invariant["needsSomeone"]}

    @property
    def not_zero(self) -> set[str]:
        return {name for name, invariant in self.all.items() if invariant["value"]}

    def apply_remedy(self) -> None:
        """Send the request that the first remedy names."""
        remedy = next(
            invariant["remedy"] for invariant in self.all.values() if invariant["needsSomeone"]
        )
        path, _, query = remedy[remedy.index("/") :].split()[0].partition("?")
        assert self.scene.body(path, f"?{query}", method="POST")["complete"]
        self.refresh()


def batch_of(log: Log, minute: int) -> str:
    prefix = keys.usage_minute(minute)
    return next(key for key in log.store.values if key.startswith(prefix))


def test_every_invariant_of_a_correct_log_is_zero() -> None:
    health = HealthReport(busy())
    assert health.not_zero == set()
    assert health.body["healthy"]
    compared = health.body["log"]["compared"]
    assert compared == {
        "from": "2026-11-22T11:00:00.000Z",
        "to": "2026-11-22T12:50:00.000Z",
        "batches": 110,
    }


def test_every_invariant_of_an_empty_log_is_zero() -> None:
    assert HealthReport(Log()).not_zero == set()


def test_a_new_log_is_healthy_before_its_first_compaction() -> None:
    log = Log()
    log.commit([event(NOW_MS - MINUTE)])
    health = HealthReport(log)
    assert health.not_zero == {"uncompactedMinutes"}
    assert health.body["healthy"]
    assert health.body["log"]["oldestUncompacted"] == "2026-11-22T12:49:00.000Z"


def test_a_batch_missing_from_a_settled_hour_is_found_and_repaired() -> None:
    log = busy()
    del log.store.values[batch_of(log, SETTLED_HOUR + 30)]
    health = HealthReport(log)
    assert health.broken == {"settledMinutesUnlikeTheLog"}
    assert "2026-11-22T11:30:00.000Z" in health.all["settledMinutesUnlikeTheLog"]["explanation"]
    health.apply_remedy()
    assert health.not_zero == set()


def test_an_unmarked_batch_in_a_settled_hour_is_found_and_repaired() -> None:
    log = busy()
    log.commit([event((SETTLED_HOUR + 31) * MINUTE)])
    health = HealthReport(log)
    assert health.broken == {"settledMinutesUnlikeTheLog"}
    health.apply_remedy()
    assert health.not_zero == set()
    assert log.calls("overall", NOW_MS) == log.expected("overall", NOW_MS)


def test_a_late_batch_with_a_marker_is_not_a_problem() -> None:
    log = busy()
    log.commit([event((SETTLED_HOUR + 31) * MINUTE)], late=True)
    health = HealthReport(log)
    assert health.not_zero == {"settledMinutesUnlikeTheLog", "lateBatches"}
    assert health.broken == set()
    assert health.body["healthy"]
    log.compact(NOW_MS)
    health.refresh()
    assert "settledMinutesUnlikeTheLog" not in health.not_zero


@pytest.mark.parametrize(
    ("level", "minute"), [("hour", SETTLED_HOUR), ("minute", SETTLED_HOUR + 60 + 4)]
)
@pytest.mark.parametrize("damage", ["gone", "{", "stale"])
def test_a_missing_damaged_or_stale_summary_is_found_and_repaired(
    level: str, minute: int, damage: str
) -> None:
    log = busy()
    key, period = keys.summary(level, minute), Period(level, minute)
    if damage == "gone":
        del log.store.values[key]
    elif damage == "stale":
        log.store.values[key] = (dict(encode_summary(Summary(period, [], Totals(), ())))[0], {})
    else:
        log.store.values[key] = (damage, {})
    health = HealthReport(log)
    assert health.broken == {"summariesUnread"}
    assert key in health.all["summariesUnread"]["explanation"]
    health.apply_remedy()
    assert health.not_zero == set()


def test_a_recent_summary_that_kv_does_not_show_yet_is_not_a_problem() -> None:
    log = busy()
    del log.store.values[keys.summary("minute", NOW_MS // MINUTE - 2)]
    health = HealthReport(log)
    assert health.not_zero == {"summariesUnread"}
    assert health.body["healthy"]


@pytest.mark.parametrize(
    ("level", "minute"), [("hour", SETTLED_HOUR), ("minute", SETTLED_HOUR + 60 + 4)]
)
def test_wrong_totals_in_a_summary_are_found_and_repaired(level: str, minute: int) -> None:
    log = busy()
    key, period = keys.summary(level, minute), Period(level, minute)
    sources = sources_of(log, period)
    totals = Totals()
    totals.add(Batch([event(minute * MINUTE, revenue_micros=7)], 0))
    forged = Summary(period, sources, totals, ())
    metadata = {"fingerprint": forged.fingerprint}
    log.store.values[key] = (dict(encode_summary(forged))[0], metadata)
    health = HealthReport(log)
    assert health.broken == {"callsUnlikeTheLog", "revenueMicrosUnlikeTheLog"}
    calls = 90 if level == "hour" else 3
    assert health.all["callsUnlikeTheLog"]["value"] == calls - 1
    health.apply_remedy()
    assert health.not_zero == set()


def sources_of(log: Log, period: Period) -> list[str]:
    """Return the sources of a period's summary."""
    if period.level == "minute":
        prefix = keys.usage_minute(period.start)
        return sorted(keys.batch_name(key) for key in log.store.values if key.startswith(prefix))
    prefix = keys.summaries("minute", *period)
    return [
        f"{keys.parse_summary(key)}:{fingerprint_in(metadata)}"
        for key, (_, metadata) in sorted(log.store.values.items(), reverse=True)
        if key.startswith(prefix)
    ]


def fingerprint_in(metadata: Json) -> str:
    return str(metadata["fingerprint"])


def test_an_unreadable_batch_is_named() -> None:
    log = busy()
    bad = batch_of(log, SETTLED_HOUR + 30)
    log.store.values[bad] = ('{"v":9}', log.store.values[bad][1])
    log.compact(NOW_MS)
    health = HealthReport(log)
    assert health.broken == set(), "its summary was built before"
    scene = health.scene
    scene.body("/__platform/compact", "?from=2026-11-22T11:00Z&to=2026-11-22T12:00Z", method="POST")
    health.refresh()
    assert health.broken == {"unreadableBatches"}
    assert bad in health.all["unreadableBatches"]["explanation"]


def test_dropped_events_of_the_log_and_of_this_isolate_are_added() -> None:
    log = busy()
    minute = SETTLED_HOUR + 101
    batch = Batch([event(minute * MINUTE)], 4)
    key = keys.usage_batch(minute, "w", 999)
    log.store.values[key] = (encode_batch(batch, minute), batch_metadata(batch))
    log.compact(NOW_MS + 50 * MINUTE)
    health = HealthReport(log, NOW_MS + 50 * MINUTE)
    assert health.all["droppedEvents"]["value"] == 4
    health.scene.recorder.counters.events_dropped = 3
    health.scene.recorder.counters.events_appended = 3
    health.refresh()
    assert health.all["droppedEvents"]["value"] == 7
    assert health.broken == {"droppedEvents"}


def test_an_event_that_this_isolate_lost_is_reported() -> None:
    health = HealthReport(busy())
    health.scene.recorder.counters.events_appended = 1
    health.refresh()
    assert health.broken == {"unaccountedEvents"}


def test_batches_that_arrived_after_their_summary_are_not_a_problem() -> None:
    log = busy()
    log.commit([event(NOW_MS - 5 * MINUTE)])
    health = HealthReport(log)
    assert health.not_zero == {"waitingBatches"}
    assert health.body["healthy"]


@pytest.mark.parametrize(("hours", "is_problem"), [(1, False), (3, False), (4, True), (800, True)])
def test_a_backlog_of_hours_is_a_problem(hours: int, is_problem: bool) -> None:
    log = busy()
    log.commit([event(NOW_MS)])
    health = HealthReport(log, NOW_MS + hours * HOUR)
    assert health.broken == ({"uncompactedMinutes"} if is_problem else set())
    assert health.body["log"]["oldestUncompacted"] == "2026-11-22T12:50:00.000Z"
    if is_problem:
        assert "cron runs every minute" in health.all["uncompactedMinutes"]["remedy"]
        log.compact(NOW_MS + hours * HOUR)
        health.refresh()
        assert health.body["healthy"]


def test_without_traffic_there_is_no_backlog() -> None:
    assert HealthReport(busy(), NOW_MS + 30 * 24 * HOUR).not_zero == set()


def crowded(minutes: range) -> Log:
    """Return a log with 80 batches in each of these minutes before now."""
    log = Log()
    for minute in minutes:
        at_ms = NOW_MS - minute * MINUTE
        for number in range(80):
            log.commit([event(at_ms, Api(f"t{number}", "s", "", "", 0))])
    return log


def test_under_heavy_traffic_the_newest_minutes_are_compared() -> None:
    log = crowded(range(1, 140))
    log.compact(NOW_MS)
    health = HealthReport(log)
    assert health.not_zero == set()
    assert 3_000 < health.body["log"]["compared"]["batches"] < 8_000
    assert "2026-11-22T11:10" < health.body["log"]["compared"]["from"] < "2026-11-22T11:13"
    del log.store.values[batch_of(log, SETTLED_HOUR + 30)]
    health.refresh()
    assert health.broken == {"settledMinutesUnlikeTheLog"}


def test_heavy_traffic_without_compaction_is_a_problem() -> None:
    assert not HealthReport(crowded(range(1, 20))).broken
    log = crowded(range(1, 20))
    log.commit([event(NOW_MS - 4 * HOUR)])
    assert HealthReport(log).broken == {"uncompactedMinutes"}

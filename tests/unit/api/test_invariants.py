"""Live invariants: zero or explained, and whatever is broken is seen, named and mended."""

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
    """A log with two batches every other minute until now, and compacted until now."""
    log = Log()
    for at_ms in range(NOW_MS - hours * HOUR, NOW_MS, 2 * MINUTE):
        for number in range(2):
            log.commit([event(at_ms + number, revenue_micros=100 + number)] * (number + 1))
    log.compact(NOW_MS)
    return log


class Examined:
    """What health says of a log."""

    def __init__(self, log: Log, now_ms: int = NOW_MS) -> None:
        environment = FakeEnvironment(usage_store=log.store, settings=dict(SETTINGS))
        self.scene = Scene(environment, clock=FakeClock(now_ms))
        self.log = log
        self.look()

    def look(self) -> None:
        self.log.store.operations.clear()
        self.body = self.scene.ask("/__platform/health")
        assert len(self.log.store.operations) <= OPERATIONS_MAX
        self.all = {one["name"]: one for one in self.body["log"]["invariants"]}
        for one in self.all.values():
            assert one["expected"] == 0
            assert bool(one["value"]) == bool(one["explanation"])
            assert not one["needsSomeone"] or (one["value"] and one["remedy"])
        named = {
            problem["message"].split()[0]
            for problem in self.body["problems"]
            if problem["code"] == "invariant_broken"
        }
        assert named == {name for name, one in self.all.items() if one["needsSomeone"]}
        assert self.body["healthy"] == (not self.body["problems"])

    @property
    def broken(self) -> set[str]:
        return {name for name, one in self.all.items() if one["needsSomeone"]}

    @property
    def not_zero(self) -> set[str]:
        return {name for name, one in self.all.items() if one["value"]}

    def mend(self) -> None:
        """Do what the first remedy says, to the letter."""
        remedy = next(one["remedy"] for one in self.all.values() if one["needsSomeone"])
        path, _, query = remedy[remedy.index("/") :].split()[0].partition("?")
        assert self.scene.ask(path, f"?{query}", method="POST")["complete"]
        self.look()


def batch_of(log: Log, minute: int) -> str:
    prefix = keys.usage_minute(minute)
    return next(key for key in log.store.values if key.startswith(prefix))


def test_a_sound_log_has_nothing_but_zeros() -> None:
    seen = Examined(busy())
    assert seen.not_zero == set()
    assert seen.body["healthy"]
    compared = seen.body["log"]["compared"]
    assert compared == {
        "from": "2026-11-22T11:00:00.000Z",
        "to": "2026-11-22T12:50:00.000Z",
        "batches": 110,
    }


def test_an_empty_log_has_nothing_but_zeros() -> None:
    assert Examined(Log()).not_zero == set()


def test_a_log_that_has_just_begun_is_explained() -> None:
    log = Log()
    log.commit([event(NOW_MS - MINUTE)])
    seen = Examined(log)
    assert seen.not_zero == {"uncompactedMinutes"}
    assert seen.body["healthy"]
    assert seen.body["log"]["oldestUncompacted"] == "2026-11-22T12:49:00.000Z"


def test_a_batch_that_vanished_from_a_settled_hour_is_seen_and_mended() -> None:
    log = busy()
    del log.store.values[batch_of(log, SETTLED_HOUR + 30)]
    seen = Examined(log)
    assert seen.broken == {"settledMinutesUnlikeTheLog"}
    assert "2026-11-22T11:30:00.000Z" in seen.all["settledMinutesUnlikeTheLog"]["explanation"]
    seen.mend()
    assert seen.not_zero == set()


def test_a_batch_that_nobody_announced_in_a_settled_hour_is_seen_and_mended() -> None:
    log = busy()
    log.commit([event((SETTLED_HOUR + 31) * MINUTE)])
    seen = Examined(log)
    assert seen.broken == {"settledMinutesUnlikeTheLog"}
    seen.mend()
    assert seen.not_zero == set()
    assert log.calls("overall", NOW_MS) == log.expected("overall", NOW_MS)


def test_a_late_batch_is_explained_by_its_mark() -> None:
    log = busy()
    log.commit([event((SETTLED_HOUR + 31) * MINUTE)], late=True)
    seen = Examined(log)
    assert seen.not_zero == {"settledMinutesUnlikeTheLog", "lateBatches"}
    assert seen.broken == set()
    assert seen.body["healthy"]
    log.compact(NOW_MS)
    seen.look()
    assert "settledMinutesUnlikeTheLog" not in seen.not_zero


@pytest.mark.parametrize(
    ("level", "minute"), [("hour", SETTLED_HOUR), ("minute", SETTLED_HOUR + 60 + 4)]
)
@pytest.mark.parametrize("damage", ["gone", "{", "stale"])
def test_a_summary_that_is_not_as_it_should_be_is_seen_and_mended(
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
    seen = Examined(log)
    assert seen.broken == {"summariesUnread"}
    assert key in seen.all["summariesUnread"]["explanation"]
    seen.mend()
    assert seen.not_zero == set()


def test_a_summary_that_was_just_made_may_not_be_seen_yet() -> None:
    log = busy()
    del log.store.values[keys.summary("minute", NOW_MS // MINUTE - 2)]
    seen = Examined(log)
    assert seen.not_zero == {"summariesUnread"}
    assert seen.body["healthy"]


@pytest.mark.parametrize(
    ("level", "minute"), [("hour", SETTLED_HOUR), ("minute", SETTLED_HOUR + 60 + 4)]
)
def test_figures_that_are_not_those_of_their_batches_are_seen_and_mended(
    level: str, minute: int
) -> None:
    log = busy()
    key, period = keys.summary(level, minute), Period(level, minute)
    sources = sources_of(log, period)
    totals = Totals()
    totals.add(Batch([event(minute * MINUTE, revenue_micros=7)], 0))
    forged = Summary(period, sources, totals, ())
    metadata = {"fingerprint": forged.fingerprint}
    log.store.values[key] = (dict(encode_summary(forged))[0], metadata)
    seen = Examined(log)
    assert seen.broken == {"callsUnlikeTheLog", "revenueMicrosUnlikeTheLog"}
    calls = 90 if level == "hour" else 3
    assert seen.all["callsUnlikeTheLog"]["value"] == calls - 1
    seen.mend()
    assert seen.not_zero == set()


def sources_of(log: Log, period: Period) -> list[str]:
    """What a period's summary was made of."""
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


def test_a_batch_that_cannot_be_read_is_named() -> None:
    log = busy()
    bad = batch_of(log, SETTLED_HOUR + 30)
    log.store.values[bad] = ('{"v":9}', log.store.values[bad][1])
    log.compact(NOW_MS)
    seen = Examined(log)
    assert seen.broken == set(), "its summary was made before"
    scene = seen.scene
    scene.ask("/__platform/compact", "?from=2026-11-22T11:00Z&to=2026-11-22T12:00Z", method="POST")
    seen.look()
    assert seen.broken == {"unreadableBatches"}
    assert bad in seen.all["unreadableBatches"]["explanation"]


def test_events_that_were_dropped_are_told_from_the_log_and_from_memory() -> None:
    log = busy()
    minute = SETTLED_HOUR + 101
    batch = Batch([event(minute * MINUTE)], 4)
    key = keys.usage_batch(minute, "w", 999)
    log.store.values[key] = (encode_batch(batch, minute), batch_metadata(batch))
    log.compact(NOW_MS + 50 * MINUTE)
    seen = Examined(log, NOW_MS + 50 * MINUTE)
    assert seen.all["droppedEvents"]["value"] == 4
    seen.scene.log.counters.events_dropped = 3
    seen.scene.log.counters.events_appended = 3
    seen.look()
    assert seen.all["droppedEvents"]["value"] == 7
    assert seen.broken == {"droppedEvents"}


def test_an_event_that_this_isolate_lost_track_of_is_told() -> None:
    seen = Examined(busy())
    seen.scene.log.counters.events_appended = 1
    seen.look()
    assert seen.broken == {"unaccountedEvents"}


def test_batches_that_came_after_their_summary_wait_and_are_explained() -> None:
    log = busy()
    log.commit([event(NOW_MS - 5 * MINUTE)])
    seen = Examined(log)
    assert seen.not_zero == {"waitingBatches"}
    assert seen.body["healthy"]


@pytest.mark.parametrize(("hours", "is_told"), [(1, False), (3, False), (4, True), (800, True)])
def test_a_backlog_of_hours_is_a_problem_long_before_batches_expire(
    hours: int, is_told: bool
) -> None:
    log = busy()
    log.commit([event(NOW_MS)])
    seen = Examined(log, NOW_MS + hours * HOUR)
    assert seen.broken == ({"uncompactedMinutes"} if is_told else set())
    assert seen.body["log"]["oldestUncompacted"] == "2026-11-22T12:50:00.000Z"
    if is_told:
        assert "cron runs every minute" in seen.all["uncompactedMinutes"]["remedy"]
        log.compact(NOW_MS + hours * HOUR)
        seen.look()
        assert seen.body["healthy"]


def test_no_traffic_is_no_backlog() -> None:
    assert Examined(busy(), NOW_MS + 30 * 24 * HOUR).not_zero == set()


def crowded(minutes: range) -> Log:
    """A log with 80 batches in each of these minutes before now."""
    log = Log()
    for minute in minutes:
        at_ms = NOW_MS - minute * MINUTE
        for number in range(80):
            log.commit([event(at_ms, Api(f"t{number}", "s", "", "", 0))])
    return log


def test_heavy_traffic_is_compared_as_far_as_the_operations_go() -> None:
    log = crowded(range(1, 140))
    log.compact(NOW_MS)
    seen = Examined(log)
    assert seen.not_zero == set()
    assert 3_000 < seen.body["log"]["compared"]["batches"] < 8_000
    assert "2026-11-22T11:10" < seen.body["log"]["compared"]["from"] < "2026-11-22T11:13"
    del log.store.values[batch_of(log, SETTLED_HOUR + 30)]
    seen.look()
    assert seen.broken == {"settledMinutesUnlikeTheLog"}


def test_heavy_traffic_that_was_never_compacted_is_told() -> None:
    assert not Examined(crowded(range(1, 20))).broken
    log = crowded(range(1, 20))
    log.commit([event(NOW_MS - 4 * HOUR)])
    assert Examined(log).broken == {"uncompactedMinutes"}

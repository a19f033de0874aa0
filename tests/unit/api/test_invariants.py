"""Health reports how far each shard is, and each of its numbers is zero or explained."""

from __future__ import annotations

import asyncio

import pytest

from core import constants
from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from core.ports import Json
from metering.batches import Batch, encode_batch
from tests.support.builders import event
from tests.support.fakes import NOON_MS
from tests.support.platform_scene import Scene

MIDNIGHT_MS = NOON_MS + DAY_MS // 2


class HealthReport:
    """The health report of a deployment, checked for consistency."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.scene.commit(3)
        environment = self.scene.environment
        assert environment.usage_shards is not None
        assert environment.usage_store is not None
        self.shards, self.store = environment.usage_shards, environment.usage_store
        self.run()

    def run(self, after_ms: int = constants.CHECKPOINT_MS) -> None:
        """Let time pass, and the shards do what is due."""
        self.scene.clock.at_ms += after_ms
        asyncio.run(self.shards.run())

    def append(self, sequence: int, dropped: int = 0, writer: str = "w") -> None:
        at_ms = self.scene.clock.at_ms
        batch = Batch(writer, sequence, dropped, [event(at_ms)])
        asyncio.run(self.shards.call(0, "append", encode_batch(batch)))

    def read(self) -> None:
        self.body = self.scene.body("/__platform/health")
        self.all = {one["name"]: one for one in self.body["log"]["invariants"]}
        for one in self.all.values():
            assert one["expected"] == 0
            assert (one["explanation"] is None) == (one["value"] == 0)
            if one["needsSomeone"]:
                assert one["remedy"]
                assert any(one["name"] in problem for problem in self.problems)
        assert self.body["healthy"] is not bool(self.problems)

    @property
    def problems(self) -> list[str]:
        return [problem["message"] for problem in self.body["problems"]]

    @property
    def not_zero(self) -> set[str]:
        self.read()
        return {name for name, one in self.all.items() if one["value"]}

    @property
    def broken(self) -> set[str]:
        self.read()
        return {name for name, one in self.all.items() if one["needsSomeone"]}

    def shard(self, number: int = 0) -> dict[str, Json]:
        self.read()
        found: dict[str, Json] = self.body["log"]["shards"][number]
        return found


def test_everything_is_zero_when_all_is_written() -> None:
    health = HealthReport()
    assert health.not_zero == set()
    shard = health.shard()
    positions = (shard["acknowledged"], shard["flushed"], shard["checkpointed"])
    assert positions == (1, 1, 1)


def test_what_is_not_written_yet_is_explained_and_no_problem() -> None:
    health = HealthReport()
    health.append(2)
    health.scene.clock.at_ms += 5_000
    assert health.not_zero == {"oldestUnflushedSeconds", "uncheckpointedPositions"}
    assert health.all["oldestUnflushedSeconds"]["value"] == 5
    assert health.broken == set()


def test_commits_that_kv_does_not_take_for_minutes_are_a_problem() -> None:
    health = HealthReport()
    health.store.failing_puts = 1_000
    health.append(2)
    health.run(3 * MINUTE_MS)
    assert health.broken == {"oldestUnflushedSeconds"}
    health.store.failing_puts = 0
    health.run(MINUTE_MS)
    assert health.broken == set()


def test_a_shard_that_does_not_respond_is_a_problem_and_the_others_are_reported() -> None:
    health = HealthReport()
    health.shards.count = 3
    health.shards.unavailable = {1}
    assert health.broken == {"unresponsiveShards"}
    assert "shards of the usage log do not respond: 1." in health.problems[0]
    assert health.shard(1) == {"shard": 1, "responds": False}
    assert health.shard(0)["acknowledged"] == 1


def test_a_day_is_not_folded_at_once_and_a_day_that_is_not_folded_for_hours_is_a_problem() -> None:
    health = HealthReport()
    health.scene.clock.at_ms = MIDNIGHT_MS + MINUTE_MS
    assert health.not_zero == {"unfoldedDays"}
    assert "2026-11-22" in health.all["unfoldedDays"]["explanation"]
    assert health.broken == set()
    health.scene.clock.at_ms = MIDNIGHT_MS + 3 * HOUR_MS
    assert health.broken == {"unfoldedDays"}
    health.run()
    assert health.not_zero == set()
    assert health.shard()["foldedUntil"] == "2026-11-23"


def test_late_events_of_a_folded_day_are_explained() -> None:
    health = HealthReport()
    health.run(MIDNIGHT_MS + MINUTE_MS * 10 - health.scene.clock.at_ms)
    batch = Batch("w", 2, 0, [event(NOON_MS)])
    asyncio.run(health.shards.call(0, "append", encode_batch(batch)))
    health.run()
    assert health.not_zero == {"unfoldedDays"}
    assert health.broken == set()
    health.run(constants.FOLD_LATE_MS)
    assert health.not_zero == set()


def test_batches_that_never_arrived_are_counted_by_their_recorder() -> None:
    health = HealthReport()
    health.append(5, writer="other")
    health.run()
    assert health.not_zero == {"missingBatches"}
    assert health.all["missingBatches"]["value"] == 4
    assert "other (4)" in health.all["missingBatches"]["explanation"]
    assert health.broken == set()


def test_spilled_batches_are_counted_until_the_shard_has_them() -> None:
    health = HealthReport()
    health.store.values["usage/spill/0/x/00000001"] = ('{"v":9}', {})
    health.append(2)
    health.run()
    assert health.not_zero == {"spilledBatches"}
    assert health.broken == set()


def test_refused_batches_are_counted_and_no_problem() -> None:
    health = HealthReport()
    assert "batch_version_unknown" in asyncio.run(health.shards.call(0, "append", '{"v":9}'))
    assert health.not_zero == {"refusedBatches"}
    assert health.broken == set()


def test_dropped_events_of_the_log_and_of_this_isolate_are_added() -> None:
    health = HealthReport()
    health.append(2, dropped=4)
    health.run()
    assert health.broken == {"droppedEvents"}
    assert health.all["droppedEvents"]["value"] == 4
    counters = health.scene.recorder.counters
    counters.events_dropped, counters.events_recorded = 3, counters.events_recorded + 3
    assert health.broken == {"droppedEvents"}
    assert health.all["droppedEvents"]["value"] == 7


def test_damaged_totals_that_cannot_be_rebuilt_are_a_problem() -> None:
    health = HealthReport()
    health.shards.shard(0).log.folder.manifest.damaged["rollup/0/x"] = "rollup/0/x: it is missing"
    assert health.broken == {"damagedTotals"}
    assert "rollup/0/x: it is missing" in health.problems[0]


def test_events_in_memory_are_explained_and_lost_ones_a_problem() -> None:
    health = HealthReport()
    health.scene.recorder.record(event(health.scene.clock.at_ms))
    assert health.not_zero == {"bufferedEvents"}
    assert health.broken == set()
    health.scene.recorder.counters.events_recorded += 1
    assert health.broken == {"unaccountedEvents"}


@pytest.mark.parametrize("missing", ["usage_shards", "usage_store"])
def test_health_responds_without_a_binding_of_the_log(missing: str) -> None:
    health = HealthReport()
    setattr(health.scene.environment, missing, None)
    body = health.scene.body("/__platform/health")
    names = {"usage_shards": "USAGE_SHARD", "usage_store": "USAGE_KV"}
    assert any(names[missing] in problem["message"] for problem in body["problems"])
    assert (body["log"] == {}) is (missing == "usage_shards")

"""A run of cron recovers payments, and calls every shard."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import BindingMissing, DatabaseUnavailable
from gateway.scheduled import ScheduledWork
from tests.support.fake_network import FakeDatabase
from tests.support.fake_shards import FakeShards
from tests.support.fakes import FakeClock, FakeEnvironment, FakeStore
from tests.support.log_lines import log_lines


def run(environment: FakeEnvironment) -> None:
    asyncio.run(ScheduledWork(environment, FakeClock()).run())


@pytest.fixture(autouse=True)
def _log_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")


def test_a_run_recovers_payments(caplog: pytest.LogCaptureFixture) -> None:
    run(FakeEnvironment(control_database=FakeDatabase()))
    (line,) = log_lines(caplog)
    assert line["event"] == "payment_recovery_ran"
    counts = ("processed", "acknowledged", "archived", "failed")
    assert [line[name] for name in counts] == [0, 0, 0, 0]


def test_without_a_ledger_a_run_does_nothing(caplog: pytest.LogCaptureFixture) -> None:
    run(FakeEnvironment(usage_shards=None))
    assert log_lines(caplog) == []


def test_every_shard_is_called_so_that_it_looks_for_spilled_batches(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shards = FakeShards(FakeStore(), FakeClock(), count=3, unavailable={1})
    run(FakeEnvironment(usage_shards=shards))
    assert [shard for shard, _ in shards.calls] == [0, 1, 2]
    (line,) = log_lines(caplog)
    assert (line["event"], line["shard"]) == ("shard_not_called", 1)


def test_shards_are_called_although_the_ledger_is_unavailable() -> None:
    database, shards = FakeDatabase(), FakeShards(FakeStore(), FakeClock())
    database.failing = 10
    with pytest.raises(DatabaseUnavailable):
        run(FakeEnvironment(control_database=database, usage_shards=shards))
    assert shards.calls


def test_a_run_fails_if_the_ledger_is_unavailable() -> None:
    database = FakeDatabase()
    database.failing = 10
    with pytest.raises(DatabaseUnavailable):
        run(FakeEnvironment(control_database=database))


def test_a_run_without_shards_names_the_binding() -> None:
    with pytest.raises(BindingMissing, match="USAGE_SHARD"):
        run(FakeEnvironment(control_database=FakeDatabase(), usage_shards=None))

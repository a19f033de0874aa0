"""Cron's run recovers payments and compacts, and logs one line for each."""

from __future__ import annotations

import asyncio

import pytest

from analytics import Analytics
from core.errors import BindingMissing, DatabaseUnavailable
from gateway.scheduled import ScheduledWork
from tests.support.fake_network import FakeDatabase
from tests.support.fakes import FakeClock, FakeEnvironment
from tests.support.log_lines import log_lines
from usage import UsageRecorder


def run(environment: FakeEnvironment) -> None:
    clock = FakeClock()
    analytics = Analytics(clock, UsageRecorder("w", clock))
    asyncio.run(ScheduledWork(environment, clock, "w", analytics).run())


@pytest.fixture(autouse=True)
def _log_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")


def test_a_run_recovers_payments_and_then_compacts(caplog: pytest.LogCaptureFixture) -> None:
    run(FakeEnvironment(control_database=FakeDatabase()))
    assert [line["event"] for line in log_lines(caplog)] == [
        "payment_recovery_ran",
        "compaction_ran",
    ]


def test_without_a_ledger_a_run_only_compacts(caplog: pytest.LogCaptureFixture) -> None:
    run(FakeEnvironment())
    assert [line["event"] for line in log_lines(caplog)] == ["compaction_ran"]


def test_a_run_compacts_even_if_the_ledger_is_unavailable(
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = FakeDatabase()
    database.failing = 10
    with pytest.raises(DatabaseUnavailable):
        run(FakeEnvironment(control_database=database))
    assert [line["event"] for line in log_lines(caplog)] == ["compaction_ran"]


def test_a_run_without_a_usage_store_names_the_binding() -> None:
    with pytest.raises(BindingMissing, match="USAGE_KV"):
        run(FakeEnvironment(usage_store=None))

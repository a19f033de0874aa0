"""The computed costs of the usage log are those of the real recorder and shard."""

import re

import pytest

from bench.analytics.designs import simulated
from cli.costs import prices
from cli.costs.usage_log import LogRates, log_rates
from core.constants import CHECKPOINT_MS
from dev.layout import HERE

DECISION = HERE.root / "docs" / "decisions" / "0027-one-writer-per-shard.md"
MEASURED = [
    (int(rate), int(isolates), float(unfinished), float(dollars))
    for rate, isolates, unfinished, dollars in re.findall(
        r"^\| (\d+) \| (\d+) \| [\d.]+ \| ([\d.]+) \| ([\d.]+) \|",
        DECISION.read_text(),
        re.MULTILINE,
    )
]
"""Requests per second, isolates, and dollars per million without and with the last checkpoint."""


def dollars(log: LogRates) -> float:
    """Return dollars for a second, as `bench.analytics.designs` adds them up."""
    return (
        log.segments * prices.KV_WRITES.each
        + (log.calls + log.alarms) * prices.OBJECT_REQUESTS.each
        + log.rows * prices.OBJECT_ROWS_WRITTEN.each
        + log.active_seconds * prices.OBJECT_GB * prices.OBJECT_DURATION.each
    )


def test_the_decision_has_measurements_at_three_rates() -> None:
    assert {rate for rate, *_ in MEASURED} == {200, 20, 1}
    assert len(MEASURED) == 9


@pytest.mark.parametrize(("rate", "isolates", "unfinished", "measured"), MEASURED)
def test_the_computed_cost_is_the_measured_one(
    rate: int, isolates: int, unfinished: float, measured: float
) -> None:
    log = log_rates(rate, isolates)
    assert dollars(log) / rate * 1e6 == pytest.approx(measured, rel=0.1)
    # Runs of at most ten minutes; those at 1 request per second lasted for many checkpoints.
    seconds = 60 if rate == 200 else 600 if rate == 20 else 12_000
    checkpoints = seconds * 1_000 // CHECKPOINT_MS - (rate == 20)
    deleted = checkpoints * CHECKPOINT_MS / 1_000 / seconds
    undeleted = log.commits * (1 - deleted) * prices.OBJECT_ROWS_WRITTEN.each
    assert (dollars(log) - undeleted) / rate * 1e6 == pytest.approx(unfinished, rel=0.2)


@pytest.mark.parametrize(("rate", "isolates"), [(200, 1), (200, 16), (20, 1)])
def test_the_computed_operations_are_those_of_the_simulation(rate: int, isolates: int) -> None:
    log, measured = log_rates(rate, isolates), simulated(rate, isolates)
    per_request = 1_000 / rate
    calls = (log.calls + log.alarms) * per_request
    assert calls == pytest.approx(measured.calls_per_1000, rel=0.1)
    assert log.rows * per_request == pytest.approx(measured.rows_per_1000, rel=0.1)
    assert log.segments * per_request == pytest.approx(measured.writes_per_1000, rel=0.2)
    assert dollars(log) / rate * 1e6 == pytest.approx(measured.dollars_per_million, rel=0.1)


def test_more_isolates_share_commits_instead_of_adding_them() -> None:
    few, many = log_rates(200, 16), log_rates(200, 256)
    assert many.calls > 2 * few.calls
    assert many.commits < 1.1 * few.commits
    assert many.segments == few.segments


def test_without_requests_there_is_nothing_to_pay_for() -> None:
    assert log_rates(0, 30) == LogRates(0, 0, 0, 0, 0, 0, 0)


def test_a_paid_request_has_a_batch_of_its_own() -> None:
    free, paid = log_rates(10, 1), log_rates(0, 1, paid_per_second=10)
    assert paid.calls > free.calls
    assert paid.rows > free.rows + 2 * 10

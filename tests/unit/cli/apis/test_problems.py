"""What is wrong with an API is said in a sentence that names the remedy."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.analytics.event_log import Event
from cli.apis.problems import failing_requests, settings_problems
from tenants.records import parse_tenant

FREE = parse_tenant({"slug": "a", "tenantId": "t", "workerName": "w"}, "record")
PRICED = parse_tenant(
    {"slug": "a", "tenantId": "t", "workerName": "w", "priceUsd": 1, "x402Enabled": True}, "record"
)
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def event(outcome: str, status: int, seconds: int = 0) -> Event:
    at = NOW - timedelta(seconds=seconds)
    return Event(at, outcome, {"outcome": outcome, "status": status, "at": at.isoformat()})


@pytest.mark.parametrize(
    ("outcome", "status", "words"),
    [
        ("worker_not_found", 404, "its script is missing: publish it again"),
        ("tenant_worker_failure", 502, "threw an exception"),
        ("tenant_limit_exceeded", 503, "its limits of 50 ms CPU and 10 subrequests"),
        ("facilitator_unavailable", 503, "no facilitator verified payments"),
        ("configuration_error", 500, "a setting of the dispatcher"),
        ("served", 500, "its script responded with status 500"),
        ("internal_error", 500, "internal_error"),
    ],
)
def test_a_failure_is_explained(outcome: str, status: int, words: str) -> None:
    (found,) = failing_requests([event(outcome, status), event("served", 200)], FREE)
    assert found.startswith("1 request of the last 2 failed (")
    assert words in found
    assert found.endswith("at 2026-11-30 12:00:00 UTC")


def test_requests_that_callers_caused_to_fail_are_no_problem() -> None:
    events = [event("served", 404), event("rate_limited", 429), event("payment_required", 402)]
    assert failing_requests(events, FREE) == []


def test_failures_are_counted_by_kind() -> None:
    events = [event("served", 500, 9), event("worker_not_found", 404), event("served", 500, 8)]
    first, second = failing_requests(events, FREE)
    assert first.startswith("2 requests of the last 3 failed")
    assert "at 2026-11-30 11:59:52 UTC" in first
    assert second.startswith("1 request of")


def test_settings_that_concern_the_api_are_named() -> None:
    def problems(**more: Any) -> dict[str, Any]:
        return {"problems": [{"code": code, "message": text} for code, text in more.items()]}

    report = problems(
        configuration_error="The setting FACILITATOR_URL is missing.",
        facilitator_unavailable="https://f/supported: timed out",
        invariant_broken="of the log",
    )
    assert not [*settings_problems(report, "a", FREE)]
    assert len([*settings_problems(report, "a", PRICED)]) == 2
    every = problems(configuration_error="The setting CALLER_HASH_SECRET is missing.")
    assert [*settings_problems(every, "a", FREE)] == ["The setting CALLER_HASH_SECRET is missing."]
    payee = problems(configuration_error="The setting PAY_TO_ADDRESS is missing.")
    assert [*settings_problems(payee, "a", PRICED)]
    paid = replace(PRICED, pay_to="0x" + "1" * 40)
    assert not [*settings_problems(payee, "a", paid)]
    other = problems(configuration_error="In the record of b it must be an address.")
    assert not [*settings_problems(other, "a", PRICED)]
    assert [*settings_problems(other, "b", PRICED)]

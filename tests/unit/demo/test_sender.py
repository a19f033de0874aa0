"""Which requests the demo expects the dispatcher to count."""

import asyncio

import pytest

from dev.demo.sender import Outcome, send
from dev.demo.traffic import PlannedRequest, plan

from .stand_in import stand_in

TO_A_TENANT = PlannedRequest("airports", "GET", "/t/airports/")
TO_UNKNOWN = PlannedRequest(None, "GET", "/t/unknown/")


@pytest.mark.parametrize(
    ("planned", "status", "error", "counted"),
    [
        (TO_A_TENANT, 200, None, True),
        (TO_A_TENANT, 404, None, True),
        (TO_A_TENANT, 502, "tenant_worker_failure", True),
        (TO_A_TENANT, 429, None, True),
        (TO_A_TENANT, 429, "rate_limited", False),
        (TO_A_TENANT, 402, None, False),
        (TO_A_TENANT, None, "ReadError", False),
        (TO_UNKNOWN, 404, "tenant_not_found", False),
    ],
)
def test_a_request_counts_unless_it_was_rejected_before_dispatch(
    planned: PlannedRequest, status: int | None, error: str | None, *, counted: bool
) -> None:
    assert Outcome(planned, status, error, seconds=0.1).counted is counted


def test_every_planned_request_is_sent_and_reported_once() -> None:
    reported: list[Outcome] = []
    with stand_in() as server:
        outcomes = asyncio.run(send(plan(120, seed=5), server.url, 8, reported.append))
    assert outcomes == reported
    assert len(outcomes) == 120
    assert sum(outcome.counted for outcome in outcomes) == server.received


def test_a_request_without_a_response_is_reported() -> None:
    with stand_in() as server:
        url = server.url
    (outcome,) = asyncio.run(send([TO_A_TENANT], url, 1, lambda _: None))
    assert (outcome.has_response, outcome.error) == (False, "ConnectError")

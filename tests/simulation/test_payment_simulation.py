"""No fault of D1, facilitators, the chain, payers or isolates misplaces money.

Each chunk of seeds is one test. A failure prints its seed and the command that runs it again.
"""

from __future__ import annotations

from functools import cache

import pytest

from tests.simulation.payments.run import Outcome, replay_command, run

SEEDS = 300
CHUNK = 50


def explained(outcome: Outcome) -> str:
    return f"seed {outcome.seed}: {outcome.failure}; again: {replay_command(outcome.seed)}"


_FIRST = pytest.mark.xdist_group("payment-simulation-first-seeds")
"""The tests that use the first two chunks run in one process, so each chunk runs once."""


@cache
def outcomes_from(first: int) -> list[Outcome]:
    """Run a chunk of seeds."""
    return [run(seed) for seed in range(first, first + CHUNK)]


@pytest.mark.parametrize(
    "first",
    [
        *(pytest.param(first, marks=_FIRST) for first in (0, CHUNK)),
        *range(2 * CHUNK, SEEDS, CHUNK),
    ],
)
def test_every_account_agrees_for_every_seed(first: int) -> None:
    outcomes = outcomes_from(first)
    assert [explained(outcome) for outcome in outcomes if outcome.failure] == []


@_FIRST
def test_the_same_seed_is_the_same_run() -> None:
    assert [run(seed) for seed in range(20)] == outcomes_from(0)[:20]


@_FIRST
def test_the_seeds_cover_the_intended_faults() -> None:
    outcomes = [*outcomes_from(0), *outcomes_from(CHUNK)]
    assert sum(outcome.served for outcome in outcomes) > 100, "payers are served"
    assert sum(outcome.settled_later for outcome in outcomes) > 50, (
        "responses are lost after money has moved"
    )
    assert sum(outcome.failed for outcome in outcomes) > 50, "settlements are refused or expire"
    assert sum(outcome.pending for outcome in outcomes) > 10, "some outcomes cannot be known"
    assert sum(outcome.receipts for outcome in outcomes) > 100, "payments are presented again"
    settle_requests = sum(outcome.settle_requests for outcome in outcomes)
    assert settle_requests > 1.3 * sum(outcome.settled for outcome in outcomes), (
        "some are queried again"
    )

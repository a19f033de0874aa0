"""No fault of D1, facilitators, the chain, payers or isolates misplaces money.

Each chunk of seeds is one test. A failure prints its seed and the command that runs it again.
"""

from __future__ import annotations

import pytest

from tests.simulation.payments.run import Outcome, replay_command, run

SEEDS = 300
CHUNK = 50


def explained(outcome: Outcome) -> str:
    return f"seed {outcome.seed}: {outcome.failure}; again: {replay_command(outcome.seed)}"


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_account_agrees_for_every_seed(first: int) -> None:
    outcomes = [run(seed) for seed in range(first, first + CHUNK)]
    assert [explained(outcome) for outcome in outcomes if outcome.failure] == []


def test_the_same_seed_is_the_same_run() -> None:
    assert [run(seed) for seed in range(20)] == [run(seed) for seed in range(20)]


def test_the_seeds_cover_the_intended_faults() -> None:
    outcomes = [run(seed) for seed in range(100)]
    assert sum(outcome.served for outcome in outcomes) > 100, "payers are served"
    assert sum(outcome.settled_later for outcome in outcomes) > 50, (
        "responses are lost after money has moved"
    )
    assert sum(outcome.failed for outcome in outcomes) > 50, "settlements are refused or expire"
    assert sum(outcome.pending for outcome in outcomes) > 10, "some outcomes cannot be known"
    assert sum(outcome.receipts for outcome in outcomes) > 100, "payments are presented again"
    questions = sum(outcome.questions for outcome in outcomes)
    assert questions > 1.3 * sum(outcome.settled for outcome in outcomes), "some are queried again"

"""No fault of the network, stores, clocks or isolates inflates totals or loses events silently.

Each chunk of seeds is one test. A failure prints its seed and the command that runs it again.
"""

from __future__ import annotations

from functools import cache

import pytest

from tests.simulation.run import Outcome, replay_command, run

SEEDS = 2_000
CHUNK = 100


def explained(outcome: Outcome) -> str:
    return f"seed {outcome.seed}: {outcome.failure}; again: {replay_command(outcome.seed)}"


_FIRST = pytest.mark.xdist_group("simulation-first-seeds")
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
def test_every_invariant_holds_for_every_seed(first: int) -> None:
    outcomes = outcomes_from(first)
    assert [explained(outcome) for outcome in outcomes if outcome.failure] == []


@_FIRST
def test_the_same_seed_is_the_same_run() -> None:
    assert [run(seed) for seed in range(20)] == outcomes_from(0)[:20]


@_FIRST
def test_the_seeds_cover_the_intended_faults() -> None:
    outcomes = [*outcomes_from(0), *outcomes_from(CHUNK)]
    lost = sum(outcome.requests - outcome.logged - outcome.dropped for outcome in outcomes)
    assert lost > 100, "isolates die with events in memory"
    assert sum(outcome.dropped for outcome in outcomes) > 100, "buffers overflow"
    assert sum(outcome.restarts for outcome in outcomes) > 200, "shards restart"
    assert sum(outcome.reads_exact for outcome in outcomes) > 200, "reads are exact"
    assert sum(outcome.reads for outcome in outcomes) > 300, "reads succeed"
    assert sum(outcome.isolates > 3 for outcome in outcomes) > 20

"""The ways in which the code is broken on purpose; `python -m` prints what catches each."""

from __future__ import annotations

import sys

from tests.simulation.mutating import first_catch
from tests.simulation.mutations_of_log import LOG
from tests.simulation.mutations_of_payments import PAYMENTS
from tests.simulation.mutations_of_reading import READING
from tests.simulation.mutations_of_summaries import SUMMARIES

SEEDS = range(1_000)
"""Within so many seeds each must be caught."""

MUTATIONS = (*LOG, *READING, *SUMMARIES, *PAYMENTS)


def main() -> int:
    """Print a table: which mutation, after how many seeds, by what."""
    uncaught = 0
    print("| mutation | seeds until caught | caught by |")
    print("|---|---|---|")
    for mutation in MUTATIONS:
        caught = first_catch(mutation, SEEDS)
        if caught is None:
            uncaught += 1
            print(f"| {mutation.name} | not within {len(SEEDS)} | |", flush=True)
            continue
        count, outcome = caught
        print(f"| {mutation.name} | {count} | {(outcome.failure or '')[:110]} |", flush=True)
    return 1 if uncaught else 0


if __name__ == "__main__":
    sys.exit(main())

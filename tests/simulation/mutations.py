"""All mutations, and the table of what detects each.

The table is part of `docs/simulation.md`, where `make simulate MUTATIONS=1` writes it.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.simulation.mutating import Mutation, fails, first_catch
from tests.simulation.mutations_of_log import LOG
from tests.simulation.mutations_of_payments import PAYMENTS
from tests.simulation.mutations_of_reading import READING
from tests.simulation.mutations_of_totals import TOTALS
from tests.simulation.mutations_of_usage import USAGE

SEEDS = range(500)
"""Each mutation must be detected within these seeds."""

MUTATIONS = (*LOG, *TOTALS, *READING, *USAGE, *PAYMENTS)

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "simulation.md"
_HEAD = "| mutation | where | seeds until caught | caught by |\n|---|---|---|---|\n"
_SHOWN_LENGTH = 90


class Catch(NamedTuple):
    """How many seeds it took to detect a mutation (None: it was not; 0: a test did)."""

    mutation: Mutation
    seeds: int | None
    failure: str

    @property
    def row(self) -> str:
        """Return the row of the table."""
        place = f"`{self.mutation.module}.{self.mutation.function}`"
        words = self.failure.partition(": ")[2].replace("|", "/").replace(f"{ROOT}/", "")
        shown = words if len(words) <= _SHOWN_LENGTH else f"{words[:_SHOWN_LENGTH]}…"
        if self.mutation.test:
            shown = f"`{self.mutation.test.rpartition(':')[2]}`"
        seeds = "not caught" if self.seeds is None else str(self.seeds or "unit test")
        return f"| {self.mutation.name} | {place} | {seeds} | {shown} |"


def seeds_to_try(mutation: Mutation) -> Iterator[int]:
    """Yield the seed that detects a mutation according to the table, then all seeds."""
    start = PAGE.read_text().find(f"\n| {mutation.name} |")
    count = PAGE.read_text()[start:].split("|", 4)[3].strip() if start >= 0 else ""
    if count.isdecimal():
        yield SEEDS[int(count) - 1]
    yield from SEEDS


def tabulate(processes: int) -> int:
    """Try all mutations and write the table; return 1 if one is not detected."""
    catches = []
    for caught in _catches(MUTATIONS, processes):
        catches.append(caught)
        print(caught.row, flush=True)
    before, _, rest = PAGE.read_text().partition(_HEAD)
    after = rest[rest.find("\n\n") :]
    PAGE.write_text(before + _HEAD + "\n".join(caught.row for caught in catches) + after)
    return 1 if any(caught.seeds is None for caught in catches) else 0


def _catches(mutations: Sequence[Mutation], processes: int) -> Iterator[Catch]:
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap(_catch, mutations)


def _catch(mutation: Mutation) -> Catch:
    if mutation.test:
        failure = fails(mutation)
        return Catch(mutation, 0 if failure else None, failure)
    caught = first_catch(mutation, SEEDS)
    if caught is None:
        return Catch(mutation, None, "")
    seeds, outcome = caught
    return Catch(mutation, seeds, outcome.failure or "")

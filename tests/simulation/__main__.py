"""`SEEDS=N FROM=S python -m tests.simulation`: runs seeds on all cores.

The kinds of runs take turns. `KIND=payments` or `KIND=metering` runs only one kind, and
`KIND=… SEED=S` one seed. `MUTATIONS=1` tries every mutation instead, and prints their table.
The variables come from the environment, because `make simulate` passes them on.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import cycle

from tests.simulation.kinds import KINDS, Outcome
from tests.simulation.mutations import tabulate

CHUNK = 20
SEEDS = 2_000
_PROGRESS_SECONDS = 5.0
_SHOWN_FAILURES = 20
_SHOWN_LENGTH = 500


def run(kind_and_seed: tuple[str, int]) -> tuple[str, Outcome]:
    """Run one seed of a kind."""
    kind, seed = kind_and_seed
    return kind, KINDS[kind].run(seed)


def outcomes(runs: Iterable[tuple[str, int]], processes: int) -> Iterator[tuple[str, Outcome]]:
    """Run seeds on several processes; yield outcomes as they are ready."""
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap_unordered(run, runs, CHUNK)


def show(kind: str, seed: int) -> int:
    """Run one seed and print its outcome; return 1 if it failed."""
    outcome = KINDS[kind].run(seed)
    for name, value in asdict(outcome).items():
        print(f"{name:>15}: {value}")
    return 1 if outcome.failure else 0


def simulate(kinds: Iterable[str], seeds: range, processes: int) -> int:
    """Run many seeds, of each kind in turn, and print a report; return 1 if a seed failed."""
    started = shown = time.monotonic()
    totals = {kind: Counter[str]() for kind in kinds}
    number = failed = 0
    runs = zip(cycle(totals), seeds, strict=False)
    for number, (kind, outcome) in enumerate(outcomes(runs, processes), start=1):
        for name in KINDS[kind].summed:
            totals[kind][name] += getattr(outcome, name)
        if outcome.failure:
            failed += 1
            if failed <= _SHOWN_FAILURES:
                print(f"{kind}, seed {outcome.seed}: {outcome.failure[:_SHOWN_LENGTH]}")
                print(f"    again: {KINDS[kind].replay_command(outcome.seed)}", flush=True)
        now = time.monotonic()
        if now - shown > _PROGRESS_SECONDS:
            shown = now
            rate = number / (now - started)
            print(f"{number} of {len(seeds)} seeds, {rate:.0f}/s, {failed} failed", flush=True)
    seconds = time.monotonic() - started
    for kind, sums in totals.items():
        words = ", ".join(f"{total:,} {name.replace('_', ' ')}" for name, total in sums.items())
        print(f"{kind}: {words}")
    print(
        f"{number:,} seeds in {seconds:.1f} s ({number / seconds:.0f}/s on {processes} processes):"
        f" {failed} failed."
    )
    return 1 if failed else 0


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal():
        sys.exit(f"{name} must be a non-negative integer, not {text!r}.")
    return int(text)


def main() -> int:
    """Run what the environment variables select."""
    kind = os.environ.get("KIND")
    if kind and kind not in KINDS:
        sys.exit(f"KIND must be one of {', '.join(KINDS)}, not {kind!r}.")
    if os.environ.get("SEED"):
        seed = _number("SEED", 0)
        return show(kind or [*KINDS][seed % len(KINDS)], seed)
    if os.environ.get("MUTATIONS"):
        return tabulate(os.cpu_count() or 1)
    first = _number("FROM", 0)
    seeds = range(first, first + _number("SEEDS", SEEDS))
    kinds = [kind] if kind else [[*KINDS][seed % len(KINDS)] for seed in seeds[: len(KINDS)]]
    return simulate(kinds, seeds, os.cpu_count() or 1)


if __name__ == "__main__":
    sys.exit(main())

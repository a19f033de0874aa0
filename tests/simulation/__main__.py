"""`SEEDS=N FROM=S python -m tests.simulation`: runs seeds on all cores; `SEED=S` runs one.

`make simulate` hands its variables on, so they are read from the environment.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import fields

from tests.simulation.run import Outcome, replay_command, run

CHUNK = 20
SEEDS = 2_000
_PROGRESS_SECONDS = 5.0
_SHOWN_FAILURES = 20
_SHOWN_LENGTH = 500
_SUMMED = ("requests", "stored", "lost", "dropped", "reads", "reads_complete", "operations")


def outcomes(seeds: Iterable[int], processes: int) -> Iterator[Outcome]:
    """Run seeds on some processes; outcomes come as they are ready."""
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap_unordered(run, seeds, CHUNK)


def show(seed: int) -> int:
    """Run one seed and print what became of it; 1 when it failed."""
    outcome = run(seed)
    for field in fields(outcome):
        print(f"{field.name:>15}: {getattr(outcome, field.name)}")
    return 1 if outcome.failure else 0


def simulate(seeds: range, processes: int) -> int:
    """Run many seeds and print how it went; 1 when a seed failed."""
    started = shown = time.monotonic()
    totals = dict.fromkeys(_SUMMED, 0)
    number = failed = 0
    for number, outcome in enumerate(outcomes(seeds, processes), start=1):
        for name in _SUMMED:
            totals[name] += getattr(outcome, name)
        if outcome.failure:
            failed += 1
            if failed <= _SHOWN_FAILURES:
                print(f"seed {outcome.seed}: {outcome.failure[:_SHOWN_LENGTH]}")
                print(f"    again: {replay_command(outcome.seed)}", flush=True)
        now = time.monotonic()
        if now - shown > _PROGRESS_SECONDS:
            shown = now
            rate = number / (now - started)
            print(f"{number} of {len(seeds)} seeds, {rate:.0f}/s, {failed} failed", flush=True)
    seconds = time.monotonic() - started
    print(", ".join(f"{total:,} {name.replace('_', ' ')}" for name, total in totals.items()))
    print(
        f"{number:,} seeds in {seconds:.1f} s ({number / seconds:.0f}/s on {processes} processes):"
        f" {failed} failed."
    )
    return 1 if failed else 0


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal():
        sys.exit(f"{name} must be a whole number from 0, not {text!r}.")
    return int(text)


def main() -> int:
    """Run what the environment asks for."""
    if os.environ.get("SEED"):
        return show(_number("SEED", 0))
    first = _number("FROM", 0)
    return simulate(range(first, first + _number("SEEDS", SEEDS)), os.cpu_count() or 1)


if __name__ == "__main__":
    sys.exit(main())

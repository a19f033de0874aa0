"""Measures the import of each module: the dispatcher's, the SDK's, the standard library's.

It uses workerd's version of Pyodide under Node.js, because clocks in a Worker do not advance
while it computes.
"""

from __future__ import annotations

import re
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from core.ports import Json
from dev.layout import HERE
from dev.setup.node import find_node

SCRIPT = Path(__file__).with_name("import_times.mjs")
MODULE = "entry"
WAITING = "--experimental-wasm-jspi"
"""Lets Python wait for a promise within a call, as in workerd."""
SHOWN = 20
RUN_SECONDS = 300
OURS, SDK, LIBRARY = "this dispatcher", "the SDK", "standard library, Pyodide"

_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|\s+(\S+)")
Times = tuple[float, float]
"""Milliseconds of a module alone, and with the modules that it was the first to import."""


@dataclass(frozen=True, slots=True)
class ImportFigures:
    """One module: medians in milliseconds, alone and with what it was the first to import."""

    module: str
    origin: str
    self_ms: float
    whole_ms: float

    def as_json(self) -> Json:
        """Return all fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def measure(rounds: int, say: Callable[[str], None]) -> list[ImportFigures]:
    """Import the entrypoint in `rounds` new interpreters; the most expensive module first."""
    times: dict[str, list[Times]] = defaultdict(list)
    for number in range(rounds):
        say(f"imports, round {number + 1} of {rounds}")
        for module, both in _imported().items():
            times[module].append(both)
    found = [
        ImportFigures(
            module,
            _origin(module),
            statistics.median(alone for alone, _ in both),
            statistics.median(whole for _, whole in both),
        )
        for module, both in times.items()
    ]
    return sorted(found, key=lambda one: -one.self_ms)


def import_worker(script: Path) -> str:
    """Return what a program prints that imports the Worker in Pyodide."""
    command: list[str | Path] = [find_node(HERE), WAITING, script, HERE.root, MODULE]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=RUN_SECONDS, cwd=HERE.root
    )
    return done.stdout


def _imported() -> Mapping[str, Times]:
    return {
        module: (int(alone) / 1_000, int(whole) / 1_000)
        for alone, whole, module in _LINE.findall(import_worker(SCRIPT))
    }


def _origin(module: str) -> str:
    file = module.replace(".", "/")
    for origin, folder in ((OURS, HERE.root / "src"), (SDK, HERE.root / "python_modules")):
        if (folder / f"{file}.py").exists() or (folder / file).is_dir():
            return origin
    return LIBRARY


def shown(figures: list[ImportFigures]) -> Iterator[Table]:
    """Return the tables: sums by origin, and the most expensive modules."""
    sums = Table("imports from nothing, in Pyodide", "modules", "ms")
    for origin in (OURS, SDK, LIBRARY):
        mine = [one.self_ms for one in figures if one.origin == origin]
        sums.add_row(origin, f"{len(mine)}", f"{sum(mine):.0f}")
    yield sums
    yield _most_expensive(figures[:SHOWN])


def _most_expensive(figures: Iterable[ImportFigures]) -> Table:
    table = Table("most expensive to import", "of", "ms alone", "ms with what it imports first")
    for one in figures:
        table.add_row(one.module, one.origin, f"{one.self_ms:.1f}", f"{one.whole_ms:.1f}")
    return table

"""Counts the lines of Python that importing the Worker executes, and compares with the budget.

Cloudflare imports the Worker when it is uploaded, and rejects it if that takes more than a second
of CPU time. Lines executed are the same on every machine. A module's lines include those of the
functions that it calls, such as the compiler of regular expressions, without the modules that it
imports.

`import_lines.csv` has the lines by module. Modules of this repository may grow a little; a module
of the standard library that is new must be allowed by hand.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from bench.imports import import_worker
from dev.layout import HERE

LINES = Path(__file__).with_name("import_lines.csv")
SCRIPT = Path(__file__).with_name("import_lines.mjs")
GROWTH_MAX = 1.02
_NAMED = 5


def measure() -> Counter[str]:
    """Import the Worker in Pyodide and return the lines executed by module."""
    return Counter(json.loads(import_worker(SCRIPT)))


def read(path: Path = LINES) -> Counter[str]:
    """Read the budget; empty if there is none."""
    if not path.exists():
        return Counter()
    with path.open(newline="", encoding="utf-8") as file:
        return Counter({row["module"]: int(row["lines"]) for row in csv.DictReader(file)})


def write(found: Mapping[str, int], path: Path = LINES) -> None:
    """Write the budget, sorted by module."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["module", "lines"])
        writer.writerows(sorted(found.items()))


def excess(found: Counter[str], known: Counter[str]) -> list[str]:
    """Return a line for each way in which the imports exceed the budget, and name the modules."""
    grown = found - known
    lines = [
        f"imports: {module} is new and executes {grown[module]:,} lines."
        for module in sorted(grown)
        if module not in known and not is_own(module)
    ]
    total, allowed = found.total(), int(known.total() * GROWTH_MAX)
    if total > allowed:
        named = ", ".join(f"+{count:,} {name}" for name, count in grown.most_common(_NAMED))
        lines.append(f"imports: {total:,} lines, the budget is {allowed:,} ({named}).")
    return lines


def is_own(module: str) -> bool:
    """Tell whether a module is in `src`."""
    path = HERE.root / "src" / module.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").exists()

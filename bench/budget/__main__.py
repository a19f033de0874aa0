"""`make budget`: counts each kind of request, compares with the budget, and lowers it."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from bench.budget import imports
from bench.budget.budget import (
    BUDGET,
    TOO_MANY,
    Budget,
    Measured,
    differences,
    lowered,
    read,
    read_crossings,
    write_crossings,
)
from bench.budget.measuring import bench
from dev.errors import run_command_line


def main() -> int:
    """Measure, lower the budget, and return 1 if a count exceeds it."""
    read()
    with bench() as running:
        found = running.measure()
    BUDGET.write_text(lowered(BUDGET.read_text(encoding="utf-8"), found), encoding="utf-8")
    budget, known = read(), read_crossings()
    lines = differences(found, budget, known)
    too_many = [line for line in lines if TOO_MANY in line]
    exceeding = {line.partition(":")[0] for line in too_many}
    # The crossings of a kind that exceeds its budget are kept, to show the difference again.
    write_crossings(
        {
            kind: known.get(kind, {}) if kind in exceeding else one.crossings
            for kind, one in found.items()
        }
    )
    Console().print(_table(found, budget))
    imported = imports.measure()
    known_lines = imports.read() or imported
    exceeding_imports = imports.excess(imported, known_lines)
    if not exceeding_imports:
        imports.write(imported if imported.total() < known_lines.total() else known_lines)
    for line in (*too_many, *exceeding_imports):
        print(line, file=sys.stderr)
    return 1 if too_many or exceeding_imports else 0


def _table(found: Mapping[str, Measured], budget: Budget) -> Table:
    table = Table("kind", "counter", "found", "allowed", title="make budget")
    for kind, one in found.items():
        for counter, count in one.counters.items():
            line = budget.get(kind, {}).get(counter)
            allowed = line.count if line else 0
            style = "red" if count > allowed else ""
            table.add_row(kind, counter, f"{count:,}", f"{allowed:,}", style=style)
        table.add_section()
    return table


if __name__ == "__main__":
    sys.exit(run_command_line(main))

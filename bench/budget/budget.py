"""Reads, compares and lowers the budget of each kind of request.

`budget.toml` has a count and its reason for each counter of each kind, and `crossings.csv` the
names of the crossings. A measurement must equal the budget: a higher count is an error, and so
is a lower one until its line is lowered. Lines are raised only by hand.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BUDGET = Path(__file__).with_name("budget.toml")
CROSSINGS = Path(__file__).with_name("crossings.csv")
REASON_LENGTH = 20
"""Minimum length of a reason, in characters."""
TOO_MANY = "too many"
CHANGES_MAX = 20
"""Maximum number of crossings in a message."""

Crossings = Mapping[str, Counter[str]]
"""Number of crossings by counter (`to_javascript` or `to_python`) and name."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the budget: a count and the reason why it is not lower."""

    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class Measured:
    """The measured counts of one kind.

    Args:
        counters: Counts by counter of `budget.toml`; KV operations by their name.
        crossings: The crossings of `to_javascript` and `to_python`.
    """

    counters: Mapping[str, int]
    crossings: Crossings


Budget = Mapping[str, Mapping[str, Line]]
"""Lines by kind and counter."""


def read(path: Path = BUDGET) -> Budget:
    """Read the budget.

    Raises:
        ValueError: A line has no count, or no sufficient reason.
    """
    budget = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        kind: {counter: _line(f"{kind}.{counter}", fields) for counter, fields in lines.items()}
        for kind, lines in budget.items()
    }


def _line(name: str, fields: object) -> Line:
    match fields:
        case {"count": int(count), "reason": str(reason)} if len(reason) >= REASON_LENGTH:
            return Line(count, reason)
    raise ValueError(
        f"{name} must be {{ count = N, reason = '…' }} with a reason, and is {fields!r}"
    )


def read_crossings(path: Path = CROSSINGS) -> dict[str, dict[str, Counter[str]]]:
    """Read the known crossings by kind and counter."""
    found: dict[str, dict[str, Counter[str]]] = {}
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                counter, name = row.pop("counter"), row.pop("crossing")
                for kind, count in row.items():
                    own = found.setdefault(kind, {}).setdefault(counter, Counter())
                    if count:
                        own[name] = int(count)
    return found


def differences(
    measured: Mapping[str, Measured],
    budget: Budget,
    crossings: Mapping[str, Crossings],
) -> list[str]:
    """Return a line for each difference between a measurement and the budget."""
    unknown = [kind for kind in budget if kind not in measured]
    found = [f"{kind}: it is no longer measured; remove it." for kind in unknown]
    for kind, one in measured.items():
        lines = budget.get(kind, {})
        for counter in sorted({*lines, *one.counters}):
            allowed = lines[counter].count if counter in lines else 0
            count = one.counters.get(counter, 0)
            known = crossings.get(kind, {}).get(counter, Counter())
            which = changes(one.crossings.get(counter, Counter()), known)
            if count > allowed:
                problem = f"is {count}, the budget is {allowed}: {count - allowed} {TOO_MANY}"
            elif count < allowed:
                problem = f"is {count}, the budget is {allowed}: run `make budget` to lower it"
            elif which:
                problem = f"is {count} as before, with other crossings: run `make budget`"
            else:
                continue
            found.append(f"{kind}: {counter} {problem}" + (f" ({which})" if which else "") + ".")
    return found


def changes(found: Counter[str], known: Counter[str]) -> str:
    """Describe the differences between counts, largest first; empty if there are none."""
    by_name = {name: found[name] - known[name] for name in {*found, *known}}
    changed = sorted(
        (item for item in by_name.items() if item[1]), key=lambda item: (-abs(item[1]), item[0])
    )
    texts = [f"{change:+d} {name}" for name, change in changed[:CHANGES_MAX]]
    if others := changed[CHANGES_MAX:]:
        texts.append(f"{sum(change for _, change in others):+d} in {len(others)} others")
    return "; ".join(texts)


def lowered(text: str, measured: Mapping[str, Measured]) -> str:
    """Return the text of `budget.toml` with every line lowered to the measured count.

    Lines with the count 0 are removed. Lines that would have to be raised are unchanged.
    """
    lines, kind = [], ""
    for line in text.splitlines(keepends=True):
        section = re.match(r"\[(\w+)\]", line)
        entry = re.match(r'"?([\w.]+)"? = \{ count = (\d+),', line)
        if section:
            kind = section[1]
        if entry and kind in measured:
            count = measured[kind].counters.get(entry[1], 0)
            if count == 0:
                continue
            if count < int(entry[2]):
                lines.append(line.replace(f"count = {entry[2]},", f"count = {count},", 1))
                continue
        lines.append(line)
    return "".join(lines)


def write_crossings(crossings: Mapping[str, Crossings], path: Path = CROSSINGS) -> None:
    """Write the crossings, with a row for each and a column for each kind."""
    rows = sorted(
        {
            (counter, name)
            for counters in crossings.values()
            for counter, names in counters.items()
            for name in names
        }
    )
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["counter", "crossing", *crossings])
        for counter, name in rows:
            counts = [own.get(counter, Counter())[name] or "" for own in crossings.values()]
            writer.writerow([counter, name, *counts])

"""The budget: what each kind of request may cost, why, and how a measurement compares with it.

`budget.toml` has a number and its reason for each counter of each kind, and `crossings.csv`
which crossings they are. A measurement must be what the budget says, exactly: what costs more
is refused, and so is what costs less, until its line is lowered. Refuses to raise a line.
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
"""Characters of a reason at the least: nothing shorter says anything."""
TOO_MANY = "too many"
MOST_CHANGES = 20
"""How many crossings a message names."""

Crossings = Mapping[str, Counter[str]]
"""By counter (`to_javascript` or `to_python`): how often, by name."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the budget: a number and why it is no lower."""

    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What one kind was measured to cost.

    Args:
        counters: The counters of `budget.toml`, by name; operations on KV by theirs.
        crossings: Which crossings the first two of them are.
    """

    counters: Mapping[str, int]
    crossings: Crossings


Budget = Mapping[str, Mapping[str, Line]]
"""By kind and counter."""


def read(path: Path = BUDGET) -> Budget:
    """Read the budget.

    Raises:
        ValueError: A line has no number, or no reason worth the name.
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
    """Read which crossings the budget's numbers are, by kind and counter."""
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
    """Say where a measurement differs from the budget, in a line each; none is good."""
    unknown = [kind for kind in budget if kind not in measured]
    found = [f"{kind}: it is not measured any more; take it out." for kind in unknown]
    for kind, one in measured.items():
        lines = budget.get(kind, {})
        for counter in sorted({*lines, *one.counters}):
            allowed = lines[counter].count if counter in lines else 0
            count = one.counters.get(counter, 0)
            known = crossings.get(kind, {}).get(counter, Counter())
            which = changes(one.crossings.get(counter, Counter()), known)
            if count > allowed:
                verdict = f"is {count} and may be {allowed}, so {count - allowed} {TOO_MANY}"
            elif count < allowed:
                verdict = f"is {count} and may be {allowed}: `make budget` lowers that"
            elif which:
                verdict = f"is {count} as before, but not the same: `make budget` notes which"
            else:
                continue
            found.append(f"{kind}: {counter} {verdict}" + (f" ({which})" if which else "") + ".")
    return found


def changes(found: Counter[str], known: Counter[str]) -> str:
    """Say by how much counts differ from what is known of them, the most first; else nothing."""
    by_name = {name: found[name] - known[name] for name in {*found, *known}}
    changed = sorted(
        (item for item in by_name.items() if item[1]), key=lambda item: (-abs(item[1]), item[0])
    )
    told = [f"{change:+d} {name}" for name, change in changed[:MOST_CHANGES]]
    if others := changed[MOST_CHANGES:]:
        told.append(f"{sum(change for _, change in others):+d} in {len(others)} others")
    return "; ".join(told)


def lowered(text: str, measured: Mapping[str, Measured]) -> str:
    """Return the text of `budget.toml` with every line lowered to what was measured.

    A line whose count came to nothing is taken out. Lines that would have to rise stay.
    """
    kept, kind = [], ""
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
                kept.append(line.replace(f"count = {entry[2]},", f"count = {count},", 1))
                continue
        kept.append(line)
    return "".join(kept)


def write_crossings(crossings: Mapping[str, Crossings], path: Path = CROSSINGS) -> None:
    """Write down which crossings there are, a row for each, a column for each kind."""
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

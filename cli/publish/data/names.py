"""Names the columns of a dataset: trims, numbers and renames what the file has, and selects."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cli.publish.data.options import Reading
from cli.publish.data.table import COLUMNS_MAX
from cli.publish.validation import Findings

NAME_LENGTH_MAX: Final = 100
LISTED_MAX: Final = 20

PAGE_PARAMETERS: Final = ("limit", "offset", "sort", "fields")
"""Parameters of a page; a column of such a name is filtered with `NAME[eq]=`."""

_INVALID = re.compile("[\x00-\x1f\x7f-\x9f,\\[\\]\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class RawColumn:
    """A column as the file has it.

    Args:
        name: Its name; may be empty.
        line: The line of the name.
        cells: Its texts; `None` for JSON.
    """

    name: str
    line: int
    cells: Sequence[str] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it has no values."""
        return self.cells is not None and not any(self.cells)


def choose_columns(
    raw: Sequence[RawColumn], reading: Reading, place: str, findings: Findings, notes: list[str]
) -> list[tuple[int, str]]:
    """Return position and name of each column to publish, in order.

    Args:
        raw: All columns of the file.
        reading: The options.
        place: The file, for messages.
        findings: Mistakes are added to it.
        notes: What was changed is added to it.
    """
    named = _numbered(raw, reading, notes)
    _find_unknown("--rename", [*reading.names], [name for _, name in named], findings)
    named = [(index, reading.names.get(name, name)) for index, name in named]
    names = [name for _, name in named]
    _find_unknown("--columns", reading.columns or (), names, findings)
    _find_unknown("--type", [*reading.types], names, findings)
    if reading.columns is not None:
        positions = {name: index for index, name in named}
        named = [(positions[name], name) for name in reading.columns if name in positions]
    _check(named, raw, place, findings)
    notes += [
        f"{name}: filter with {name}[eq]=VALUE, because {name}= is a parameter of the page."
        for _, name in named
        if name in PAGE_PARAMETERS
    ]
    return named


def listed(names: Sequence[str]) -> str:
    """Return names as a text of bounded length."""
    more = f" and {len(names) - LISTED_MAX} more" if len(names) > LISTED_MAX else ""
    return ", ".join(name[:NAME_LENGTH_MAX] for name in names[:LISTED_MAX]) + more


def _find_unknown(
    option: str, given: Sequence[str], names: Sequence[str], findings: Findings
) -> None:
    for name in given:
        if name not in names:
            findings.add(f"no column {name!r}; the columns are {listed(names)}", option)


def _numbered(
    raw: Sequence[RawColumn], reading: Reading, notes: list[str]
) -> list[tuple[int, str]]:
    """Return position and name of each column; missing and repeated names get a number."""
    cleaned = [" ".join(column.name.split()) for column in raw]
    used = set(cleaned)
    seen: set[str] = set()
    named, dropped, unnamed = [], [], []
    for index, name in enumerate(cleaned):
        if not name and raw[index].is_empty:
            dropped.append(str(index + 1))
            continue
        unique = name
        if not name or name in seen:
            number = 2 if name else index + 1
            while (unique := f"{name or 'column'}_{number}") in used:
                number += 1
            used.add(unique)
            if unique in reading.names:
                pass
            elif name:
                notes.append(
                    f"Column {index + 1} is called {unique}, because another one is called {name}. "
                    f"Rename it with --rename {unique}=NEW."
                )
            else:
                unnamed.append(unique)
        seen.add(unique)
        named.append((index, unique))
    if dropped:
        columns, have = ("Column", "has") if len(dropped) == 1 else ("Columns", "have")
        notes.append(
            f"{columns} {listed(dropped)} {have} neither name nor values, and {have} been left out."
        )
    if unnamed:
        columns = "A column" if len(unnamed) == 1 else "Columns"
        called, them = ("is", "it") if len(unnamed) == 1 else ("are", "them")
        notes.append(
            f"{columns} without a name {called} called {listed(unnamed)}. Rename {them} with "
            f"--rename {unnamed[0]}=NEW."
        )
    return named


def _check(
    named: Sequence[tuple[int, str]], raw: Sequence[RawColumn], place: str, findings: Findings
) -> None:
    if len(named) > COLUMNS_MAX:
        findings.add(
            f"{len(named):,} columns; the limit is {COLUMNS_MAX}: choose some with --columns, such "
            f"as --columns {','.join(name for _, name in named[:3])}",
            place,
            raw[0].line,
        )
    seen: set[str] = set()
    for index, name in named:
        column, line = index + 1, raw[index].line
        if name in seen:
            findings.add(f"column {column} has the name of another one: {name!r}", place, line)
        elif name.startswith("-") or len(name) > NAME_LENGTH_MAX or _INVALID.search(name):
            shown = name[:NAME_LENGTH_MAX]
            findings.add(
                f"column {column} has an invalid name, {shown!r}: use at most {NAME_LENGTH_MAX} "
                "characters, without commas, square brackets and control characters, and without "
                f"a leading -; rename it with --rename '{shown}=NEW'",
                place,
                line,
            )
        seen.add(name)

"""The categories of a window, as people are shown them.

Refuses to find their callers, which are sets and are kept by whoever adds to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from caller_union import CallerUnion
from ranking import Row


class DirectoryRow(NamedTuple):
    """One category in a window. Money is in micro-dollars."""

    name: str
    calls: int
    revenue_micros: int
    apis: int
    callers: int


def directory_rows(
    rows: Sequence[Row], callers: Mapping[str, CallerUnion]
) -> Sequence[DirectoryRow]:
    """Give the categories, the most called first."""
    members: dict[str, list[Row]] = {}
    for row in rows:
        members.setdefault(row.directory, []).append(row)
    found = [
        DirectoryRow(
            name,
            sum(row.calls for row in own),
            sum(row.revenue_micros for row in own),
            sum(row.calls > 0 for row in own),
            callers[name].distinct(),
        )
        for name, own in members.items()
    ]
    return sorted(found, key=lambda row: (-row.calls, row.name))

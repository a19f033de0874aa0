"""Tables of a profile: counts, then samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table

from bench.profile.counts import ProfileFigures

ROWS = 40
"""Maximum number of rows of a table; the stored results have all."""


def profile_tables(profile: Sequence[ProfileFigures]) -> Iterable[Table]:
    """Yield the tables of all profiled Workers."""
    if not profile:
        return
    totals: dict[str, list[float]] = {
        "crossings from Python to JavaScript": [one.to_javascript.total() for one in profile],
        "crossings from JavaScript to Python": [one.to_python.total() for one in profile],
        "allocations of Python": [one.allocations for one in profile],
        "bytecode instructions": [one.instructions.total() for one in profile],
    }
    yield _table("counts per request", profile, totals, digits=0)
    for title, counts in (
        ("crossings to JavaScript", [one.to_javascript for one in profile]),
        ("crossings to Python", [one.to_python for one in profile]),
        ("bytecode instructions", [one.instructions for one in profile]),
    ):
        yield _table(f"{title} of a request", profile, _by_name(counts), digits=0)
    parts = [one.samples.parts for one in profile]
    functions = [one.samples.functions for one in profile]
    yield _table("microseconds of a request, sampled", profile, _by_name(parts), digits=0)
    yield _table("microseconds by function", profile, _by_name(functions), digits=1)


def _by_name(counts: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Return the counts by name, ordered by those of the last Worker, largest first."""
    rows = {name: [one.get(name, 0) for one in counts] for name in set().union(*counts)}
    order = sorted(rows, key=lambda name: ([-count for count in rows[name][::-1]], name))
    return {name: rows[name] for name in order[:ROWS]}


def _table(
    title: str,
    profile: Sequence[ProfileFigures],
    rows: Mapping[str, Sequence[float]],
    *,
    digits: int,
) -> Table:
    table = Table(title, *(f"({one.letter})" for one in profile))
    for column in table.columns[1:]:
        column.justify = "right"
    for name, figures in rows.items():
        table.add_row(name, *(f"{figure:,.{digits}f}" if figure else "" for figure in figures))
    return table

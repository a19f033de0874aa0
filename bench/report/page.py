"""Writes the tables and charts of docs/performance.md from the stored results.

Each generated table or chart is between two comments in the page:

    <!-- figures: snapshots -->
    …
    <!-- end of figures -->
    <!-- figures: picture snapshots -->
    …
    <!-- end of figures -->
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.report import tables as report_tables
from bench.report.charts import Chart
from bench.report.plots import plots
from bench.report.results import CommitResults, load_all, newest
from bench.report.tables import PARTS, part_table, provenance

RESULTS = Path("bench/results")
PAGE = Path("docs/performance.md")
PICTURES = Path("docs/images/performance")

_BLOCK = re.compile(
    r"(<!-- figures: (picture )?(\w+) -->\n)(.*?)(<!-- end of figures -->)", re.DOTALL
)

_COORDINATE = re.compile(r"-?\d+\.\d{6}(?!\d)")
"""A coordinate in a chart; the page has no numbers with six decimals."""

_COORDINATE_TOLERANCE = 0.001
"""In points. Processors round the same sums differently, in the last digit."""

_TABLES: Mapping[str, tuple[str, Callable[[CommitResults], str]]] = {
    "ratios": ("requests", report_tables.ratio_table),
    "requests": ("requests", report_tables.request_table),
    "paid_ratios": ("paid", report_tables.paid_ratio_table),
    "growth": ("growth", report_tables.growth_table),
}
"""Further tables: their part and the function that renders them."""


def rendered(root: Path) -> dict[Path, str]:
    """Return the content of the page and its charts, by path in the clone."""
    stored = load_all(root / RESULTS)
    charts = dict(plots(stored))
    files = {PICTURES / f"{name}.svg": chart.svg() for name, chart in charts.items()}
    return {PAGE: page((root / PAGE).read_text(), stored, charts), **files}


def page(text: str, stored: Sequence[CommitResults], charts: Mapping[str, Chart]) -> str:
    """Insert the newest results into the page; blocks without results are unchanged.

    Raises:
        KeyError: The page has a block of an unknown table.
    """

    def block(found: re.Match[str]) -> str:
        start, is_picture, name, inside, end = found.groups()
        inside = _picture(name, charts) if is_picture else _table(name, stored) or inside
        return f"{start}{inside}{end}"

    return _BLOCK.sub(block, text)


def _picture(name: str, charts: Mapping[str, Chart]) -> str:
    """Return the link to a chart; empty if there are no results for it."""
    if name not in charts:
        return ""
    file = (PICTURES / f"{name}.svg").relative_to(PAGE.parent)
    return f"\n![{charts[name].title}]({file})\n\n"


def _table(name: str, stored: Sequence[CommitResults]) -> str:
    """Return a table; empty if there are no results for it."""
    part = name if name in PARTS else _TABLES[name][0]
    found = newest(stored, part)
    if found is None:
        return ""
    text = part_table(found, part) if name in PARTS else _TABLES[name][1](found)
    return f"\n{text}\n\n{provenance(found, part)}\n\n"


def write(root: Path) -> list[Path]:
    """Write the page and its charts; return the changed paths, relative to the clone."""
    wanted = rendered(root)
    changed = _differing(root, wanted)
    for path in changed:
        file = root / path
        if path in wanted:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[path])
        else:
            file.unlink()
    return changed


def is_current(root: Path) -> bool:
    """Return whether page and charts are current; print those that are not."""
    stale = _differing(root, rendered(root))
    for path in stale:
        print(f"{path} does not match the newest results in {RESULTS}: run make plots.")
    return not stale


def _differing(root: Path, wanted: Mapping[Path, str]) -> list[Path]:
    """Return the paths of changed, missing and superfluous files."""
    found = {path.relative_to(root) for path in (root / PICTURES).glob("*.svg")}
    changed = {
        path
        for path, text in wanted.items()
        if not (root / path).exists() or not _is_same((root / path).read_text(), text)
    }
    return sorted(changed | (found - wanted.keys()))


def _is_same(text: str, other: str) -> bool:
    """Return whether two files are equal, but for the last digits of coordinates."""
    if text == other:
        return True
    if _COORDINATE.split(text) != _COORDINATE.split(other):
        return False
    pairs = zip(_COORDINATE.findall(text), _COORDINATE.findall(other), strict=True)
    return all(abs(float(one) - float(two)) < _COORDINATE_TOLERANCE for one, two in pairs)

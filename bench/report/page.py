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
from bench.report.results import Kept, all_kept, newest
from bench.report.tables import PARTS, part_table, provenance

RESULTS = Path("bench/results")
PAGE = Path("docs/performance.md")
PICTURES = Path("docs/images/performance")

_BLOCK = re.compile(
    r"(<!-- figures: (picture )?(\w+) -->\n)(.*?)(<!-- end of figures -->)", re.DOTALL
)

_TABLES: Mapping[str, tuple[str, Callable[[Kept], str]]] = {
    "ratios": ("requests", report_tables.ratio_table),
    "requests": ("requests", report_tables.request_table),
    "growth": ("growth", report_tables.growth_table),
}
"""Tables that are not simply those of a part: their part, and what writes them."""


def written(root: Path) -> dict[Path, str]:
    """Give what the page and its pictures must be, by their path in the clone."""
    kept = all_kept(root / RESULTS)
    charts = dict(plots(kept))
    files = {PICTURES / f"{name}.svg": chart.svg() for name, chart in charts.items()}
    return {PAGE: page((root / PAGE).read_text(), kept, charts), **files}


def page(text: str, kept: Sequence[Kept], charts: Mapping[str, Chart]) -> str:
    """Fill the newest figures into the page; a table that none are kept of stays as it is.

    Raises:
        KeyError: The page asks for a table that there is none of.
    """

    def block(found: re.Match[str]) -> str:
        start, is_picture, name, inside, end = found.groups()
        inside = _picture(name, charts) if is_picture else _table(name, kept) or inside
        return f"{start}{inside}{end}"

    return _BLOCK.sub(block, text)


def _picture(name: str, charts: Mapping[str, Chart]) -> str:
    """Show a picture; nothing where it needs more figures than there are."""
    if name not in charts:
        return ""
    file = (PICTURES / f"{name}.svg").relative_to(PAGE.parent)
    return f"\n![{charts[name].title}]({file})\n\n"


def _table(name: str, kept: Sequence[Kept]) -> str:
    """Show a table; nothing where no figures are kept."""
    part = name if name in PARTS else _TABLES[name][0]
    found = newest(kept, part)
    if found is None:
        return ""
    text = part_table(found, part) if name in PARTS else _TABLES[name][1](found)
    return f"\n{text}\n\n{provenance(found, part)}\n\n"


def write(root: Path) -> list[Path]:
    """Write the page and its pictures; give what was changed, relative to the clone."""
    wanted = written(root)
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
    """Tell whether page and pictures are those of the newest figures; print what is not."""
    stale = _differing(root, written(root))
    for path in stale:
        print(f"{path} is not of the newest figures in {RESULTS}: run make plots.")
    return not stale


def _differing(root: Path, wanted: Mapping[Path, str]) -> list[Path]:
    """Name what is not as the figures have it: changed, missing, or of figures long gone."""
    found = {path.relative_to(root) for path in (root / PICTURES).glob("*.svg")}
    changed = {
        path
        for path, text in wanted.items()
        if not (root / path).exists() or (root / path).read_text() != text
    }
    return sorted(changed | (found - wanted.keys()))

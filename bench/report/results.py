"""Figures kept for each commit, in `bench/results/COMMIT.json`: one form, for plots and tables.

    {"form": 1, "commit": "1a2b3c4", "committed": "2026-11-23T07:00:00+00:00", "processors": 2,
     "parts": {"requests": {"size": "full", "load": [0.1, 0.2, 0.3], "figures": [{…}, …]}, …}}

A run replaces the parts that it measured and leaves the others. What was measured of sources
that no commit has ends in `-dirty`: git ignores such a file, and so do plots and tables.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from core.ports import Json

FORM = 1
DIRTY = "-dirty"
DIGITS = 5
"""Significant ones of numbers that are no whole ones: more than any clock here is good for."""

_UNMEASURED = ("docs", "bench/results", "*.md")
"""What may differ from the commit without a figure being another's: what runs write, and texts."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of a run measured; `load` are the machine's load averages at its start."""

    size: str
    load: Sequence[float]
    figures: Sequence[Json]


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is kept of a commit, which was made at `committed`."""

    commit: str
    committed: str
    processors: int
    parts: Mapping[str, Part]


class Source(NamedTuple):
    """What is measured: a commit, and when it was made."""

    commit: str
    committed: str


def source(root: Path) -> Source:
    """Name what a clone has now, before it is measured.

    Args:
        root: The clone's top folder.
    """
    changed = [f":(exclude){path}" for path in _UNMEASURED]
    is_dirty = bool(_git(root, "status", "--porcelain", "--", ".", *changed))
    commit = _git(root, "rev-parse", "--short=7", "HEAD") or "unknown"
    seconds = int(_git(root, "show", "--no-patch", "--format=%ct") or 0)
    return Source(commit + DIRTY * is_dirty, datetime.fromtimestamp(seconds, UTC).isoformat())


def measured(source: Source, size: str, load: Sequence[float], parts: Json) -> Kept:
    """Name what was measured.

    Args:
        source: Of what.
        size: How much was measured.
        load: The load averages at the start.
        parts: Part to its figures; parts without any are left out.
    """
    found = {name: Part(size, list(load), figures) for name, figures in parts.items() if figures}
    return Kept(*source, os.cpu_count() or 1, found)


def keep(folder: Path, new: Kept) -> Path:
    """Write figures beside those that the same commit has already; give the file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{new.commit}.json"
    earlier = _read(file).parts if file.exists() else {}
    parts = {**earlier, **new.parts}
    heads = {"form": FORM, "commit": new.commit, "committed": new.committed}
    lines = [f" {_text(name)}: {_text(value)}," for name, value in heads.items()]
    lines += [f' "processors": {new.processors},', ' "parts": {']
    lines.append(",\n".join(_part_text(name, parts[name]) for name in sorted(parts)))
    file.write_text("\n".join(["{", *lines, " }", "}", ""]))
    return file


def all_kept(folder: Path) -> list[Kept]:
    """Read what is kept of commits, the oldest commit first; what ends in `-dirty` is left out."""
    files = [file for file in folder.glob("*.json") if not file.stem.endswith(DIRTY)]
    return sorted((_read(file) for file in files), key=lambda one: (one.committed, one.commit))


def newest(kept: Iterable[Kept], part: str) -> Kept | None:
    """Give the newest commit of which a part was measured."""
    return next((one for one in reversed(list(kept)) if part in one.parts), None)


def _read(file: Path) -> Kept:
    document = json.loads(file.read_text())
    if document.get("form") != FORM:
        raise ValueError(f"{file.name} is not of form {FORM}: measure that commit again.")
    parts = {name: Part(**part) for name, part in document["parts"].items()}
    return Kept(document["commit"], document["committed"], document["processors"], parts)


def _part_text(name: str, part: Part) -> str:
    """Write a part with a line for each of its figures, so that differences are readable."""
    head = f'"size": {_text(part.size)}, "load": {_text(part.load)}, "figures": ['
    figures = ",\n".join(f"   {_text(figures)}" for figures in part.figures)
    return f"  {_text(name)}: {{{head}\n{figures}\n  ]}}"


def _text(value: Json) -> str:
    return json.dumps(_rounded(value), ensure_ascii=False)


def _rounded(value: Json) -> Json:
    match value:
        case float():
            return float(f"{value:.{DIGITS}g}")
        case dict():
            return {name: _rounded(one) for name, one in value.items()}
        case list() | tuple():
            return [_rounded(one) for one in value]
    return value


def _git(root: Path, *arguments: str) -> str:
    """Ask git; empty where there is no repository."""
    found = subprocess.run(
        ["git", *arguments],  # noqa: S607 (whichever git there is)
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()

"""Stores the results of each commit in `bench/results/COMMIT.json`, for charts and tables.

    {"form": 1, "commit": "1a2b3c4", "committed": "2026-11-23T07:00:00+00:00", "processors": 2,
     "parts": {"requests": {"size": "full", "load": [0.1, 0.2, 0.3], "figures": [{…}, …]}, …}}

A run replaces the parts that it measured. Results of uncommitted sources end in `-dirty`; git,
charts and tables ignore them.
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
"""Significant digits of floats; more than the accuracy of any measurement."""

_UNMEASURED = ("docs", "bench/results", "*.md")
"""Files whose changes do not make the sources dirty: texts, and files that runs write."""


@dataclass(frozen=True, slots=True)
class Part:
    """The results of one part of a run; `load` are the load averages at its start."""

    size: str
    load: Sequence[float]
    figures: Sequence[Json]


@dataclass(frozen=True, slots=True)
class CommitResults:
    """The results of a commit, which was made at `committed`."""

    commit: str
    committed: str
    processors: int
    parts: Mapping[str, Part]


class Source(NamedTuple):
    """The measured commit and its time."""

    commit: str
    committed: str


def source(root: Path) -> Source:
    """Return the current commit of a clone.

    Args:
        root: The clone.
    """
    changed = [f":(exclude){path}" for path in _UNMEASURED]
    is_dirty = bool(_git(root, "status", "--porcelain", "--", ".", *changed))
    commit = _git(root, "rev-parse", "--short=7", "HEAD") or "unknown"
    seconds = int(_git(root, "show", "--no-patch", "--format=%ct") or 0)
    return Source(commit + DIRTY * is_dirty, datetime.fromtimestamp(seconds, UTC).isoformat())


def new_results(source: Source, size: str, load: Sequence[float], parts: Json) -> CommitResults:
    """Return the results of a run.

    Args:
        source: The measured commit.
        size: The SIZE of the run.
        load: The load averages at the start.
        parts: Part to its figures; empty parts are omitted.
    """
    found = {name: Part(size, list(load), figures) for name, figures in parts.items() if figures}
    return CommitResults(*source, os.cpu_count() or 1, found)


def store(folder: Path, new: CommitResults) -> Path:
    """Merge new results into the file of their commit; return the file."""
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


def load_all(folder: Path) -> list[CommitResults]:
    """Read the results of all commits, oldest first, without those that end in `-dirty`."""
    files = [file for file in folder.glob("*.json") if not file.stem.endswith(DIRTY)]
    return sorted((_read(file) for file in files), key=lambda one: (one.committed, one.commit))


def newest(stored: Iterable[CommitResults], part: str) -> CommitResults | None:
    """Return the results of the newest commit that has a part; `None` if there is none."""
    return next((one for one in reversed(list(stored)) if part in one.parts), None)


def _read(file: Path) -> CommitResults:
    document = json.loads(file.read_text())
    if document.get("form") != FORM:
        raise ValueError(f"{file.name} is not of form {FORM}: measure that commit again.")
    parts = {name: Part(**part) for name, part in document["parts"].items()}
    return CommitResults(document["commit"], document["committed"], document["processors"], parts)


def _part_text(name: str, part: Part) -> str:
    """Write a part with one line for each figure, so that diffs are readable."""
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
    """Return the output of git; empty without a repository."""
    found = subprocess.run(
        ["git", *arguments],  # noqa: S607 (any git)
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()

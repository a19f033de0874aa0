"""Measures the start of an isolate up to its first response, compared with empty Workers.

Each start is a new process of workerd, in turns. A Worker starts from nothing, as on a
developer's machine and at an upload, or from a snapshot of its memory after the imports, as at
Cloudflare.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table

from bench.starts import Kept, Start, kept_start
from core.ports import Json

TARGET = 1.3
"""The CPU time of a start, as a multiple of an empty Worker's, that is still good."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A Worker to start, the path to request, and the Worker to compare it with."""

    what: str
    main: str | None
    path: str
    beside: str


ANSWERS = "Python with the SDK, answers"
PASSES = "Python with the SDK, passes on"
ALL = (
    Contender("JavaScript, answers", "empty/script.js", "/", ANSWERS),
    Contender("Python without the SDK's class, answers", "empty/bare.py", "/", ANSWERS),
    Contender(ANSWERS, "empty/sdk.py", "/", ANSWERS),
    Contender("this dispatcher, /health", None, "/health", ANSWERS),
    Contender(PASSES, "sdk.py", "/t/echo/", PASSES),
    Contender("this dispatcher, an API", None, "/t/echo/", PASSES),
)


@dataclass(slots=True)
class StartFigures:
    """The starts of one Worker, by round; `beside` is the Worker to compare it with."""

    what: str
    beside: str
    is_from_snapshot: bool
    snapshot_mb: float | None = None
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)

    def add(self, start: Start) -> None:
        """Add one start."""
        self.seconds.append(start.seconds)
        self.cpu_seconds.append(start.cpu_seconds)
        self.resident_mb.append(start.resident_mb)

    def as_json(self) -> Json:
        """Return all fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def measure(rounds: int, say: Callable[[str], None]) -> list[StartFigures]:
    """Start every Worker in turns, `rounds` times."""
    with TemporaryDirectory() as name, ExitStack() as running:
        state = Path(name)
        kept: dict[str | None, Kept] = {}
        for main in dict.fromkeys(one.main for one in ALL):
            say(f"keeping what workerd is started with for {main or 'this dispatcher'}")
            folder = state / str(len(kept))
            kept[main] = running.enter_context(kept_start(main, folder))
        found = []
        for one in ALL:
            found.append((one, StartFigures(one.what, one.beside, is_from_snapshot=False)))
            if one.main is None or one.main.endswith(".py"):
                size = kept[one.main].snapshot_mb(one.path)
                figures = StartFigures(one.what, one.beside, True, size)  # noqa: FBT003
                found.append((one, figures))
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}: starting each")
            for one, figures in found:
                is_from_snapshot = figures.is_from_snapshot
                figures.add(kept[one.main].start(one.path, is_from_snapshot=is_from_snapshot))
    return [figures for _, figures in found]


def shown(figures: list[StartFigures]) -> Iterable[Table]:
    """Return the table; each ratio is the median of the rounds' ratios."""
    table = Table(
        "from … to the first answer",
        "CPU, of the SDK's",
        "rounds",
        "CPU s",
        "time, of the SDK's",
        "s",
        "resident MB",
        "snapshot MB",
    )
    measures = {(one.what, one.is_from_snapshot): one for one in figures}
    for one in sorted(figures, key=lambda one: one.is_from_snapshot):
        beside = measures[one.beside, one.is_from_snapshot]
        ratios = _ratios(one.cpu_seconds, beside.cpu_seconds)
        ratio = statistics.median(ratios)
        table.add_row(
            f"{'snapshot' if one.is_from_snapshot else 'nothing'}: {one.what}",
            f"{ratio:.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
            f"{statistics.median(one.cpu_seconds):.2f}",
            f"{statistics.median(_ratios(one.seconds, beside.seconds)):.2f}",
            f"{statistics.median(one.seconds):.2f}",
            f"{statistics.median(one.resident_mb):.0f}",
            "" if one.snapshot_mb is None else f"{one.snapshot_mb:.1f}",
            style="green" if ratio <= TARGET else "red",
        )
    yield table


def _ratios(mine: list[float], theirs: list[float]) -> list[float]:
    return [one / other for one, other in zip(mine, theirs, strict=True)]

"""What one look came to, and how all of them are shown."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from cli.analytics.formatting import plain_text


class State(enum.Enum):
    """How something is."""

    OK = "ok"
    WARNING = "warning"
    """It works; somebody should look at it."""

    FAILED = "failed"
    UNCHECKED = "not checked"
    """Nothing can be said about it; that is no failure."""


_STYLES = {
    State.OK: "green",
    State.WARNING: "yellow",
    State.FAILED: "bold red",
    State.UNCHECKED: "dim",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Args:
        part: What it belongs to, such as "machine".
        name: What it is, in a word or two.
        state: How it is.
        said: What was found, in a sentence or less.
        remedy: What to do; empty when nothing is to be done.
    """

    part: str
    name: str
    state: State
    said: str
    remedy: str = ""

    @property
    def document(self) -> Mapping[str, str]:
        """Return it as JSON."""
        return {
            "part": self.part,
            "name": self.name,
            "state": self.state.value,
            "said": self.said,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All that was looked at.

    Args:
        checks: In order; those of a part together.
    """

    checks: Sequence[Check]

    def count(self, state: State) -> int:
        """Return how many are so."""
        return sum(check.state is state for check in self.checks)

    @property
    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "checks": [check.document for check in self.checks],
            "failed": self.count(State.FAILED),
            "warnings": self.count(State.WARNING),
            "unchecked": self.count(State.UNCHECKED),
        }

    def show(self, console: Console) -> None:
        """Print a line for each, and below it what to do."""
        part = ""
        for check in self.checks:
            if check.part != part:
                part = check.part
                console.print(Text(part, style="bold"))
            line = Text.assemble(
                "  ",
                (f"{check.state.value:<11}", _STYLES[check.state]),
                f"  {plain_text(check.name)}: {plain_text(check.said)}",
            )
            console.print(line)
            if check.remedy:
                console.print(Text(f"{'':15}{plain_text(check.remedy)}", style="dim"))
        console.print(
            f"{self.count(State.FAILED)} failed, {self.count(State.WARNING)} warnings, "
            f"{self.count(State.UNCHECKED)} not checked."
        )

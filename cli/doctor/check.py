"""The result of a check, and the report of all checks."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from cli.analytics.formatting import plain_text
from cli.output import counted


class State(enum.Enum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    """It works, but the operator should know."""

    FAILED = "failed"
    UNCHECKED = "not checked"
    """It could not be checked, which is not a failure."""


_STYLES = {
    State.OK: "green",
    State.WARNING: "yellow",
    State.FAILED: "bold red",
    State.UNCHECKED: "dim",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Args:
        part: The part of the report, such as "machine".
        name: What was checked, in a word or two.
        state: The result.
        message: What was found.
        remedy: How to fix it; empty if there is nothing to fix.
    """

    part: str
    name: str
    state: State
    message: str
    remedy: str = ""

    @property
    def document(self) -> Mapping[str, str]:
        """Return it as JSON."""
        return {
            "part": self.part,
            "name": self.name,
            "state": self.state.value,
            "said": self.message,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All checks.

    Args:
        checks: In order, grouped by part.
    """

    checks: Sequence[Check]

    def count(self, state: State) -> int:
        """Return how many checks have this state."""
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
        """Print a line for each check, and below it the remedy."""
        part = ""
        for check in self.checks:
            if check.part != part:
                part = check.part
                console.print(Text(part, style="bold"))
            line = Text.assemble(
                "  ",
                (f"{check.state.value:<11}", _STYLES[check.state]),
                f"  {plain_text(check.name)}: {plain_text(check.message)}",
            )
            console.print(line)
            if check.remedy:
                console.print(Text(f"{'':15}{plain_text(check.remedy)}", style="dim"))
        console.print(
            f"{self.count(State.FAILED)} failed, {counted(self.count(State.WARNING), 'warning')}, "
            f"{self.count(State.UNCHECKED)} not checked."
        )

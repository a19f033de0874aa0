"""What a command prints: a result on standard output, all else on standard error.

With `--json` the result is one JSON document and nothing else, so that scripts can read it;
without, it is for people. Progress is for people at a terminal, and goes to standard error.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from cli.errors import CommandError


class Output:
    """Where one command prints.

    Args:
        as_json: Whether the result is printed as JSON.
    """

    def __init__(self, *, as_json: bool) -> None:
        """Open both consoles; without a terminal, lines are never wrapped."""
        self.as_json = as_json
        width = None if sys.stdout.isatty() else 10_000
        self.people = Console(soft_wrap=True, width=width, highlight=False)
        self.notes = Console(stderr=True, soft_wrap=True, highlight=False)

    def result(self, document: Mapping[str, Any], show: Callable[[Console], None]) -> None:
        """Print what the command came to.

        Args:
            document: The result as JSON; `ok` is added.
            show: Prints the same for people.
        """
        if self.as_json:
            text = json.dumps({"ok": True, **document}, ensure_ascii=False, indent=1)
            sys.stdout.write(f"{text}\n")
        else:
            show(self.people)

    def note(self, text: str) -> None:
        """Print a remark that is not the result; rich markup is not read."""
        self.notes.print(text, markup=False)

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Show at a terminal that something is under way, for the time of a `with` block.

        Args:
            what: What is done, in the form "Uploading …".
        """
        if self.notes.is_terminal and not self.as_json:
            with self.notes.status(what):
                yield
        else:
            yield

    def failure(self, error: CommandError) -> None:
        """Print a failure: as JSON on standard output if asked, else on standard error."""
        if self.as_json:
            document = {
                "ok": False,
                "error": error.code,
                "message": error.message,
                "advice": error.advice,
                "findings": [
                    {"place": one.place, "line": one.line, "message": one.message}
                    for one in error.findings
                ],
            }
            sys.stdout.write(f"{json.dumps(document, ensure_ascii=False, indent=1)}\n")
            return
        self.notes.print("[bold red]error:[/]", end=" ")
        self.note(error.message)
        for finding in error.findings:
            self.note(f"  {finding}")
        if error.advice:
            self.note(error.advice)

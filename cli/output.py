"""Prints a command's output: the result to standard output, everything else to standard error.

With `--json`, standard output has exactly one JSON document, or one per line for commands that run
until Ctrl-C. Progress is shown in terminals only. Known secrets are removed from all output.
"""

import io
import json
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Final, NoReturn, TextIO, cast

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cli.errors import CommandError, FindingError
from cli.secret import document_without_secrets, without_secrets

NOTHING_CHANGED: Final = "Nothing was changed. Add --execute to apply."
"""The last line of a command that was run without `--execute`."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, such as `1 row` and `2,000 rows`.

    Args:
        number: The number.
        noun: The noun in the singular.
        plural: Its plural, if that is not formed with `s`.
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


class Output:
    """The output of one command.

    Args:
        as_json: Whether the result is printed as JSON.
    """

    def __init__(self, *, as_json: bool) -> None:
        """Open both consoles. Without a terminal, lines are not wrapped."""
        self.as_json = as_json
        width = None if sys.stdout.isatty() else 10_000
        self.console = _Console(
            file=_cleaned(sys.stdout), soft_wrap=True, width=width, highlight=False
        )
        self.notes = _Console(file=_cleaned(sys.stderr), soft_wrap=True, highlight=False)

    @property
    def is_interactive(self) -> bool:
        """Whether the result is shown in a terminal."""
        return self.console.is_terminal and not self.as_json

    @property
    def can_ask(self) -> bool:
        """Whether a person can answer a question: input and messages are a terminal."""
        return sys.stdin.isatty() and self.notes.is_terminal and not self.as_json

    def confirmed(self, question: str) -> bool:
        """Ask a question on the terminal; return whether the answer is yes. The default is no."""
        self.notes.print(f"{question} [y/N]", markup=False, end=" ")
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def result(self, document: Mapping[str, Any], show: Callable[[Console], None]) -> None:
        """Print the command's result.

        Args:
            document: The result as JSON; `ok` is added.
            show: Prints the same as text.
        """
        if self.as_json:
            _write_json({"ok": True, **document}, indent=1)
        else:
            show(self.console)

    def entry(self, document: Mapping[str, Any], show: Callable[[Console], None]) -> None:
        """Print one result of a command that runs until Ctrl-C; as JSON, on one line."""
        if self.as_json:
            _write_json(document, indent=None)
        else:
            show(self.console)

    def finding(
        self,
        document: Mapping[str, Any],
        show: Callable[[Console], None],
        message: str,
        advice: str = "",
    ) -> NoReturn:
        """Print a result that has problems, and end the command with exit code 8.

        Args:
            document: The result as JSON; `ok`, `error`, `message` and `advice` are added.
            show: Prints the same as text, without the message.
            message: What is wrong, as a sentence.
            advice: How to fix it, as a sentence; may be empty.

        Raises:
            FindingError: Always.
        """
        if not self.as_json:
            show(self.console)
        raise FindingError(message, advice, document=document)

    def note(self, text: str) -> None:
        """Print a line to standard error, without reading rich markup."""
        self.notes.print(text, markup=False)

    def progress(self, text: str) -> None:
        """Print a step to standard error, unless the result is JSON."""
        if not self.as_json:
            self.note(text)

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Show a spinner in a terminal during a `with` block.

        Args:
            what: The operation, in the form "Uploading …".
        """
        if self.notes.is_terminal and not self.as_json:
            with self.notes.status(what):
                yield
        else:
            yield

    @contextmanager
    def advancing(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a progress bar in a terminal during a `with` block.

        Args:
            what: The operation, in the form "Uploading".
            total: The number of units to do.

        Yields:
            A function to call with the number of units done.
        """
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=self.notes,
            disable=self.as_json or not self.notes.is_terminal,
        )
        with bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.update(task, completed=done)

    @contextmanager
    def steps(self) -> Iterator[Callable[[str], None]]:
        """Show the current step in a terminal; the block calls the yielded function with it."""
        if self.notes.is_terminal and not self.as_json:
            with self.notes.status("") as status:
                yield lambda step: status.update(escape(step))
        else:
            yield lambda _step: None

    def failure(self, error: CommandError) -> None:
        """Print a failure: as JSON to standard output with `--json`, else to standard error."""
        if self.as_json:
            document = {
                **(error.document if isinstance(error, FindingError) else {}),
                "ok": False,
                "error": error.code,
                "message": error.message,
                "advice": error.advice,
                "findings": [
                    {"place": one.place, "line": one.line, "message": one.message}
                    for one in error.findings
                ],
            }
            _write_json(document, indent=1)
            return
        self.notes.print("[bold red]error:[/]", end=" ")
        self.note(error.message)
        for finding in error.findings:
            self.note(f"  {finding}")
        if error.advice:
            self.note(error.advice)

    def current_traceback(self) -> None:
        """Print the traceback of the exception being handled."""
        self.note(traceback.format_exc())


def _write_json(document: Mapping[str, Any], *, indent: int | None) -> None:
    text = json.dumps(document_without_secrets(document), ensure_ascii=False, indent=indent)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class _Console(Console):
    """A console that leaves a closed pipe to `cli.app.main`; rich's own exits with code 1."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        raise BrokenPipeError


def _cleaned(stream: TextIO) -> IO[str]:
    return cast("IO[str]", _Cleaned(stream))


class _Cleaned(io.TextIOBase):
    """A stream that removes secrets from what is written to it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the underlying stream, from which rich chooses characters."""
        return self._stream.encoding

    def write(self, text: str) -> int:
        self._stream.write(without_secrets(text))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

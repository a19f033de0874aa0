"""What a command prints: a result on standard output, all else on standard error.

With `--json` the result is one JSON document and nothing else, so that scripts can read it;
without, it is for people. A command that goes on until it is stopped prints one document a
line. Progress is for people at a terminal, and goes to standard error. Nothing is printed with
a secret in it.
"""

import io
import json
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, NoReturn, TextIO, cast

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cli.errors import CommandError, FindingError
from cli.secret import document_without_secrets, without_secrets


class Output:
    """Where one command prints.

    Args:
        as_json: Whether the result is printed as JSON.
    """

    def __init__(self, *, as_json: bool) -> None:
        """Open both consoles; without a terminal, lines are never wrapped."""
        self.as_json = as_json
        width = None if sys.stdout.isatty() else 10_000
        self.people = _Console(
            file=_cleaned(sys.stdout), soft_wrap=True, width=width, highlight=False
        )
        self.notes = _Console(file=_cleaned(sys.stderr), soft_wrap=True, highlight=False)

    @property
    def is_interactive(self) -> bool:
        """Whether people look at the result in a terminal."""
        return self.people.is_terminal and not self.as_json

    def result(self, document: Mapping[str, Any], show: Callable[[Console], None]) -> None:
        """Print what the command came to.

        Args:
            document: The result as JSON; `ok` is added.
            show: Prints the same for people.
        """
        if self.as_json:
            _write_json({"ok": True, **document}, indent=1)
        else:
            show(self.people)

    def entry(self, document: Mapping[str, Any], show: Callable[[Console], None]) -> None:
        """Print one of many results that come as time goes on; as JSON, one a line."""
        if self.as_json:
            _write_json(document, indent=None)
        else:
            show(self.people)

    def finding(
        self,
        document: Mapping[str, Any],
        show: Callable[[Console], None],
        message: str,
        advice: str = "",
    ) -> NoReturn:
        """Print a result that is not as it should be, and end the command with that.

        Args:
            document: The result as JSON; `ok`, `error`, `message` and `advice` are added.
            show: Prints the same for people, without the message.
            message: What is wrong, in a sentence.
            advice: What to do about it, in a sentence; may be empty.

        Raises:
            FindingError: Always.
        """
        if not self.as_json:
            show(self.people)
        raise FindingError(message, advice, document=document)

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

    @contextmanager
    def advancing(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a bar at a terminal, for the time of a `with` block.

        Args:
            what: What is done, in the form "Uploading".
            total: How much there is to do.

        Yields:
            What to call with how much of it is done.
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
        """Show at a terminal which step is under way; the block says it by what it gets."""
        if self.notes.is_terminal and not self.as_json:
            with self.notes.status("") as status:
                yield lambda step: status.update(escape(step))
        else:
            yield lambda _step: None

    def failure(self, error: CommandError) -> None:
        """Print a failure: as JSON on standard output if asked, else on standard error."""
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
        """Print the traceback of the exception that is being handled."""
        self.note(traceback.format_exc())


def _write_json(document: Mapping[str, Any], *, indent: int | None) -> None:
    text = json.dumps(document_without_secrets(document), ensure_ascii=False, indent=indent)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class _Console(Console):
    """A console that leaves it to `cli.app.main` what becomes of a closed pipe."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        raise BrokenPipeError


def _cleaned(stream: TextIO) -> IO[str]:
    return cast("IO[str]", _Cleaned(stream))


class _Cleaned(io.TextIOBase):
    """A stream that takes secrets out of what is written to it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of what is below, which tells rich which characters there are."""
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

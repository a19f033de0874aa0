"""The errors of `clawr` and their exit codes.

`cli.app.main` prints them. Ctrl-C ends a command with 130, a closed output pipe with 141.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

SAME_VERSION: Final = "Use the version of `clawr` that belongs to the dispatcher's version."
"""Advice after a response that cannot be read."""


class CommandError(Exception):
    """The command failed.

    Args:
        message: What is wrong, as a sentence.
        advice: How to fix it, as a sentence; may be empty.
        findings: The single mistakes, if there may be several.
    """

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "failed"

    def __init__(self, message: str, advice: str = "", findings: Sequence["Finding"] = ()) -> None:
        """Keep the arguments as fields."""
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.findings = tuple(findings)


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake in an input.

    Args:
        message: What is wrong, and how to fix it.
        place: A file, option or field; may be empty.
        line: The line in that file, from 1, if known.
    """

    message: str
    place: str = ""
    line: int | None = None

    def __str__(self) -> str:
        """Return `place:line: message`, which editors and terminals recognize."""
        where = self.place if self.line is None else f"{self.place}:{self.line}"
        return f"{where}: {self.message}" if where else self.message


class InputError(CommandError):
    """An argument, a file or a setting is invalid."""

    exit_code = 2
    code = "invalid_input"


class AccessError(CommandError):
    """A token is missing, invalid, or lacks a permission."""

    exit_code = 3
    code = "no_access"


class MissingError(CommandError):
    """A resource does not exist."""

    exit_code = 4
    code = "not_found"


class ConflictError(CommandError):
    """A resource belongs to another API or Worker, or was changed concurrently."""

    exit_code = 5
    code = "conflict"


class NetworkError(CommandError):
    """A server could not be reached, timed out, or failed with a 5xx status."""

    exit_code = 6
    code = "unreachable"


class QuotaError(CommandError):
    """A rate limit or a limit of the account is reached."""

    exit_code = 7
    code = "limit_reached"


class ScriptError(CommandError):
    """The runtime cannot load a script, so nothing was changed."""

    exit_code = 8
    code = "script_rejected"


class StartupError(ScriptError):
    """Loading a script took too much CPU time, perhaps because Cloudflare's machine is busy."""


class FindingError(CommandError):
    """The command succeeded and found problems.

    Args:
        message: What is wrong, as a sentence.
        advice: How to fix it, as a sentence; may be empty.
        document: The command's result, which `--json` prints with the message.
    """

    exit_code = 8
    code = "findings"

    def __init__(
        self, message: str, advice: str = "", document: Mapping[str, Any] | None = None
    ) -> None:
        """Keep the arguments as fields."""
        super().__init__(message, advice)
        self.document = dict(document or {})

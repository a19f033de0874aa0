"""What `clawr` ends with when it cannot do what it was asked, and the exit codes.

    CommandError              the base: what failed, and what to do about it (exit code 1)
    ├── InputError            an argument, a file or a setting that cannot be used (2)
    ├── AccessError           a token is missing, wrong, or lacks a right (3)
    ├── MissingError          what was named does not exist (4)
    ├── ConflictError         it exists already, or someone else changed it meanwhile (5)
    ├── NetworkError          nobody answered, or not in time; the same command may be repeated (6)
    ├── QuotaError            a limit of the account or of its rate (7)
    └── FindingError          the command worked, and what it looked at is not as it should be (8)

Ctrl-C ends with 130, also where a command goes on until then; who reads the output and goes away
ends it with 141. `cli.app.main` is the only place that turns them into output.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class CommandError(Exception):
    """A failure that its reader can mend.

    Args:
        message: What failed, in a sentence.
        advice: What to do about it, in a sentence; may be empty.
        findings: All that is wrong, where it is more than one thing.
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
    """One thing that is wrong with an input.

    Args:
        message: What, and how to mend it.
        place: Where: a file, a field; may be empty.
        line: The line in that file, from 1; `None` where there is none.
    """

    message: str
    place: str = ""
    line: int | None = None

    def __str__(self) -> str:
        """Return `place:line: message`, as editors and terminals understand it."""
        where = self.place if self.line is None else f"{self.place}:{self.line}"
        return f"{where}: {self.message}" if where else self.message


class InputError(CommandError):
    """An argument, a file or a setting that cannot be used."""

    exit_code = 2
    code = "invalid_input"


class AccessError(CommandError):
    """A token is missing, wrong, or lacks a right."""

    exit_code = 3
    code = "no_access"


class MissingError(CommandError):
    """What was named does not exist."""

    exit_code = 4
    code = "not_found"


class ConflictError(CommandError):
    """It exists already, or someone else changed it meanwhile."""

    exit_code = 5
    code = "conflict"


class NetworkError(CommandError):
    """Nobody answered, or not in time."""

    exit_code = 6
    code = "unreachable"


class QuotaError(CommandError):
    """A limit of the account, or of the rate at which it may ask."""

    exit_code = 7
    code = "limit_reached"


class FindingError(CommandError):
    """The command worked; what it looked at is not as it should be.

    Args:
        message: What is wrong, in a sentence.
        advice: What to do about it, in a sentence; may be empty.
        document: What the command found, which `--json` prints with the message.
    """

    exit_code = 8
    code = "findings"

    def __init__(
        self, message: str, advice: str = "", document: Mapping[str, Any] | None = None
    ) -> None:
        """Keep the arguments as fields."""
        super().__init__(message, advice)
        self.document = dict(document or {})

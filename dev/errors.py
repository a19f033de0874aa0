"""Errors of the development commands; `run_command_line` prints each as one line.

DevelopmentError          base class: one sentence that says what to do
├── UsageError            invalid option or variable (exit code 2)
├── SetupError            a step of set-up failed (exit code 1)
│   ├── MachineError      something is missing that set-up cannot install
│   └── VersionFitError   Pyodide and workerd have incompatible versions
└── ServerError           the dispatcher did not start, or stopped unexpectedly
"""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path


class DevelopmentError(Exception):
    """A failure that the user can fix.

    Args:
        message: One or two sentences that say what failed and what to do about it.
        log: A file with details, which is named at the end of the line.
    """

    exit_code = 1

    def __init__(self, message: str, log: Path | None = None) -> None:
        """Keep `message` and `log` as fields."""
        super().__init__(message)
        self.message = message
        self.log = log

    def __str__(self) -> str:
        """Return the whole line."""
        line = " ".join(self.message.split())
        return f"{line} Details: {self.log}" if self.log else line


class UsageError(DevelopmentError):
    """An option or variable is invalid."""

    exit_code = 2


class SetupError(DevelopmentError):
    """A step of set-up failed."""


class MachineError(SetupError):
    """Something is missing on this machine that set-up cannot install."""


class VersionFitError(SetupError):
    """The installed workerd was built for another version of Pyodide."""


class ServerError(DevelopmentError):
    """The dispatcher did not start, or stopped unexpectedly."""


def run_command_line(command: Callable[[], int]) -> int:
    """Run a command and print a failure as one line.

    If the environment variable `DEBUG` is set, a failure also prints its traceback.

    Args:
        command: The command; it returns an exit code.

    Returns:
        The exit code of the command or of its error; 130 after Ctrl-C. In a recipe of the Makefile,
        1 for any failure.
    """
    # Not for the processes that the command starts.
    is_in_make = os.environ.pop("FAILS_WITH_1", "") != ""
    code = _exit_code(command)
    return 1 if code and is_in_make else code


def _exit_code(command: Callable[[], int]) -> int:
    try:
        return command()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (DevelopmentError, OSError) as error:
        if os.environ.get("DEBUG"):
            traceback.print_exc()
        failure = explain_os_error(error) if isinstance(error, OSError) else str(error)
        print(f"error: {failure}", file=sys.stderr, flush=True)
        return 1 if isinstance(error, OSError) else error.exit_code


def explain_os_error(error: OSError) -> str:
    """Return one line for an unexpected `OSError`."""
    place = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full{place}: free some space, then run the same command again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"No permission{place}: make it writable for you, then run the same command again."
    return f"{error.strerror or error}{place}. Run again with DEBUG=1 for the traceback."

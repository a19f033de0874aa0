"""The errors that development commands end with, each one line for its reader.

    DevelopmentError          the base: a sentence that says what to do
    ├── UsageError            an option or variable that cannot be used (exit code 2)
    ├── SetupError            a step of set-up that failed (exit code 1)
    │   ├── MachineError      this machine lacks something we cannot install
    │   └── VersionFitError   Pyodide and workerd do not fit together
    └── ServerError           the dispatcher did not start, or stopped by itself

`run_command_line` is the only place that turns them into output.
"""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path


class DevelopmentError(Exception):
    """A failure that its reader can mend.

    Args:
        message: One sentence or two, without a line break, that say what failed and
            what to do about it.
        log: The file with the details, if there is one; it is named at the end.
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
    """An option or variable that cannot be used."""

    exit_code = 2


class SetupError(DevelopmentError):
    """A step of set-up that failed."""


class MachineError(SetupError):
    """Something is missing on this machine that set-up cannot install."""


class VersionFitError(SetupError):
    """The installed Pyodide is not the one that the installed workerd was made for."""


class ServerError(DevelopmentError):
    """The dispatcher did not start, or stopped by itself."""


def run_command_line(command: Callable[[], int]) -> int:
    """Run `command` and return its exit code, printing any failure as one line.

    Args:
        command: What to run; it returns an exit code.

    Returns:
        The code of `command`; a failure's own code; 130 after Ctrl-C. With `DEBUG` set
        in the environment, failures also print their traceback.
    """
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
    """Return one line for an `OSError` that no step expected.

    Args:
        error: What was raised.
    """
    place = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full{place}: free some space, then run the same command again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"No permission{place}: make it writable for you, then run the same command again."
    return f"{error.strerror or error}{place}. Run again with DEBUG=1 for the traceback."

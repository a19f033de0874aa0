"""Runs the command `clawr` and captures its output."""

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from cli.app import main
from dev.layout import HERE
from dev.test import BYTECODE

CLAWR = HERE.venv / "bin" / "clawr"
SECONDS_MAX = 120


@dataclass(frozen=True, slots=True)
class Ran:
    """The result of a command.

    Args:
        code: The exit code.
        out: Standard output.
        err: Standard error.
    """

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The document printed with `--json`."""
        document: dict[str, Any] = json.loads(self.out)
        return document


def clawr(
    *arguments: str | Path, settings: Mapping[str, str] | None = None, folder: Path | None = None
) -> Ran:
    """Run the installed command with `settings`, PATH and HOME as its only environment.

    Args:
        arguments: Its arguments.
        settings: Environment variables.
        folder: The working directory; `None` for the clone.
    """
    completed = subprocess.run(
        [CLAWR, *arguments],
        cwd=folder or HERE.root,
        env=_environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    return Ran(completed.returncode, completed.stdout, completed.stderr)


def clawr_inside(
    *arguments: str | Path, settings: Mapping[str, str] | None = None, folder: Path | None = None
) -> Ran:
    """Run the command as `clawr` does, but in this process, which is much faster."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, _environment(settings), clear=True),
        mock.patch.object(sys, "argv", ["clawr", *map(str, arguments)]),
        contextlib.chdir(folder or HERE.root),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main()
    return Ran(code, out.getvalue(), err.getvalue())


@contextmanager
def clawr_running(
    *arguments: str, settings: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run the installed command during a `with` block, for a limited time.

    Args:
        arguments: Its arguments.
        settings: Environment variables.
    """
    process = subprocess.Popen(
        [CLAWR, *arguments],
        env=_environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Without output, a test that reads lines would block forever.
    timeout = threading.Timer(SECONDS_MAX / 2, process.kill)
    timeout.start()
    try:
        with process:
            yield process
            process.kill()
    finally:
        process.kill()
        timeout.cancel()
        timeout.join()


def _environment(settings: Mapping[str, str] | None) -> Mapping[str, str]:
    bytecode = {name: os.environ[name] for name in (BYTECODE,) if name in os.environ}
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **bytecode, **(settings or {})}

"""A pseudo-terminal with a shell, driven by key presses and the text that appears."""

import contextlib
import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PATIENCE_SECONDS: Final = 30.0
CTRL_C: Final = "\x03"
CTRL_U: Final = "\x15"
"""Clears the line."""

TAB: Final = "\t"
PROMPT: Final = "ready> "

_CODES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[=>]|\][^\x07]*\x07)")
_START = f"PS1='{PROMPT}'; [ ! -f ~/.bashrc ] || . ~/.bashrc\n"
"""Start-up commands of the shell; the system's own may set another prompt."""

_LOG_IN = "import os, sys; os.login_tty(0); os.execvp(sys.argv[1], sys.argv[1:])"


@dataclass(slots=True)
class Terminal:
    """The screen's side of a pseudo-terminal.

    Args:
        screen: The file descriptor.
        process: The shell.
        raw: All output, with control codes.
    """

    screen: int
    process: subprocess.Popen[bytes]
    raw: str = ""
    _read: int = field(default=0)

    @property
    def text(self) -> str:
        """All output, without control codes."""
        return _CODES.sub("", self.raw)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.screen, keys.encode())

    def run(self, command: str) -> str:
        """Type a command, wait until it ends, and return its output with control codes."""
        start = len(self.raw)
        self.type(f"{command}\n")
        self.wait_for(PROMPT)
        return self.raw[start:]

    def wait_for(self, text: str) -> None:
        """Wait until `text` appears after the text of the previous wait.

        Raises:
            TimeoutError: It does not appear.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (place := self.text.find(text, self._read)) < 0:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{text!r} did not appear after {self.text[self._read :]!r}")
            if select.select([self.screen], [], [], 0.5)[0]:
                self.raw += os.read(self.screen, 65_536).decode(errors="replace")
        self._read = place + len(text)


@contextmanager
def shell(
    settings: Mapping[str, str], path: Sequence[Path], columns: int = 80, rows: int = 40
) -> Iterator[Terminal]:
    """Open a terminal with a shell during a `with` block.

    Args:
        settings: Environment variables, including HOME; the shell gets only a few others.
        path: Folders to search for programs first.
        columns: The width.
        rows: The height.
    """
    screen, keyboard = os.openpty()
    fcntl.ioctl(keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {
        "PATH": os.pathsep.join([*map(str, path), os.environ["PATH"]]),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "INPUTRC": os.devnull,
        "HISTFILE": os.devnull,
        **settings,
    }
    start = Path(settings["HOME"]) / ".start"
    start.write_text(_START)
    process = subprocess.Popen(
        [sys.executable, "-c", _LOG_IN, "bash", "--noprofile", "--rcfile", start, "-i"],
        stdin=keyboard,
        stdout=keyboard,
        stderr=keyboard,
        env=environment,
    )
    os.close(keyboard)
    terminal = Terminal(screen, process)
    try:
        terminal.wait_for(PROMPT)
        yield terminal
    finally:
        # The shell ends its jobs when the terminal closes.
        os.close(screen)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        if process.poll() is None:
            process.kill()
            process.wait()

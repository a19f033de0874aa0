"""All commands of the README work as written, in the given order and terminal."""

import os
import re
import shlex
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from dev.layout import HERE
from dev.test import BYTECODE

README = (HERE.root / "README.md").read_text(encoding="utf-8")
MAKEFILE = (HERE.root / "Makefile").read_text(encoding="utf-8")
PORT = "8787"
SHELL = "/bin/sh"
SERVER_SECONDS = 180
STOP_SECONDS = 60
COMMAND_SECONDS = 300
SETUP_DONE = "SETUP=true"
"""Skips a target's set-up, which has already run and would change the clone."""


class Command(NamedTuple):
    """A command line of the README; `terminal` is 0 if the README names none."""

    terminal: int
    line: str


def commands_of(text: str) -> list[Command]:
    """Return the command lines of all `sh` blocks, in order."""
    commands = []
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        first, *rest = block.splitlines()
        marker = re.fullmatch(r"# Terminal (\d)", first)
        lines = rest if marker else [first, *rest]
        terminal = int(marker[1]) if marker else 0
        commands += [Command(terminal, line.partition("  #")[0].strip()) for line in lines]
    return commands


COMMANDS = commands_of(README)
TOUR = [command for command in COMMANDS if command.terminal]
"""The commands for two terminals; the others need an account, or run tests and benchmarks."""


class Terminal:
    """A shell command that keeps running, with its output.

    Args:
        line: The command line.
        environment: All its environment variables.
    """

    def __init__(self, line: str, environment: Mapping[str, str]) -> None:
        """Start the command."""
        self._process = subprocess.Popen(
            [SHELL, "-c", f"exec {line}"],
            cwd=HERE.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until_ready(self) -> None:
        """Wait until the dispatcher prints its address."""
        self._ready.wait(SERVER_SECONDS)
        assert any(line.startswith("Ready on ") for line in self._lines), "".join(self._lines)

    def press_ctrl_c(self) -> None:
        """Interrupt the command as a terminal does, and wait for its end."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
            self._process.wait(STOP_SECONDS)
        self._reader.join(STOP_SECONDS)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.append(line)
                if line.startswith("Ready on "):
                    self._ready.set()
        self._ready.set()


def free_port() -> str:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def as_run(line: str, port: str) -> str:
    """Return a command line with the test's port and without a target's set-up."""
    if line.startswith("curl "):
        assert PORT in line
        return f"{line.replace(PORT, port)} --silent --show-error --include --max-time 30"
    return re.sub("^make ", f"make {SETUP_DONE} ", line)


def test_the_commands_work_in_the_order_given(tmp_path: Path) -> None:
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    environment |= {"PORT": port, "STATE": str(tmp_path / "state")}
    environment |= {name: os.environ[name] for name in (BYTECODE,) if name in os.environ}
    server: Terminal | None = None
    activated = ""
    try:
        for terminal, line in TOUR:
            if terminal == 1:
                if server:
                    server.press_ctrl_c()
                server = Terminal(as_run(line, port), environment)
                server.wait_until_ready()
                continue
            if line.startswith(". "):
                activated = f"{line} && "
            ran = subprocess.run(
                [SHELL, "-c", activated + as_run(line, port)],
                cwd=HERE.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
            assert ran.returncode == 0, f"{line}\n{ran.stdout}\n{ran.stderr}"
            if line.startswith("curl "):
                assert ran.stdout.startswith("HTTP/1.1 200 OK"), line
            if line == TOUR[1].line:
                shown = re.search(r"^\{.*\}$", README, re.MULTILINE)
                assert shown is not None
                assert ran.stdout.endswith(shown[0])
    finally:
        if server:
            server.press_ctrl_c()


def test_the_tour_uses_two_terminals() -> None:
    assert [line for terminal, line in TOUR if terminal == 1] == ["make dev", "make dev PAYMENTS=1"]
    assert {line.split()[0] for terminal, line in TOUR if terminal == 2} == {
        "curl",
        "make",
        ".",
        "clawr",
    }


def test_all_other_commands_are_for_an_account_or_for_checks() -> None:
    """`tests/cli/test_deploy.py` runs the command for an account."""
    others = [line for terminal, line in COMMANDS if not terminal]
    assert {line.split()[0] for line in others} == {"clawr", "make"}
    assert all("--env" in line for line in others if line.startswith("clawr"))


@pytest.mark.parametrize("line", [line for _, line in COMMANDS if line.startswith("make")])
def test_a_make_command_names_a_target_with_a_description(line: str) -> None:
    target, *settings = shlex.split(line)[1:]
    assert all(re.fullmatch(r"[A-Z]+=.*", setting) for setting in settings)
    assert re.search(rf"^{target}: ## \S", MAKEFILE, re.MULTILINE)


def test_the_readme_has_fewer_than_200_lines() -> None:
    assert len(README.splitlines()) < 200

"""All commands of the README and the tutorial work as written, in their order and terminal."""

import os
import re
import shlex
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from dev.layout import HERE
from dev.test import BYTECODE
from tests.cli.publish.documented import write_files

README = (HERE.root / "README.md").read_text(encoding="utf-8")
TUTORIAL = HERE.root / "docs" / "tutorial.md"
MAKEFILE = (HERE.root / "Makefile").read_text(encoding="utf-8")
PORT = "8787"
SHELL = "/bin/sh"
SERVER_SECONDS = 180
STOP_SECONDS = 60
COMMAND_SECONDS = 300
SETUP_DONE = "SETUP=true"
"""Skips a target's set-up, which has already run and would change the clone."""


class Command(NamedTuple):
    """A command line of a page; `terminal` is 0 if the page names none.

    `shown` has the lines of output that the page shows below it.
    """

    terminal: int
    line: str
    shown: tuple[str, ...] = ()


def commands_of(text: str) -> list[Command]:
    """Return the command lines of all `sh` blocks, in order."""
    commands = []
    pattern = r"^```sh\n(.*?)^```(?:\n\n^```\n(.*?)^```)?"
    for block, output in re.findall(pattern, text, re.DOTALL | re.MULTILINE):
        first, *rest = block.splitlines()
        marker = re.fullmatch(r"# Terminal (\d)", first)
        lines = rest if marker else [first, *rest]
        terminal = int(marker[1]) if marker else 0
        commands += [Command(terminal, line.partition("  #")[0].strip()) for line in lines]
        commands[-1] = commands[-1]._replace(shown=tuple(output.splitlines()))
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


class Tour:
    """Runs the commands of a page, each in its terminal.

    Args:
        folder: The home folder of the commands, and of the dispatcher's STATE.
    """

    def __init__(self, folder: Path) -> None:
        """Choose a free port."""
        self._port = free_port()
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
        self._environment |= {"PORT": self._port, "STATE": str(folder / "state")}
        self._environment |= {name: os.environ[name] for name in (BYTECODE,) if name in os.environ}
        self._server: Terminal | None = None
        self._activated = ""

    def run(self, command: Command) -> str:
        """Run a command, which must succeed; return its output."""
        line = as_run(command.line, self._port)
        if command.terminal == 1:
            self.stop()
            self._server = Terminal(line, self._environment)
            self._server.wait_until_ready()
            return ""
        if line.startswith(". "):
            self._activated = f"{line} && "
        ran = subprocess.run(
            [SHELL, "-c", self._activated + line],
            cwd=HERE.root,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert ran.returncode == 0, f"{line}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout.replace(self._port, PORT)

    def stop(self) -> None:
        """Stop the server."""
        if self._server:
            self._server.press_ctrl_c()


@pytest.fixture
def tour(tmp_path: Path) -> Iterator[Tour]:
    tour = Tour(tmp_path)
    yield tour
    tour.stop()


def test_the_commands_work_in_the_order_given(tour: Tour) -> None:
    for command in TOUR:
        output = tour.run(command)
        if command.line.startswith("curl "):
            assert output.startswith("HTTP/1.1 200 OK"), command.line
        if command is TOUR[1]:
            assert output.endswith(command.shown[-1])


def test_the_tutorial_works_as_written_and_shows_its_output(tour: Tour, tmp_path: Path) -> None:
    write_files(TUTORIAL, tmp_path)
    for command in commands_of(TUTORIAL.read_text(encoding="utf-8")):
        # Programs wrap their lines.
        output = re.sub(r"\s", "", tour.run(command))
        for shown in command.shown:
            parts = (re.escape(re.sub(r"\s", "", part)) for part in shown.split("…"))
            assert re.search(".*?".join(parts), output), (shown, output)


def test_the_tour_uses_two_terminals() -> None:
    assert [one.line for one in TOUR if one.terminal == 1] == ["make dev"]
    assert {one.line.split()[0] for one in TOUR if one.terminal == 2} == {
        "curl",
        "make",
        ".",
        "clawr",
    }


def test_all_other_commands_are_for_an_account_or_for_checks() -> None:
    """`tests/cli/test_deploy.py` runs the command for an account."""
    others = [one.line for one in COMMANDS if not one.terminal]
    assert {line.split()[0] for line in others} == {"clawr", "make"}
    assert all("--env" in line for line in others if line.startswith("clawr"))


@pytest.mark.parametrize("line", [one.line for one in COMMANDS if one.line.startswith("make")])
def test_a_make_command_names_a_target_with_a_description(line: str) -> None:
    target, *settings = shlex.split(line)[1:]
    assert all(re.fullmatch(r"[A-Z]+=.*", setting) for setting in settings)
    assert re.search(rf"^{target}: ## \S", MAKEFILE, re.MULTILINE)


def test_the_readme_has_fewer_than_200_lines() -> None:
    assert len(README.splitlines()) < 200

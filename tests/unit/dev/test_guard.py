"""The guard leaves no process of its command, no matter how its parent ends."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dev.launch.guard import GUARD

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

OBEDIENT = "sleep 600 & echo $! > child; echo $$ > parent; wait"
STUBBORN = f"trap '' TERM; {OBEDIENT}"
PARENT = """
import subprocess, sys, time
subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, start_new_session=True)
time.sleep(600)
"""

Process = subprocess.Popen[bytes]
Run = Callable[..., Process]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Start a command and wait until the guarded script has started."""

    def running(*arguments: str) -> Process:
        process = stack.enter_context(
            subprocess.Popen(arguments, stdin=subprocess.PIPE, cwd=tmp_path)
        )
        stack.callback(process.kill)
        parent = tmp_path / "parent"
        wait_until(lambda: parent.exists() and parent.read_text().endswith("\n"))
        return process

    with ExitStack() as stack:
        yield running


@pytest.fixture
def guard(run: Run) -> Callable[[str], Process]:
    """Start a guard of a shell script."""
    return lambda script: run(*GUARD, "sh", "-c", script)


def is_gone(folder: Path) -> bool:
    """Return whether both processes of the script have ended."""
    return not any(is_alive(int((folder / name).read_text())) for name in ("child", "parent"))


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.01)


def test_closing_its_input_ends_all_processes(
    tmp_path: Path, guard: Callable[[str], Process]
) -> None:
    process = guard(OBEDIENT)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(15) == 128 + signal.SIGTERM
    wait_until(lambda: is_gone(tmp_path))


def test_killing_the_parent_ends_all_processes(tmp_path: Path, run: Run) -> None:
    parent = run(sys.executable, "-c", PARENT, *GUARD, "sh", "-c", OBEDIENT)
    parent.kill()
    wait_until(lambda: is_gone(tmp_path))


def test_sigusr1_kills_at_once_a_command_that_ignores_sigterm(
    tmp_path: Path, guard: Callable[[str], Process]
) -> None:
    process = guard(STUBBORN)
    started = time.monotonic()
    process.send_signal(signal.SIGUSR1)
    assert process.wait(15) == 128 + signal.SIGKILL
    assert time.monotonic() - started < 5
    wait_until(lambda: is_gone(tmp_path))


def test_it_returns_the_exit_code_and_kills_remaining_processes(
    tmp_path: Path, guard: Callable[[str], Process]
) -> None:
    process = guard("sleep 600 & echo $! > child; echo $$ > parent; exit 7")
    assert process.wait(15) == 7
    wait_until(lambda: is_gone(tmp_path))


def test_it_imports_nothing_of_the_launcher() -> None:
    *python, program = GUARD
    command = [*python, "-X", "importtime", program, "true"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stderr=pipe, text=True) as process:
        assert process.stderr is not None
        lines = process.stderr.readlines()
        assert process.wait(15) == 0
    imported = {line.rpartition("|")[2].strip() for line in lines}
    assert "subprocess" in imported
    assert not {"dev", "http", "tomllib"} & imported

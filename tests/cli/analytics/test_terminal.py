"""The command in a terminal."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.layout import HERE
from tests.cli.analytics.conftest import TOKEN, Market
from tests.cli.command import CLAWR
from tests.cli.terminal import CTRL_C, CTRL_U, PROMPT, TAB, Terminal, shell

COLOR = re.compile(r"\x1b\[[0-9;]*3[0-7][0-9;]*m|\x1b\[[0-9;]*9[0-7][0-9;]*m|\x1b\[38;")
ENDED_BY_CTRL_C = "130"


@pytest.fixture
def terminal(market: Market, tmp_path: Path) -> Iterator[Terminal]:
    """A terminal of 80 columns, configured for the dispatcher."""
    settings = {**market.settings, "HOME": str(tmp_path)}
    with shell(settings, [CLAWR.parent]) as terminal:
        yield terminal
        assert "Traceback" not in terminal.text
        assert TOKEN not in terminal.text


def _code(terminal: Terminal) -> str:
    shown = terminal.run("echo code=$?.")
    found = re.search(r"code=(\d+)\.", shown)
    assert found is not None
    return found[1]


def test_a_typical_session(market: Market, terminal: Terminal) -> None:
    assert "Publish paid APIs" in terminal.run("clawr")

    mistyped = terminal.run("clawr analytcs")
    assert "analytcs" in mistyped
    assert _code(terminal) == "2"
    assert "--help" in mistyped

    help_text = terminal.run("clawr analytics --help")
    assert "--watch" in help_text
    assert "clawr analytics --window week" in help_text

    shown = terminal.run("clawr analytics")
    assert "/t/feasts" in shown
    assert "Counted up to" in shown
    assert max(len(line.rstrip("\r")) for line in _plain(shown)) <= 80

    terminal.type("clawr analytics --watch --interval 1\n")
    terminal.wait_for("/t/feasts")
    market.call("tally/")
    terminal.wait_for("/t/tally")
    terminal.type(CTRL_C)
    terminal.wait_for(PROMPT)
    assert _code(terminal) == ENDED_BY_CTRL_C

    terminal.type("clawr events --follow --interval 1\n")
    terminal.wait_for("time (UTC)")
    market.call("mirror/echo")
    terminal.wait_for("/t/mirror")
    terminal.type(CTRL_C)
    terminal.wait_for(PROMPT)
    assert _code(terminal) == ENDED_BY_CTRL_C

    assert "agree" in terminal.run("clawr reconcile")
    # The cursor, which a live view hides, is visible again.
    assert terminal.raw.rfind("\x1b[?25h") > terminal.raw.rfind("\x1b[?25l")


def _plain(shown: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r", "\n").splitlines()


def test_colors_are_printed_in_terminals_only(terminal: Terminal, tmp_path: Path) -> None:
    assert COLOR.search(terminal.run("clawr events -n 4"))
    terminal.run(f"clawr events -n 4 > {tmp_path}/events 2> {tmp_path}/notes")
    written = (tmp_path / "events").read_text()
    assert "GET" in written
    assert "\x1b" not in written + (tmp_path / "notes").read_text()


def test_no_color_is_respected(terminal: Terminal) -> None:
    terminal.run("export NO_COLOR=1")
    shown = terminal.run("clawr events -n 4; clawr analytics; clawr analytcs; clawr --help")
    assert "/t/feasts" in shown
    assert not COLOR.search(shown)


def test_a_closed_pipe_is_not_an_error_message(terminal: Terminal) -> None:
    shown = terminal.run("clawr events -n 4 | head -n 1; echo ${PIPESTATUS[0]}")
    assert "BrokenPipe" not in shown
    assert "error" not in shown


def test_bash_completes_commands_windows_and_slugs(terminal: Terminal) -> None:
    terminal.run('eval "$(clawr --show-completion)"')
    for typed, completed in (
        ("clawr anal", "analytics "),
        ("clawr analytics --wi", "--window "),
        ("clawr analytics --window ov", "overall "),
        ("clawr events --slug fea", "feasts "),
    ):
        last = typed.split()[-1]
        terminal.type(typed)
        terminal.wait_for(typed)
        terminal.type(TAB)
        terminal.wait_for(completed.removeprefix(last))
        terminal.type(CTRL_U)


def test_installed_completion_works_in_the_next_shell(market: Market, tmp_path: Path) -> None:
    settings = {**market.settings, "HOME": str(tmp_path)}
    with shell(settings, [CLAWR.parent]) as terminal:
        assert "completion installed" in terminal.run("clawr --install-completion")
    with shell(settings, [CLAWR.parent]) as terminal:
        terminal.type("clawr reconc")
        terminal.wait_for("clawr reconc")
        terminal.type(TAB)
        terminal.wait_for("ile ")


def test_completion_is_fast_and_silent_without_a_dispatcher(tmp_path: Path) -> None:
    settings = {"HOME": str(tmp_path), "CLAWR_URL": "http://127.0.0.1:9", "STATE": str(tmp_path)}
    with shell(settings, [HERE.venv / "bin"]) as terminal:
        terminal.run('eval "$(clawr --show-completion)"')
        started = time.monotonic()
        terminal.run(f"clawr events --slug fea{TAB}{CTRL_U}")
        assert time.monotonic() - started < 5
        assert "error" not in terminal.text
        assert "Traceback" not in terminal.text

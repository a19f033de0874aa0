"""Promises of all commands, tested on each of them."""

import json
import os
import shlex
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli import account_api
from cli import platform as platform_module
from cli.app import main
from cli.command_reference import ListedCommand, commands, examples, is_current
from cli.errors import CommandError
from cli.options import PANEL_ACCOUNT, PANEL_ANALYTICS, PANEL_APIS
from dev.layout import HERE

from .command import clawr, clawr_inside, clawr_running
from .loopback import Asked, Reply, answering, recorded

PLATFORM_TOKEN = "marker-of-the-platform-token"
ACCOUNT_TOKEN = "marker-of-the-account-token"
COMMANDS = commands()
NOW = datetime.now(UTC)
NEEDED = {
    "rebuild": (
        "--from",
        f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%MZ}",
        "--to",
        f"{NOW:%Y-%m-%dT%H:%MZ}",
        "--execute",
    )
}
"""Valid arguments for commands that would otherwise fail before any request."""

CODES = {0, *(error.exit_code for error in CommandError.__subclasses__()), 1}


def _arguments(listed: ListedCommand) -> Sequence[str]:
    """Return values for all required parameters of a command."""
    if listed.name in NEEDED:
        return NEEDED[listed.name]
    found: list[str] = []
    for one in listed.command.params:
        if one.required:
            is_option = one.param_type_name == "option"
            found += [one.opts[0], "nothing"] if is_option else ["nothing"]
    return found


def _echo(asked: Asked) -> Reply:
    said = f"{asked.headers} at {asked.path}"
    return Reply({"ok": True, "result": [], "error": said, "message": said, said: said})


def _refuse(asked: Asked) -> Reply:
    said = json.dumps(asked.headers)
    errors = [{"code": 1, "message": said}]
    return Reply({"success": False, "errors": errors, "error": said, "message": said}, 401)


def _fail(asked: Asked) -> Reply:
    return Reply(f"<html>{asked.headers}</html>".encode(), 500)


@pytest.fixture
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove all settings from the environment, and all pauses and retries."""
    for name in os.environ:
        if name.startswith(("CLOUDFLARE_", "CLAWR_", "PLATFORM_")) or name in ("DEBUG", "STATE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("STATE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(account_api, "RETRIES", 0)
    monkeypatch.setattr(platform_module, "PAUSE_SECONDS", 0.0)


def _configure(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAWR_URL", url)
    monkeypatch.setenv("PLATFORM_ANALYTICS_TOKEN", PLATFORM_TOKEN)
    monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", f"{url}/client/v4")
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "a" * 32)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", ACCOUNT_TOKEN)


@pytest.mark.usefixtures("_isolated")
@pytest.mark.parametrize("listed", COMMANDS, ids=[one.name for one in COMMANDS])
@pytest.mark.parametrize("answer", [_echo, _refuse, _fail])
@pytest.mark.parametrize("debug", ["", "1"])
def test_json_is_one_document_and_no_token_is_shown_for_any_response(
    listed: ListedCommand,
    answer: Callable[[Asked], Reply],
    debug: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DEBUG", debug)
    for way in (["--json"], []):
        with answering(answer) as server:
            _configure(server.url, monkeypatch)
            arguments = [*listed.words, *_arguments(listed), *way]
            monkeypatch.setattr("sys.argv", ["clawr", *arguments])
            code = main()
        shown = capsys.readouterr()
        assert code in CODES
        assert PLATFORM_TOKEN not in shown.out + shown.err
        assert ACCOUNT_TOKEN not in shown.out + shown.err
        assert ("Traceback" in shown.err) == (bool(debug) and code != 0)
        if way:
            assert json.loads(shown.out)["ok"] == (code == 0)


@pytest.mark.usefixtures("_isolated")
@pytest.mark.parametrize("listed", COMMANDS, ids=[one.name for one in COMMANDS])
def test_without_configuration_the_error_says_what_is_missing(
    listed: ListedCommand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*listed.words, *_arguments(listed), "--json"]
    monkeypatch.setattr("sys.argv", ["clawr", *arguments])
    code = main()
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] == (code == 0)
    assert code == 0 or document["message"]


@pytest.mark.parametrize("listed", COMMANDS, ids=[one.name for one in COMMANDS])
def test_it_has_help_examples_and_json(listed: ListedCommand) -> None:
    command = listed.command
    assert command.help
    assert listed.panel in (PANEL_APIS, PANEL_ANALYTICS, PANEL_ACCOUNT)
    shown = examples(listed)
    assert shown, "its epilog has no example: cli.options.examples"
    assert [line for line in shown if not line.startswith(f"clawr {listed.name}")] == []
    assert "--json" in [name for one in command.params for name in one.opts]
    assert [one.name for one in command.params if not getattr(one, "help", None)] == []


@pytest.mark.parametrize("listed", COMMANDS, ids=[one.name for one in COMMANDS])
def test_its_examples_are_valid(listed: ListedCommand) -> None:
    for line in examples(listed):
        words = shlex.split(line)[1:]
        assert tuple(words[: len(listed.words)]) == tuple(listed.words)
        listed.command.make_context(listed.name, words[len(listed.words) :])


def test_the_command_reference_is_current() -> None:
    assert is_current()


def test_help_imports_no_slow_modules() -> None:
    heavy = "cloudflare", "httpx"
    asked = f"import sys, cli.app; print([one for one in {heavy!r} if one in sys.modules])"
    program = [str(HERE.python), "-c", asked]
    ran = subprocess.run(program, cwd=HERE.root, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_an_unreachable_dispatcher_has_its_exit_code() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        ran = clawr_inside("analytics", "--json", settings={"CLAWR_URL": url})
    assert (ran.code, ran.document["error"]) == (6, "unreachable")


def test_findings_have_their_exit_code_and_are_all_printed() -> None:
    document: dict[str, Any] = recorded("reconciliation")
    document["day"] |= {"agrees": False}
    document["day"]["differing"]["onlyAtEdge"] = ["pay-1"]
    with answering(lambda _: Reply(document)) as server:
        told = clawr_inside("reconcile", "--url", server.url, "--json")
        shown = clawr_inside("reconcile", "--url", server.url)
    assert (told.code, told.document["error"], told.document["ok"]) == (8, "findings", False)
    assert told.document["day"]["differing"]["onlyAtEdge"] == ["pay-1"]
    assert (shown.code, "pay-1" in shown.out, "differ in 1" in shown.err) == (8, True, True)


def test_a_failed_check_has_the_exit_code_of_findings() -> None:
    with answering(lambda _: Reply(b"<html>")) as server:
        ran = clawr_inside("doctor", "--url", server.url, "--json")
    assert (ran.code, ran.document["failed"]) == (8, 1)


def test_a_traceback_is_printed_only_with_debug() -> None:
    plain = clawr_inside("events", "--status", "abc", settings={"CLAWR_URL": "http://localhost"})
    asked = clawr_inside(
        "events", "--status", "abc", settings={"CLAWR_URL": "http://localhost", "DEBUG": "1"}
    )
    assert (plain.code, "Traceback" in plain.err) == (2, False)
    assert (asked.code, "Traceback" in asked.err) == (2, True)


def test_characters_that_cannot_be_encoded_are_replaced() -> None:
    with answering(lambda _: Reply(recorded("analytics"))) as server:
        ran = clawr("analytics", "--url", server.url, settings={"PYTHONIOENCODING": "ascii"})
    assert (ran.code, ran.err) == (0, "")
    assert "/t/rates" in ran.out


def test_it_runs_as_a_module() -> None:
    program = [str(HERE.python), "-m", "cli", "analytics", "--url", "nowhere"]
    ran = subprocess.run(program, cwd=HERE.root, capture_output=True, text=True, check=False)
    assert (ran.returncode, "is not the URL of a dispatcher" in ran.stderr) == (2, True)


def test_watching_continues_after_an_outage() -> None:
    def reply(calls: int) -> Reply:
        document: dict[str, Any] = recorded("analytics")
        document["snapshot"]["heroStats"]["calls"] = calls
        return Reply(document, headers={"etag": f'"{calls}"'})

    with ExitStack() as stack:
        with answering(lambda _: reply(1)) as server:
            arguments = ("analytics", "--watch", "--json", "--interval", "1", "--url", server.url)
            watcher = stack.enter_context(clawr_running(*arguments))
            assert watcher.stdout is not None
            assert watcher.stderr is not None
            first = watcher.stdout.readline()
        said = watcher.stderr.readline()
        with answering(lambda _: reply(2), server.port):
            second = watcher.stdout.readline()
            watcher.send_signal(signal.SIGINT)
            out, err = watcher.communicate(timeout=30)
    shown = [json.loads(line)["snapshot"]["heroStats"]["calls"] for line in (first, second)]
    assert (shown, out, err, watcher.returncode) == ([1, 2], "", "", 130)
    assert "could not be reached" in said

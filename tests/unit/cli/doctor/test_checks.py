"""The doctor's checks of this machine, `make dev` and the dispatcher, and its report."""

import copy
import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli import platform as platform_module
from cli.doctor.account import check_account
from cli.doctor.check import Check, Report, State
from cli.doctor.dev_server import check_local
from cli.doctor.dispatcher import check_dispatcher, encryption_check
from cli.doctor.machine import check_machine
from cli.secret import Secret
from cli.targets import Dispatcher, Target
from dev.layout import HERE, Layout
from tests.cli.loopback import Asked, Loopback, Reply, answering, recorded


def _target(dispatcher: Dispatcher | None = None, state: Path | None = None) -> Target:
    return Target(
        is_local=False,
        settings={},
        state=state,
        known_account=None,
        known_dispatcher=dispatcher,
    )


def _states(checks: Iterator[Check]) -> dict[str, State]:
    return {check.name: check.state for check in checks}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform_module, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with answering(_dispatcher()) as server:
        yield server


def test_a_machine_that_is_set_up_passes() -> None:
    states = _states(check_machine(HERE))
    assert set(states) == {"python", "node", "wrangler", "pywrangler", "set-up"}
    assert set(states.values()) == {State.OK}


def test_a_clone_without_set_up_fails_with_a_remedy(tmp_path: Path) -> None:
    for name in ("package.json", "pyproject.toml"):
        (tmp_path / name).write_bytes((HERE.root / name).read_bytes())
    checks = {check.name: check for check in check_machine(Layout(tmp_path))}
    for name in ("wrangler", "set-up"):
        assert checks[name].state is State.FAILED
        assert "make clawr" in checks[name].remedy


def test_a_different_wrangler_version_is_a_warning(tmp_path: Path) -> None:
    for name in ("package.json", "pyproject.toml"):
        (tmp_path / name).write_bytes((HERE.root / name).read_bytes())
    package = tmp_path / "node_modules" / "wrangler" / "package.json"
    package.parent.mkdir(parents=True)
    package.write_text(json.dumps({"version": "3.0.0"}))
    assert _states(check_machine(Layout(tmp_path)))["wrangler"] is State.WARNING


def test_what_is_not_configured_is_not_checked(tmp_path: Path) -> None:
    target = _target()
    checks = [
        check_local(target, Layout(tmp_path)),
        *check_account(target, HERE.wrangler_toml),
        *check_dispatcher(target),
    ]
    assert {check.state for check in checks} == {State.UNCHECKED}
    assert all(check.message for check in checks)


def test_a_stale_announcement_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "running.json").write_text("{}")
    check = check_local(_target(state=tmp_path), Layout(tmp_path))
    assert check.state is State.WARNING


def _dispatcher(**health: Any) -> Callable[[Asked], Reply]:
    def answer(asked: Asked) -> Reply:
        if asked.path == "/health":
            return Reply(recorded("serviceHealth"))
        if asked.path == "/__platform/health":
            now = datetime.now(UTC).isoformat()
            return Reply(copy.deepcopy(recorded("health")) | {"generatedAt": now} | health)
        return Reply(recorded("analytics"))

    return answer


def test_a_healthy_dispatcher_has_no_failures(server: Loopback) -> None:
    states = _states(check_dispatcher(_target(dispatcher=server.dispatcher)))
    assert set(states) >= {"/health", "clock", "bindings", "directory", "invariants", "shard 0"}
    assert {name for name, state in states.items() if state is not State.OK} == {"token_weak"}


def test_problems_that_the_dispatcher_reports_are_shown(server: Loopback) -> None:
    report = recorded("health")
    shard = report["log"]["shards"][0]
    log = report["log"] | {"shards": [shard, {"shard": 1, "responds": False}]}
    log["invariants"] = [log["invariants"][0] | {"value": 3, "needsSomeone": True}]
    server.answer = _dispatcher(
        problems=[{"code": "invariant_broken", "message": "Three are lost."}],
        bindings=report["bindings"] | {"CONTROL_DB": False},
        directory={"usable": 3, "refused": [{"record": "x", "reasons": ["y"]}]},
        log=log,
        isolate=report["isolate"] | {"eventsDropped": 5},
    )
    states = _states(check_dispatcher(_target(dispatcher=server.dispatcher)))
    assert states["invariant_broken"] is State.FAILED
    assert states["invariants"] is State.FAILED
    assert states["directory"] is State.FAILED
    assert states["bindings"] is State.WARNING
    assert states["shard 1"] is not State.OK
    assert states["isolate"] is State.WARNING


def test_incomplete_analytics_are_a_warning(server: Loopback) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path == "/__platform/analytics":
            document = recorded("analytics")
            document["snapshot"]["freshness"] |= {"complete": False, "droppedEvents": 4}
            return Reply(document)
        return _dispatcher()(asked)

    server.answer = answer
    checks = {one.name: one for one in check_dispatcher(_target(dispatcher=server.dispatcher))}
    assert checks["freshness"].state is State.WARNING
    assert "droppedEvents 4" in checks["freshness"].message


def test_without_a_token_platform_health_is_not_checked(server: Loopback) -> None:
    target = _target(dispatcher=Dispatcher(server.url, Secret("")))
    states = _states(check_dispatcher(target))
    assert states["/__platform/health"] is State.UNCHECKED


@pytest.mark.parametrize(
    ("reply", "name"),
    [(Reply({"hello": "world"}), "/health"), (Reply(b"<html>", 404), "/health")],
)
def test_a_url_that_is_not_a_dispatchers_fails(reply: Reply, name: str, server: Loopback) -> None:
    server.answer = lambda _: reply
    states = _states(check_dispatcher(_target(dispatcher=server.dispatcher)))
    assert states[name] is State.FAILED


def test_an_unreachable_dispatcher_fails() -> None:
    with answering(_dispatcher()) as server:
        gone = server.dispatcher
    assert _states(check_dispatcher(_target(dispatcher=gone))) == {"/health": State.FAILED}


def test_an_unreadable_report_fails(server: Loopback) -> None:
    server.answer = _dispatcher(bindings=None)
    states = _states(check_dispatcher(_target(dispatcher=server.dispatcher)))
    assert states["health"] is State.FAILED


@pytest.mark.parametrize(
    ("url", "is_said"),
    [
        ("http://example.test", True),
        ("https://example.test", False),
        ("http://localhost:8787", False),
        ("http://[::1]:8787", False),
    ],
)
def test_an_unencrypted_token_is_a_warning(url: str, is_said: bool) -> None:
    assert [check.state for check in encryption_check(url)] == [State.WARNING] * is_said


@pytest.mark.parametrize("in_header", [True, False])
@pytest.mark.parametrize(
    ("seconds", "state", "word"),
    [
        (0, State.OK, "agree"),
        (60, State.WARNING, "behind"),
        (-60, State.WARNING, "ahead of"),
        (4_000, State.FAILED, "behind"),
    ],
)
def test_the_clocks_are_compared(
    seconds: int, state: State, word: str, in_header: bool, server: Loopback
) -> None:
    def answer(asked: Asked) -> Reply:
        moment = datetime.fromtimestamp(time.time() + seconds, UTC)
        if in_header:
            date = {"date": format_datetime(moment, usegmt=True)}
            return replace(_dispatcher()(asked), headers=date)
        return _dispatcher(generatedAt=moment.isoformat())(asked)

    server.answer = answer
    checks = {one.name: one for one in check_dispatcher(_target(dispatcher=server.dispatcher))}
    assert (checks["clock"].state, word in checks["clock"].message) == (state, True)


def test_a_report_shows_remedies_and_no_control_characters() -> None:
    report = Report(
        [
            Check("part", "one", State.FAILED, "bad \x1b[2J [red]", "fix it"),
            Check("part", "two", State.OK, "good"),
        ]
    )
    out = io.StringIO()
    report.show(Console(file=out, width=200))
    assert "failed       one: bad" in out.getvalue()
    assert "[red]" in out.getvalue()
    assert "fix it" in out.getvalue()
    assert "\x1b" not in out.getvalue()
    assert report.document["failed"] == 1

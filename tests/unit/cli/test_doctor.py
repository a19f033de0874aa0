"""What the doctor finds: on this machine, in an account, at a dispatcher, or nowhere."""

import copy
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli import account_api
from cli import platform as platform_module
from cli.doctor.account import check_account
from cli.doctor.check import Check, Report, State
from cli.doctor.dispatcher import check_dispatcher
from cli.doctor.local import check_local
from cli.doctor.machine import check_machine
from cli.secret import Secret
from cli.targets import Account, Dispatcher, Target
from dev.layout import HERE, Layout
from tests.cli.loopback import TOKEN, Asked, Loopback, Reply, answering, recorded

ACCOUNT = "a" * 32
BASE = f"/client/v4/accounts/{ACCOUNT}"
CONFIG = """
name = "market"
[[kv_namespaces]]
binding = "USAGE_KV"
id = "kv-1"
[[kv_namespaces]]
binding = "TENANT_KV"
[[d1_databases]]
binding = "CONTROL_DB"
database_name = "market-control"
database_id = "gone"
[[dispatch_namespaces]]
binding = "DISPATCHER"
namespace = "market"
"""
LISTS: Mapping[str, Any] = {
    "/client/v4/user/tokens/verify": {"id": "t", "status": "active"},
    f"{BASE}/workers/scripts": [{"id": "market"}],
    f"{BASE}/storage/kv/namespaces": [{"id": "kv-1", "title": "market-usage"}],
    f"{BASE}/d1/database": [{"uuid": "d1-1", "name": "other"}],
    f"{BASE}/workers/dispatch/namespaces": [{"namespace_name": "market", "namespace_id": "n"}],
}


def _target(
    account: Account | None = None, dispatcher: Dispatcher | None = None, state: Path | None = None
) -> Target:
    return Target(
        is_local=False,
        settings={},
        state=state,
        known_account=account,
        known_dispatcher=dispatcher,
    )


def _states(checks: Iterator[Check]) -> dict[str, State]:
    return {check.name: check.state for check in checks}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "wrangler.toml"
    file.write_text(CONFIG)
    return file


def _envelope(result: Any, status: int = 200) -> Reply:
    """Answer as Cloudflare's API does: https://developers.cloudflare.com/api/."""
    is_good = status < 400
    errors = [] if is_good else [{"code": 10_000, "message": f"Bearer {TOKEN} may not"}]
    info = {"page": 1, "per_page": 100, "count": 1, "total_count": 1}
    paging = {"result_info": info} if isinstance(result, list) else {}
    body = {"success": is_good, "errors": errors, "messages": [], "result": result, **paging}
    return Reply(body, status)


def _cloudflare(**refused: int) -> Callable[[Asked], Reply]:
    def answer(asked: Asked) -> Reply:
        for part, status in refused.items():
            if part in asked.path:
                return _envelope(None, status)
        page = int(asked.query.get("page", "1"))
        found = LISTS[asked.path]
        return _envelope([] if page > 1 and isinstance(found, list) else found)

    return answer


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform_module, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(account_api, "RETRIES", 0)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with answering(_cloudflare()) as server:
        yield server


@pytest.fixture
def account(server: Loopback) -> Account:
    return Account(f"{server.url}/client/v4", ACCOUNT, Secret(TOKEN))


def test_this_machine_is_set_up() -> None:
    states = _states(check_machine(HERE))
    assert set(states) == {"python", "node", "wrangler", "pywrangler", "set-up"}
    assert set(states.values()) == {State.OK}


def test_a_clone_without_set_up_says_what_to_run(tmp_path: Path) -> None:
    for name in ("package.json", "pyproject.toml"):
        (tmp_path / name).write_bytes((HERE.root / name).read_bytes())
    checks = {check.name: check for check in check_machine(Layout(tmp_path))}
    for name in ("wrangler", "set-up"):
        assert checks[name].state is State.FAILED
        assert "make clawr" in checks[name].remedy


def test_another_version_of_wrangler_is_a_warning(tmp_path: Path) -> None:
    for name in ("package.json", "pyproject.toml"):
        (tmp_path / name).write_bytes((HERE.root / name).read_bytes())
    package = tmp_path / "node_modules" / "wrangler" / "package.json"
    package.parent.mkdir(parents=True)
    package.write_text(json.dumps({"version": "3.0.0"}))
    assert _states(check_machine(Layout(tmp_path)))["wrangler"] is State.WARNING


def test_nothing_configured_is_not_checked_and_no_failure(tmp_path: Path, config: Path) -> None:
    target = _target()
    checks = [
        check_local(target, Layout(tmp_path)),
        *check_account(target, config),
        *check_dispatcher(target),
    ]
    assert {check.state for check in checks} == {State.UNCHECKED}
    assert all(check.said for check in checks)


def test_an_announcement_of_a_process_that_is_gone_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "running.json").write_text("{}")
    check = check_local(_target(state=tmp_path), Layout(tmp_path))
    assert check.state is State.WARNING


def test_an_account_is_compared_with_what_is_deployed(account: Account, config: Path) -> None:
    assert _states(check_account(_target(account), config)) == {
        "token": State.OK,
        "Workers Scripts": State.OK,
        "Workers KV Storage": State.OK,
        "D1": State.OK,
        "Workers for Platforms": State.OK,
        "USAGE_KV": State.OK,
        "TENANT_KV": State.WARNING,
        "CONTROL_DB": State.FAILED,
        "DISPATCHER": State.OK,
        "Worker": State.OK,
    }


def test_the_account_is_only_read(server: Loopback, account: Account, config: Path) -> None:
    list(check_account(_target(account), config))
    assert {asked.method for asked in server.asked} == {"GET"}


def test_a_right_that_is_missing_is_named(server: Loopback, account: Account, config: Path) -> None:
    server.answer = _cloudflare(d1=403)
    checks = {check.name: check for check in check_account(_target(account), config)}
    assert checks["D1"].state is State.FAILED
    assert "D1: Edit" in checks["D1"].remedy
    assert "CONTROL_DB" not in checks
    assert checks["USAGE_KV"].state is State.OK


def test_a_token_of_the_account_is_verified_where_it_belongs(
    server: Loopback, account: Account, config: Path
) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path == f"{BASE}/tokens/verify":
            return _envelope({"id": "t", "status": "active"})
        return _cloudflare(user=401)(asked)

    server.answer = answer
    assert _states(check_account(_target(account), config))["token"] is State.OK


def test_a_token_that_is_refused_is_the_only_thing_said(
    server: Loopback, account: Account, config: Path
) -> None:
    server.answer = _cloudflare(verify=401)
    assert _states(check_account(_target(account), config)) == {"token": State.FAILED}


@pytest.mark.parametrize(
    ("token", "state"),
    [
        ({"status": "disabled"}, State.FAILED),
        ({"status": "expired"}, State.FAILED),
        ({"status": "active", "expires_on": timedelta(days=3)}, State.WARNING),
        ({"status": "active", "expires_on": timedelta(days=300)}, State.OK),
    ],
)
def test_a_token_that_ends_is_said(
    token: dict[str, Any], state: State, server: Loopback, account: Account, config: Path
) -> None:
    if "expires_on" in token:
        token = token | {"expires_on": (datetime.now(UTC) + token["expires_on"]).isoformat()}

    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/verify"):
            return _envelope({"id": "t"} | token)
        return _cloudflare()(asked)

    server.answer = answer
    assert _states(check_account(_target(account), config))["token"] is state


def test_an_api_that_is_not_there_is_said_once(config: Path) -> None:
    with answering(_cloudflare()) as server:
        gone = Account(f"{server.url}/client/v4", ACCOUNT, Secret(TOKEN))
    assert _states(check_account(_target(gone), config)) == {"token": State.FAILED}


def _dispatcher(**health: Any) -> Callable[[Asked], Reply]:
    def answer(asked: Asked) -> Reply:
        if asked.path == "/health":
            return Reply(recorded("serviceHealth"))
        if asked.path == "/__platform/health":
            now = datetime.now(UTC).isoformat()
            return Reply(copy.deepcopy(recorded("health")) | {"generatedAt": now} | health)
        return Reply(recorded("analytics"))

    return answer


def test_a_sound_dispatcher_has_no_failures(server: Loopback) -> None:
    server.answer = _dispatcher()
    states = _states(check_dispatcher(_target(dispatcher=server.dispatcher)))
    assert set(states) >= {"/health", "clock", "bindings", "directory", "invariants", "cron"}
    assert {name for name, state in states.items() if state is not State.OK} == {"token_weak"}


def test_what_the_dispatcher_says_is_wrong_is_passed_on(server: Loopback) -> None:
    report = recorded("health")
    log = report["log"] | {"backlogMinutes": 90}
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
    assert states["cron"] is State.WARNING
    assert states["isolate"] is State.WARNING


def test_cron_that_never_ran_is_a_warning(server: Loopback) -> None:
    server.answer = _dispatcher(log=recorded("health")["log"] | {"backlogMinutes": None})
    states = _states(check_dispatcher(_target(dispatcher=server.dispatcher)))
    assert states["cron"] is State.WARNING


def test_figures_that_lack_something_are_a_warning(server: Loopback) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path == "/__platform/analytics":
            document = recorded("analytics")
            document["snapshot"]["freshness"] |= {"complete": False, "droppedEvents": 4}
            return Reply(document)
        return _dispatcher()(asked)

    server.answer = answer
    checks = {one.name: one for one in check_dispatcher(_target(dispatcher=server.dispatcher))}
    assert checks["freshness"].state is State.WARNING
    assert "droppedEvents 4" in checks["freshness"].said


def test_without_a_token_the_rest_is_not_checked(server: Loopback) -> None:
    server.answer = _dispatcher()
    target = _target(dispatcher=Dispatcher(server.url, Secret("")))
    states = _states(check_dispatcher(target))
    assert states["/__platform/health"] is State.UNCHECKED


@pytest.mark.parametrize(
    ("reply", "name"),
    [(Reply({"hello": "world"}), "/health"), (Reply(b"<html>", 404), "/health")],
)
def test_an_address_that_is_no_dispatchers_has_failed(
    reply: Reply, name: str, server: Loopback
) -> None:
    server.answer = lambda _: reply
    states = _states(check_dispatcher(_target(dispatcher=server.dispatcher)))
    assert states[name] is State.FAILED


def test_a_dispatcher_that_is_not_there_has_failed() -> None:
    with answering(_cloudflare()) as server:
        gone = server.dispatcher
    assert _states(check_dispatcher(_target(dispatcher=gone))) == {"/health": State.FAILED}


def test_a_report_that_cannot_be_read_has_failed(server: Loopback) -> None:
    server.answer = _dispatcher(bindings=None)
    states = _states(check_dispatcher(_target(dispatcher=server.dispatcher)))
    assert states["health"] is State.FAILED


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
    assert (checks["clock"].state, word in checks["clock"].said) == (state, True)


def test_a_report_is_shown_with_what_to_do_and_cannot_move_the_cursor() -> None:
    report = Report(
        [
            Check("part", "one", State.FAILED, "bad \x1b[2J [red]", "mend it"),
            Check("part", "two", State.OK, "good"),
        ]
    )
    out = io.StringIO()
    report.show(Console(file=out, width=200))
    assert "failed       one: bad" in out.getvalue()
    assert "[red]" in out.getvalue()
    assert "mend it" in out.getvalue()
    assert "\x1b" not in out.getvalue()
    assert report.document["failed"] == 1

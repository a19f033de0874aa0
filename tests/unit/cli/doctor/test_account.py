"""The doctor's checks of an account, against a server with Cloudflare's responses."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli import account_api
from cli.doctor.account import check_account
from cli.doctor.check import Check, State
from cli.secret import Secret
from cli.targets import Account, Target
from tests.cli.loopback import TOKEN, Asked, Loopback, Reply, answering

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
[assets]
binding = "ASSETS"
[[durable_objects.bindings]]
name = "QUOTAS"
[[ratelimits]]
name = "RATE_10S_1"
[triggers]
crons = ["* * * * *"]
"""
LISTS: Mapping[str, Any] = {
    "/client/v4/user/tokens/verify": {"id": "t", "status": "active"},
    f"{BASE}/workers/scripts": [{"id": "market"}],
    f"{BASE}/workers/durable_objects/namespaces": [],
    f"{BASE}/storage/kv/namespaces": [{"id": "kv-1", "title": "market-usage"}],
    f"{BASE}/d1/database": [{"uuid": "d1-1", "name": "other"}],
    f"{BASE}/workers/dispatch/namespaces": [{"namespace_name": "market", "namespace_id": "n"}],
}


BOUND = {
    "USAGE_KV": "kv_namespace",
    "TENANT_KV": "kv_namespace",
    "CONTROL_DB": "d1",
    "DISPATCHER": "dispatch_namespace",
    "ASSETS": "assets",
    "QUOTAS": "durable_object_namespace",
    "RATE_10S_1": "ratelimit",
}
DEPLOYED: Mapping[str, Any] = {
    f"{BASE}/workers/scripts/market/settings": {
        "bindings": [{"name": name, "type": kind} for name, kind in BOUND.items()]
    },
    f"{BASE}/workers/scripts/market/schedules": {"schedules": [{"cron": "* * * * *"}]},
}


def _target(account: Account) -> Target:
    return Target(
        is_local=False, settings={}, state=None, known_account=account, known_dispatcher=None
    )


def _states(checks: Iterator[Check]) -> dict[str, State]:
    return {check.name: check.state for check in checks}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "wrangler.toml"
    file.write_text(CONFIG)
    return file


def _envelope(result: Any, status: int = 200) -> Reply:
    """Return a response in the envelope of https://developers.cloudflare.com/api/."""
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
        found = {**LISTS, **DEPLOYED}[asked.path]
        return _envelope([] if page > 1 and isinstance(found, list) else found)

    return answer


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_api, "RETRIES", 0)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with answering(_cloudflare()) as server:
        yield server


@pytest.fixture
def account(server: Loopback) -> Account:
    return Account(f"{server.url}/client/v4", ACCOUNT, Secret(TOKEN))


def test_the_account_is_compared_with_wrangler_toml(account: Account, config: Path) -> None:
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
        "cron trigger": State.OK,
    }


def test_a_worker_without_bindings_and_cron_fails(
    server: Loopback, account: Account, config: Path
) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/settings"):
            return _envelope({"bindings": [{"name": "USAGE_KV", "type": "kv_namespace"}]})
        if asked.path.endswith("/schedules"):
            return _envelope({"schedules": []})
        return _cloudflare()(asked)

    server.answer = answer
    checks = {check.name: check for check in check_account(_target(account), config)}
    assert checks["Worker"].state is State.FAILED
    missing = "ASSETS, CONTROL_DB, DISPATCHER, QUOTAS, RATE_10S_1, TENANT_KV"
    assert missing in checks["Worker"].message
    assert checks["cron trigger"].state is State.FAILED


def test_a_worker_that_is_not_deployed_is_a_warning(
    server: Loopback, account: Account, config: Path
) -> None:
    def answer(asked: Asked) -> Reply:
        return _envelope([]) if asked.path.endswith("/scripts") else _cloudflare()(asked)

    server.answer = answer
    assert _states(check_account(_target(account), config))["Worker"] is State.WARNING


def test_a_worker_that_cannot_be_read_fails(
    server: Loopback, account: Account, config: Path
) -> None:
    server.answer = _cloudflare(settings=403)
    assert _states(check_account(_target(account), config))["Worker"] is State.FAILED


def test_the_account_is_only_read(server: Loopback, account: Account, config: Path) -> None:
    list(check_account(_target(account), config))
    assert {asked.method for asked in server.asked} == {"GET"}


def test_a_missing_permission_is_named(server: Loopback, account: Account, config: Path) -> None:
    server.answer = _cloudflare(d1=403)
    checks = {check.name: check for check in check_account(_target(account), config)}
    assert checks["D1"].state is State.FAILED
    assert "D1: Edit" in checks["D1"].remedy
    assert "CONTROL_DB" not in checks
    assert checks["USAGE_KV"].state is State.OK


def test_an_account_token_is_verified_at_the_account(
    server: Loopback, account: Account, config: Path
) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path == f"{BASE}/tokens/verify":
            return _envelope({"id": "t", "status": "active"})
        return _cloudflare(user=401)(asked)

    server.answer = answer
    assert _states(check_account(_target(account), config))["token"] is State.OK


def test_after_a_rejected_token_nothing_else_is_checked(
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
def test_inactive_and_expiring_tokens_are_reported(
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


def test_an_unreachable_api_is_reported_once(config: Path) -> None:
    with answering(_cloudflare()) as server:
        gone = Account(f"{server.url}/client/v4", ACCOUNT, Secret(TOKEN))
    assert _states(check_account(_target(gone), config)) == {"token": State.FAILED}

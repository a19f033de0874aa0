"""`clawr token` gives creators tokens that see only their tenants, and takes them back."""

import hashlib
import time

import httpx

from api.limited.stored_tokens import CACHED_SECONDS

from .local import Local

EVENTS = "/__platform/events"
TENANT = "ten_meridian_feasts"


def status_of(local: Local, token: str, path: str = EVENTS) -> int:
    headers = {"authorization": f"Bearer {token}"}
    return httpx.get(f"{local.url}{path}", headers=headers, timeout=60).status_code


def test_a_run_without_execute_stores_nothing_and_shows_no_secret(local: Local) -> None:
    document = local.done("token", "create", "--tenant", TENANT, "--name", "dry")
    assert (document["executed"], document["token"]) == (False, None)
    assert "dry" not in [one["name"] for one in local.done("token", "list")["tokens"]]


def test_a_token_works_until_it_is_revoked(local: Local) -> None:
    created = local.done("token", "create", "--tenant", TENANT, "--name", "creator", "--execute")
    token = created["token"]
    assert status_of(local, token) == 200
    for route in ("analytics", "settlements", "reconciliation", "usage?from=2026-11-30"):
        assert status_of(local, token, f"/__platform/{route}") == 200, route
    for route in ("health", "metrics"):
        assert status_of(local, token, f"/__platform/{route}") == 401, route
    (listed,) = (one for one in local.done("token", "list")["tokens"] if one["name"] == "creator")
    assert listed["sha256"] == hashlib.sha256(token.encode()).hexdigest()
    assert listed["tenants"] == [TENANT]
    assert token not in local("token", "list", "--json").out
    ran = local("token", "create", "--tenant", TENANT, "--name", "creator", "--execute")
    assert (ran.code, "There is a token creator already" in ran.err) == (5, True)
    assert not local.done("token", "revoke", "creator")["executed"]
    assert status_of(local, token) == 200
    local.done("token", "revoke", "creator", "--execute")
    deadline = time.monotonic() + 30
    while status_of(local, token) == 200:
        assert time.monotonic() < deadline, "a revoked token is accepted for 30 s"
        time.sleep(1)
    assert CACHED_SECONDS < 30
    assert local("token", "revoke", "creator").code == 4


def test_values_that_the_dispatcher_would_reject_are_errors(local: Local) -> None:
    for arguments in (
        ("--name", "a b"),
        ("--scope", "admin"),
        ("--not-after", "tomorrow"),
    ):
        ran = local("token", "create", "--tenant", TENANT, *arguments)
        assert "--not-after is a time" in ran.err, arguments
        assert ran.code == 2
    assert "Missing option" in local("token", "create").err

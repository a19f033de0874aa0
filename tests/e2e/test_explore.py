"""The public page's route: fixed shape, no token, few distinct responses."""

import json
import time
from typing import Any

import pytest

from tests.support.explore_shape import API, DIRECTORY, HERO, POINT, SNAPSHOT, check

from .caller import Caller, eventually
from .marketplace import MIRROR_HOST

PATH = "/api/explore/analytics"
WINDOWS = ("today", "week", "overall")
FRESH_SECONDS = 5.0
"""How long a response is reused; see `EXPLORE_FRESH_SECONDS`."""


def page(caller: Caller, query: str = "") -> dict[str, Any]:
    response = caller.request(f"{PATH}{query}")
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    assert "requestId" not in body, "the body is shared by requests"
    return body


@pytest.mark.parametrize("window", WINDOWS)
def test_the_page_shows_the_platforms_snapshot(caller: Caller, window: str) -> None:
    for fail in (0, 0, 1):
        caller.request(f"/t/ledger/draw?fail={fail}", headers={"x-agent-id": f"explorer-{fail}"})
    caller.wait_until_logged()
    platform = caller.snapshot(window)
    calls = platform["heroStats"]["calls"]

    def caught_up() -> dict[str, Any] | None:
        body = page(caller, f"?window={window}&top=2")
        is_current = body["snapshot"]["heroStats"]["calls"] >= calls
        return body if is_current else None

    body = eventually(caught_up, "the page to catch up")
    assert (body["ok"], body["window"], body["source"]) == (True, window, "self")
    snapshot = body["snapshot"]
    check(snapshot, window, 2)
    assert set(platform) >= SNAPSHOT
    assert set(platform["heroStats"]) >= HERO
    assert all(set(row) >= API for row in platform["allApis"])
    assert all(set(row) >= DIRECTORY for row in platform["directories"])
    assert all(set(row) >= POINT for row in platform["series"])
    shown = {row["id"]: row for row in snapshot["allApis"]}
    platform = caller.snapshot(window)
    for row in platform["allApis"]:
        if row["id"] in shown and row["calls"] == shown[row["id"]]["calls"]:
            for name in API & set(row) - {"rank", "trendingScore"}:
                assert shown[row["id"]][name] == row[name], name
    assert "tenantId" not in json.dumps(snapshot)


def test_parameters_follow_the_contract(caller: Caller) -> None:
    assert page(caller)["window"] == "today"
    for top in ("0", "-1", "many", "1.5", ""):
        check(page(caller, f"?top={top}")["snapshot"], "today", 25)
    check(page(caller, "?top=9999999999999999999999")["snapshot"], "today", 100)
    for window in ("", "yesterday", "TODAY", "%00"):
        response = caller.request(f"{PATH}?window={window}")
        assert (response.status_code, response.json()["error"]) == (400, "invalid_window")
        assert response.json()["expected"] == list(WINDOWS)
        assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_the_route_is_read_only(caller: Caller, method: str) -> None:
    response = caller.request(PATH, method=method)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")
    assert response.json()["error"] == "method_not_allowed"


def test_at_a_tenants_host_the_path_belongs_to_the_tenant(caller: Caller) -> None:
    for target, host in ((f"{PATH}?window=x", MIRROR_HOST), (f"/t/mirror{PATH}?window=x", None)):
        response = caller.request(target, host=host, method="POST")
        assert response.status_code == 200
        assert response.headers["x-tenant-id"] == "ten_mirror"
        assert response.json()["request"]["path"] == PATH


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_unchanged_response_is_not_sent_again(caller: Caller, method: str) -> None:
    def twice() -> bool:
        first = caller.request(f"{PATH}?window=week", method=method)
        assert first.status_code == 200
        assert first.headers["cache-control"].startswith("public, max-age=")
        assert first.headers["content-type"] == "application/json; charset=utf-8"
        tag = first.headers["etag"]
        again = caller.request(f"{PATH}?window=week", method=method, headers={"if-none-match": tag})
        assert again.headers["x-request-id"] != first.headers["x-request-id"]
        if again.status_code == 200:
            assert again.headers["etag"] != tag
            return False
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        return True

    eventually(twice, "two requests for the same response")


def test_many_requests_share_few_responses(caller: Caller) -> None:
    page(caller)
    started = time.monotonic()
    tags = {caller.request(f"{PATH}?top=7").headers["etag"] for _ in range(300)}
    elapsed = time.monotonic() - started
    assert len(tags) <= 2 + elapsed / FRESH_SECONDS


def test_the_route_needs_no_token_and_ignores_tokens(caller: Caller) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"x-platform-token": "wrong"}):
        assert caller.request(f"{PATH}?token=x", headers=headers).status_code == 200
    # Other routes still need the token.
    assert caller.request("/__platform/analytics").status_code == 401

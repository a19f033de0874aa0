"""The page of a deployment that reads analytics from another dispatcher, which can fail."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from dev.launch import Server
from tests.support.explore_shape import check

from .caller import Caller, eventually
from .conftest import TOKEN, Starter
from .fault_proxy import FaultProxy, running_fault_proxy
from .faults import Call, Fault, Response, body, drop_connection, json_body, slow, status

PATH = "/api/explore/analytics"
WINDOWS = ("today", "week", "overall")
HTTP_ERROR = "upstream_http_error"
UNREACHABLE = "upstream_unreachable"

GOOD: dict[str, Any] = {"heroStats": {}, "allApis": []}

HOSTILE = """{"ok": true, "snapshot": {
 "generatedAt": "<img src=x onerror=alert(1)>", "range": [], "freshness": 7,
 "heroStats": {"calls": 1e999, "activeAgents": -5, "publishedApis": NaN, "directories": "many",
   "revenueMicros": 123456789012345678901234567890, "revenueUsd": -Infinity},
 "previous": {"range": {"startAt": 1}}, "series": [null, {"startAt": "soon"}, {"startAt":
   "2026-11-22T10:00:00Z", "calls": true}], "directories": [{"directory": "\\u202e\\ud800"}, 1],
 "allApis": [null, [], {"endpoint": "javascript:alert(1)"}, {"endpoint": "/t/a", "rank": -1,
   "owner": "</script><script>alert(1)</script>\\u0000", "calls": 2.5, "priceUsd": "free",
   "latencyMs": 1e308, "errorRatePct": 700, "trend": {"0": 1}}]}}"""

FAILURES: list[tuple[str, Fault, str]] = [
    ("500", status(500), HTTP_ERROR),
    ("401", status(401), HTTP_ERROR),
    ("a redirect", status(302), HTTP_ERROR),
    ("HTML", body("<!doctype html><h1>Bad gateway</h1>", content_type="text/html"), HTTP_ERROR),
    ("nothing", body(""), HTTP_ERROR),
    ("half a JSON", body('{"ok": true, "snapshot": {"heroSt'), HTTP_ERROR),
    ("deep nesting", body("[" * 200_000), HTTP_ERROR),
    ("a number of a million digits", body('{"snapshot":' + "1" * 1_000_000 + "}"), HTTP_ERROR),
    ("wrong types", json_body({"ok": True, "snapshot": [GOOD]}), HTTP_ERROR),
    ("another window", json_body({"snapshot": {**GOOD, "window": "yesterday"}}), HTTP_ERROR),
    ("no UTF-8", body(b'{"snapshot": "\xff\xfe'), HTTP_ERROR),
    ("a reset", drop_connection, UNREACHABLE),
    ("too much", body(" " * 5_000_000), UNREACHABLE),
    ("no response in time", slow(7.0), UNREACHABLE),
]


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultProxy]:
    with running_fault_proxy("http://127.0.0.1:9") as proxy:
        yield proxy


@pytest.fixture(scope="module")
def page_caller(
    start: Starter, upstream: FaultProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Caller]:
    """A client of a deployment that reads analytics from `upstream`."""
    settings = {"ANALYTICS_BASE_URL": upstream.url + "/", "ANALYTICS_TOKEN": TOKEN}
    with (
        start(tmp_path_factory.mktemp("reader"), {"tenants": []}, settings) as server,
        Caller(server.url, TOKEN) as caller,
    ):
        yield caller


def target(window: str) -> str:
    return f"/__platform/analytics?window={window}&top=100"


def page(caller: Caller, window: str) -> dict[str, Any]:
    response = caller.request(f"{PATH}?window={window}&top=3")
    assert response.status_code == 200
    assert TOKEN not in response.text
    assert TOKEN not in str(response.headers)
    found: dict[str, Any] = response.json()
    assert (found["window"], found["source"]) == (window, "upstream")
    check(found["snapshot"], window, 3)
    return found


def test_whatever_the_upstream_returns_the_page_gets_a_valid_snapshot(
    page_caller: Caller, upstream: FaultProxy, server: Server
) -> None:
    for number, (name, fault, code) in enumerate(FAILURES):
        window = WINDOWS[number % len(WINDOWS)]
        upstream.always(target(window), fault)
        calls_before = upstream.count(target(window))

        def called_again(
            window: str = window, calls_before: int = calls_before
        ) -> dict[str, Any] | None:
            found = page(page_caller, window)
            return found if upstream.count(target(window)) > calls_before else None

        found = eventually(called_again, f"the page to call upstream again ({name})")
        assert (found["ok"], found.get("error")) == (False, code), name
        assert found["snapshot"]["allApis"] == []
    assert upstream.count("/elsewhere") == 0, "redirects are not followed"
    assert {call.headers["authorization"] for call in upstream.calls} == {f"Bearer {TOKEN}"}

    # Invalid values in a snapshot are replaced one by one.
    upstream.always(target("week"), body(HOSTILE))
    found = eventually(
        lambda: found if (found := page(page_caller, "week"))["ok"] else None, "a snapshot"
    )
    (row,) = found["snapshot"]["allApis"]
    assert row["owner"] == "@</script><script>alert(1)</script>"
    assert (row["rank"], row["calls"], row["trend"]) == (1, 2, [])

    # A recovered dispatcher is read again; when it is down, its last snapshot is served.
    def other_dispatcher(call: Call) -> Response:
        headers = {"authorization": call.headers["authorization"]}
        response = httpx.get(f"{server.url}{call.path}", headers=headers)
        return Response(response.status_code, response.content)

    with Caller(server.url, TOKEN) as upstream_caller:
        upstream_caller.request("/t/ledger/draw")
        upstream_caller.wait_until_logged()
        calls = upstream_caller.snapshot("overall")["heroStats"]["calls"]
    upstream.always(target("overall"), other_dispatcher)

    def upstream_page() -> dict[str, Any] | None:
        found = page(page_caller, "overall")
        return found if found["snapshot"]["heroStats"]["calls"] >= calls else None

    shown = eventually(upstream_page, "the other dispatcher's snapshot")
    assert shown["ok"]
    with ExitStack() as stack:
        stack.enter_context(upstream.down())
        calls_before = len(upstream.calls)
        for _ in range(20):
            assert page(page_caller, "overall")["ok"]
        assert len(upstream.calls) == calls_before

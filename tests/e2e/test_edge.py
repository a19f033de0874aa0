"""What strangers, browsers, monitors and proxies do leaves an API as it is."""

import base64
import json
import math
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from .caller import Caller
from .conftest import TOKEN, Starter
from .marketplace import tenant

ORIGIN = "https://app.example"
PREFLIGHT = {
    "origin": ORIGIN,
    "access-control-request-method": "GET",
    "access-control-request-headers": "authorization",
}
SLUGS = (
    "callers",
    "addresses",
    "uploads",
    "failures",
    "watched",
    "mounted",
    "browsed",
    "methods",
    "ranked",
)
DIRECTORY = {
    "tenants": [
        *(tenant(slug, "edge", hosts=[f"{slug}.edge.example"]) for slug in SLUGS),
        tenant("marker", "edge"),
        tenant("absent", "no-such-script", hosts=["absent.edge.example"]),
        tenant("few", "edge", usageLimit={"dailyRequests": 5}),
        tenant("slow", "edge", rateLimit={"requests": 1, "windowSeconds": 60}),
        tenant("older", "edge", limits={"cpuMs": 50, "subRequests": 0}),
        {"tenantId": "ten_first", "workerName": "edge"},
        {"tenantId": "ten_second", "workerName": "edge"},
        tenant("paid-elsewhere", "edge", paymentMode="required"),
        tenant("by-caller", "edge", rateLimit={"requests": 1, "windowSeconds": 60, "perCaller": 1}),
    ]
}
SETTINGS = {"IGNORED_USER_AGENTS": "acme-monitor", "PLATFORM_CORS_ORIGINS": ORIGIN}


@pytest.fixture(scope="module")
def edge(start: Starter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A caller of a dispatcher with these APIs and settings."""
    state = tmp_path_factory.mktemp("edge")
    with (
        start(state, DIRECTORY, SETTINGS, is_prepared=False) as server,
        Caller(server.url, TOKEN) as caller,
    ):
        yield caller


def row(caller: Caller, slug: str) -> dict[str, Any]:
    """Return the row of an API that has been called."""
    caller.wait_until_logged()
    found = caller.api(slug)
    assert found is not None
    return found


def token(claims: dict[str, Any]) -> str:
    """Return a JSON Web Token."""
    parts = ({"alg": "HS256"}, claims)
    texts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts)
    return ".".join((*(text.rstrip("=") for text in texts), "c2ln"))


def test_renewed_tokens_are_one_caller_and_users_are_several(edge: Caller) -> None:
    for number in range(24):
        bearer = token({"iss": "https://issuer", "sub": "ann", "exp": number})
        edge.request("/t/callers/echo", headers={"authorization": f"Bearer {bearer}"})
    assert row(edge, "callers")["uniqueCallers"] == 1
    for headers in (
        {"authorization": "Basic YW5uOmE="},
        {"authorization": "Basic Ym9iOmI="},
        {"x-rapidapi-key": "key-of-ann"},
        {"ocp-apim-subscription-key": "key-of-bob"},
    ):
        edge.request("/t/callers/echo", headers=headers)
    assert row(edge, "callers")["uniqueCallers"] == 5


def test_an_ipv6_network_is_one_caller(edge: Caller) -> None:
    for address in ("2001:db8:1:2::1", "2001:DB8:1:2:ffff::2", "2001:0db8:0001:0002::3"):
        edge.request("/t/addresses/echo", headers={"cf-connecting-ip": address})
    assert row(edge, "addresses")["uniqueCallers"] == 1
    for address in ("2001:db8:1:3::1", "192.0.2.1", "::ffff:192.0.2.1"):
        edge.request("/t/addresses/echo", headers={"cf-connecting-ip": address})
    assert row(edge, "addresses")["uniqueCallers"] == 3


def test_preflights_use_up_nothing(edge: Caller) -> None:
    for slug in ("few", "slow"):
        for _ in range(5):
            response = edge.request(f"/t/{slug}/x", method="OPTIONS", headers=PREFLIGHT)
            assert response.status_code == 200
    assert [edge.request("/t/few/x").status_code for _ in range(6)] == [200] * 5 + [429]
    assert edge.request("/t/slow/x").status_code == 200
    refused = edge.request("/t/slow/x", headers={"origin": ORIGIN})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (429, "*")
    assert (row(edge, "few")["calls"], row(edge, "few")["uniqueCallers"]) == (5, 1)


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("/t/nobody/x", None, 404),
        ("/x", "nobody.edge.example", 404),
        ("/t/absent/x", None, 404),
        ("/x", "absent.edge.example", 404),
        ("/t/browsed/throw", None, 502),
        ("/throw", "browsed.edge.example", 502),
    ],
)
def test_pages_can_read_errors(edge: Caller, target: str, host: str | None, status: int) -> None:
    preflight = edge.request(target, method="OPTIONS", host=host, headers=PREFLIGHT)
    assert preflight.status_code in {200, 204}
    assert preflight.headers["access-control-allow-headers"].endswith("authorization")
    response = edge.request(target, host=host, headers={"origin": ORIGIN})
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == "*"
    assert "x-request-id" in response.headers["access-control-expose-headers"]


def test_dashboards_and_the_explore_route_can_be_read(edge: Caller) -> None:
    target = "/__platform/analytics?window=today"
    preflight = edge.request(target, method="OPTIONS", headers=PREFLIGHT)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    for origin, headers in ((ORIGIN, {"authorization": f"Bearer {TOKEN}"}), (ORIGIN, {})):
        response = edge.request(target, headers={"origin": origin, **headers})
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert "Origin" in response.headers["vary"]
    other = edge.request(target, method="OPTIONS", headers={**PREFLIGHT, "origin": "https://x"})
    assert other.status_code == 401
    assert "access-control-allow-origin" not in other.headers
    for explore in ("/api/explore/analytics", "/api/explore/analytics?window=never"):
        response = edge.request(explore, headers={"origin": ORIGIN})
        assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize("path", ["read", "catch/500", "catch/400", "catch/200"])
def test_an_upload_that_breaks_off_leaves_the_api_as_it_is(
    edge: Caller, path: str, is_reset: bool
) -> None:
    edge.request("/t/uploads/echo")
    before = row(edge, "uploads")
    events = len(edge.events("uploads"))
    half_upload(edge, f"/t/uploads/{path}", is_reset=is_reset)
    assert row(edge, "uploads") == before
    (event, *older) = edge.events("uploads")
    assert len(older) == events
    assert (event["status"], event["outcome"]) == (499, "client_closed_request")


def test_a_failure_of_the_script_during_an_upload_that_breaks_off_is_its_own(edge: Caller) -> None:
    half_upload(edge, "/t/failures/throw", is_reset=True)
    assert row(edge, "failures")["errorRatePct"] == 100
    assert [event["outcome"] for event in edge.events("failures")] == ["tenant_worker_failure"]
    # A failure after an upload that arrived is the script's, too.
    response = edge.request("/t/failures/complete/500", method="POST", content=b"x" * 100_000)
    assert (response.status_code, len(response.content)) == (500, 100_000)
    assert row(edge, "failures")["errorRatePct"] == 100


def half_upload(caller: Caller, target: str, *, is_reset: bool) -> None:
    """Send three of a thousand bytes, and close or reset the connection."""
    address = urlsplit(caller.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as wire:
        head = f"POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc"
        wire.sendall(head.encode())
        # By then the script has the request, which cannot be observed directly.
        caller.wait_until_logged()
        if is_reset:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    # By then the event of the request is recorded, as it is for each that is sent before it.
    for _ in range(2):
        caller.wait_until_logged()


def test_an_api_without_its_script_is_down(edge: Caller) -> None:
    assert edge.request("/t/absent/x").json()["error"] == "worker_not_found"
    found = row(edge, "absent")
    assert (found["errorRatePct"], found["uptimePct"]) == (100, 0)


def test_monitors_leave_events_and_no_calls(edge: Caller) -> None:
    edge.request("/t/watched/echo", headers={"user-agent": "someone/1.0"})
    for path in ("echo", "throw"):
        edge.request(f"/t/watched/{path}", headers={"user-agent": "The Acme-Monitor/2.0"})
    found = row(edge, "watched")
    assert (found["calls"], found["errorRatePct"]) == (1, 0)
    assert [event["counted"] for event in edge.events("watched")] == [False, False, True]


def test_a_script_below_a_path_can_make_redirects(edge: Caller) -> None:
    forged = [("X-Forwarded-Prefix", "//evil"), ("x_forwarded_prefix", "//evil"), ("x_f", "kept")]
    kept = [("x-forwarded-host", "h"), ("forwarded", "for=192.0.2.1")]
    redirect = edge.request("/t/mounted/redirect", headers=forged)
    assert redirect.headers["location"] == "/t/mounted/echo"
    seen = edge.request(redirect.headers["location"], headers=forged + kept).json()["headers"]
    assert {name: value for name, value in seen.items() if "prefix" in name} == {
        "x-forwarded-prefix": "/t/mounted"
    }
    assert (seen["x-forwarded-host"], seen["forwarded"], seen["x_f"]) == (
        "h",
        "for=192.0.2.1",
        "kept",
    )
    at_host = edge.request("/redirect", host="mounted.edge.example", headers=forged)
    assert at_host.headers["location"] == "/echo"


@pytest.mark.parametrize("host", [None, "methods.edge.example"])
@pytest.mark.parametrize("content", [b"hello", b""])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "QUERY", "PURGE"])
def test_a_body_arrives_with_every_method(
    edge: Caller, method: str, content: bytes, host: str | None
) -> None:
    target = "/echo" if host else "/t/methods/echo"
    headers = {"content-length": str(len(content))}
    response = edge.request(target, method=method, host=host, headers=headers, content=content)
    assert response.status_code == 200
    if method != "HEAD":
        seen = response.json()
        assert (seen["method"], seen["body"]) == (method, content.decode())


@pytest.mark.parametrize("status", [205, 226, 299, 418, 451, 511, 520, 599])
def test_unusual_statuses_arrive(edge: Caller, status: int) -> None:
    assert edge.request(f"/t/methods/status/{status}").status_code == status


def test_a_url_with_credentials_arrives(edge: Caller) -> None:
    target = "http://ann:secret@methods.edge.example/echo"
    response = edge.request(target, host="methods.edge.example", method="GET", content=b"x")
    assert (response.status_code, response.json()["body"]) == (200, "x")


@pytest.mark.parametrize(
    "query",
    ["window=today&tenant=t-echo", "window=today&from=2026-11-01", "Window=today", "top=5&TOP=6"],
)
def test_the_platform_api_names_unknown_parameters(edge: Caller, query: str) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    response = edge.request(f"/__platform/analytics?{query}", headers=headers)
    found = response.json()
    assert (response.status_code, found["error"]) == (400, "invalid_parameter")
    assert found["accepted"] == ["window", "top"]


def test_made_up_names_of_one_machine_bring_four_callers_to_the_score(edge: Caller) -> None:
    for number in range(30):
        headers = {"x-agent-id": f"made-up-{number}", "cf-connecting-ip": "203.0.113.9"}
        edge.request("/t/ranked/echo", headers=headers)
    found = row(edge, "ranked")
    assert (found["calls"], found["uniqueCallers"], found["diversityRatio"]) == (30, 30, 1)
    hours = clamp(70 * (found["maxHourShare"] - 0.4), 20)
    lost = 120 * (0.18 - 4 / 30) + hours
    expected = 40 * math.log10(31) + 20 * math.log10(4 + 1) + 10 - lost
    assert found["trendingScore"] == pytest.approx(expected, abs=0.01)


def clamp(value: float, ceiling: float) -> float:
    return min(max(value, 0.0), ceiling)


def test_health_names_each_record_that_is_not_used_and_why(edge: Caller) -> None:
    report = edge.platform("health")
    refused = {one["record"]: one["reasons"] for one in report["directory"]["refused"]}
    assert len(refused) == 4
    texts = [str(reasons) for reasons in refused.values()]
    assert sum("slug must be" in text for text in texts) == 2
    assert any("paymentMode must be left out" in text for text in texts)
    assert any("rateLimit.perCaller must be left out" in text for text in texts)
    assert edge.request("/t/older/echo").status_code == 200

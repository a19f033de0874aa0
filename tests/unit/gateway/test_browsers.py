"""Pages in browsers: preflights cost nothing, and pages can read every error."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from core.errors import (
    DispatcherError,
    TenantLimitExceeded,
    TenantWorkerFailure,
    WorkerNotFound,
)
from core.ports import ProxyResponse, Response
from tests.support.dispatcher_scene import TENANTS, Scene, error
from tests.support.fake_counters import FakeQuotaCounters
from tests.support.fakes import FakeEnvironment, FakeNamespace

ORIGIN = "https://app.example"
PREFLIGHT = {
    "origin": ORIGIN,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization",
}
LIMITED = {"slug": "few", "tenantId": "t9", "workerName": "few"}


def preflight(scene: Scene, url: str) -> Response | ProxyResponse:
    return scene.request(url, "OPTIONS", PREFLIGHT)


def cors(response: Response | ProxyResponse) -> Mapping[str, str]:
    assert isinstance(response, Response)
    return {name: value for name, value in response.headers if name.startswith("access-control-")}


def test_preflights_are_dispatched_and_are_no_calls_of_anyone() -> None:
    scene = Scene()
    assert isinstance(preflight(scene, "/t/weather/x"), ProxyResponse)
    assert isinstance(preflight(scene, "http://fx.example/x"), ProxyResponse)
    assert len(scene.sent) == 2
    assert [(one.counted, one.outcome, one.caller) for one in scene.events] == [
        (False, "preflight", "")
    ] * 2


@pytest.mark.parametrize("missing", ["origin", "access-control-request-method"])
def test_other_requests_with_options_are_calls(missing: str) -> None:
    scene = Scene()
    headers = {name: value for name, value in PREFLIGHT.items() if name != missing}
    scene.request("/t/weather", "OPTIONS", headers)
    scene.request("/t/weather", "GET", PREFLIGHT)
    assert [one.counted for one in scene.events] == [True, True]


def test_preflights_use_up_neither_rate_nor_quota() -> None:
    record = {
        **LIMITED,
        "usageLimit": {"dailyRequests": 1},
        "rateLimit": {"requests": 1, "windowSeconds": 60},
    }
    environment = FakeEnvironment(quota_counters=FakeQuotaCounters())
    scene = Scene(environment=environment, variable=json.dumps({"tenants": [record]}))
    for _ in range(5):
        assert isinstance(preflight(scene, "/t/few"), ProxyResponse)
    assert isinstance(scene.request("/t/few", headers={"origin": ORIGIN}), ProxyResponse)
    refused = scene.request("/t/few", headers={"origin": ORIGIN})
    assert error(refused)["error"] == "rate_limited"
    assert cors(refused)["access-control-allow-origin"] == "*"
    assert isinstance(preflight(scene, "/t/few"), ProxyResponse)


def test_a_preflight_has_the_price_of_the_request_that_it_is_for() -> None:
    record = {
        **TENANTS[2],
        "payTo": "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        "routes": [{"method": "POST", "path": "/*", "priceUsd": 1}, {"path": "/*", "priceUsd": 0}],
    }
    scene = Scene(variable=json.dumps({"tenants": [record]}))
    response = preflight(scene, "/t/paid/x")
    assert cors(response)["access-control-allow-headers"] == (
        "PAYMENT-SIGNATURE, X-PAYMENT, authorization"
    )
    assert scene.sent == []
    free = {**PREFLIGHT, "access-control-request-method": "GET"}
    assert isinstance(scene.request("/t/paid/x", "OPTIONS", free), ProxyResponse)


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (WorkerNotFound("missing"), 404),
        (TenantWorkerFailure("failed"), 502),
        (TenantLimitExceeded("too much"), 503),
        (RuntimeError("a defect"), 500),
    ],
)
@pytest.mark.parametrize("url", ["/t/weather/x", "http://fx.example/x"])
def test_pages_can_read_each_error_of_an_api(failure: Exception, status: int, url: str) -> None:
    scene = Scene(environment=FakeEnvironment(namespace=FakeNamespace(failure)))
    assert_readable(scene, url, status)
    if isinstance(failure, DispatcherError):
        assert scene.events[0].outcome == failure.code


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/t/nobody/x", 404),
        ("http://nobody.example/x", 404),
        ("/t/weather/" + "a" * 20_000, 400),
    ],
)
def test_pages_can_read_each_error_of_an_address(url: str, status: int) -> None:
    assert_readable(Scene(), url, status)


@pytest.mark.parametrize("missing", ["namespace", "usage_store", "usage_shards"])
def test_pages_can_read_that_a_binding_is_missing(missing: str) -> None:
    environment = FakeEnvironment()
    setattr(environment, missing, None)
    assert_readable(Scene(environment=environment), "/t/weather/x", 500)


def assert_readable(scene: Scene, url: str, status: int) -> None:
    """Check a request with a preflight, and its preflight: that must not fail."""
    before = preflight(scene, url)
    assert isinstance(before, Response)
    assert before.status == 204
    assert cors(before)["access-control-allow-headers"].endswith("authorization")
    response = scene.request(url, "POST", {"origin": ORIGIN, "authorization": "Bearer k"})
    assert error(response)["status"] == status
    assert cors(response)["access-control-allow-origin"] == "*"
    assert "x-request-id" in cors(response)["access-control-expose-headers"]
    assert "Retry-After" in cors(response)["access-control-expose-headers"]
    assert [one.counted for one in scene.events[1::2]] == [False] * len(scene.events[1::2])


# The platform API.


def allowing(origins: str) -> Scene:
    return Scene(environment=FakeEnvironment(settings={"PLATFORM_CORS_ORIGINS": origins}))


def test_the_platform_api_responds_to_preflights_from_allowed_origins() -> None:
    scene = allowing(f"https://other.example, {ORIGIN}")
    response = preflight(scene, "/__platform/ask")
    assert isinstance(response, Response)
    assert response.status == 204
    assert cors(response) == {
        **cors(response),
        "access-control-allow-origin": ORIGIN,
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "authorization",
    }
    assert "Origin" in dict(response.headers)["vary"]


@pytest.mark.parametrize("url", ["/__platform/ask", "/__platform/nope"])
def test_pages_of_allowed_origins_can_read_responses_and_errors(url: str) -> None:
    response = allowing(ORIGIN).request(url, headers={"origin": ORIGIN})
    assert cors(response)["access-control-allow-origin"] == ORIGIN
    assert "x-request-id" in cors(response)["access-control-expose-headers"]
    assert isinstance(response, Response)
    assert dict(response.headers)["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.evil.example",
        "https://evil-app.example",
        "http://app.example",
        "https://app.example:8443",
        "null",
        "*",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_pages_of_other_origins_can_read_nothing(origin: str, method: str) -> None:
    sent = {**PREFLIGHT, "origin": origin}
    response = allowing(f"{ORIGIN}, *, null").request("/__platform/ask", method, sent)
    assert cors(response) == {}
    assert isinstance(response, Response)
    assert response.status == 200


def test_without_the_setting_nothing_changes() -> None:
    response = Scene().request("/__platform/ask", "OPTIONS", PREFLIGHT)
    assert cors(response) == {}
    assert isinstance(response, Response)
    assert "vary" not in dict(response.headers)

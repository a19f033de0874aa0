"""Which script a request reaches, which headers it forwards, and who its caller is."""

from __future__ import annotations

import json

import pytest

from core.constants import PLAN_LIMITS
from core.ports import ProxyResponse, Response
from gateway.urls import parse_url
from tests.support.dispatcher_scene import Scene, error
from tests.support.fakes import FakeEnvironment, FakeNamespace, FakeUpstreamResponse

# Routing.


@pytest.mark.parametrize(
    ("url", "script", "upstream_url"),
    [
        ("http://h.example/t/weather", "weather-v2", "http://h.example/"),
        ("http://h.example/t/weather/", "weather-v2", "http://h.example/"),
        ("http://h.example/t/weather?q=1", "weather-v2", "http://h.example/?q=1"),
        (
            "http://h.example/t/weather/a/b?q=%20&q=+",
            "weather-v2",
            "http://h.example/a/b?q=%20&q=+",
        ),
        ("http://h.example:81/t/weather/a%2Fb%20c", "weather-v2", "http://h.example:81/a%2Fb%20c"),
        (
            "https://h.example/t/weather//evil.example/x",
            "weather-v2",
            "https://h.example//evil.example/x",
        ),
        ("http://h.example/t/weather/?", "weather-v2", "http://h.example/?"),
        ("http://h.example/t/WEATHER/x", "weather-v2", "http://h.example/x"),
        ("http://h.example/t/%77eather/x", "weather-v2", "http://h.example/x"),
        ("http://h.example/t/fx/../weather/x", "weather-v2", "http://h.example/x"),
        ("http://h.example/t/fx/%2e%2E/weather/./x/..", "weather-v2", "http://h.example/"),
        (
            "http://h.example/t/weather/__platform/ask",
            "weather-v2",
            "http://h.example/__platform/ask",
        ),
        ("http://fx.example/", "fx", None),
        ("http://fx.example/t/weather/x?y", "fx", None),
        ("http://FX.Example:8787/health", "fx", None),
        ("http://fx.example./x", "fx", None),
        ("http://xn--bcher-kva.example/x", "fx", None),
        ("http://fx.example?q", "fx", None),
    ],
)
def test_a_request_reaches_the_script_of_its_tenant(
    url: str, script: str, upstream_url: str | None
) -> None:
    scene = Scene()
    response = scene.request(url)
    assert isinstance(response, ProxyResponse)
    assert [(sent.script, sent.url) for sent in scene.sent] == [(script, upstream_url)]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("/t/nope", "tenant_not_found"),
        ("/t", "tenant_not_found"),
        ("/t/", "tenant_not_found"),
        ("/t//weather", "tenant_not_found"),
        ("/t/we%2Father", "tenant_not_found"),
        ("/t/weather%00", "tenant_not_found"),
        ("/t/..%2fweather", "tenant_not_found"),
        ("/t/weather/../..", "tenant_not_found"),
        ("http://nope.example/", "tenant_not_found"),
        ("http://fx.example.evil.example/x", "tenant_not_found"),
        ("http://evil.example@nope.example/", "tenant_not_found"),
        ("http://localhost:8787/nope", "not_found"),
        ("http://127.0.0.1/x", "not_found"),
        ("http://[::1]:8787/x", "not_found"),
        ("http://clawr.acme.workers.dev/tt/weather", "not_found"),
    ],
)
def test_an_unknown_address_is_404(url: str, code: str) -> None:
    scene = Scene()
    found = error(scene.request(url))
    assert (found["status"], found["error"]) == (404, code)
    assert scene.sent == []


@pytest.mark.parametrize("host", ["dispatcher.example", "fx.example", "nope.example", "localhost"])
@pytest.mark.parametrize(
    "path",
    [
        "/__platform",
        "/__platform/ask",
        "//__platform/ask",
        "/%5f%5Fplatform/ask",
        "/x/../__platform/ask",
        "/%2e%2e/__platform/ask",
        "/\\__platform/ask",
        "/__platform\\ask",
        "/__platform%2fask",
        "/%2f__platform/ask",
        "/./__platform/",
    ],
)
def test_no_spelling_of_the_platforms_path_reaches_a_tenant(host: str, path: str) -> None:
    scene = Scene()
    response = scene.request(f"http://{host}{path}")
    assert isinstance(response, Response)
    assert response.status == (
        200 if parse_url(f"http://{host}{path}").path == "/__platform/ask" else 404
    )
    assert scene.sent == []
    assert scene.events == []


def test_health_responds_at_the_dispatchers_own_hosts() -> None:
    response = Scene().request("http://localhost:8787/health")
    assert isinstance(response, Response)
    body = json.loads(response.body)
    assert (response.status, body["ok"], body["service"]) == (200, True, "clawr-dispatcher")
    assert dict(response.headers)["x-request-id"] == body["requestId"]


@pytest.mark.parametrize("variable", ["{", None])
def test_health_responds_without_a_directory(variable: str | None) -> None:
    response = Scene(variable=variable).request("/health")
    assert isinstance(response, Response)
    assert response.status == 200


def test_health_accepts_only_get_and_head() -> None:
    response = Scene().request("/health", "POST")
    assert error(response)["error"] == "method_not_allowed"
    assert isinstance(response, Response)
    assert dict(response.headers)["allow"] == "GET, HEAD"


def test_the_plans_limits_are_sent_with_each_request() -> None:
    scene = Scene()
    scene.request("/t/weather")
    assert scene.sent[0].limits == PLAN_LIMITS["pro"]


def test_a_url_over_the_limit_is_refused_and_one_at_the_limit_passes() -> None:
    scene = Scene()
    start = "http://dispatcher.example/t/weather/"
    assert isinstance(scene.request(start + "a" * (16_384 - len(start))), ProxyResponse)
    found = error(scene.request(start + "a" * (16_385 - len(start))))
    assert (found["status"], found["error"], found["parameter"]) == (
        400,
        "invalid_parameter",
        "url",
    )
    assert [one.counted for one in scene.events] == [False, True]


def test_headers_over_the_limit_are_refused_and_those_at_the_limit_pass() -> None:
    scene = Scene()
    assert isinstance(scene.request("/t/weather", headers={"x": "a" * 131_071}), ProxyResponse)
    found = error(scene.request("/t/weather", headers={"x": "a" * 65_536, "y": "a" * 65_535}))
    assert (found["error"], found["parameter"]) == ("invalid_parameter", "headers")
    assert [one.counted for one in scene.events] == [False, True]


# Headers.


def test_reserved_headers_are_removed_from_requests() -> None:
    scene = Scene()
    sent = {
        "x-request-id": "a",
        "x-tenant-id": "b",
        "x-clawr-payer": "c",
        "x-clawrs": "d",
        "x": "e",
    }
    scene.request("/t/weather", headers=sent)
    assert sorted(scene.sent[0].remove_headers) == ["x-clawr-payer", "x-request-id", "x-tenant-id"]


@pytest.mark.parametrize("url", ["/t/weather/x", "http://fx.example/x"])
@pytest.mark.parametrize(
    "name",
    [
        "x-forwarded-prefix",
        "x_forwarded_prefix",
        "x-forwarded_prefix",
        "x_clawr-payer",
        "x_request_id",
        "x_platform_token",
    ],
)
def test_reserved_headers_are_removed_in_every_spelling(url: str, name: str) -> None:
    scene = Scene()
    scene.request(url, headers={name: "/forged", "accept_x": "kept"})
    assert scene.sent[0].remove_headers == [name]


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("/t/weather", "/t/weather"),
        ("/t/weather/a/b?c", "/t/weather"),
        ("/t/%77EATHER/x", "/t/weather"),
        ("/t/fx/../weather/x", "/t/weather"),
        ("http://fx.example/t/weather/x", ""),
        ("http://fx.example/", ""),
    ],
)
def test_a_script_below_a_path_is_told_its_prefix(url: str, prefix: str) -> None:
    scene = Scene()
    scene.request(url)
    assert scene.sent[0].prefix == prefix


def test_other_forwarding_headers_pass() -> None:
    scene = Scene()
    names = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"]
    scene.request("/t/weather", headers=dict.fromkeys(names, "x"))
    assert scene.sent[0].remove_headers == []


def test_reserved_headers_are_removed_from_tenants_responses() -> None:
    upstream = FakeUpstreamResponse(200, ["x-request-id", "set-cookie", "x-clawr-a", "x-tenant-id"])
    scene = Scene(environment=FakeEnvironment(namespace=FakeNamespace(upstream)))
    response = scene.request("/t/weather")
    assert isinstance(response, ProxyResponse)
    assert response.remove_headers == ["x-request-id", "x-clawr-a", "x-tenant-id"]
    set_headers = dict(response.set_headers)
    assert set_headers["x-tenant-id"] == "t1"
    assert set_headers["x-request-id"] == scene.events[0].request_id


def test_request_ids_are_unique() -> None:
    scene = Scene()
    ids = set()
    for _ in range(20):
        response = scene.request("http://localhost/health")
        assert isinstance(response, Response)
        ids.add(dict(response.headers)["x-request-id"])
    assert len(ids) == 20


# Callers.


def test_callers_are_recorded_as_a_hash_keyed_by_the_secret() -> None:
    def caller(secret: str, agent: str) -> str:
        environment = FakeEnvironment(settings={"CALLER_HASH_SECRET": secret})
        scene = Scene(environment=environment)
        scene.request("/t/weather", headers={"x-agent-id": agent})
        return scene.events[0].caller

    assert caller("s", "agent-7") == caller("s", "agent-7")
    assert len({caller("s", "agent-7"), caller("s", "agent-8"), caller("other", "agent-7")}) == 3
    assert "agent-7" not in caller("s", "agent-7")

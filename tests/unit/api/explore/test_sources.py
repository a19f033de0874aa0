"""Another dispatcher gets its own token, and its response must be a snapshot."""

from __future__ import annotations

import json

import pytest

from core.ports import Json
from tests.support.explore_scene import UPSTREAM, assert_empty, upstream, upstream_body
from tests.support.explore_shape import check
from tests.support.platform_scene import Scene

PLAIN_HTTP_URL = "http://dispatch.example"
TOKEN = UPSTREAM["ANALYTICS_TOKEN"]


def test_the_snapshot_of_another_dispatcher_is_returned() -> None:
    isolate = upstream()
    isolate.set_upstream(upstream_body("week"))
    body = isolate.body("?window=week")
    assert (body["ok"], body["source"]) == (True, "upstream")
    check(body["snapshot"], "week", 25)
    assert body["snapshot"]["heroStats"]["calls"] == 7
    headers = {"accept": "application/json", "authorization": f"Bearer {TOKEN}"}
    assert isolate.fetcher.sent == [
        (f"https://dispatch.example{path}", headers, None)
        for path in (
            "/__platform/analytics?window=week&top=100",
            "/api/explore/analytics?limit=500&offset=0",
        )
    ]
    assert isolate.reads == 0


def test_without_a_token_no_authorization_is_sent() -> None:
    isolate = upstream(ANALYTICS_TOKEN="")
    isolate.set_upstream(upstream_body())
    assert isolate.body()["ok"]
    assert isolate.fetcher.sent[0][1] == {"accept": "application/json"}


GOOD = upstream_body("week")
BAD_RESPONSES: list[tuple[Json, int]] = [
    (GOOD, 500),
    (GOOD, 401),
    (GOOD, 301),
    (GOOD, 204),
    ("", 200),
    ("<!doctype html><title>502</title>", 200),
    (json.dumps(GOOD)[:-20], 200),
    ("[" * 100_000, 200),
    ("1" * 5_000, 200),
    ("null", 200),
    ("[]", 200),
    ({"ok": True}, 200),
    ({**GOOD, "snapshot": None}, 200),
    ({**GOOD, "snapshot": [1]}, 200),
    ({**GOOD, "snapshot": {**GOOD["snapshot"], "window": "today"}}, 200),
    ({**GOOD, "snapshot": {**GOOD["snapshot"], "heroStats": "many"}}, 200),
]


@pytest.mark.parametrize(("body", "status"), BAD_RESPONSES)
def test_if_the_response_is_not_a_snapshot_the_snapshot_is_empty(body: Json, status: int) -> None:
    isolate = upstream()
    isolate.set_upstream(body, status)
    assert_empty(isolate, "upstream_http_error")


def test_without_a_response_the_snapshot_is_empty() -> None:
    assert_empty(upstream(), "upstream_unreachable")


def test_if_the_response_is_too_long_the_snapshot_is_empty() -> None:
    isolate = upstream()
    isolate.set_upstream(" " * 5_000_000)
    assert_empty(isolate, "upstream_unreachable")


@pytest.mark.parametrize(
    "address",
    [
        "http://dispatch.example",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1@evil.example",
        "https://user@dispatch.example",
        "https://dispatch.example?x",
        "https://dispatch.example/#x",
        "https://",
        "ftp://dispatch.example",
        "dispatch.example",
        "https://[::1",
    ],
)
def test_a_url_that_would_expose_the_token_gets_no_request(address: str) -> None:
    isolate = upstream(ANALYTICS_BASE_URL=address)
    isolate.set_upstream(GOOD)
    assert_empty(isolate, "upstream_unreachable")
    assert isolate.fetcher.sent == []


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8788",
        "http://localhost:8788/",
        "http://[::1]:8788",
        "https://dispatch.example/base/",
    ],
)
def test_https_and_loopback_urls_are_used(address: str) -> None:
    isolate = upstream(ANALYTICS_BASE_URL=address)
    isolate.set_upstream(GOOD)
    assert isolate.body("?window=week")["ok"]
    assert isolate.fetcher.sent[0][0].startswith(address.rstrip("/") + "/__platform/analytics?")


def test_an_invalid_token_is_neither_sent_nor_logged(caplog: pytest.LogCaptureFixture) -> None:
    isolate = upstream(ANALYTICS_TOKEN="two words\r\nx-evil: 1")
    isolate.set_upstream(GOOD)
    assert_empty(isolate, "upstream_unreachable")
    assert isolate.fetcher.sent == []
    assert "two words" not in caplog.text


@pytest.mark.parametrize(
    ("name", "value"), [("ANALYTICS_BASE_URL", PLAIN_HTTP_URL), ("ANALYTICS_TOKEN", "two words")]
)
def test_health_names_the_unusable_setting(name: str, value: str) -> None:
    scene = Scene()
    scene.environment.settings.update(UPSTREAM)
    assert problems(scene) == []
    scene.environment.settings[name] = value
    (found,) = problems(scene)
    assert found.startswith(f"The setting {name} is missing or unusable.")
    assert value not in found


def problems(scene: Scene) -> list[str]:
    """Return the problems that health reports about the settings of this source."""
    messages = [problem["message"] for problem in scene.body("/__platform/health")["problems"]]
    return [message for message in messages if "ANALYTICS_" in message]

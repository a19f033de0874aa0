"""Another dispatcher: asked with its own token, believed only if it answers a snapshot."""

from __future__ import annotations

import json

import pytest

from core.ports import Json
from tests.support.explore_scene import UPSTREAM, assert_empty, snapshot_answer, upstream
from tests.support.explore_shape import check
from tests.support.platform_scene import Scene

NOT_TO_BE_ASKED = "http://dispatch.example"
TOKEN = UPSTREAM["ANALYTICS_TOKEN"]


def test_figures_may_be_another_dispatchers() -> None:
    isolate = upstream()
    isolate.upstream_says(snapshot_answer("week"))
    body = isolate.body("?window=week")
    assert (body["ok"], body["source"]) == (True, "upstream")
    check(body["snapshot"], "week", 25)
    assert body["snapshot"]["heroStats"]["calls"] == 7
    assert isolate.fetcher.sent == [
        (
            "https://dispatch.example/__platform/analytics?window=week&top=100",
            {"accept": "application/json", "authorization": f"Bearer {TOKEN}"},
            None,
        )
    ]
    assert isolate.store.operations == []


def test_without_a_token_none_is_sent() -> None:
    isolate = upstream(ANALYTICS_TOKEN="")
    isolate.upstream_says(snapshot_answer())
    assert isolate.body()["ok"]
    assert isolate.fetcher.sent[0][1] == {"accept": "application/json"}


GOOD = snapshot_answer("week")
BAD_ANSWERS: list[tuple[Json, int]] = [
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


@pytest.mark.parametrize(("body", "status"), BAD_ANSWERS)
def test_an_answer_that_is_no_snapshot_is_an_empty_one(body: Json, status: int) -> None:
    isolate = upstream()
    isolate.upstream_says(body, status)
    assert_empty(isolate, "upstream_http_error")


def test_no_answer_is_an_empty_snapshot() -> None:
    assert_empty(upstream(), "upstream_unreachable")


def test_an_answer_without_end_is_an_empty_snapshot() -> None:
    isolate = upstream()
    isolate.upstream_says(" " * 5_000_000)
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
def test_an_address_that_would_give_the_token_away_is_never_asked(address: str) -> None:
    isolate = upstream(ANALYTICS_BASE_URL=address)
    isolate.upstream_says(GOOD)
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
def test_loopback_needs_no_https(address: str) -> None:
    isolate = upstream(ANALYTICS_BASE_URL=address)
    isolate.upstream_says(GOOD)
    assert isolate.body("?window=week")["ok"]
    assert isolate.fetcher.sent[0][0].startswith(address.rstrip("/") + "/__platform/analytics?")


def test_a_token_that_is_none_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    isolate = upstream(ANALYTICS_TOKEN="two words\r\nx-evil: 1")
    isolate.upstream_says(GOOD)
    assert_empty(isolate, "upstream_unreachable")
    assert isolate.fetcher.sent == []
    assert "two words" not in caplog.text


@pytest.mark.parametrize(
    ("name", "value"), [("ANALYTICS_BASE_URL", NOT_TO_BE_ASKED), ("ANALYTICS_TOKEN", "two words")]
)
def test_operators_are_told_which_setting_cannot_be_used(name: str, value: str) -> None:
    scene = Scene()
    scene.environment.settings.update(UPSTREAM)
    assert problems(scene) == []
    scene.environment.settings[name] = value
    (found,) = problems(scene)
    assert found.startswith(f"The setting {name} is missing or unusable.")
    assert value not in found


def problems(scene: Scene) -> list[str]:
    """What health says about the settings for another dispatcher."""
    said = [problem["message"] for problem in scene.ask("/__platform/health")["problems"]]
    return [message for message in said if "ANALYTICS_" in message]

"""Where the page answers, what its files are sent with, and what it never shadows."""

from __future__ import annotations

import pytest

from core.ports import ProxyResponse
from tests.support.dispatcher_scene import Scene, error
from tests.support.fakes import FakeEnvironment, FakeUpstreamResponse


@pytest.mark.parametrize("host", ["localhost:8787", "dispatcher.example", "d.workers.dev"])
def test_the_page_answers_at_every_host_that_is_no_tenants(host: str) -> None:
    scene = Scene()
    answer = scene.request(f"http://{host}/explore?window=week")
    assert isinstance(answer, ProxyResponse)
    assert answer.upstream.status == 200
    assert scene.environment.assets is not None
    assert scene.environment.assets.requests == [(f"http://{host}/explore", "GET", None)]


@pytest.mark.parametrize("path", ["/explore", "/explore/", "/explore/main.js"])
def test_a_tenants_host_is_never_shadowed(path: str) -> None:
    scene = Scene()
    scene.request("http://fx.example" + path)
    assert [sent.script for sent in scene.sent] == ["fx"]
    assert scene.environment.assets is not None
    assert scene.environment.assets.requests == []


def test_every_file_is_sent_with_a_policy_that_lets_nothing_else_in() -> None:
    answer = Scene().request("/explore")
    assert isinstance(answer, ProxyResponse)
    headers = dict(answer.set_headers)
    policy = headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "public, max-age=0, must-revalidate"
    assert headers["x-request-id"]


def test_a_file_that_the_client_has_is_not_sent_again() -> None:
    answer = Scene().request("/explore", headers={"if-none-match": '"/explore"'})
    assert isinstance(answer, ProxyResponse)
    assert answer.upstream.status == 304


def test_a_file_that_is_not_there_is_not_found() -> None:
    scene = Scene()
    shown = error(scene.request("/explore/nothing.js"))
    assert (shown["status"], shown["error"]) == (404, "not_found")
    assert scene.environment.assets is not None
    assert isinstance(scene.environment.assets.response, FakeUpstreamResponse)
    assert scene.environment.assets.response.is_discarded


@pytest.mark.parametrize("path", ["/explored", "/EXPLORE", "/%65xplore", "/t/explore"])
def test_what_only_looks_like_the_page_is_not(path: str) -> None:
    scene = Scene()
    assert error(scene.request("http://localhost" + path))["status"] == 404
    assert scene.environment.assets is not None
    assert scene.environment.assets.requests == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_the_page_is_only_read(method: str) -> None:
    shown = error(Scene().request("/explore", method))
    assert (shown["status"], shown["allowed"]) == (405, ["GET", "HEAD"])


def test_a_missing_binding_is_named() -> None:
    shown = error(Scene(environment=FakeEnvironment(assets=None)).request("/explore"))
    assert (shown["status"], shown["error"]) == (500, "dispatcher_binding_missing")
    assert shown["binding"] == "ASSETS"


def test_a_visit_of_the_page_is_no_call() -> None:
    scene = Scene()
    scene.request("/explore")
    scene.request("/explore", "POST")
    assert scene.events == []

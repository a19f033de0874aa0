"""The page is served on the dispatcher's hosts only, with restrictive headers."""

from __future__ import annotations

import pytest

from core.ports import ProxyResponse
from tests.support.dispatcher_scene import Scene, error
from tests.support.fakes import FakeEnvironment, FakeUpstreamResponse


@pytest.mark.parametrize("host", ["localhost:8787", "dispatcher.example", "d.workers.dev"])
def test_every_host_without_a_tenant_serves_the_page(host: str) -> None:
    scene = Scene()
    response = scene.request(f"http://{host}/explore?window=week")
    assert isinstance(response, ProxyResponse)
    assert response.upstream.status == 200
    assert scene.environment.assets is not None
    assert scene.environment.assets.requests == [(f"http://{host}/explore", "GET", None)]


@pytest.mark.parametrize("path", ["/explore", "/explore/", "/explore/main.js"])
def test_the_same_path_at_a_tenants_host_is_forwarded_to_the_tenant(path: str) -> None:
    scene = Scene()
    scene.request("http://fx.example" + path)
    assert [sent.script for sent in scene.sent] == ["fx"]
    assert scene.environment.assets is not None
    assert scene.environment.assets.requests == []


def test_every_file_has_restrictive_security_headers() -> None:
    response = Scene().request("/explore")
    assert isinstance(response, ProxyResponse)
    headers = dict(response.set_headers)
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


def test_a_matching_tag_gets_304() -> None:
    response = Scene().request("/explore", headers={"if-none-match": '"/explore"'})
    assert isinstance(response, ProxyResponse)
    assert response.upstream.status == 304


def test_a_missing_file_is_not_found() -> None:
    scene = Scene()
    shown = error(scene.request("/explore/nothing.js"))
    assert (shown["status"], shown["error"]) == (404, "not_found")
    assert scene.environment.assets is not None
    assert isinstance(scene.environment.assets.response, FakeUpstreamResponse)
    assert scene.environment.assets.response.is_discarded


@pytest.mark.parametrize("path", ["/explored", "/EXPLORE", "/%65xplore", "/t/explore"])
def test_similar_paths_are_not_found(path: str) -> None:
    scene = Scene()
    assert error(scene.request("http://localhost" + path))["status"] == 404
    assert scene.environment.assets is not None
    assert scene.environment.assets.requests == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_get_and_head_are_allowed(method: str) -> None:
    shown = error(Scene().request("/explore", method))
    assert (shown["status"], shown["allowed"]) == (405, ["GET", "HEAD"])


def test_without_the_binding_the_error_names_it() -> None:
    shown = error(Scene(environment=FakeEnvironment(assets=None)).request("/explore"))
    assert (shown["status"], shown["error"]) == (500, "dispatcher_binding_missing")
    assert shown["binding"] == "ASSETS"


def test_requests_for_the_page_are_not_metered() -> None:
    scene = Scene()
    scene.request("/explore")
    scene.request("/explore", "POST")
    assert scene.events == []

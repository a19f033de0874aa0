"""Each API has a page at a permanent address, at the dispatcher's hosts only."""

from __future__ import annotations

import json

import pytest

from core.ports import Response
from tests.support.dispatcher_scene import TENANTS, Scene, error
from tests.support.fakes import FakeEnvironment

BROWSER = {"accept": "text/html", "user-agent": "Mozilla/5.0"}


def page(scene: Scene, path: str, **headers: str) -> Response:
    response = scene.request(path, headers={**BROWSER, **headers})
    assert isinstance(response, Response)
    return response


def test_the_page_of_an_api_has_the_headers_of_the_pages_files() -> None:
    response = page(Scene(), "/explore/weather")
    headers = dict(response.headers)
    assert response.status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["cache-control"] == "public, max-age=0, must-revalidate"
    assert "http://dispatcher.example/t/weather" in response.body


def test_programs_get_the_page_of_an_api_too() -> None:
    response = Scene().request("/explore/weather")
    assert isinstance(response, Response)
    assert response.body.startswith("<!doctype html>")


def test_an_unchanged_page_gets_304() -> None:
    scene = Scene()
    tag = dict(page(scene, "/explore/weather").headers)["etag"]
    again = page(scene, "/explore/weather", **{"if-none-match": tag})
    assert (again.status, again.body) == (304, "")


def test_an_api_that_does_not_exist_has_a_page_that_leads_back() -> None:
    response = page(Scene(), "/explore/nothing")
    assert response.status == 404
    assert "There is no such API" in response.body
    assert '<a class="button" href="/explore">' in response.body
    shown = error(Scene().request("/explore/nothing"))
    assert (shown["status"], shown["error"]) == (404, "not_found")


def test_an_api_that_was_withdrawn_says_so() -> None:
    scene = Scene()
    scene.request("/t/weather/today")
    left = json.dumps({"tenants": TENANTS[1:]})
    later = Scene(clock=scene.clock, environment=scene.environment, variable=left)
    response = page(later, "/explore/weather")
    assert response.status == 404
    assert "This API was withdrawn" in response.body
    assert "was called once" in response.body


def test_other_methods_are_rejected() -> None:
    shown = error(Scene().request("/explore/weather", "POST"))
    assert (shown["status"], shown["error"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("path", ["/explore/Weather", "/explore/main.js", "/explore/a/b"])
def test_what_is_no_slug_is_a_file(path: str) -> None:
    scene = Scene()
    scene.request(path, headers=BROWSER)
    assert scene.environment.assets is not None
    assert len(scene.environment.assets.requests) == 1


def test_at_a_tenants_host_the_path_is_the_tenants() -> None:
    scene = Scene()
    scene.request("http://fx.example/explore/weather", headers=BROWSER)
    assert [sent.script for sent in scene.sent] == ["fx"]


def test_with_totals_of_another_dispatcher_its_page_is_shown() -> None:
    settings = {"ANALYTICS_BASE_URL": "https://other.example/"}
    scene = Scene(environment=FakeEnvironment(settings=settings))
    response = page(scene, "/explore/weather")
    assert response.status == 307
    assert dict(response.headers)["location"] == "https://other.example/explore/weather"


def test_a_visit_of_a_page_is_no_call() -> None:
    scene = Scene()
    page(scene, "/explore/weather")
    page(scene, "/explore/nothing")
    assert scene.events == []

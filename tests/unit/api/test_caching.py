"""Analytics responses have an entity tag that changes with their content only."""

from __future__ import annotations

import asyncio

import pytest

from core.ports import Response
from tests.support.builders import event
from tests.support.platform_scene import ROUTES, TOKEN, Scene

ANALYTICS = ROUTES[0]


def header(response: Response, name: str) -> str:
    (value,) = [value for key, value in response.headers if key == name]
    return value


def tag(scene: Scene, query: str = "?window=today") -> str:
    return header(scene.request(ANALYTICS, query), "etag")


def conditional_request(scene: Scene, if_none_match: str, query: str = "?window=today") -> Response:
    return scene.request(ANALYTICS, query, {**TOKEN, "if-none-match": if_none_match})


@pytest.mark.parametrize("query", ["", "?window=today", "?window=week&top=3", "?window=overall"])
def test_unchanged_totals_keep_their_tag_over_time(query: str) -> None:
    scene = Scene()
    scene.commit(3)
    first = tag(scene, query)
    scene.clock.at_ms += 90_000
    again = conditional_request(scene, first, query)
    assert (again.status, again.body) == (304, "")
    assert header(again, "etag") == first
    assert header(again, "x-request-id") == "id-1"
    assert header(again, "cache-control") == "private, max-age=5"
    assert header(again, "vary") == "Authorization, X-Platform-Token"


def test_another_call_changes_the_tag() -> None:
    scene = Scene()
    scene.commit(3)
    before = tag(scene)
    scene.recorder.record(event(request_id="more"))
    asyncio.run(scene.recorder.send())
    response = conditional_request(scene, before)
    assert response.status == 200
    assert header(response, "etag") != before


def test_a_shard_that_does_not_respond_changes_the_tag() -> None:
    scene = Scene()
    scene.commit(3)
    before = tag(scene)
    # The totals stay the same, but are not complete any more.
    assert scene.environment.usage_shards is not None
    scene.environment.usage_shards.unavailable = {0}
    scene.clock.at_ms += 60_000
    assert tag(scene) != before


def test_windows_and_days_have_different_tags() -> None:
    scene = Scene()
    scene.commit(3)
    queries = ["", "?window=today", "?window=week", "?window=overall"]
    assert len({tag(scene, query) for query in queries}) == 4
    before = tag(scene, "?window=week")
    scene.clock.at_ms += 86_400_000
    assert tag(scene, "?window=week") != before


def test_tags_are_weak_and_compared_weakly() -> None:
    scene = Scene()
    scene.commit(3)
    weak = tag(scene)
    assert weak.startswith('W/"')
    for wanted in (weak, weak[2:], f'"a", {weak}', f'W/"a,b" ,{weak[2:]}', "*", " * "):
        assert conditional_request(scene, wanted).status == 304, wanted
    for wanted in ("", weak[:-2] + '"', weak[3:-1], '"*"', "W/", "nonsense"):
        assert conditional_request(scene, wanted).status == 200, wanted


def test_shared_caches_may_store_public_analytics() -> None:
    scene = Scene()
    scene.environment.settings["ALLOW_PUBLIC_PLATFORM_ANALYTICS"] = "true"
    response = scene.request(ANALYTICS, "?window=today", {})
    assert header(response, "cache-control") == "public, max-age=5"
    assert header(response, "vary") == "Authorization, X-Platform-Token"


def test_a_head_request_has_the_same_tag() -> None:
    scene = Scene()
    scene.commit(3)
    response = scene.request(ANALYTICS, "?window=today", method="HEAD")
    assert header(response, "etag") == tag(scene)
    headers = {**TOKEN, "if-none-match": tag(scene)}
    assert scene.request(ANALYTICS, "?window=today", headers, "HEAD").status == 304


@pytest.mark.parametrize("route", ROUTES[1:])
def test_other_routes_are_not_cacheable(route: str) -> None:
    response = Scene().request(route, headers={**TOKEN, "if-none-match": "*"})
    assert response.status == 200
    assert header(response, "cache-control") == "no-store"
    assert "etag" not in dict(response.headers)

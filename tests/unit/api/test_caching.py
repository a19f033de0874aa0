"""Analytics answers have a tag that changes with what they show, and with nothing else."""

from __future__ import annotations

import pytest

from core.ports import Response
from tests.support.builders import event
from tests.support.platform_scene import ROUTES, TOKEN, Scene

ANALYTICS = ROUTES[0]


def header(answer: Response, name: str) -> str:
    (value,) = [value for key, value in answer.headers if key == name]
    return value


def tag(scene: Scene, query: str = "?window=today") -> str:
    return header(scene.answer(ANALYTICS, query), "etag")


def asked_again(scene: Scene, wanted: str, query: str = "?window=today") -> Response:
    return scene.answer(ANALYTICS, query, {**TOKEN, "if-none-match": wanted})


@pytest.mark.parametrize("query", ["", "?window=today", "?window=week&top=3", "?window=overall"])
def test_the_same_figures_have_the_same_tag_whenever_they_are_asked_for(query: str) -> None:
    scene = Scene()
    scene.commit(3)
    first = tag(scene, query)
    scene.clock.at_ms += 90_000
    again = asked_again(scene, first, query)
    assert (again.status, again.body) == (304, "")
    assert header(again, "etag") == first
    assert header(again, "x-request-id") == "id-1"
    assert header(again, "cache-control") == "private, max-age=5"
    assert header(again, "vary") == "Authorization, X-Platform-Token"


def test_another_call_is_another_tag() -> None:
    scene = Scene()
    scene.commit(3)
    before = tag(scene)
    scene.log.record(event(request_id="more"))
    answer = asked_again(scene, before)
    assert answer.status == 200
    assert header(answer, "etag") != before


def test_what_was_left_out_is_another_tag() -> None:
    scene = Scene()
    scene.commit(3)
    before = tag(scene)
    # The batch is listed and cannot be read: the same figures, less that one's.
    assert scene.environment.usage_store is not None
    store = scene.environment.usage_store
    key = next(iter(store.values))
    other = key[:-1] + "9"
    store.values[other] = ("{", {})
    assert tag(scene) != before


def test_windows_tops_and_days_have_tags_of_their_own() -> None:
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
        assert asked_again(scene, wanted).status == 304, wanted
    for wanted in ("", weak[:-2] + '"', weak[3:-1], '"*"', "W/", "nonsense"):
        assert asked_again(scene, wanted).status == 200, wanted


def test_what_anybody_may_see_anybody_may_keep() -> None:
    scene = Scene()
    scene.environment.settings["ALLOW_PUBLIC_PLATFORM_ANALYTICS"] = "true"
    answer = scene.answer(ANALYTICS, "?window=today", {})
    assert header(answer, "cache-control") == "public, max-age=5"
    assert header(answer, "vary") == "Authorization, X-Platform-Token"


def test_a_head_request_has_the_same_tag() -> None:
    scene = Scene()
    scene.commit(3)
    answer = scene.answer(ANALYTICS, "?window=today", method="HEAD")
    assert header(answer, "etag") == tag(scene)
    conditional = {**TOKEN, "if-none-match": tag(scene)}
    assert scene.answer(ANALYTICS, "?window=today", conditional, "HEAD").status == 304


@pytest.mark.parametrize("route", ROUTES[1:])
def test_nothing_else_is_kept(route: str) -> None:
    answer = Scene().answer(route, headers={**TOKEN, "if-none-match": "*"})
    assert answer.status == 200
    assert header(answer, "cache-control") == "no-store"
    assert "etag" not in dict(answer.headers)

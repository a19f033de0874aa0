"""The public page's route: right parameters, one shape, no token, whatever happens behind it."""

from __future__ import annotations

import json

import pytest

from analytics import WINDOWS
from core.errors import InvalidParameter, InvalidWindow, MethodNotAllowed
from core.ports import Response
from tests.support.dispatcher_scene import Scene
from tests.support.explore_scene import Isolate, assert_empty, header, snapshot_answer, upstream
from tests.support.explore_shape import check
from tests.support.fakes import FakeEnvironment


@pytest.mark.parametrize("window", WINDOWS)
def test_each_window_is_its_own_snapshot(window: str) -> None:
    isolate = Isolate()
    isolate.call(3)
    body = isolate.body(f"?window={window}")
    assert {name: body[name] for name in ("ok", "window", "source")} == {
        "ok": True,
        "window": window,
        "source": "self",
    }
    assert set(body) == {"ok", "window", "source", "snapshot"}
    check(body["snapshot"], window, 25)
    assert body["snapshot"]["heroStats"]["calls"] == 3


def test_without_a_window_it_is_today() -> None:
    assert Isolate().body()["window"] == "today"


@pytest.mark.parametrize("query", ["?window=", "?window=TODAY", "?window=%00"])
def test_no_other_window_is_taken(query: str) -> None:
    with pytest.raises(InvalidWindow) as caught:
        Isolate().ask(query)
    assert caught.value.evidence["expected"] == list(WINDOWS)


def test_a_parameter_that_is_given_twice_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="once"):
        Isolate().ask("?window=today&window=today")


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ("1", 1),
        ("007", 7),
        ("100", 100),
        ("101", 100),
        ("9" * 5_000, 100),
        ("0", 25),
        ("000", 25),
        ("", 25),
        ("-3", 25),
        ("2.5", 25),
        ("1e2", 25),
        ("many", 25),
        ("\u0663", 25),
        ("%20", 25),
    ],
)
def test_top_is_how_many_rows_and_nonsense_means_25(given: str, rows: int) -> None:
    isolate = upstream()
    many = [{"endpoint": f"/t/a{number}", "rank": number + 1} for number in range(130)]
    answer = snapshot_answer()
    isolate.upstream_says({**answer, "snapshot": {**answer["snapshot"], "allApis": many}})
    snapshot = isolate.body(f"?top={given}")["snapshot"]
    check(snapshot, "today", rows)
    assert (len(snapshot["topApis"]), len(snapshot["allApis"])) == (rows, 130)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_it_can_only_be_read(method: str) -> None:
    with pytest.raises(MethodNotAllowed):
        Isolate().ask(method=method)


def test_a_query_of_hundreds_of_parameters_is_refused() -> None:
    with pytest.raises(InvalidParameter):
        Isolate().ask("?" + "&a=1" * 200)


def test_an_answer_that_is_known_is_not_sent_again() -> None:
    isolate = Isolate()
    first = isolate.ask("?top=3")
    tag = header(first, "etag")
    again = isolate.ask("?top=3", {"if-none-match": tag})
    assert (again.status, again.body, header(again, "etag")) == (304, "", tag)
    assert header(again, "x-request-id") == "id-1"
    for answer in (first, again):
        assert header(answer, "cache-control") == ("public, max-age=5, stale-while-revalidate=55")
    assert isolate.ask("?top=4", {"if-none-match": tag}).status == 200, "other rows"
    assert isolate.ask("?top=3&window=week", {"if-none-match": tag}).status == 200
    isolate.clock.at_ms += 61_000
    assert isolate.ask("?top=3", {"if-none-match": tag}).status == 200, "made anew"
    assert isolate.ask(method="HEAD").status == 200


# Its own log.


def test_a_store_that_fails_is_an_empty_snapshot() -> None:
    isolate = Isolate()
    isolate.store.unavailable = True
    assert_empty(isolate, "upstream_unreachable")


def test_a_missing_store_is_an_empty_snapshot() -> None:
    isolate = Isolate()
    isolate.environment.usage_store = None
    assert_empty(isolate, "upstream_unreachable")


def test_a_defect_is_an_empty_snapshot_and_is_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("api.explore.route.safe_snapshot", broken)
    assert_empty(Isolate(), "upstream_http_error")
    assert "ZeroDivisionError" in caplog.text


# Through the dispatcher.

PATH = "/api/explore/analytics"


def platform_answer(scene: Scene, url: str, method: str = "GET") -> Response:
    answer = scene.request(url, method)
    assert isinstance(answer, Response)
    return answer


def test_it_answers_at_every_host_that_is_no_tenants_without_a_token() -> None:
    for host in ("localhost:8787", "dispatcher.example", "127.0.0.1", "x.workers.dev"):
        answer = platform_answer(Scene(), f"http://{host}{PATH}?window=week&token=x")
        assert (answer.status, json.loads(answer.body)["window"]) == (200, "week")


def test_a_tenants_host_and_a_tenants_paths_are_the_tenants() -> None:
    scene = Scene()
    scene.request(f"http://fx.example{PATH}?window=x", "POST")
    scene.request(f"/t/weather{PATH}")
    assert [sent.script for sent in scene.sent] == ["fx", "weather-v2"]


def test_nothing_of_it_is_metered() -> None:
    scene = Scene()
    assert platform_answer(scene, PATH).status == 200
    assert platform_answer(scene, PATH + "?window=x").status == 400
    assert platform_answer(scene, PATH, "POST").status == 405
    assert scene.events == []


@pytest.mark.parametrize("variable", ["{", None])
def test_it_answers_even_without_a_directory(variable: str | None) -> None:
    assert platform_answer(Scene(variable=variable), PATH).status == 200


def test_it_answers_even_without_any_binding() -> None:
    environment = FakeEnvironment(usage_store=None, namespace=None)
    answer = platform_answer(Scene(environment=environment), PATH)
    assert (answer.status, json.loads(answer.body)["ok"]) == (200, False)


@pytest.mark.parametrize("path", [PATH + "/", PATH + "x", "/api/explore", "/API/explore/analytics"])
def test_no_other_path_is_its_own(path: str) -> None:
    assert platform_answer(Scene(), path).status == 404

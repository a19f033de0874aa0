"""The public page's route needs no token and always returns a snapshot of the same shape."""

from __future__ import annotations

import json

import pytest

from analytics import WINDOWS
from core.errors import InvalidParameter, InvalidWindow, MethodNotAllowed
from core.ports import Response
from tests.support.dispatcher_scene import Scene
from tests.support.explore_scene import Isolate, assert_empty, header, upstream, upstream_body
from tests.support.explore_shape import check
from tests.support.fakes import FakeEnvironment


@pytest.mark.parametrize("window", WINDOWS)
def test_each_window_has_its_own_snapshot(window: str) -> None:
    isolate = Isolate()
    isolate.record_calls(3)
    body = isolate.body(f"?window={window}")
    assert {name: body[name] for name in ("ok", "window", "source")} == {
        "ok": True,
        "window": window,
        "source": "self",
    }
    assert set(body) == {"ok", "window", "source", "snapshot"}
    check(body["snapshot"], window, 25)
    assert body["snapshot"]["heroStats"]["calls"] == 3


def test_the_default_window_is_today() -> None:
    assert Isolate().body()["window"] == "today"


@pytest.mark.parametrize("query", ["?window=", "?window=TODAY", "?window=%00"])
def test_other_windows_are_rejected(query: str) -> None:
    with pytest.raises(InvalidWindow) as caught:
        Isolate().request(query)
    assert caught.value.evidence["expected"] == list(WINDOWS)


def test_a_repeated_parameter_is_rejected() -> None:
    with pytest.raises(InvalidParameter, match="once"):
        Isolate().request("?window=today&window=today")


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
def test_top_limits_the_rows_and_an_invalid_value_means_25(given: str, rows: int) -> None:
    isolate = upstream()
    many = [{"endpoint": f"/t/a{number}", "rank": number + 1} for number in range(130)]
    response = upstream_body()
    isolate.set_upstream({**response, "snapshot": {**response["snapshot"], "allApis": many}})
    snapshot = isolate.body(f"?top={given}")["snapshot"]
    check(snapshot, "today", rows)
    assert (len(snapshot["topApis"]), len(snapshot["allApis"])) == (rows, 130)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_get_and_head_are_allowed(method: str) -> None:
    with pytest.raises(MethodNotAllowed):
        Isolate().request(method=method)


def test_too_many_parameters_are_rejected() -> None:
    with pytest.raises(InvalidParameter):
        Isolate().request("?" + "&a=1" * 200)


def test_a_matching_tag_gets_304() -> None:
    isolate = Isolate()
    first = isolate.request("?top=3")
    tag = header(first, "etag")
    again = isolate.request("?top=3", {"if-none-match": tag})
    assert (again.status, again.body, header(again, "etag")) == (304, "", tag)
    assert header(again, "x-request-id") == "id-1"
    for response in (first, again):
        assert header(response, "cache-control") == "public, max-age=5"
    assert isolate.request("?top=4", {"if-none-match": tag}).status == 200, "other rows"
    assert isolate.request("?top=3&window=week", {"if-none-match": tag}).status == 200
    assert isolate.request(method="HEAD").status == 200


# Failures of the dispatcher's own analytics.


def test_if_no_shard_responds_the_snapshot_is_empty() -> None:
    isolate = Isolate()
    assert isolate.shards is not None
    isolate.shards.unavailable.add(0)
    assert_empty(isolate, "upstream_unreachable")


def test_without_shards_the_snapshot_is_empty() -> None:
    isolate = Isolate()
    isolate.explore.analytics.shards = None
    assert_empty(isolate, "upstream_unreachable")


def test_a_defect_is_logged_and_the_snapshot_is_empty(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("api.explore.route.safe_snapshot", broken)
    assert_empty(Isolate(), "upstream_http_error")
    assert "ZeroDivisionError" in caplog.text


# Through the dispatcher.

PATH = "/api/explore/analytics"


def public_response(scene: Scene, url: str, method: str = "GET") -> Response:
    response = scene.request(url, method)
    assert isinstance(response, Response)
    return response


@pytest.mark.parametrize("is_available", [True, False])
def test_pages_of_any_origin_can_read_every_response(is_available: bool) -> None:
    isolate = Isolate()
    assert isolate.shards is not None
    isolate.shards.unavailable = set() if is_available else {0}
    tag = dict(Isolate().request().headers)["etag"]
    preflight = {"origin": "https://app.example", "access-control-request-method": "GET"}
    statuses = []
    for method, headers in (("GET", {}), ("GET", {"if-none-match": tag}), ("OPTIONS", preflight)):
        response = isolate.request(headers=headers, method=method)
        assert header(response, "access-control-allow-origin") == "*"
        statuses.append(response.status)
    assert statuses == [200, 304 if is_available else 200, 204]


def test_pages_of_any_origin_can_read_errors() -> None:
    response = public_response(Scene(), PATH + "?window=never")
    assert (response.status, header(response, "access-control-allow-origin")) == (400, "*")


def test_every_host_without_a_tenant_serves_the_route() -> None:
    for host in ("localhost:8787", "dispatcher.example", "127.0.0.1", "x.workers.dev"):
        response = public_response(Scene(), f"http://{host}{PATH}?window=week&token=x")
        assert (response.status, json.loads(response.body)["window"]) == (200, "week")


def test_the_same_path_at_a_tenants_host_is_forwarded_to_the_tenant() -> None:
    scene = Scene()
    scene.request(f"http://fx.example{PATH}?window=x", "POST")
    scene.request(f"/t/weather{PATH}")
    assert [sent.script for sent in scene.sent] == ["fx", "weather-v2"]


def test_requests_for_the_route_are_not_metered() -> None:
    scene = Scene()
    assert public_response(scene, PATH).status == 200
    assert public_response(scene, PATH + "?window=x").status == 400
    assert public_response(scene, PATH, "POST").status == 405
    assert scene.events == []


@pytest.mark.parametrize("variable", ["{", None])
def test_the_route_works_without_a_directory(variable: str | None) -> None:
    assert public_response(Scene(variable=variable), PATH).status == 200


def test_the_route_works_without_any_binding() -> None:
    environment = FakeEnvironment(usage_store=None, namespace=None)
    response = public_response(Scene(environment=environment), PATH)
    assert (response.status, json.loads(response.body)["ok"]) == (200, False)


@pytest.mark.parametrize("path", [PATH + "/", PATH + "x", "/api/explore", "/API/explore/analytics"])
def test_similar_paths_are_not_found(path: str) -> None:
    assert public_response(Scene(), path).status == 404

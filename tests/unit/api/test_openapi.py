"""The OpenAPI document is valid, complete, and what the dispatcher does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from api import routes as api_routes
from api.openapi_document import TEXT
from api.routes import PLATFORM_ROUTES
from api.spec import Route
from core.errors import DispatcherError
from core.responses import error_answer
from dev.openapi.document import described_errors, document
from dev.openapi.error_schemas import EVIDENCE, shape_name
from payments import errors as payment_errors
from tenants import admission as limit_errors
from tests.support.fake_network import FakeDatabase
from tests.support.fakes import FakeEnvironment, FakeStore
from tests.support.openapi_conformance import faults
from tests.support.platform_scene import SETTINGS, TOKEN, Scene

SERVED = [*PLATFORM_ROUTES.values()]
RANGE = "?from=2026-11-22T11:00Z&to=2026-11-22T12:00Z"

ELSEWHERE = (limit_errors, payment_errors)
"""Where the branches of the tree are that `errors` does not have."""


def _tree(kind: type[DispatcherError]) -> Iterator[type[DispatcherError]]:
    yield kind
    for branch in kind.__subclasses__():
        yield from _tree(branch)


def test_the_official_validator_finds_nothing() -> None:
    OpenAPIV31SpecValidator(json.loads(TEXT)).validate()


def test_every_code_of_the_tree_is_described_and_no_other() -> None:
    assert ELSEWHERE
    in_tree = {kind.code for kind in _tree(DispatcherError)}
    assert EVIDENCE.keys() == in_tree
    assert {kind.code for kind in described_errors()} == in_tree
    shapes = document()["components"]["schemas"]
    assert {name for name in shapes if name.startswith("Error")} == set(map(shape_name, in_tree))


def test_every_shape_and_every_answer_that_is_described_is_used() -> None:
    unused = [
        f"{kind}/{name}"
        for kind in ("schemas", "responses", "headers")
        for name in document()["components"][kind]
        if f'"#/components/{kind}/{name}"' not in TEXT
    ]
    assert unused == []


@pytest.mark.parametrize("route", SERVED, ids=lambda route: str(route.name))
def test_a_route_answers_each_of_its_methods_as_described(route: Route) -> None:
    scene = Scene(FakeEnvironment(settings=dict(SETTINGS), control_database=FakeDatabase()))
    scene.commit(3)
    query = RANGE if route is api_routes.COMPACT else ""
    for method in route.methods:
        answer = scene.answer(route.path, query, method=method)
        assert answer.status == 200
        assert faults(method, route.path, answer) == []


@pytest.mark.parametrize("window", ["?window=today", "?window=week", "?window=overall", ""])
def test_every_window_is_described(window: str) -> None:
    scene = Scene()
    scene.commit(3)
    path = api_routes.ANALYTICS.path
    answer = scene.answer(path, window)
    assert faults("GET", path, answer) == []
    again = scene.answer(path, window, {**HEADERS, "if-none-match": dict(answer.headers)["etag"]})
    assert again.status == 304
    assert faults("GET", path, again) == []


HEADERS = TOKEN


@pytest.mark.parametrize("route", SERVED, ids=lambda route: str(route.name))
@pytest.mark.parametrize(
    ("settings", "headers", "method", "query"),
    [
        (SETTINGS, {}, None, ""),
        ({}, HEADERS, None, ""),
        (SETTINGS, HEADERS, "DELETE", ""),
        (SETTINGS, HEADERS, None, "?token=right"),
        (SETTINGS, HEADERS, None, "?" + "a=1&" * 200),
        *((SETTINGS, HEADERS, None, f"?{name}=%00") for name in ("window", "top", "limit")),
        *((SETTINGS, HEADERS, None, f"?{name}=%00") for name in ("cursor", "day", "from")),
    ],
)
def test_every_refusal_is_described(
    route: Route,
    settings: Mapping[str, str],
    headers: Mapping[str, str],
    method: str | None,
    query: str,
) -> None:
    scene = Scene(FakeEnvironment(settings=dict(settings)))
    try:
        answer = scene.answer(route.path, query, headers, method or route.methods[0])
    except DispatcherError as error:
        answer = error_answer(error, "0-1")
    if answer.status == 400 and not route.parameters:
        # Only a flood of parameters gets that far.
        assert "a=1" in query
        return
    assert faults(route.methods[0], route.path, answer) == []


@pytest.mark.parametrize("path", ["/__platform/events", "/__platform/settlements"])
def test_a_deployment_without_kv_is_told_so_as_described(path: str) -> None:
    scene = Scene(FakeEnvironment(settings=dict(SETTINGS), usage_store=None))
    with pytest.raises(DispatcherError) as caught:
        scene.answer(path)
    assert caught.value.status == 500
    assert faults("GET", path, error_answer(caught.value, "0-1")) == []


def test_an_undescribed_field_header_or_status_is_a_fault() -> None:
    scene = Scene()
    scene.commit(1)
    path = api_routes.EVENTS.path
    answer = scene.answer(path)
    body: dict[str, Any] = json.loads(answer.body)
    body["events"][0]["secret"] = 1
    planted = replace(answer, body=json.dumps(body))
    assert faults("GET", path, planted) == [
        "Additional properties are not allowed ('secret' was unexpected)"
    ]
    del body["events"][0]["secret"], body["cursor"]
    planted = replace(answer, body=json.dumps(body))
    assert faults("GET", path, planted) == ["'cursor' is a required property"]
    planted = replace(answer, headers=(*answer.headers, ("x-extra", "1")))
    assert faults("GET", path, planted) == ["header x-extra"]
    assert faults("GET", path, replace(answer, status=418)) == ["status 418"]


def test_the_document_is_served_as_generated_and_revalidated_by_its_tag() -> None:
    scene = Scene()
    path = api_routes.OPENAPI.path
    answer = scene.answer(path)
    assert answer.body is TEXT
    assert "no-store" not in dict(answer.headers)["cache-control"]
    tag = dict(answer.headers)["etag"]
    again = scene.answer(path, headers={**HEADERS, "if-none-match": f'"other", {tag}'})
    assert (again.status, again.body) == (304, "")
    assert faults("GET", path, again) == []


def test_stored_events_of_every_kind_are_described() -> None:
    store = FakeStore()
    scene = Scene(FakeEnvironment(settings=dict(SETTINGS), usage_store=store))
    scene.commit(5)
    for query in ("?limit=2", "?limit=1000"):
        answer = scene.answer(api_routes.EVENTS.path, query)
        assert faults("GET", api_routes.EVENTS.path, answer) == []

"""The OpenAPI document is valid and complete, and the dispatcher's responses match it."""

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
from dev.openapi.document import described_errors, document
from dev.openapi.error_schemas import EVIDENCE, schema_name
from gateway.error_handling import error_response
from payments import errors as payment_errors
from tenants import admission as limit_errors
from tests.support.fake_network import FakeDatabase
from tests.support.fakes import FakeEnvironment, FakeStore
from tests.support.openapi_conformance import faults
from tests.support.platform_scene import SETTINGS, TOKEN, Scene

PLATFORM = [*PLATFORM_ROUTES.values()]
RANGE = "?from=2026-11-22T11:00Z&to=2026-11-22T12:00Z"

MODULES_WITH_ERRORS = (limit_errors, payment_errors)
"""Imported so that `DispatcherError` has all its subclasses."""


def _with_subclasses(kind: type[DispatcherError]) -> Iterator[type[DispatcherError]]:
    yield kind
    for subclass in kind.__subclasses__():
        yield from _with_subclasses(subclass)


def test_the_document_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(json.loads(TEXT)).validate()


def test_every_error_code_is_described() -> None:
    assert MODULES_WITH_ERRORS
    codes = {kind.code for kind in _with_subclasses(DispatcherError)}
    assert EVIDENCE.keys() == codes
    assert {kind.code for kind in described_errors()} == codes
    schemas = document()["components"]["schemas"]
    assert {name for name in schemas if name.startswith("Error")} == set(map(schema_name, codes))


def test_every_component_is_used() -> None:
    unused = [
        f"{kind}/{name}"
        for kind in ("schemas", "responses", "headers")
        for name in document()["components"][kind]
        if f'"#/components/{kind}/{name}"' not in TEXT
    ]
    assert unused == []


@pytest.mark.parametrize("route", PLATFORM, ids=lambda route: str(route.name))
def test_the_response_to_each_method_is_as_described(route: Route) -> None:
    scene = Scene(FakeEnvironment(settings=dict(SETTINGS), control_database=FakeDatabase()))
    scene.commit(3)
    query = RANGE if route in (api_routes.COMPACT, api_routes.USAGE) else ""
    content = '[{"id": "a"}, {"id": 7}, []]' if route is api_routes.IMPORT else ""
    for method in route.methods:
        response = scene.request(route.path, query, method=method, content=content)
        assert response.status == 200
        assert faults(method, route.path, response) == []


@pytest.mark.parametrize("window", ["?window=today", "?window=week", "?window=overall", ""])
def test_every_window_is_as_described(window: str) -> None:
    scene = Scene()
    scene.commit(3)
    path = api_routes.ANALYTICS.path
    response = scene.request(path, window)
    assert faults("GET", path, response) == []
    again = scene.request(path, window, {**TOKEN, "if-none-match": dict(response.headers)["etag"]})
    assert again.status == 304
    assert faults("GET", path, again) == []


@pytest.mark.parametrize("route", PLATFORM, ids=lambda route: str(route.name))
@pytest.mark.parametrize(
    ("settings", "headers", "method", "query"),
    [
        (SETTINGS, {}, None, ""),
        ({}, TOKEN, None, ""),
        (SETTINGS, TOKEN, "DELETE", ""),
        (SETTINGS, TOKEN, None, "?token=right"),
        (SETTINGS, TOKEN, None, "?" + "a=1&" * 200),
        *((SETTINGS, TOKEN, None, f"?{name}=%00") for name in ("window", "top", "limit")),
        *((SETTINGS, TOKEN, None, f"?{name}=%00") for name in ("cursor", "day", "from")),
    ],
)
def test_every_error_is_as_described(
    route: Route,
    settings: Mapping[str, str],
    headers: Mapping[str, str],
    method: str | None,
    query: str,
) -> None:
    scene = Scene(FakeEnvironment(settings=dict(settings)))
    try:
        response = scene.request(route.path, query, headers, method or route.methods[0])
    except DispatcherError as error:
        response = error_response(error, "0-1")
    assert faults(route.methods[0], route.path, response) == []


@pytest.mark.parametrize("path", ["/__platform/events", "/__platform/settlements"])
def test_the_error_without_shards_is_as_described(path: str) -> None:
    scene = Scene(FakeEnvironment(settings=dict(SETTINGS), usage_shards=None))
    with pytest.raises(DispatcherError) as caught:
        scene.request(path)
    assert caught.value.status == 500
    assert faults("GET", path, error_response(caught.value, "0-1")) == []


def test_an_undescribed_field_header_or_status_is_found() -> None:
    scene = Scene()
    scene.commit(1)
    path = api_routes.EVENTS.path
    response = scene.request(path)
    body: dict[str, Any] = json.loads(response.body)
    body["events"][0]["secret"] = 1
    changed = replace(response, body=json.dumps(body))
    assert faults("GET", path, changed) == [
        "Additional properties are not allowed ('secret' was unexpected)"
    ]
    del body["events"][0]["secret"], body["cursor"]
    changed = replace(response, body=json.dumps(body))
    assert faults("GET", path, changed) == ["'cursor' is a required property"]
    changed = replace(response, headers=(*response.headers, ("x-extra", "1")))
    assert faults("GET", path, changed) == ["header x-extra"]
    assert faults("GET", path, replace(response, status=418)) == ["status 418"]


def test_the_document_is_served_as_generated_and_revalidated_by_its_tag() -> None:
    scene = Scene()
    path = api_routes.OPENAPI.path
    response = scene.request(path)
    assert response.body is TEXT
    assert "no-store" not in dict(response.headers)["cache-control"]
    tag = dict(response.headers)["etag"]
    again = scene.request(path, headers={**TOKEN, "if-none-match": f'"other", {tag}'})
    assert (again.status, again.body) == (304, "")
    assert faults("GET", path, again) == []


def test_pages_of_events_are_as_described() -> None:
    store = FakeStore()
    scene = Scene(FakeEnvironment(settings=dict(SETTINGS), usage_store=store))
    scene.commit(5)
    for query in ("?limit=2", "?limit=1000"):
        response = scene.request(api_routes.EVENTS.path, query)
        assert faults("GET", api_routes.EVENTS.path, response) == []

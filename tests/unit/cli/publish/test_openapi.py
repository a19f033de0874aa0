"""An API's OpenAPI document becomes the fields and routes of its record."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.errors import InputError
from cli.publish.openapi import (
    Description,
    described_by,
    own_openapi,
    priced_document,
)
from cli.publish.openapi_file import load_openapi
from cli.publish.record import RecordOptions, checked_record, described_record

RATE = {"type": "object", "properties": {"rate": {"type": "number"}}}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Rates", "version": "1"},
    "tags": [{"name": "finance"}, {"name": "données"}],
    "servers": [{"url": "https://api.example/v1"}],
    "paths": {
        "/convert": {
            "parameters": [{"$ref": "#/components/parameters/From"}],
            "get": {
                "parameters": [
                    {"name": "to", "in": "query", "schema": {"type": "string", "nullable": True}},
                    {"name": "x-trace", "in": "header", "schema": {"type": "string"}},
                ],
                "responses": {
                    "200": {
                        "description": "The rate.",
                        "content": {
                            "application/json": {
                                "schema": {"$ref": "#/components/schemas/Rate"},
                                "example": {"rate": 1.5},
                            }
                        },
                    }
                },
            },
        },
        "/orders/{order-id}": {
            "parameters": [{"name": "order-id", "in": "path", "required": True}],
            "post": {
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {
                                    "count": {"type": "integer", "exclusiveMinimum": False}
                                },
                                "required": ["count"],
                            },
                            "examples": {"a": {"value": {"count": "many"}}},
                        }
                    }
                },
                "responses": {"201": {"description": "Ordered."}},
            },
            "get": {"responses": {"200": {"description": "An order."}}},
        },
        "/health": {"get": {"responses": {"200": {"description": "Works."}}}},
    },
    "components": {
        "schemas": {"Rate": RATE},
        "parameters": {
            "From": {
                "name": "from",
                "in": "query",
                "required": True,
                "description": "The currency.",
                "schema": {"type": "string"},
            }
        },
    },
}


def described(document: dict[str, Any] = DOCUMENT, **options: Any) -> Description:
    return described_by(own_openapi(document, **options))


def published(
    description: Description, routes: tuple[str, ...] = (), **fields: Any
) -> dict[str, Any]:
    """Return the record of an API with these options."""
    options = RecordOptions({"slug": "a", "priceUsd": "0.01", **fields}, {}, routes=routes).read()
    return described_record(*checked_record(options), description)[0]


def test_the_first_path_describes_the_api() -> None:
    record = published(described())
    assert (record["title"], record["tags"]) == ("Rates", ["finance"])
    assert (record["methods"], record["mimeType"]) == (["GET"], "application/json")
    assert record["inputSchema"] == {
        "type": "object",
        "properties": {
            "from": {"type": "string", "description": "The currency."},
            "to": {"type": ["string", "null"]},
        },
        "required": ["from"],
    }
    assert (record["outputSchema"], record["example"]) == (RATE, {"output": {"rate": 1.5}})


def test_each_path_becomes_a_route_at_the_price_of_the_record() -> None:
    convert, orders, health = published(described(target="https://api.example/v1"))["routes"]
    assert (convert["path"], convert["outputSchema"]) == ("/convert", RATE)
    assert (orders["path"], orders["methods"]) == ("/orders/{order_id}", ["POST", "GET"])
    assert orders["inputSchema"]["properties"] == {"count": {"type": "integer"}}
    assert "example" not in orders, "it does not fit the schema"
    assert "priceUsd" not in orders
    assert health == {"path": "/health", "methods": ["GET"]}
    assert "routes" not in published(described(), priceUsd=None)


def test_paths_are_those_of_requests_to_the_api() -> None:
    def paths(target: str) -> list[str]:
        return [one.path for one in described(target=target).operations]

    assert paths("") == ["/v1/convert", "/v1/orders/{order_id}", "/v1/health"]
    assert paths("https://other.example/v1/") == ["/convert", "/orders/{order_id}", "/health"]
    assert paths("https://other.example/v1/orders") == ["/{order_id}"]
    with pytest.raises(InputError, match="serves no operation"):
        paths("https://other.example/v2")


def test_only_the_methods_that_are_served_are_described() -> None:
    found = described(methods=["GET", "HEAD"]).operations
    assert {method for one in found for method in one.methods} == {"GET"}


def test_what_is_given_wins() -> None:
    given = {"title": "Own", "tags": ["own"], "outputSchema": {"type": "string"}}
    record = published(described(), ("/v1/health=0", "POST /v1/orders/{order_id}=0.05"), **given)
    assert {name: record[name] for name in given} == given
    assert "example" not in record, "it is of the other schema"
    health, order, convert, other = record["routes"]
    assert (convert["path"], convert["outputSchema"]) == ("/v1/convert", RATE)
    assert health == {"path": "/v1/health", "priceUsd": "0"}
    assert (order["method"], order["priceUsd"], order["methods"][0]) == ("POST", "0.05", "POST")
    assert (other["path"], "priceUsd" in other) == ("/v1/orders/{order_id}", False)


def test_paths_that_no_route_can_have_are_noted() -> None:
    paths = {f"/{number}": DOCUMENT["paths"]["/health"] for number in range(60)}
    document = {**DOCUMENT, "paths": {"/first": paths["/0"], "/a//b": paths["/0"], **paths}}
    checked = checked_record(RecordOptions({"slug": "a", "priceUsd": "0.01"}, {}).read())
    record, tenant, notes = described_record(*checked, described(document))
    assert len(record["routes"]) == len(tenant.routes) == 49
    assert notes == ["Indexers are not told of 13 paths, for which the record can have no routes."]


def test_a_record_stays_short_enough_for_the_dispatcher() -> None:
    properties = {f"p{number}": {"type": "string", "description": "x" * 99} for number in range(40)}
    schema = {"type": "object", "properties": properties}
    content = {"content": {"application/json": {"schema": schema}}}
    operation = {"requestBody": content, "responses": {"200": {"description": "", **content}}}
    paths = {f"/{number}": {"post": operation} for number in range(50)}
    record = published(described({**DOCUMENT, "paths": paths}))
    assert len(json.dumps(record)) < 35_000
    assert len(record["routes"]) == 50
    assert record["routes"][0]["inputSchema"]["type"] == "object"


def test_a_record_that_is_too_long_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    route = {"priceUsd": 0, "outputSchema": {"title": "x" * 7_900}}
    routes = [{**route, "path": f"/{number}"} for number in range(9)]
    file.write_text(json.dumps({"slug": "a", "routes": routes}))
    with pytest.raises(InputError) as raised:
        checked_record(RecordOptions({}, {}, None, file).read())
    assert "the limit is 65,536" in raised.value.findings[0].message


def test_the_document_has_the_price_of_each_operation() -> None:
    record = published(described(), ("/v1/health=0",))
    _, tenant = checked_record(RecordOptions({"slug": "a", "priceUsd": "0.01"}, {}).read())
    assert tenant.price_micros == 10_000
    options = RecordOptions({"slug": "a", "priceUsd": "0.01"}, {}, routes=("/v1/health=0",)).read()
    paths = priced_document(own_openapi(DOCUMENT), checked_record(options)[1])["paths"]
    info = paths["/v1/convert"]["get"]["x-payment-info"]
    assert info["price"] == {"mode": "fixed", "currency": "USD", "amount": "0.01"}
    assert "402" in paths["/v1/orders/{order-id}"]["post"]["responses"]
    assert "x-payment-info" not in paths["/v1/health"]["get"]
    assert paths["/v1/health"]["get"]["security"] == []
    assert record["routes"][0]["priceUsd"] == "0"


def changed(**paths: Any) -> str:
    return json.dumps({**DOCUMENT, "paths": {"/a": {"get": paths}}})


MISTAKES = {
    "openapi: 3.1.0\npaths: {}": "not JSON",
    "[]": "not a JSON object",
    json.dumps({"swagger": "2.0", "info": {}, "paths": {"/": {}}}): '"2.0"',
    json.dumps({**DOCUMENT, "info": None}): "no object `info`",
    json.dumps({**DOCUMENT, "paths": {}}): "it has no paths",
    json.dumps({**DOCUMENT, "paths": {"/a": {"summary": "x"}}}): "its paths have no operations",
    json.dumps({**DOCUMENT, "paths": {"a": {}}}): "the path 'a' must start with /",
    changed(parameters=[{"$ref": "https://evil.example/x"}]): "without $ref to another document",
    changed(parameters=[{"$ref": "#/components/x"}]): "what its $ref #/components/x refers to",
    changed(parameters=[{"name": "a", "in": "query", "schema": {"type": "text"}}]): "whose type",
    changed(parameters=[{"name": "a"}]): "GET /a does not follow the specification",
    changed(responses=[]): "GET /a does not follow the specification",
    changed(responses={"200": {"content": {"a/b": {"schema": True}}}}): "JSON Schema that is an",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_an_unusable_document_is_rejected_with_the_reason(text: str, tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    file.write_text(text)
    with pytest.raises(InputError, match="The OpenAPI document is invalid") as raised:
        load_openapi(str(file))
    assert any(
        MISTAKES[text] in one.message and one.place == "openapi.json"
        for one in raised.value.findings
    ), raised.value.findings


def test_a_document_that_is_too_large_or_missing_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    file.write_text(" " * 2_097_153)
    with pytest.raises(InputError) as raised:
        load_openapi(str(file))
    assert "the limit is 2,097,152" in raised.value.findings[0].message
    with pytest.raises(InputError) as raised:
        load_openapi(str(tmp_path / "none.json"))
    assert "No such file" in raised.value.findings[0].message

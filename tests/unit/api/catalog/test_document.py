"""The catalog has each published API with its paths, prices and parameters."""

from __future__ import annotations

import json
from typing import Any

from api.catalog.document import APIS_MAX, catalog_document
from dev.layout import HERE
from tenants.records import parse_directory, parse_tenant
from tests.unit.tenants.test_records import REQUIRED

QUERY = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
ROW = {"type": "object", "properties": {"b": {"type": "string"}}}


def paths_of(*records: dict[str, Any]) -> dict[str, Any]:
    """Return the paths of a catalog of these records."""
    tenants = [parse_tenant({**REQUIRED, **record}, "r") for record in records]
    found: dict[str, Any] = json.loads(json.dumps(catalog_document(tenants)["paths"]))
    return found


def test_a_price_that_is_at_most_paid_is_described_as_such() -> None:
    priced = {"slug": "b", "priceUsd": "0.01", "x402Enabled": True}
    prices = [
        paths_of({**priced, "accepts": accepts})["/t/b"]["get"]["x-payment-info"]["price"]
        for accepts in ([{"scheme": "upto"}], [{"scheme": "upto"}, {}])
    ]
    assert prices[0] == {"mode": "dynamic", "currency": "USD", "min": "0", "max": "0.01"}
    assert prices[1] == {"mode": "fixed", "currency": "USD", "amount": "0.01"}


def test_an_api_has_its_price_and_its_parameters() -> None:
    described = {"inputSchema": QUERY, "outputSchema": ROW, "mimeType": "application/json"}
    priced = {"priceUsd": "0.0100", "x402Enabled": True, "description": "What it is."}
    paths = paths_of({"slug": "b", **priced, **described})
    assert [*paths] == ["/t/b", "/t/b/{path}"], "an API may serve any path"
    operation = paths["/t/b"]["get"]
    assert operation["x-payment-info"] == {
        "price": {"mode": "fixed", "currency": "USD", "amount": "0.01"},
        "protocols": [{"x402": {}}],
    }
    assert (operation["summary"], operation["security"]) == ("What it is.", [])
    assert operation["parameters"] == [
        {"name": "a", "in": "query", "required": True, "schema": {"type": "integer"}}
    ]
    content = operation["responses"]["200"]["content"]
    assert content == {"application/json": {"schema": ROW}}


def test_a_free_api_is_open_and_an_unknown_query_is_any() -> None:
    paths = paths_of({"slug": "a"})
    assert [*paths] == ["/t/a"]
    operation = paths["/t/a"]["get"]
    assert "x-payment-info" not in operation
    assert "402" not in operation["responses"]
    assert operation["security"] == []
    assert operation["parameters"][0]["schema"] == {"type": "object", "additionalProperties": True}


def test_routes_have_their_paths_prices_and_bodies() -> None:
    routes = [
        {"method": "GET", "path": "/health", "priceUsd": 0},
        {"path": "/any/*/x", "priceUsd": "0.05"},
        {"path": "/days/:day", "priceUsd": "0.05"},
        {"method": "GET", "path": "/orders", "priceUsd": "0.02"},
        {"method": "POST", "path": "/orders", "priceUsd": "0.03", "inputSchema": QUERY},
    ]
    paths = paths_of({"slug": "a", "priceUsd": "0.01", "x402Enabled": True, "routes": routes})
    assert [*paths] == ["/t/a", "/t/a/days/{day}", "/t/a/orders"]
    prices = {
        method: operation["x-payment-info"]["price"]["amount"]
        for method, operation in paths["/t/a/orders"].items()
    }
    assert prices == {"get": "0.02", "post": "0.03"}
    body = paths["/t/a/orders"]["post"]["requestBody"]["content"]["application/json"]
    assert body == {"schema": QUERY}
    day = paths["/t/a/days/{day}"]["get"]["parameters"][0]
    assert (day["name"], day["in"], day["required"]) == ("day", "path", True)


def test_a_method_that_is_not_described_has_no_schema_of_another() -> None:
    item = paths_of({"slug": "a", "methods": ["POST", "GET"], "inputSchema": QUERY})["/t/a"]
    assert item["post"]["requestBody"]["content"]["application/json"]["schema"] == QUERY
    assert item["get"]["parameters"][0]["name"] == "query"


def test_the_document_is_bounded() -> None:
    long = {"inputSchema": {"type": "object", "properties": {"p": {"title": "x" * 7_000}}}}
    records = [{"slug": f"a{number:04}", **long} for number in range(APIS_MAX + 5)]
    paths = paths_of(*records)
    assert len(paths) == APIS_MAX
    assert len(json.dumps(paths)) < 2_000_000


def test_agents_can_read_the_catalog_of_the_demo_at_once() -> None:
    demo = HERE.root / "dev" / "demo"
    names = ("tenants.json", "priced.json")
    texts = [(demo / name).read_text(encoding="utf-8") for name in names]
    tenants = [tenant for text in texts for tenant in parse_directory(text).by_slug.values()]
    paths = catalog_document(tenants)["paths"]
    # @agentcash/discovery 1.7.5 warns above 40.
    assert sum(map(len, paths.values())) <= 40

"""Writes the published APIs as one OpenAPI document, with their prices.

Source: the specification in the npm package @agentcash/discovery 1.7.5, whose `check` knows only
the paths that are in the document of their origin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from core.ports import Json
from tenants.discovery import BODY_METHODS, NOTHING_KNOWN, Discovery
from tenants.json_schema import Schema, compact_schema
from tenants.pricing import price_for_indexers
from tenants.records import Tenant
from tenants.routes import ANY_METHOD

APIS_MAX = 1_000
_DETAILED_MAX = 100
_SCHEMA_LENGTH = 1_500
_SHORT_SCHEMA_LENGTH = 200
"""Characters of a schema as JSON, for up to `_DETAILED_MAX` APIs and for more."""

_TEMPLATE = re.compile(r":([A-Za-z_]\w*)", re.ASCII)
_GUIDANCE = (
    "Operations with x-payment-info are paid for with x402 (https://www.x402.org), each request on"
    " its own. A request without a payment gets 402, whose header PAYMENT-REQUIRED says how to pay."
    " A failed request is not charged."
)
_ANY_QUERY: Mapping[str, Json] = {
    "name": "query",
    "in": "query",
    "description": "Any parameters: the API does not describe them.",
    "schema": {"type": "object", "additionalProperties": True},
}


def catalog_document(tenants: Iterable[Tenant]) -> Mapping[str, Json]:
    """Return the document of the first `APIS_MAX` of these APIs, in the order of their slugs."""
    listed = sorted(tenants, key=lambda tenant: tenant.slug)[:APIS_MAX]
    length = _SCHEMA_LENGTH if len(listed) <= _DETAILED_MAX else _SHORT_SCHEMA_LENGTH
    return {
        "openapi": "3.1.0",
        "info": {"title": "Published APIs", "version": "1", "x-guidance": _GUIDANCE},
        "servers": [{"url": "/"}],
        "paths": _merged(pair for tenant in listed for pair in _paths(tenant, length)),
    }


def paid_paths(document: Mapping[str, Json]) -> Sequence[str]:
    """Return the paths of a document that are paid for and in which nothing varies."""
    return [
        path
        for path, item in document["paths"].items()
        if "{" not in path and any("x-payment-info" in operation for operation in item.values())
    ]


def _merged(items: Iterable[tuple[str, Mapping[str, Json]]]) -> Mapping[str, Json]:
    """Join the operations of each path."""
    paths: dict[str, dict[str, Json]] = {}
    for path, item in items:
        paths.setdefault(path, {}).update(item)
    return paths


def _paths(tenant: Tenant, length: int) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """Yield the paths of an API, with its operations: its own, and those of its routes.

    Routes that only make something free are left out, so are paths with a part that varies without
    a name, and of a free API that describes none, all but its address: agents read this.
    """
    yield tenant.prefix, _item(tenant, length)
    is_described = False
    for route in tenant.routes:
        path = _TEMPLATE.sub(r"{\1}", route.template or route.path).rstrip("/")
        own = tenant.at("GET" if route.method == ANY_METHOD else route.method, [path or "/"])
        is_listed = route.price_micros > 0 or route.discovery != NOTHING_KNOWN
        if is_listed and "*" not in route.path and own.route is route:
            is_described = True
            yield tenant.prefix + path, _item(own, length)
    if tenant.is_priced and not is_described:
        # Each path costs the same.
        yield f"{tenant.prefix}/{{path}}", _item(tenant, length, ["path"])


def _item(tenant: Tenant, length: int, names: Sequence[str] = ()) -> Mapping[str, Json]:
    """Return the operations of a path, in which the parts with these names vary."""
    names = names or _TEMPLATE.findall(tenant.route.template if tenant.route else "")
    methods = tenant.discovery.methods or ("GET",)
    return {method.lower(): _operation(tenant, method, length, names) for method in methods}


def _operation(
    tenant: Tenant, method: str, length: int, names: Sequence[str]
) -> Mapping[str, Json]:
    discovery = tenant.discovery
    operation: dict[str, Json] = {
        "summary": tenant.description or discovery.title or tenant.slug,
        "tags": [tenant.directory or "APIs"],
        # No other authorization: what is not paid for is public.
        "security": [],
        "responses": {"200": _response(discovery, length)},
    }
    parameters: list[Mapping[str, Json]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]
    has_body = method in BODY_METHODS
    # The schemas are those of the method that is described.
    schema = discovery.input_schema if has_body == (discovery.method in BODY_METHODS) else None
    if has_body:
        kind = "application/json" if discovery.body_type == "json" else "text/plain"
        wanted = compact_schema(schema or {}, length)
        operation["requestBody"] = {"content": {kind: {"schema": wanted}}}
    else:
        parameters += _query(schema, length)
    if parameters:
        operation["parameters"] = parameters
    if tenant.is_priced:
        operation["responses"]["402"] = {"description": "Payment required."}
        operation["x-payment-info"] = {
            "price": price_for_indexers(tenant.price_micros, tenant.accepts),
            "protocols": [{"x402": {}}],
        }
    return operation


def _query(schema: Schema | None, length: int) -> Sequence[Mapping[str, Json]]:
    found = compact_schema(schema or {}, length)
    properties = found.get("properties")
    if not isinstance(properties, dict):
        return [_ANY_QUERY]
    required = found.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": part}
        for name, part in properties.items()
    ]


def _response(discovery: Discovery, length: int) -> Mapping[str, Json]:
    kind = discovery.mime_type.partition(";")[0].strip() or "*/*"
    schema = compact_schema(discovery.output_schema or {}, length)
    return {
        "description": "The response of the API's script.",
        "content": {kind: {"schema": schema}},
    }

"""The header `PAYMENT-REQUIRED`: how to pay, for clients, and how to call, for indexers.

The header has at most `PAYMENT_REQUIRED_BYTES_MAX` bytes, whatever a record or a URL contains.
What is optional is left out or cut until it fits.

Sources: the specification of x402 version 2, and its extensions `payment-identifier` and `bazaar`
as the npm package @x402/extensions 2.27.0 writes and checks them.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from core.ports import Json
from payments.requirements import (
    PAYMENT_IDENTIFIER,
    PaymentRequirements,
    Resource,
    accepts_entry,
)
from tenants.discovery import NOTHING_KNOWN, Discovery
from tenants.routes import parameters_of

PAYMENT_REQUIRED_BYTES_MAX = 6_000
"""Node's clients reject a response with more than 16 KB of headers, proxies some with 8 KB."""

_SCHEMA = "https://json-schema.org/draft/2020-12/schema"
_QUERY_METHODS = ("GET", "HEAD", "DELETE")
_BODY_METHODS = ("POST", "PUT", "PATCH")
_DESCRIPTION_BYTES = 400
_SHORT_BYTES = 120
_TAGS_MAX = 5
_SERVICE_NAME_MAX = 32
_IDENTIFIER_SCHEMA: Mapping[str, Json] = {
    "$schema": _SCHEMA,
    "type": "object",
    "properties": {
        "required": {"type": "boolean"},
        "id": {
            "type": "string",
            "minLength": 16,
            "maxLength": 128,
            "pattern": "^[a-zA-Z0-9_-]+$",
        },
    },
    "required": ["required"],
}
_EMPTY: Mapping[str, Json] = {
    "string": "",
    "integer": 0,
    "number": 0,
    "boolean": False,
    "array": [],
    "object": {},
}


def payment_required_header(
    accepts: Sequence[PaymentRequirements], resource: Resource, error: str
) -> str:
    """Return the value of the header `PAYMENT-REQUIRED`."""
    encoded = encode_header(payment_required_document(accepts, resource, error))
    for shorter in _SHORTENINGS:
        if len(encoded) <= PAYMENT_REQUIRED_BYTES_MAX:
            break
        resource = shorter(resource)
        error = _cut(error, _DESCRIPTION_BYTES)
        encoded = encode_header(payment_required_document(accepts, resource, error))
    return encoded


def payment_required_document(
    accepts: Sequence[PaymentRequirements], resource: Resource, error: str
) -> Mapping[str, Json]:
    """Return the document of the header `PAYMENT-REQUIRED`."""
    return {
        "x402Version": 2,
        "error": error,
        "resource": _resource(resource),
        "accepts": [accepts_entry(one) for one in accepts],
        "extensions": {
            PAYMENT_IDENTIFIER: {"info": {"required": False}, "schema": _IDENTIFIER_SCHEMA},
            **_bazaar(resource),
        },
    }


def encode_header(document: Mapping[str, Json]) -> str:
    """Encode a document as a header's value: base64 of JSON in UTF-8."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return binascii.b2a_base64(text.encode(errors="replace"), newline=False).decode("ascii")


def _resource(resource: Resource) -> Mapping[str, Json]:
    found: dict[str, Json] = {"url": resource.url, "description": resource.description}
    discovery = resource.discovery
    if discovery.mime_type:
        found["mimeType"] = discovery.mime_type
    # Indexers drop others.
    if discovery.title.isascii() and 0 < len(discovery.title) <= _SERVICE_NAME_MAX:
        found["serviceName"] = discovery.title
    tags = [tag for tag in discovery.tags if tag.isascii()][:_TAGS_MAX]
    return {**found, "tags": tags} if tags else found


def _bazaar(resource: Resource) -> Mapping[str, Json]:
    """Return the extension `bazaar`, which tells indexers how the endpoint is called.

    It names a method of the record, whatever method the request has, unless that is one of them.
    """
    discovery, method = resource.discovery, resource.method
    known = [one for one in discovery.methods if one in (*_QUERY_METHODS, *_BODY_METHODS)]
    if discovery.methods and method not in known:
        method = known[0] if known else ""
    if method not in (*_QUERY_METHODS, *_BODY_METHODS):
        return {}
    example: dict[str, Json] = {"type": "http", "method": method}
    properties: dict[str, Json] = {
        "type": {"type": "string", "const": "http"},
        "method": {"type": "string", "enum": [method]},
    }
    required = ["type", "method"]
    schema = discovery.input_schema
    value = discovery.input_example
    if method in _BODY_METHODS:
        example |= {"bodyType": "json", "body": _example(schema) if value is None else value}
        properties |= {
            "bodyType": {"type": "string", "enum": ["json", "form-data", "text"]},
            "body": {"type": "object"} if schema is None and value is None else schema or {},
        }
        required += ["bodyType", "body"]
    elif schema is not None or value is not None:
        example["queryParams"] = _example(schema) if value is None else value
        properties["queryParams"] = {"type": "object", **(schema or {})}
    template = resource.template
    if template:
        example["pathParams"] = parameters_of(template, urlsplit(resource.url).path)
        properties["pathParams"] = {"type": "object"}
    entry = {"type": "object", "properties": properties, "required": required}
    info: dict[str, Json] = {"input": example}
    parts: dict[str, Json] = {"input": entry}
    if discovery.output_schema is not None or discovery.output_example is not None:
        output, parts["output"] = _output(discovery)
        info["output"] = output
    whole = {"$schema": _SCHEMA, "type": "object", "properties": parts, "required": ["input"]}
    found: dict[str, Json] = {"info": info, "schema": whole}
    return {"bazaar": {**found, "routeTemplate": template} if template else found}


def _output(discovery: Discovery) -> tuple[Mapping[str, Json], Mapping[str, Json]]:
    """Return an example of the response, and the schema of the example."""
    is_json = not discovery.mime_type or "json" in discovery.mime_type
    info: dict[str, Json] = {"type": "json" if is_json else "text"}
    if discovery.output_example is not None:
        info["example"] = discovery.output_example
    properties = {"type": {"type": "string"}, "example": discovery.output_schema or {}}
    return info, {"type": "object", "properties": properties, "required": ["type"]}


def _example(schema: Mapping[str, Json] | None) -> Mapping[str, Json]:
    """Make a value of the required properties of a schema."""
    properties = (schema or {}).get("properties")
    required = (schema or {}).get("required")
    if not isinstance(properties, dict) or not isinstance(required, list):
        return {}
    return {name: _sample(properties.get(name)) for name in required if isinstance(name, str)}


def _sample(schema: Json) -> Json:
    """Make a value of a property."""
    if not isinstance(schema, dict):
        return ""
    for name in ("const", "default", "example"):
        if name in schema:
            return schema[name]
    for name in ("examples", "enum"):
        values = schema.get(name)
        if isinstance(values, list) and values:
            return values[0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    return _EMPTY.get(kind, "") if isinstance(kind, str) else ""


def _without_output(resource: Resource) -> Resource:
    discovery = replace(resource.discovery, output_schema=None, output_example=None)
    return replace(resource, discovery=discovery)


def _without_schemas(resource: Resource) -> Resource:
    known = replace(NOTHING_KNOWN, methods=resource.discovery.methods)
    return replace(resource, discovery=known)


def _with_short_description(resource: Resource) -> Resource:
    return replace(resource, description=_cut(resource.description, _DESCRIPTION_BYTES))


def _without_query(resource: Resource) -> Resource:
    return replace(resource, url=resource.url.partition("?")[0])


def _with_origin_only(resource: Resource) -> Resource:
    parts = urlsplit(resource.url)
    url = f"{parts.scheme}://{parts.netloc}/"
    short = _cut(resource.description, _SHORT_BYTES)
    return replace(resource, url=url, description=short, template="")


_SHORTENINGS: tuple[Callable[[Resource], Resource], ...] = (
    _with_short_description,
    _without_output,
    _without_query,
    _without_schemas,
    _with_origin_only,
)
"""In this order, until the header fits."""


def _cut(text: str, bytes_max: int) -> str:
    """Cut a text to a number of bytes in UTF-8, at the end of a character."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= bytes_max:
        return text
    return encoded[: bytes_max - 3].decode(errors="ignore").rstrip() + "…"

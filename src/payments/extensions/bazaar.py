"""The extension `bazaar`: how an endpoint is called, for indexers.

Sources: its specification, and `validateDiscoveryExtension` of the npm package @x402/extensions
2.27.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from core.ports import Json
from payments.requirements import Resource
from tenants.discovery import BODY_METHODS, Discovery
from tenants.routes import parameters_of

SCHEMA = "https://json-schema.org/draft/2020-12/schema"
"""The version of JSON Schema that the extensions of x402 use."""


def bazaar_extension(resource: Resource) -> Mapping[str, Json]:
    """Return the extension `bazaar`, which tells indexers how the endpoint is called.

    It depends on the record and the path only, and not on the method with which it is probed.
    """
    discovery = resource.discovery
    method = discovery.method
    if not method:
        return {}
    schema = discovery.input_schema or {"type": "object"}
    value = {} if discovery.input_example is None else discovery.input_example
    example: dict[str, Json] = {"type": "http", "method": method}
    properties: dict[str, Json] = {
        "type": {"type": "string", "const": "http"},
        "method": {"type": "string", "enum": [method]},
    }
    required = ["type", "method"]
    if method in BODY_METHODS:
        example |= {"bodyType": discovery.body_type, "body": value}
        properties |= {
            "bodyType": {"type": "string", "enum": ["json", "form-data", "text"]},
            "body": schema if discovery.input_schema is not None or not value else {},
        }
        required += ["bodyType", "body"]
    else:
        example["queryParams"] = value
        properties["queryParams"] = {"type": "object", **schema}
    template = resource.template
    if template:
        example["pathParams"] = parameters_of(template, urlsplit(resource.url).path)
        properties["pathParams"] = {"type": "object"}
    output, output_schema = _output(discovery)
    parts: Mapping[str, Json] = {
        "input": {"type": "object", "properties": properties, "required": required},
        "output": output_schema,
    }
    found: dict[str, Json] = {
        "info": {"input": example, "output": output},
        "schema": {
            "$schema": SCHEMA,
            "type": "object",
            "properties": parts,
            "required": ["input"],
        },
    }
    return {"bazaar": {**found, "routeTemplate": template} if template else found}


def _output(discovery: Discovery) -> tuple[Mapping[str, Json], Mapping[str, Json]]:
    """Return an example of the response, and the schema of the example."""
    is_json = not discovery.mime_type or "json" in discovery.mime_type
    info: dict[str, Json] = {"type": "json" if is_json else "text"}
    if discovery.output_example is not None:
        info["example"] = discovery.output_example
    properties = {"type": {"type": "string"}, "example": discovery.output_schema or {}}
    return info, {"type": "object", "properties": properties, "required": ["type"]}

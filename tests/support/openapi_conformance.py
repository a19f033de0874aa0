"""Checks responses against the OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import jsonschema

from api.openapi_document import TEXT
from core.ports import Response
from core.responses import with_security_headers
from dev.openapi.error_schemas import TRANSPORT


def faults(method: str, path: str, response: Response) -> Sequence[str]:
    """Return how a response to `method` at `path`, a template, differs from its description."""
    response = with_security_headers(response)
    described = _document()["paths"][path][method.lower()]["responses"].get(str(response.status))
    if described is None:
        return [f"status {response.status}"]
    if "$ref" in described:
        described = _document()["components"]["responses"][described["$ref"].rpartition("/")[2]]
    return [*_header_faults(described, dict(response.headers)), *_body_faults(described, response)]


@cache
def _document() -> Mapping[str, Any]:
    document: dict[str, Any] = json.loads(TEXT)
    return document


def _header_faults(described: Mapping[str, Any], headers: Mapping[str, str]) -> Sequence[str]:
    kinds = {name: _document()["components"]["headers"][name] for name in described["headers"]}
    extra = headers.keys() - kinds.keys() - set(TRANSPORT)
    missing = {name for name, kind in kinds.items() if kind["required"]} - headers.keys()
    return [f"header {name}" for name in sorted(extra | missing)]


def _body_faults(described: Mapping[str, Any], response: Response) -> Sequence[str]:
    if "content" not in described:
        return ["body"] if response.body else []
    media_type = dict(response.headers)["content-type"].partition(";")[0]
    if media_type not in described["content"]:
        return [f"content type {media_type}"]
    schema = {**described["content"][media_type]["schema"], "components": _document()["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    body = json.loads(response.body) if media_type == "application/json" else response.body
    return [error.message for error in validator.iter_errors(body)]

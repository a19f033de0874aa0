"""Whether an answer is one that the OpenAPI document describes."""

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


def faults(method: str, path: str, answer: Response) -> Sequence[str]:
    """Say what of an answer to `method` at `path`, a template, is not described."""
    answer = with_security_headers(answer)
    described = _document()["paths"][path][method.lower()]["responses"].get(str(answer.status))
    if described is None:
        return [f"status {answer.status}"]
    if "$ref" in described:
        described = _document()["components"]["responses"][described["$ref"].rpartition("/")[2]]
    return [*_header_faults(described, dict(answer.headers)), *_body_faults(described, answer)]


@cache
def _document() -> Mapping[str, Any]:
    document: dict[str, Any] = json.loads(TEXT)
    return document


def _header_faults(described: Mapping[str, Any], headers: Mapping[str, str]) -> Sequence[str]:
    kinds = {name: _document()["components"]["headers"][name] for name in described["headers"]}
    extra = headers.keys() - kinds.keys() - set(TRANSPORT)
    missing = {name for name, kind in kinds.items() if kind["required"]} - headers.keys()
    return [f"header {name}" for name in sorted(extra | missing)]


def _body_faults(described: Mapping[str, Any], answer: Response) -> Sequence[str]:
    if "content" not in described:
        return ["body"] if answer.body else []
    media_type = dict(answer.headers)["content-type"].partition(";")[0]
    if media_type not in described["content"]:
        return [f"content type {media_type}"]
    schema = {**described["content"][media_type]["schema"], "components": _document()["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    body = json.loads(answer.body) if media_type == "application/json" else answer.body
    return [error.message for error in validator.iter_errors(body)]

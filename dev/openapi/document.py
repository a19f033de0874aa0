"""Builds the OpenAPI document (https://spec.openapis.org/oas/v3.1.0) from the table of routes.

The version is 3.1.0. `src/api/routes.py` describes the routes, `*_schemas` the bodies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.routes import ROUTES, TENANT_ROUTES
from api.spec import HTML, JSON, PARAMETERS_MAX, Parameter, Route, Schema, Success
from core.errors import DispatcherError, MethodNotAllowed, NotFound, TenantNotFound
from core.ports import Json
from dev.openapi.analytics_schemas import snapshot_shapes
from dev.openapi.error_schemas import (
    ALWAYS,
    HEADERS,
    KEPT,
    NOT_MODIFIED,
    OF_TENANTS,
    error_shapes,
    headers_of_errors,
    is_required,
    shape_name,
)
from dev.openapi.json_schema import reference, text
from dev.openapi.operator_schemas import report_shapes
from payments.errors import PaymentRequired

Document = Mapping[str, Json]
Errors = Sequence[type[DispatcherError]]
VERSION = "1.0.0"
"""The description's own version; fields may be added to answers at any time."""

_INTRODUCTION = f"""\
What the dispatcher answers itself. Every answer carries `x-request-id`.

**Tokens.** Everything below `/__platform` needs `Authorization: Bearer TOKEN` or
`x-platform-token: TOKEN`, with a token that is good for the scope of the route. A token in the
query string is refused, even beside a right one.

**Methods and paths.** `HEAD` works wherever `GET` does. Another method is answered 405
`method_not_allowed`, with `Allow`; another path 404 `not_found`.

**Parameters.** One that is described and wrong is answered 400 `invalid_parameter`
(`invalid_window` for a window), and so is one that is given twice. Others are ignored, up to
{PARAMETERS_MAX} of them.

**Errors** are JSON: `ok` (false), `error` (the code), `requestId`, `message` for people, and what
else a program can use. They are never kept by caches.
"""

_OF_ANY_PATH: Errors = (MethodNotAllowed, NotFound, TenantNotFound)

_STATUS_TEXTS = {
    400: "A parameter is wrong.",
    401: "No token, or none that opens this route.",
    402: "A payment is needed, or a cap on spending is reached.",
    404: "No such API or path, or the namespace lacks the script that the record names.",
    405: "The path answers other methods.",
    409: "The payment was presented before, for another request or just now.",
    429: "Too many requests.",
    500: "The deployment lacks something, or the dispatcher failed.",
    502: "The API's script failed; its words are in the log under the request id.",
    503: "The API went past its plan's limits, or nobody can tell whether a payment is good.",
}


def document() -> Document:
    """Build the document."""
    responses: dict[str, Json] = {}
    paths: dict[str, dict[str, Json]] = {}
    for route in (*ROUTES, *TENANT_ROUTES):
        places = [
            {"name": name, "in": "path", "required": True, "schema": shape}
            for name, shape in route.path_parameters.items()
        ]
        operations = {
            method.lower(): _operation(route, method, responses) for method in route.methods
        }
        parameters = [*places, *map(_parameter, route.parameters)]
        if route.is_conditional:
            parameters.append(_IF_NONE_MATCH)
        paths[route.path] = {**({"parameters": parameters} if parameters else {}), **operations}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "clawr-dispatcher",
            "version": VERSION,
            "summary": "Routes, meters and charges requests to published APIs.",
            "description": _INTRODUCTION,
        },
        "servers": [{"url": "/", "description": "The dispatcher that gave this document."}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "platformToken": {"type": "apiKey", "in": "header", "name": "x-platform-token"},
            },
            "headers": {name: _header(name) for name in HEADERS},
            "responses": responses,
            "schemas": {**snapshot_shapes(), **report_shapes(), **error_shapes(described_errors())},
        },
    }


def described_errors() -> Errors:
    """Give every error that some route may end with, one for each code."""
    by_code = {
        error.code: error
        for route in (*ROUTES, *TENANT_ROUTES)
        for error in (*route.errors, *_OF_ANY_PATH)
    }
    return list(by_code.values())


def _operation(route: Route, method: str, responses: dict[str, Json]) -> Document:
    operation: dict[str, Json] = {
        "operationId": route.name + ("" if method == route.methods[0] else method.capitalize()),
        "summary": route.summary,
    }
    if route.description:
        operation["description"] = route.description
    operation["security"] = (
        [] if route.scope is None else [{"bearer": [route.scope]}, {"platformToken": [route.scope]}]
    )
    answers = {
        "default" if success.status is None else str(success.status): _success(
            route, success, method
        )
        for success in route.successes
    }
    for status, errors in _by_status(route).items():
        name = "Or".join(shape_name(error.code) for error in errors)
        responses[name] = _error(status, errors)
        answers[str(status)] = {"$ref": f"#/components/responses/{name}"}
    operation["responses"] = answers
    return operation


def _by_status(route: Route) -> Mapping[int, Errors]:
    # Scripts answer whatever method they like.
    own = () if route in TENANT_ROUTES else (MethodNotAllowed,)
    found: dict[int, list[type[DispatcherError]]] = {}
    for error in (*route.errors, *own):
        found.setdefault(error.status, []).append(error)
    return dict(sorted(found.items()))


def _success(route: Route, success: Success, method: str) -> Document:
    if success.status is None:
        return {"description": success.description, "headers": _headers(OF_TENANTS)}
    names = (
        ALWAYS
        if not route.is_conditional
        else NOT_MODIFIED
        if success.schema_name is None
        else KEPT
    )
    answer: dict[str, Json] = {
        "description": success.description,
        "headers": _headers(names),
    }
    if success.schema_name is not None:
        answer["content"] = {success.media_type: {"schema": reference(success.schema_name)}}
        if route.cursor_parameter is not None and method != "HEAD":
            answer["links"] = {
                "nextPage": {
                    "operationId": route.name,
                    "parameters": {f"query.{route.cursor_parameter}": "$response.body#/cursor"},
                    "description": "The page behind this one, when `cursor` is not null.",
                }
            }
    return answer


def _error(status: int, errors: Errors) -> Document:
    codes = [error.code for error in errors]
    shapes = [reference(shape_name(code)) for code in codes]
    content = {JSON: {"schema": shapes[0] if len(shapes) == 1 else {"oneOf": shapes}}}
    if PaymentRequired in errors:
        content[HTML] = {"schema": text("The offer as a page, where a browser asks.")}
    return {
        "description": f"{_STATUS_TEXTS[status]} `{'`, `'.join(codes)}`.",
        "headers": _headers(headers_of_errors(codes)),
        "content": content,
    }


def _parameter(parameter: Parameter) -> Document:
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.is_required,
        "description": parameter.description,
        "schema": parameter.schema,
    }


_IF_NONE_MATCH: Document = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of an earlier answer; 304 when it is still the same.",
    "schema": {"type": "string"},
}


def _headers(names: Sequence[str]) -> Document:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _header(name: str) -> Schema:
    description, shape = HEADERS[name]
    return {"description": description, "required": is_required(name), "schema": shape}

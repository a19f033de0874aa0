"""Builds the OpenAPI document (https://spec.openapis.org/oas/v3.1.0) from the table of routes.

The version is 3.1.0. `src/api/routes.py` describes the routes, `*_schemas` the bodies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.routes import IMPORT, ROUTES, TENANT_ROUTES
from api.spec import HTML, JSON, PARAMETERS_MAX, Parameter, Route, Schema, Success
from core import constants
from core.errors import DispatcherError, MethodNotAllowed, NotFound, TenantNotFound
from core.ports import Json
from dev.openapi.analytics_schemas import analytics_schemas
from dev.openapi.api_use_schemas import api_use_schemas
from dev.openapi.error_schemas import (
    ALWAYS,
    CROSS_ORIGIN,
    HEADERS,
    KEPT,
    NOT_MODIFIED,
    OF_TENANTS,
    error_schemas,
    headers_of_errors,
    is_required,
    schema_name,
)
from dev.openapi.json_schema import reference, text
from dev.openapi.operator_schemas import operator_schemas
from dev.openapi.usage_schemas import usage_schemas
from payments.errors import PaymentRequired

Document = Mapping[str, Json]
Errors = Sequence[type[DispatcherError]]
VERSION = "1.0.0"
"""The version of this description; fields may be added to responses at any time."""

_INTRODUCTION = f"""\
The routes that the dispatcher serves. Every response has `x-request-id`.

**Tokens.** Everything below `/__platform` needs `Authorization: Bearer TOKEN` or
`x-platform-token: TOKEN`, with a token that has the scope of the route. A token in the query
string is rejected, even beside a valid one.

**Methods and paths.** `HEAD` works wherever `GET` does. Other methods get 405
`method_not_allowed` with `Allow`; other paths get 404 `not_found`.

**Parameters.** An invalid or repeated parameter gets 400 `invalid_parameter` (`invalid_window`
for a window). Parameters that are not described are ignored. A query may have up to
{PARAMETERS_MAX} parameters.

**Errors** are JSON: `ok` (false), `error` (the code), `requestId`, `message` for people, and
fields for programs. Caches do not store them.
"""

_OF_ANY_PATH: Errors = (MethodNotAllowed, NotFound, TenantNotFound)

_STATUS_TEXTS = {
    400: "A parameter is invalid, or a payment lacks an identifier that the API demands.",
    401: "There is no token, or none with the scope of this route.",
    402: "A payment is required, or a spending cap is reached.",
    404: "There is no such API or path, or the API's script is not in the namespace.",
    405: "The path does not allow this method.",
    409: "The payment was already presented, for another request or for one that is in progress.",
    429: "Too many requests.",
    500: "The deployment is incomplete, or the dispatcher failed.",
    499: "The client disconnected before the response; only the event shows it.",
    502: "The API's script failed; the log has the exception under the request id.",
    503: "The API exceeded its plan's limits, or no facilitator responded.",
}


def document() -> Document:
    """Build the document."""
    responses: dict[str, Json] = {}
    paths: dict[str, dict[str, Json]] = {}
    for route in (*ROUTES, *TENANT_ROUTES):
        path_parameters = [
            {"name": name, "in": "path", "required": True, "schema": schema}
            for name, schema in route.path_parameters.items()
        ]
        operations = {
            method.lower(): _operation(route, method, responses) for method in route.methods
        }
        parameters = [*path_parameters, *map(_parameter, route.parameters)]
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
        "servers": [{"url": "/", "description": "The dispatcher that serves this document."}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "platformToken": {"type": "apiKey", "in": "header", "name": "x-platform-token"},
            },
            "headers": {name: _header(name) for name in HEADERS},
            "responses": responses,
            "schemas": {
                **analytics_schemas(),
                **usage_schemas(),
                **api_use_schemas(),
                **operator_schemas(),
                **error_schemas(described_errors()),
            },
        },
    }


def described_errors() -> Errors:
    """Return every error of any route, one for each code."""
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
    if route is IMPORT:
        operation["requestBody"] = _IMPORT_BODY
    operation["security"] = (
        [] if route.scope is None else [{"bearer": [route.scope]}, {"platformToken": [route.scope]}]
    )
    responses_by_status = {
        "default" if success.status is None else str(success.status): _success(
            route, success, method
        )
        for success in route.successes
    }
    for status, errors in _by_status(route).items():
        name = "Or".join(schema_name(error.code) for error in errors)
        responses[name] = _error(status, errors)
        responses_by_status[str(status)] = {"$ref": f"#/components/responses/{name}"}
    operation["responses"] = responses_by_status
    return operation


def _by_status(route: Route) -> Mapping[int, Errors]:
    # A tenant's script decides which methods it allows.
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
    response: dict[str, Json] = {
        "description": success.description,
        "headers": _headers(list(dict.fromkeys((*names, *success.headers, *CROSS_ORIGIN)))),
    }
    if success.schema_name is not None:
        schemas = {success.media_type: success.schema_name, **success.other_types}
        response["content"] = {
            media_type: {"schema": reference(name)} for media_type, name in schemas.items()
        }
        if route.cursor_parameter is not None and method != "HEAD":
            response["links"] = {
                "nextPage": {
                    "operationId": route.name,
                    "parameters": {f"query.{route.cursor_parameter}": "$response.body#/cursor"},
                    "description": "The next page, if `cursor` is not null.",
                }
            }
    return response


def _error(status: int, errors: Errors) -> Document:
    codes = [error.code for error in errors]
    schemas = [reference(schema_name(code)) for code in codes]
    content = {JSON: {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}}}
    if PaymentRequired in errors:
        content[HTML] = {"schema": text("The payment page, for browsers.")}
    return {
        "description": f"{_STATUS_TEXTS[status]} `{'`, `'.join(codes)}`.",
        "headers": _headers(headers_of_errors(codes)),
        "content": content,
    }


def _parameter(parameter: Parameter) -> Document:
    described: dict[str, Json] = {
        "name": parameter.name,
        "in": "query",
        "required": parameter.is_required,
        "description": parameter.description,
        "schema": parameter.schema,
    }
    if parameter.example is not None:
        described["example"] = parameter.example
    return described


_IMPORT_BODY: Document = {
    "required": True,
    "description": "The events. The dispatcher does not look at `Content-Type`.",
    "content": {
        JSON: {
            # A text that is no array is read as lines, and events of another form are rejected
            # one by one, not with the whole request.
            "schema": {
                "anyOf": [
                    {
                        "type": "array",
                        "items": {"anyOf": [reference("OldEvent"), {}]},
                        "maxItems": constants.IMPORT_EVENTS_MAX,
                    },
                    {},
                ]
            }
        },
        "application/x-ndjson": {"schema": text("One event per line.")},
    },
}

_IF_NONE_MATCH: Document = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of an earlier response; 304 if it still matches.",
    "schema": {"type": "string"},
}


def _headers(names: Sequence[str]) -> Document:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _header(name: str) -> Schema:
    description, schema = HEADERS[name]
    return {"description": description, "required": is_required(name), "schema": schema}

"""The MCP server at `/mcp`: streamable HTTP, stateless and read-only.

Each message is a POST of its own, and its response is JSON: no session, no stream. What it reads is
public, so any origin may call it, and nothing is lost if a browser is tricked into it.
Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from api.catalog.tools import TOOLS, ToolFailed, Tools
from core.errors import MethodNotAllowed
from core.ports import Json, Request, Response
from core.responses import (
    CORS_HEADERS,
    REQUEST_ID_HEADER,
    is_preflight,
    preflight_response,
    text_response,
)
from core.safe_json import read_json
from snapshots.serialization import json_text

BODY_BYTES_MAX = 65_536
"""Bytes of a message; a search has a few hundred."""

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")
"""Versions of the protocol, the newest first; they do not differ in what is used here."""

_IDENTITY_LENGTH_MAX = 200
_PARSE_ERROR = -32_700
_INVALID_REQUEST = -32_600
_METHOD_NOT_FOUND = -32_601
_INVALID_PARAMS = -32_602
_ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]*://[^/\s@]+", re.ASCII | re.IGNORECASE)
_INSTRUCTIONS = (
    "Find an API with search_apis, read with get_api how it is called and what it costs, and call"
    " it over HTTP. Paid APIs take x402 payments, each request on its own; no account is needed."
)


class _RpcError(Exception):
    """An error of JSON-RPC, which is sent with an HTTP status."""

    def __init__(self, code: int, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


async def handle_message(request: Request, tools: Tools, request_id: str) -> Response:
    """Respond to one request at the endpoint. Raises `MethodNotAllowed`."""
    if is_preflight(request):
        return preflight_response(request, request_id)
    if request.method != "POST":
        # A GET would open a stream of messages, of which this server sends none.
        raise MethodNotAllowed(request.method, ("POST",))
    identity = None
    try:
        _check_headers(request.headers)
        message = _read(await request.text())
        identity = message.get("id")
        if identity is None or "method" not in message:
            # A notification or a response: nothing follows.
            return Response(202, ((REQUEST_ID_HEADER, request_id), *CORS_HEADERS), "")
        result = await _result(message["method"], message.get("params", {}), tools)
    except _RpcError as error:
        fault = {"code": error.code, "message": str(error)}
        body = {"jsonrpc": "2.0", "id": identity, "error": fault}
        return _json_response(error.status, body, request_id)
    return _json_response(200, {"jsonrpc": "2.0", "id": identity, "result": result}, request_id)


async def _result(method: str, params: Json, tools: Tools) -> Mapping[str, Json]:
    if not isinstance(params, dict):
        raise _RpcError(_INVALID_PARAMS, "params must be an object.")
    if method == "initialize":
        wanted = params.get("protocolVersion")
        return {
            "protocolVersion": wanted if wanted in VERSIONS else VERSIONS[0],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "clawr-dispatcher", "title": "Published APIs", "version": "1"},
            "instructions": _INSTRUCTIONS,
        }
    if method == "ping":
        return {}
    if method == "tools/list":
        return {"tools": list(TOOLS)}
    if method == "tools/call":
        return await _call(params, tools)
    raise _RpcError(_METHOD_NOT_FOUND, f"This server has no method {method[:80]!r}.")


async def _call(params: Mapping[str, Any], tools: Tools) -> Mapping[str, Json]:
    name: Json = params.get("name")
    arguments: Json = {} if params.get("arguments") is None else params["arguments"]
    names = [tool["name"] for tool in TOOLS]
    if name not in names:
        raise _RpcError(_INVALID_PARAMS, f"The tools are {' and '.join(names)}.")
    if not isinstance(arguments, dict):
        raise _RpcError(_INVALID_PARAMS, "arguments must be an object.")
    try:
        found = await tools.call(name, arguments)
    except ToolFailed as error:
        return {"content": [{"type": "text", "text": str(error)}], "isError": True}
    return {
        "content": [{"type": "text", "text": json_text(found)}],
        "structuredContent": found,
        "isError": False,
    }


def _check_headers(headers: Mapping[str, str]) -> None:
    """Raise `_RpcError` if a request's headers are not accepted."""
    origin = headers.get("origin")
    if origin is not None and not _ORIGIN.fullmatch(origin):
        raise _RpcError(_INVALID_REQUEST, "The header Origin is invalid.", 403)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise _RpcError(_INVALID_REQUEST, "Content-Type must be application/json.", 415)
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit() and len(length) < 10):
        raise _RpcError(_INVALID_REQUEST, "The header Content-Length is missing.", 411)
    if int(length) > BODY_BYTES_MAX:
        raise _RpcError(_INVALID_REQUEST, f"A message has at most {BODY_BYTES_MAX} bytes.", 413)
    if headers.get("mcp-protocol-version", VERSIONS[0]) not in VERSIONS:
        names = ", ".join(VERSIONS)
        raise _RpcError(_INVALID_REQUEST, f"The versions of the protocol are {names}.", 400)


def _read(text: str) -> Mapping[str, Json]:
    """Return the message in a body. Raises `_RpcError`."""
    try:
        message = read_json(text)
    except ValueError as error:
        raise _RpcError(_PARSE_ERROR, "The body is not JSON.", 400) from error
    if not isinstance(message, dict) or not _is_message(message):
        raise _RpcError(_INVALID_REQUEST, "The body must be one message of JSON-RPC 2.0.", 400)
    return message


def _is_message(message: Mapping[str, Json]) -> bool:
    identity = message.get("id", "")
    if type(identity) not in (str, int) or len(str(identity)) > _IDENTITY_LENGTH_MAX:
        return False
    if message.get("jsonrpc") != "2.0":
        return False
    is_request = isinstance(message.get("method"), str)
    return is_request or ("method" not in message and ("result" in message or "error" in message))


def _json_response(status: int, body: Mapping[str, Json], request_id: str) -> Response:
    headers = (("content-type", "application/json"), *CORS_HEADERS)
    return text_response(json_text(body), request_id, status, headers)

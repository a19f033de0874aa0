"""Failures of a facilitator, as functions of a call that may pass it on."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Response:
    """A response of the proxy, with its whole body."""

    status: int
    body: bytes
    content_type: str = "application/json"
    extensions: str = ""

    def json(self) -> Any:
        """Return the parsed body."""
        return json.loads(self.body)


@dataclass(slots=True)
class Call:
    """One call to the facilitator and its response.

    Args:
        path: `/verify`, `/settle` or `/supported`.
        headers: By lower-case name.
        body: The request body.
        pass_on: Sends the call to the real facilitator.
        upstream: The response of the real facilitator; `None` if it got no call.
        response: The response to the caller; `None` before it, or if the connection was dropped.
        upstream_seconds: How long the real facilitator took, in seconds.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    pass_on: Callable[["Call"], Response]
    upstream: Response | None = None
    response: Response | None = None
    upstream_seconds: float = 0.0

    def json(self) -> Any:
        """Return the parsed body."""
        return json.loads(self.body)


class ConnectionDropped(Exception):
    """Raised by a fault to close the connection without a response."""


Fault: TypeAlias = Callable[[Call], Response]


def pass_on(call: Call) -> Response:
    """Send the call to the real facilitator."""
    return call.pass_on(call)


def drop_connection(_call: Call) -> Response:
    """Reset the connection without calling the real facilitator."""
    raise ConnectionDropped


def drop_connection_after_success(call: Call) -> Response:
    """Call the real facilitator, then reset the connection instead of responding."""
    pass_on(call)
    raise ConnectionDropped


def status(code: int) -> Fault:
    """Respond with a status without calling the real facilitator."""
    return lambda _call: Response(code, b'{"error":"made to fail"}')


def fail_after_success(code: int) -> Fault:
    """Call the real facilitator, then respond with an error status."""

    def fault(call: Call) -> Response:
        pass_on(call)
        return Response(code, b'{"error":"made to fail after success"}')

    return fault


def slow(seconds: float) -> Fault:
    """Call the real facilitator after a delay."""

    def fault(call: Call) -> Response:
        time.sleep(seconds)
        return pass_on(call)

    return fault


def slow_response(seconds: float) -> Fault:
    """Call the real facilitator at once and delay its response."""

    def fault(call: Call) -> Response:
        response = pass_on(call)
        time.sleep(seconds)
        return response

    return fault


def body(text: str | bytes, code: int = 200, content_type: str = "application/json") -> Fault:
    """Respond with a body without calling the real facilitator."""
    content = text.encode() if isinstance(text, str) else text
    return lambda _call: Response(code, content, content_type)


def json_body(document: object, code: int = 200) -> Fault:
    """Respond with a JSON document without calling the real facilitator."""
    return body(json.dumps(document), code)


def settlement_pending(transaction: str, network: str, payer: str) -> Fault:
    """Respond that a settlement was sent and is in no block yet."""
    return json_body(
        {
            "success": False,
            "errorReason": "settlement_pending",
            "transaction": transaction,
            "network": network,
            "payer": payer,
        }
    )


INVALID_RESPONSES: Mapping[str, Fault] = {
    "a page": body("<html><body>Welcome</body></html>", content_type="text/html"),
    "half a document": body('{"isValid": true, "success": tr'),
    "a list": json_body([1, 2, 3]),
    "no fields": json_body({}),
    "wrong types": json_body(
        {"isValid": "yes", "success": "yes", "transaction": 5, "network": None}
    ),
    "nothing": body(b""),
    "no UTF-8": body(b"\xff\xfe\x00{"),
    "a huge body": body(b" " * 20_000_000 + b'{"isValid": true, "success": true}'),
    "deep nesting": body("[" * 30_000),
    "a redirect": body("", 302),
}
"""Responses that no facilitator should send, by description."""

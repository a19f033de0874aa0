"""Ways in which a facilitator can fail: functions of a call that may pass it on."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Response:
    """What the proxy answers; `body` as it goes out, whole."""

    status: int
    body: bytes
    content_type: str = "application/json"

    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.body)


@dataclass(slots=True)
class Call:
    """One call to the facilitator, and what became of it.

    Args:
        path: `/verify`, `/settle` or `/supported`.
        headers: By their names in small letters.
        body: As it came.
        upstream: What the real facilitator answered; `None` if it was not asked.
        answer: What the caller got; `None` while it waits, or if the line was cut.
        upstream_seconds: How long the real facilitator took.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    pass_on: Callable[["Call"], Response]
    upstream: Response | None = None
    response: Response | None = None
    upstream_seconds: float = 0.0

    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.body)


class ConnectionDropped(Exception):
    """Ends the connection without an answer."""


Fault: TypeAlias = Callable[[Call], Response]


def pass_on(call: Call) -> Response:
    """Do what the real facilitator does."""
    return call.pass_on(call)


def drop_connection(_call: Call) -> Response:
    """Reset the connection before the real facilitator hears of it."""
    raise ConnectionDropped


def drop_connection_after_success(call: Call) -> Response:
    """Let the real facilitator do it, and reset the connection in place of its answer."""
    pass_on(call)
    raise ConnectionDropped


def status(code: int) -> Fault:
    """Answer a status without asking the real facilitator."""
    return lambda _call: Response(code, b'{"error":"made to fail"}')


def fail_after_success(code: int) -> Fault:
    """Let the real facilitator do it, and answer a failure's status all the same."""

    def fault(call: Call) -> Response:
        pass_on(call)
        return Response(code, b'{"error":"made to fail after it worked"}')

    return fault


def slow(seconds: float) -> Fault:
    """Pass it on after a while."""

    def fault(call: Call) -> Response:
        time.sleep(seconds)
        return pass_on(call)

    return fault


def slow_response(seconds: float) -> Fault:
    """Pass it on at once, and keep the answer for a while."""

    def fault(call: Call) -> Response:
        response = pass_on(call)
        time.sleep(seconds)
        return response

    return fault


def body(text: str | bytes, code: int = 200, content_type: str = "application/json") -> Fault:
    """Answer a body without asking the real facilitator."""
    content = text.encode() if isinstance(text, str) else text
    return lambda _call: Response(code, content, content_type)


def json_body(document: object, code: int = 200) -> Fault:
    """Answer a JSON document without asking the real facilitator."""
    return body(json.dumps(document), code)


def settlement_pending(transaction: str, network: str, payer: str) -> Fault:
    """Answer that a settlement was sent and is in no block yet."""
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
"""Answers that no facilitator should give, by what they are."""

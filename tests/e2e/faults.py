"""Ways in which a facilitator can fail: functions of a call that may pass it on."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Answer:
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
    pass_on: Callable[["Call"], Answer]
    upstream: Answer | None = None
    answer: Answer | None = None
    upstream_seconds: float = 0.0

    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.body)


class Cut(Exception):
    """Ends the connection without an answer."""


Fault: TypeAlias = Callable[[Call], Answer]


def pass_on(call: Call) -> Answer:
    """Do what the real facilitator does."""
    return call.pass_on(call)


def cut(_call: Call) -> Answer:
    """Reset the connection before the real facilitator hears of it."""
    raise Cut


def cut_after_it_worked(call: Call) -> Answer:
    """Let the real facilitator do it, and reset the connection in place of its answer."""
    pass_on(call)
    raise Cut


def status(code: int) -> Fault:
    """Answer a status without asking the real facilitator."""
    return lambda _call: Answer(code, b'{"error":"made to fail"}')


def after_it_worked(code: int) -> Fault:
    """Let the real facilitator do it, and answer a failure's status all the same."""

    def fault(call: Call) -> Answer:
        pass_on(call)
        return Answer(code, b'{"error":"made to fail after it worked"}')

    return fault


def slow(seconds: float) -> Fault:
    """Pass it on after a while."""

    def fault(call: Call) -> Answer:
        time.sleep(seconds)
        return pass_on(call)

    return fault


def slow_answer(seconds: float) -> Fault:
    """Pass it on at once, and keep the answer for a while."""

    def fault(call: Call) -> Answer:
        answer = pass_on(call)
        time.sleep(seconds)
        return answer

    return fault


def body(text: str | bytes, code: int = 200, content_type: str = "application/json") -> Fault:
    """Answer a body without asking the real facilitator."""
    content = text.encode() if isinstance(text, str) else text
    return lambda _call: Answer(code, content, content_type)


def reply(document: object, code: int = 200) -> Fault:
    """Answer a JSON document without asking the real facilitator."""
    return body(json.dumps(document), code)


def settlement_pending(transaction: str, network: str, payer: str) -> Fault:
    """Answer that a settlement was sent and is in no block yet."""
    return reply(
        {
            "success": False,
            "errorReason": "settlement_pending",
            "transaction": transaction,
            "network": network,
            "payer": payer,
        }
    )


NONSENSE: Mapping[str, Fault] = {
    "a page": body("<html><body>Welcome</body></html>", content_type="text/html"),
    "half a document": body('{"isValid": true, "success": tr'),
    "a list": reply([1, 2, 3]),
    "no fields": reply({}),
    "wrong types": reply({"isValid": "yes", "success": "yes", "transaction": 5, "network": None}),
    "nothing": body(b""),
    "no UTF-8": body(b"\xff\xfe\x00{"),
    "a huge body": body(b" " * 20_000_000 + b'{"isValid": true, "success": true}'),
    "deep nesting": body("[" * 30_000),
    "a redirect": body("", 302),
}
"""Answers that no facilitator should give, by what they are."""

"""The responses that the dispatcher makes itself, errors among them.

Owns the one place where an error becomes a response.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from errors import DispatcherError
from ports import Answer, Json

REQUEST_ID = "x-request-id"
PLATFORM_TOKEN_HEADER = "x-platform-token"  # noqa: S105

PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""What a page of ours may load: its own style and nothing else."""

SECURITY_HEADERS = (
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
)
"""What every answer of ours says unless it says something else; a tenant's answers are its own."""


def secured(answer: Answer) -> Answer:
    """Add the security headers that `answer` does not set itself."""
    names = {name for name, _ in answer.headers}
    missing = [pair for pair in SECURITY_HEADERS if pair[0] not in names]
    return replace(answer, headers=(*answer.headers, *missing))


def json_answer(
    body: Mapping[str, Json],
    request_id: str,
    status: int = 200,
    headers: Sequence[tuple[str, str]] = (),
) -> Answer:
    """Make a JSON response that carries its request id, and is not cached unless `headers` say."""
    return text_answer(json.dumps(body, separators=(",", ":")), request_id, status, headers)


def text_answer(
    text: str, request_id: str, status: int = 200, headers: Sequence[tuple[str, str]] = ()
) -> Answer:
    """Make a response of `text`, JSON unless `headers` say, as `json_answer` does."""
    fixed = {
        "content-type": "application/json; charset=utf-8",
        "cache-control": "no-store",
        REQUEST_ID: request_id,
    }
    return Answer(status, tuple((fixed | dict(headers)).items()), text)


def error_answer(error: DispatcherError, request_id: str) -> Answer:
    """Make the response of an error: its code, its sentence and its evidence.

    In a browser, an error that has a page for people is that page.
    """
    if error.page is not None:
        return _page(error, error.page, request_id)
    body = {
        "ok": False,
        "error": error.code,
        "requestId": request_id,
        "message": error.message,
        **error.evidence,
    }
    answer = json_answer(body, request_id, error.status, error.headers)
    return replace(answer, error=error.code)


def _page(error: DispatcherError, page: str, request_id: str) -> Answer:
    fixed = (
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", PAGE_POLICY),
        ("cache-control", "no-store"),
        (REQUEST_ID, request_id),
    )
    return Answer(error.status, (*fixed, *error.headers), page, error.code)

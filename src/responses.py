"""The responses that the dispatcher makes itself, errors among them.

Owns the one place where an error becomes a response.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from errors import DispatcherError
from ports import Answer, Json

REQUEST_ID = "x-request-id"


def json_answer(
    body: Mapping[str, Json],
    request_id: str,
    status: int = 200,
    headers: Sequence[tuple[str, str]] = (),
) -> Answer:
    """Make a JSON response that carries its request id, and is not cached unless `headers` say."""
    fixed = {
        "content-type": "application/json; charset=utf-8",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        REQUEST_ID: request_id,
    }
    text = json.dumps(body, separators=(",", ":"))
    return Answer(status, tuple((fixed | dict(headers)).items()), text)


def error_answer(error: DispatcherError, request_id: str) -> Answer:
    """Make the response of an error: its code, its sentence and its evidence."""
    body = {
        "ok": False,
        "error": error.code,
        "requestId": request_id,
        "message": error.message,
        **error.evidence,
    }
    return json_answer(body, request_id, error.status, error.headers)

"""The responses that the dispatcher makes itself, errors among them.

Owns the one place where an error becomes a response.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.ports import Json, Response

REQUIRED_HEADER = "payment-required"
SIGNATURE_HEADER = "payment-signature"
RESPONSE_HEADER = "payment-response"
SIGNATURE_HEADER_V1 = "x-payment"
RESPONSE_HEADER_V1 = "x-payment-response"

EXPOSED_HEADERS = (
    "PAYMENT-REQUIRED, PAYMENT-RESPONSE, X-PAYMENT-RESPONSE,"
    " RateLimit, RateLimit-Policy, Retry-After, x-request-id"
)
"""What scripts in browsers need to read of an answer to pay and to know that they have paid."""

CORS_HEADERS = (
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", EXPOSED_HEADERS),
)


REQUEST_ID = "x-request-id"
PLATFORM_TOKEN_HEADER = "x-platform-token"  # noqa: S105
SECURITY_HEADERS = (
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
)
"""What every answer of ours says unless it says something else; a tenant's answers are its own."""


def secured(answer: Response) -> Response:
    """Add the security headers that `answer` does not set itself."""
    names = {name for name, _ in answer.headers}
    missing = [pair for pair in SECURITY_HEADERS if pair[0] not in names]
    return replace(answer, headers=(*answer.headers, *missing))


def json_response(
    body: Mapping[str, Json],
    request_id: str,
    status: int = 200,
    headers: Sequence[tuple[str, str]] = (),
) -> Response:
    """Make a JSON response that carries its request id, and is not cached unless `headers` say."""
    return text_answer(json.dumps(body, separators=(",", ":")), request_id, status, headers)


def text_answer(
    text: str, request_id: str, status: int = 200, headers: Sequence[tuple[str, str]] = ()
) -> Response:
    """Make a response of `text`, JSON unless `headers` say, as `json_response` does."""
    fixed = {
        "content-type": "application/json; charset=utf-8",
        "cache-control": "no-store",
        REQUEST_ID: request_id,
    }
    return Response(status, tuple((fixed | dict(headers)).items()), text)


VARIES_BY = "Authorization, X-Platform-Token"
"""The headers that may carry the token."""

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def is_known(tag: str, wanted: str) -> bool:
    """Tell whether `wanted`, the header `If-None-Match` or empty, has a tag, given in quotes."""
    return wanted.strip() == "*" or tag in _TAG.findall(wanted)

"""The responses that the dispatcher makes itself, and the headers they share."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.ports import Json, Response

REQUEST_ID_HEADER = "x-request-id"
PLATFORM_TOKEN_HEADER = "x-platform-token"  # noqa: S105
PAYMENT_REQUIRED_HEADER = "payment-required"
PAYMENT_SIGNATURE_HEADER = "payment-signature"
PAYMENT_RESPONSE_HEADER = "payment-response"
PAYMENT_SIGNATURE_HEADER_V1 = "x-payment"
PAYMENT_RESPONSE_HEADER_V1 = "x-payment-response"
EXPOSED_HEADERS = (
    "PAYMENT-REQUIRED, PAYMENT-RESPONSE, X-PAYMENT-RESPONSE,"
    " RateLimit, RateLimit-Policy, Retry-After, x-request-id"
)
"""The response headers that scripts in browsers need in order to pay and to see the receipt."""

CORS_HEADERS = (
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", EXPOSED_HEADERS),
)
SECURITY_HEADERS = (
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
)
"""Defaults for the dispatcher's own responses; tenants' responses are not changed."""

VARY_ON_TOKEN = "Authorization, X-Platform-Token"  # noqa: S105
"""The `vary` header of responses that depend on the token: the headers that may carry it."""

_ETAG = re.compile(r'(?:W/)?("[^"]*")')


def json_response(
    body: Mapping[str, Json],
    request_id: str,
    status: int = 200,
    headers: Sequence[tuple[str, str]] = (),
) -> Response:
    """Make a JSON response with its request id; it is not cached unless `headers` say so."""
    return text_response(json.dumps(body, separators=(",", ":")), request_id, status, headers)


def text_response(
    text: str, request_id: str, status: int = 200, headers: Sequence[tuple[str, str]] = ()
) -> Response:
    """Make a response of `text`, like `json_response`; its type is JSON unless `headers` say so."""
    fixed = {
        "content-type": "application/json; charset=utf-8",
        "cache-control": "no-store",
        REQUEST_ID_HEADER: request_id,
    }
    return Response(status, tuple((fixed | dict(headers)).items()), text)


def with_security_headers(response: Response) -> Response:
    """Add the security headers that `response` does not set itself."""
    names = {name for name, _ in response.headers}
    missing = [pair for pair in SECURITY_HEADERS if pair[0] not in names]
    return replace(response, headers=(*response.headers, *missing))


def etag_matches(tag: str, if_none_match: str) -> bool:
    """Tell whether a request's `If-None-Match` header, empty if absent, lists the quoted `tag`."""
    return if_none_match.strip() == "*" or tag in _ETAG.findall(if_none_match)

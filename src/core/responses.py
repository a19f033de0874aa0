"""The responses that the dispatcher makes itself, and the headers they share."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.ports import Json, Request, Response

REQUEST_ID_HEADER = "x-request-id"
PLATFORM_TOKEN_HEADER = "x-platform-token"  # noqa: S105
PAYMENT_REQUIRED_HEADER = "payment-required"
PAYMENT_SIGNATURE_HEADER = "payment-signature"
PAYMENT_RESPONSE_HEADER = "payment-response"
PAYMENT_SIGNATURE_HEADER_V1 = "x-payment"
PAYMENT_RESPONSE_HEADER_V1 = "x-payment-response"
SETTLEMENT_OVERRIDES_HEADER = "settlement-overrides"
PAYMENT_ID_HEADER = "x-clawr-payment-id"
ALLOW_ORIGIN_HEADER = "access-control-allow-origin"
ANY_ORIGIN = (ALLOW_ORIGIN_HEADER, "*")
EXPOSED_HEADERS = (
    "access-control-expose-headers",
    (
        f"PAYMENT-REQUIRED, PAYMENT-RESPONSE, X-PAYMENT-RESPONSE, {PAYMENT_ID_HEADER}, RateLimit, "
        "RateLimit-Policy, Retry-After, Allow, x-request-id, x-tenant-id"
    ),
)
"""The dispatcher's own headers, which pages of any origin may read."""

CORS_HEADERS = (ANY_ORIGIN, EXPOSED_HEADERS)
SECURITY_HEADERS = (
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
)
"""Defaults for the dispatcher's own responses; tenants' responses are not changed."""

VARY_ON_TOKEN = "Authorization, X-Platform-Token"  # noqa: S105
"""The `vary` header of responses that depend on the token: the headers that may carry it."""
PAYMENT_HEADERS = "PAYMENT-SIGNATURE, X-PAYMENT"
"""The headers in which a payment is presented."""

PREFLIGHT = "preflight"
"""The outcome of a CORS preflight."""

_REQUESTED_METHOD = "access-control-request-method"

_BROWSER = "Mozilla"
"""Every browser's `User-Agent` begins with it (https://webaim.org/blog/user-agent-string-history/)."""

_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
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


def is_preflight(request: Request) -> bool:
    """Tell whether a request only asks whether a page may send another one (CORS).

    Source: https://fetch.spec.whatwg.org/#cors-preflight-request
    """
    if request.method != "OPTIONS":
        return False
    return "origin" in request.headers and _REQUESTED_METHOD in request.headers


def priced_method(request: Request) -> str:
    """Return the method that has a price: for a preflight, that of the request which it is for."""
    return request.headers[_REQUESTED_METHOD] if is_preflight(request) else request.method


def preflight_response(request: Request, request_id: str, more_headers: str = "") -> Response:
    """Allow a page to send the request that its preflight describes, without credentials.

    `more_headers` names headers that it may have beside those that it asks for.
    """
    requested = request.headers.get("access-control-request-headers", "")
    allowed = ", ".join(part for part in (more_headers, requested) if part)
    headers = (
        *CORS_HEADERS,
        ("access-control-allow-methods", request.headers[_REQUESTED_METHOD]),
        *((("access-control-allow-headers", allowed),) if allowed else ()),
        ("access-control-max-age", "600"),
        ("cache-control", "no-store"),
        (REQUEST_ID_HEADER, request_id),
    )
    return Response(204, headers, "")


def with_security_headers(response: Response) -> Response:
    """Add the security headers that `response` does not set itself."""
    names = {name for name, _ in response.headers}
    missing = [pair for pair in SECURITY_HEADERS if pair[0] not in names]
    return replace(response, headers=(*response.headers, *missing))


def etag_matches(tag: str, if_none_match: str) -> bool:
    """Tell whether a request's `If-None-Match` header, empty if absent, lists the quoted `tag`."""
    return if_none_match.strip() == "*" or tag in _ETAG.findall(if_none_match)


def prefers_page(headers: Mapping[str, str]) -> bool:
    """Tell whether a browser sent a request that would rather have HTML than JSON.

    Of equal weights, that of the more specific range is preferred: many `Accept` headers name
    what they want and end in `*/*`.
    """
    if _BROWSER not in headers.get("user-agent", ""):
        return False
    accept = headers.get("accept", "")
    page = accepted_weight(accept, "text/html")
    return page[0] > 0 and page > accepted_weight(accept, "application/json")


def accepted_weight(accept: str, media_type: str) -> tuple[float, int]:
    """Return the weight of a media type in an `Accept` header, 0 to 1, and its range's specificity.

    The most specific range counts (RFC 9110, section 12.5.1). Parameters other than `q` are
    ignored, and so are ranges with an invalid `q`.
    """
    kind = media_type.partition("/")[0]
    ranges = ("*/*", f"{kind}/*", media_type)
    place, weight = -1, 0.0
    for part in accept.lower().split(","):
        media_range, *parameters = (item.strip() for item in part.split(";"))
        weights = [item[2:].strip() for item in parameters if item.startswith("q=")] or ["1"]
        found = ranges.index(media_range) if media_range in ranges else -1
        if found > -1 and found >= place and _QUALITY.fullmatch(weights[0]):
            place, weight = found, float(weights[0])
    return weight, place

"""The headers of the dispatcher's own answers: what each says, and which answers have it.

Owns the table that the OpenAPI document and its tests read. Refuses to set any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shapes import Shape, text, whole

HEADERS: Mapping[str, tuple[str, Shape]] = {
    "x-request-id": (
        "Names this request, here and in the dispatcher's log.",
        text(pattern="^[0-9a-f]+-[0-9a-f]+$"),
    ),
    "cache-control": ("`no-store`, unless this route says otherwise.", text()),
    "content-security-policy": ("What a page may load that shows this: nothing.", text()),
    "referrer-policy": ("`no-referrer`.", text()),
    "x-frame-options": ("`DENY`.", text()),
    "x-content-type-options": ("Always `nosniff`.", {"type": "string", "enum": ["nosniff"]}),
    "etag": (
        "Names what is shown; `If-None-Match` takes it.",
        text(pattern='^W/"[0-9a-f]+(-[0-9]+)?"$'),
    ),
    "vary": ("Names the headers that may carry the token.", text()),
    "www-authenticate": ("RFC 6750: how to ask.", text(pattern="^Bearer ")),
    "allow": ("The methods that the path answers.", text(pattern="^[A-Z]+(, [A-Z]+)*$")),
    "retry-after": ("When to come again, in seconds.", whole(least=1)),
    "payment-required": ("What x402 offers: base64 of JSON.", text()),
    "payment-response": ("What became of the payment: base64 of JSON.", text()),
    "x-payment-response": ("The same for version 1 of x402.", text()),
    "x-clawr-payment-id": ("Names the payment in the ledger.", text()),
    "ratelimit-policy": ("The API's limits (draft-ietf-httpapi-ratelimit-headers-10).", text()),
    "ratelimit": ("What is left of them.", text()),
    "access-control-allow-origin": ("Any origin may read why.", text()),
    "access-control-expose-headers": ("What scripts in browsers may read.", text()),
    "x-tenant-id": ("Whose script answered.", text()),
}
"""Every header that is described, with what it says and what it looks like."""

_PROTECTING = ("content-security-policy", "referrer-policy", "x-frame-options")
ALWAYS = ("x-request-id", "cache-control", "x-content-type-options", *_PROTECTING)
KEPT = (*ALWAYS, "etag", "vary")
NOT_MODIFIED = KEPT
OF_TENANTS = ("x-request-id", "x-tenant-id")
TRANSPORT = (
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "keep-alive",
    "transfer-encoding",
)
"""What HTTP itself adds to any answer; a description of it would say nothing."""

_CROSS_ORIGIN = ("access-control-allow-origin", "access-control-expose-headers")
_PAID = ("payment-required", "payment-response", "x-payment-response", "x-clawr-payment-id")
_OFFERED = (*_PAID, *_CROSS_ORIGIN)
_LIMITED = ("retry-after", "ratelimit-policy", "ratelimit", *_CROSS_ORIGIN)

_OF_ERRORS: Mapping[str, Sequence[str]] = {
    "unauthorized": ("www-authenticate",),
    "method_not_allowed": ("allow",),
    "rate_limited": _LIMITED,
    "usage_quota_exceeded": _LIMITED,
    "cap_exceeded": _LIMITED,
    "payment_required": _OFFERED,
    "payment_invalid": _OFFERED,
    "payment_failed": _OFFERED,
    "payment_already_used": _CROSS_ORIGIN,
    "payment_in_progress": ("retry-after", *_CROSS_ORIGIN),
    "facilitator_unavailable": ("retry-after", *_PAID, *_CROSS_ORIGIN),
}

_REQUIRED = frozenset((*ALWAYS, "www-authenticate", "allow"))


def headers_of_errors(codes: Sequence[str]) -> Sequence[str]:
    """Name the headers that an answer with one of these codes may have."""
    return list(dict.fromkeys((*ALWAYS, *(n for code in codes for n in _OF_ERRORS.get(code, ())))))


def is_required(name: str) -> bool:
    """Tell whether a header is there whenever an answer is described with it."""
    return name in _REQUIRED

"""The shapes of errors: what stands beside each code.

Owns the fields that are named here by code; all else comes from the tree of
errors itself. A code without an entry here is a defect, and its test fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.spec import Schema
from core.errors import DispatcherError
from dev.openapi.json_schema import always, list_of, one_of, record, reference, text, whole

HEADERS: Mapping[str, tuple[str, Schema]] = {
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


_OFFER: Mapping[str, Schema] = {
    "reason": text("Why, as one word for programs."),
    "x402Version": {"type": "integer", "enum": [1, 2]},
    "accepts": list_of({"type": "object"}, "The offer, as x402 has it."),
}

_AGAIN: Mapping[str, Schema] = {"retryAfterSeconds": whole("The same as in `Retry-After`.", 1)}

_LIMIT: Mapping[str, Schema] = {
    "limit": text("The field of the API's record that has the limit."),
    "resetsAt": text("When the day or the month is over."),
    **_AGAIN,
}

EVIDENCE: Mapping[str, Mapping[str, Schema]] = {
    "invalid_parameter": {
        "parameter": text("Its name."),
        "expected": text("What it may be, in words."),
    },
    "invalid_window": {
        "parameter": always("window"),
        "expected": list_of(text(), "The windows there are."),
    },
    "unauthorized": {
        "requiredScope": text("What the token is not good for, where that is why."),
        "expiredAt": text("When the token ended, where that is why."),
    },
    "not_found": {},
    "tenant_not_found": {
        "slug": text("What was looked for, when it was looked for by path."),
        "host": text("What was looked for, when it was looked for by host."),
    },
    "method_not_allowed": {"allowed": list_of(text(), "The same as in `Allow`.")},
    "worker_not_found": {},
    "tenant_worker_failure": {},
    "tenant_limit_exceeded": {},
    "dispatcher_binding_missing": {"binding": text("Its name in `wrangler.toml`.")},
    "configuration_error": {"setting": text("Its name.")},
    "internal_error": {},
    "payment_required": _OFFER,
    "payment_invalid": _OFFER,
    "payment_failed": _OFFER,
    "payment_already_used": {"reason": text()},
    "payment_in_progress": {"reason": text()},
    "facilitator_unavailable": {
        "reason": text("`settlement_pending` when money may have moved."),
        "paymentId": text("Which payment that is."),
    },
    "rate_limited": {
        "limit": text("`rateLimit`; wrong tokens have no such limit, nor the next two."),
        "requests": whole("Requests in a window.", 1),
        "windowSeconds": whole(least=1),
        **_AGAIN,
    },
    "usage_quota_exceeded": {**_LIMIT, "requests": whole("What the API answers in that time.")},
    "cap_exceeded": {**_LIMIT, "limitMicros": whole("What it may cost, in micro-dollars.")},
}
"""What a program can use of each error, by code."""

_OPTIONAL: Mapping[str, Sequence[str]] = {
    "unauthorized": ("requiredScope", "expiredAt"),
    "tenant_not_found": ("slug", "host"),
    "facilitator_unavailable": ("paymentId",),
    "rate_limited": ("limit", "requests", "windowSeconds"),
}
"""Fields that only some errors of a code have."""


def error_shapes(kinds: Sequence[type[DispatcherError]]) -> Mapping[str, Schema]:
    """Give the shape of each of these errors, by its name in the document."""
    return {shape_name(kind.code): _shape(kind) for kind in kinds}


def shape_name(code: str) -> str:
    """Say under which name the document has the error of a code."""
    return "Error" + "".join(part.capitalize() for part in code.split("_"))


def _shape(kind: type[DispatcherError]) -> Schema:
    fields = {
        "ok": always(value=False),
        "error": one_of([kind.code]),
        "requestId": reference("RequestId"),
        "message": text("What is wrong, in words for people; they may change."),
        **EVIDENCE[kind.code],
    }
    optional = _OPTIONAL.get(kind.code, ())
    return record(fields, optional=optional)

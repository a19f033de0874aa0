"""JSON Schemas of errors, and the headers of all responses.

`EVIDENCE` must have an entry for every error code; a test checks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.spec import Schema
from core.errors import DispatcherError
from dev.openapi.json_schema import always, list_of, one_of, record, reference, text, whole

HEADERS: Mapping[str, tuple[str, Schema]] = {
    "x-request-id": (
        "The request's id, also in the dispatcher's log.",
        text(pattern="^[0-9a-f]+-[0-9a-f]+$"),
    ),
    "cache-control": ("`no-store`, unless the route describes another value.", text()),
    "content-security-policy": ("Allows a page that shows the response to load nothing.", text()),
    "referrer-policy": ("`no-referrer`.", text()),
    "x-frame-options": ("`DENY`.", text()),
    "x-content-type-options": ("Always `nosniff`.", {"type": "string", "enum": ["nosniff"]}),
    "etag": (
        "Tag of the content, for `If-None-Match`.",
        text(pattern='^W/"[0-9a-f]+(-[0-9a-f]+)?"$'),
    ),
    "vary": ("The headers on which the response depends, such as the token.", text()),
    "content-disposition": ("The file name of a download.", text()),
    "x-clawr-usage-complete": (
        "Whether CSV lacks nothing: `true` or `false`.",
        one_of(("true", "false")),
    ),
    "www-authenticate": ("How to authenticate (RFC 6750).", text(pattern="^Bearer ")),
    "allow": ("The methods that the path allows.", text(pattern="^[A-Z]+(, [A-Z]+)*$")),
    "retry-after": ("Seconds to wait before the next attempt.", whole(least=1)),
    "payment-required": ("The x402 payment requirements, as base64 of JSON.", text()),
    "payment-response": ("The result of the payment, as base64 of JSON.", text()),
    "x-payment-response": ("The same for x402 version 1.", text()),
    "x-clawr-payment-id": ("The payment's id in the ledger.", text()),
    "ratelimit-policy": ("The API's limits (draft-ietf-httpapi-ratelimit-headers-10).", text()),
    "ratelimit": ("What remains of these limits.", text()),
    "access-control-allow-origin": (
        "`*` outside `/__platform`: any page may read it. Below, an allowed origin.",
        text(),
    ),
    "access-control-expose-headers": ("The headers that scripts in browsers may read.", text()),
    "x-tenant-id": ("The tenant whose script responded.", text()),
}
"""The description and schema of every header, by name."""

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
"""Headers that HTTP adds to any response; the document does not describe them."""

CROSS_ORIGIN = ("access-control-allow-origin", "access-control-expose-headers", "vary")
_PAID = ("payment-required", "payment-response", "x-payment-response", "x-clawr-payment-id")
_LIMITED = ("retry-after", "ratelimit-policy", "ratelimit")

_OF_ERRORS: Mapping[str, Sequence[str]] = {
    "unauthorized": ("www-authenticate",),
    "method_not_allowed": ("allow",),
    "rate_limited": _LIMITED,
    "usage_quota_exceeded": _LIMITED,
    "cap_exceeded": _LIMITED,
    "payment_required": _PAID,
    "payment_invalid": _PAID,
    "payment_identifier_required": _PAID,
    "payment_failed": _PAID,
    "payment_already_used": ("x-clawr-payment-id",),
    "payment_in_progress": ("retry-after", "x-clawr-payment-id"),
    "facilitator_unavailable": ("retry-after", *_PAID),
}

_REQUIRED = frozenset((*ALWAYS, "www-authenticate", "allow"))


def headers_of_errors(codes: Sequence[str]) -> Sequence[str]:
    """Return the headers that a response with one of these codes may have."""
    own = (name for code in codes for name in _OF_ERRORS.get(code, ()))
    return list(dict.fromkeys((*ALWAYS, *CROSS_ORIGIN, *own)))


def is_required(name: str) -> bool:
    """Return whether a header is in every response that is described with it."""
    return name in _REQUIRED


_REQUIREMENTS: Mapping[str, Schema] = {
    "reason": text("The reason, as a code."),
    "x402Version": {"type": "integer", "enum": [1, 2]},
    "accepts": list_of({"type": "object"}, "The payment requirements, as x402 defines them."),
}

_RETRY: Mapping[str, Schema] = {"retryAfterSeconds": whole("The same as in `Retry-After`.", 1)}

_LIMIT: Mapping[str, Schema] = {
    "limit": text("The field of the API's record that has the limit."),
    "resetsAt": text("The end of the day or month."),
    **_RETRY,
}

EVIDENCE: Mapping[str, Mapping[str, Schema]] = {
    "invalid_parameter": {
        "parameter": text("The parameter's name."),
        "expected": text("The valid values, in words."),
        "accepted": list_of(text(), "The parameters of the route, if it does not have this one."),
    },
    "invalid_window": {
        "parameter": always("window"),
        "expected": list_of(text(), "The valid windows."),
    },
    "unauthorized": {
        "requiredScope": text("The scope that the token does not have, if that is the reason."),
        "expiredAt": text("When the token expired, if that is the reason."),
    },
    "not_found": {},
    "tenant_not_found": {
        "slug": text("The slug in the path, if the request had one."),
        "host": text("The host, if the path had no slug."),
    },
    "method_not_allowed": {"allowed": list_of(text(), "The same as in `Allow`.")},
    "import_folded": {"importId": text("The import.")},
    "import_undone": {"importId": text("The import.")},
    "client_closed_request": {},
    "worker_not_found": {},
    "tenant_worker_failure": {},
    "tenant_limit_exceeded": {},
    "dispatcher_binding_missing": {"binding": text("The binding's name in `wrangler.toml`.")},
    "configuration_error": {"setting": text("The setting's name.")},
    "internal_error": {},
    "payment_required": _REQUIREMENTS,
    "payment_invalid": _REQUIREMENTS,
    "payment_identifier_required": _REQUIREMENTS,
    "payment_failed": _REQUIREMENTS,
    "payment_already_used": {"reason": text()},
    "payment_in_progress": {"reason": text()},
    "facilitator_unavailable": {
        "reason": text("`settlement_pending` if money may have moved."),
        "paymentId": text("The id of that payment."),
    },
    "rate_limited": {
        "limit": text(
            "`rateLimit`; absent, like the next two fields, if wrong tokens were the reason."
        ),
        "requests": whole("Allowed requests in a window.", 1),
        "windowSeconds": whole(least=1),
        **_RETRY,
    },
    "usage_quota_exceeded": {**_LIMIT, "requests": whole("Allowed requests in that period.")},
    "cap_exceeded": {
        **_LIMIT,
        "limitMicros": whole("Allowed spending in that period, in micro-dollars."),
    },
}
"""The schemas of the fields beside `message`, by error code."""

_OPTIONAL: Mapping[str, Sequence[str]] = {
    "invalid_parameter": ("accepted",),
    "unauthorized": ("requiredScope", "expiredAt"),
    "tenant_not_found": ("slug", "host"),
    "facilitator_unavailable": ("paymentId",),
    "rate_limited": ("limit", "requests", "windowSeconds"),
}
"""Fields of `EVIDENCE` that are not in every error of a code."""


def error_schemas(kinds: Sequence[type[DispatcherError]]) -> Mapping[str, Schema]:
    """Return the schema of each of these errors by its name in the document."""
    return {schema_name(kind.code): _schema(kind) for kind in kinds}


def schema_name(code: str) -> str:
    """Return the name of an error code's schema in the document."""
    return "Error" + "".join(part.capitalize() for part in code.split("_"))


def _schema(kind: type[DispatcherError]) -> Schema:
    fields = {
        "ok": always(value=False),
        "error": one_of([kind.code]),
        "requestId": reference("RequestId"),
        "message": text("The problem, in words for people; the text may change."),
        **EVIDENCE[kind.code],
    }
    optional = _OPTIONAL.get(kind.code, ())
    return record(fields, optional=optional)

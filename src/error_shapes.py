"""The shapes of errors: what stands beside each code.

Owns the fields that are named here by code; all else comes from the tree of
errors itself. A code without an entry here is a defect, and its test fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from errors import DispatcherError
from shapes import Shape, always, list_of, one_of, record, reference, text, whole

_OFFER: Mapping[str, Shape] = {
    "reason": text("Why, as one word for programs."),
    "x402Version": {"type": "integer", "enum": [1, 2]},
    "accepts": list_of({"type": "object"}, "The offer, as x402 has it."),
}
_AGAIN: Mapping[str, Shape] = {"retryAfterSeconds": whole("The same as in `Retry-After`.", 1)}
_LIMIT: Mapping[str, Shape] = {
    "limit": text("The field of the API's record that has the limit."),
    "resetsAt": text("When the day or the month is over."),
    **_AGAIN,
}

EVIDENCE: Mapping[str, Mapping[str, Shape]] = {
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


def error_shapes(kinds: Sequence[type[DispatcherError]]) -> Mapping[str, Shape]:
    """Give the shape of each of these errors, by its name in the document."""
    return {shape_name(kind.code): _shape(kind) for kind in kinds}


def shape_name(code: str) -> str:
    """Say under which name the document has the error of a code."""
    return "Error" + "".join(part.capitalize() for part in code.split("_"))


def _shape(kind: type[DispatcherError]) -> Shape:
    fields = {
        "ok": always(value=False),
        "error": one_of([kind.code]),
        "requestId": reference("RequestId"),
        "message": text("What is wrong, in words for people; they may change."),
        **EVIDENCE[kind.code],
    }
    optional = _OPTIONAL.get(kind.code, ())
    return record(fields, optional=optional)

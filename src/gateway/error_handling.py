"""Maps exceptions to responses, and logs those that are not the caller's fault."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import unquote_plus, urlsplit

from core.errors import (
    BatchRefused,
    CallerError,
    DispatcherError,
    InternalError,
    LogOutage,
    ShardUnavailable,
    StoreOutage,
    StoreUnavailable,
)
from core.logs import fields
from core.ports import Request, Response
from core.responses import CORS_HEADERS, PAYMENT_ID_HEADER, REQUEST_ID_HEADER, json_response
from gateway.request_context import RequestContext

_CONFIDENTIAL_HEADERS = (
    "authorization",
    "cf-connecting-ip",
    "cookie",
    "payment-signature",
    "proxy-authorization",
    "true-client-ip",
    "x-agent-id",
    "x-caller-id",
    "x-forwarded-for",
    "x-payment",
    "x-platform-token",
    "x-real-ip",
)

_EXPECTED = (DispatcherError, StoreUnavailable, ShardUnavailable, BatchRefused)
"""Errors that are no defect of the code; the log needs no stack of them."""

_SECRET_LENGTH_MIN = 4
"""Shorter parts are ordinary words and numbers; redacting them would garble any text."""

_SEPARATORS = re.compile(r"[\s,;&?=]+")

_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""The content security policy of an error page: its own style and nothing else."""

_LOGGER = logging.getLogger(__name__)


def handle_error(
    error: Exception,
    request_id: str,
    request: Request,
    context: RequestContext | None,
    key_headers: Sequence[str],
    *,
    is_public: bool,
) -> Response:
    """Make the response of an exception, and log it unless the caller is at fault.

    `context` is None if not even the URL could be parsed. Pages of any origin may read the
    response unless it is of the platform API, which decides about that itself. Confidential
    parts of the request, among them the values of `key_headers`, are redacted in the log.
    """
    shown = _shown(error, request_id, request, context, key_headers)
    headers = CORS_HEADERS if is_public else ()
    payment_id = "" if context is None else context.payment_id
    if payment_id and PAYMENT_ID_HEADER not in dict(shown.headers):
        headers = (*headers, (PAYMENT_ID_HEADER, payment_id))
    return error_response(shown, request_id, headers)


def _shown(
    error: Exception,
    request_id: str,
    request: Request,
    context: RequestContext | None,
    key_headers: Sequence[str],
) -> DispatcherError:
    """Return the error that the caller sees, and log it unless the caller is at fault."""
    if isinstance(error, CallerError):
        return error
    shown: DispatcherError
    cause: str | None
    if isinstance(error, DispatcherError):
        # The caller never sees the cause; it may quote a tenant's script.
        shown, cause = error, None if error.__cause__ is None else str(error.__cause__)
    elif isinstance(error, StoreUnavailable):
        shown, cause = StoreOutage(), str(error)
    elif isinstance(error, ShardUnavailable | BatchRefused):
        shown, cause = LogOutage(), str(error)
    else:
        shown, cause = InternalError(), None
    tenant = context.tenant if context else None
    is_ours = shown.status == InternalError.status
    _LOGGER.log(
        logging.ERROR if is_ours else logging.WARNING,
        "request_failed",
        extra=fields(
            requestId=request_id,
            code=shown.code,
            status=shown.status,
            tenant=tenant.tenant_id if tenant else None,
            endpoint=f"/t/{tenant.api.slug}" if tenant else None,
            method=request.method,
            message=shown.message,
            cause=None if cause is None else redacted(cause, request, key_headers),
        ),
        exc_info=None if isinstance(error, _EXPECTED) else error,
    )
    return shown


def error_response(
    error: DispatcherError, request_id: str, headers: tuple[tuple[str, str], ...] = ()
) -> Response:
    """Make the response of an error: its code, message and evidence as JSON, or its page.

    `headers` are added to those of the error.
    """
    headers += error.headers
    if error.page is not None:
        return _page(error, error.page, request_id, headers)
    body = {
        "ok": False,
        "error": error.code,
        "requestId": request_id,
        "message": error.message,
        **error.evidence,
    }
    response = json_response(body, request_id, error.status, headers)
    return replace(response, error=error.code)


def redacted(text: str, request: Request, key_headers: Sequence[str]) -> str:
    """Replace every confidential part of `request` that occurs in `text`.

    `key_headers` name more headers whose values are confidential.

    A script's exception may quote the request. Its body is not searched: it is never read here.
    """
    for part in sorted(set(_confidential_parts(request, key_headers)), key=len, reverse=True):
        text = text.replace(part, "[redacted]")
    return text


def _page(
    error: DispatcherError, page: str, request_id: str, headers: tuple[tuple[str, str], ...]
) -> Response:
    fixed = (
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", _PAGE_POLICY),
        ("cache-control", "no-store"),
        (REQUEST_ID_HEADER, request_id),
    )
    return Response(error.status, (*fixed, *headers), page, error.code)


def _confidential_parts(request: Request, key_headers: Sequence[str]) -> Iterator[str]:
    names = (*_CONFIDENTIAL_HEADERS, *key_headers)
    values = [request.headers.get(name, "") for name in names]
    query = urlsplit(request.url).query
    values += [query, unquote_plus(query)]
    for value in values:
        for part in (value, *_SEPARATORS.split(value)):
            if len(part) >= _SECRET_LENGTH_MIN:
                yield part

"""What becomes of a request that ends in an exception: a response, and a line in the log.

Owns which failures operators hear of. Refuses to log what callers did wrong.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from urllib.parse import unquote_plus, urlsplit

from core.errors import CallerError, DispatcherError, InternalError, StoreOutage, StoreUnavailable
from core.logs import fields
from core.ports import Request, Response
from core.responses import error_answer
from gateway.request_context import RequestContext

_CONFIDENTIAL = (
    "authorization",
    "cf-connecting-ip",
    "cookie",
    "payment-signature",
    "proxy-authorization",
    "true-client-ip",
    "x-agent-id",
    "x-api-key",
    "x-caller-id",
    "x-forwarded-for",
    "x-payment",
    "x-platform-token",
    "x-real-ip",
)

_LENGTH_MIN = 4
"""Shorter pieces are words and numbers that stand in any text."""

_PIECES = re.compile(r"[\s,;&?=]+")
_SHOWN = "[redacted]"


def redacted(text: str, request: Request) -> str:
    """Replace every piece of what `request` holds in confidence."""
    for piece in sorted(set(_confidential(request)), key=len, reverse=True):
        text = text.replace(piece, _SHOWN)
    return text


def _confidential(request: Request) -> Iterator[str]:
    values = [request.headers.get(name, "") for name in _CONFIDENTIAL]
    query = urlsplit(request.url).query
    values += [query, unquote_plus(query)]
    for value in values:
        for piece in (value, *_PIECES.split(value)):
            if len(piece) >= _LENGTH_MIN:
                yield piece


_LOGGER = logging.getLogger(__name__)


def error_response(
    error: Exception, request_id: str, request: Request, passage: RequestContext | None
) -> Response:
    """Make the response of an exception, and log it unless the caller is at fault.

    `passage` is what was known of the request, None when not even its URL could be read.
    What the request held in confidence does not go to the log.
    """
    if isinstance(error, CallerError):
        return error_answer(error, request_id)
    shown: DispatcherError
    cause: str | None
    if isinstance(error, DispatcherError):
        # The cause is what the caller is not shown: a script's own words, for one.
        shown, cause = error, None if error.__cause__ is None else str(error.__cause__)
    elif isinstance(error, StoreUnavailable):
        shown, cause = StoreOutage(), str(error)
    else:
        shown, cause = InternalError(), None
    tenant = passage.tenant if passage else None
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
            cause=None if cause is None else redacted(cause, request),
        ),
        exc_info=error if not isinstance(error, DispatcherError | StoreUnavailable) else None,
    )
    return error_answer(shown, request_id)

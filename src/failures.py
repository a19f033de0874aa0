"""What becomes of a request that ends in an exception: a response, and a line in the log.

Owns which failures operators hear of. Refuses to log what callers did wrong.
"""

from __future__ import annotations

import logging

from errors import CallerError, DispatcherError, InternalError, StoreOutage, StoreUnavailable
from logs import about
from passages import Passage
from ports import Answer, Request
from redaction import redacted
from responses import error_answer

_LOGGER = logging.getLogger(__name__)


def failure_answer(
    error: Exception, request_id: str, request: Request, passage: Passage | None
) -> Answer:
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
        extra=about(
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

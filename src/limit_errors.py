"""Why a limit of an API refuses a request, one class each.

    LimitError                      says which limit, and when to come again
    ├── RateLimited                     429 rate_limited
    ├── UsageQuotaExceeded              429 usage_quota_exceeded
    └── CapExceeded                     402 cap_exceeded

    LimitsOutage                    500 internal_error: nobody can tell

Owns the codes, the statuses and the headers of these. The codes are the contract's.
"""

from __future__ import annotations

from collections.abc import Sequence

from errors import CallerError, Evidence, InternalError
from payment_errors import CORS_HEADERS


class LimitError(CallerError):
    """A request that a limit of the API refuses; nothing is counted or charged for it."""

    def __init__(
        self,
        message: str,
        retry_after_seconds: int,
        headers: Sequence[tuple[str, str]],
        **evidence: Evidence,
    ) -> None:
        """Take the sentence for the caller, when to come again, and the limits' state."""
        super().__init__(message, **evidence, retryAfterSeconds=retry_after_seconds)
        self._headers = (("retry-after", str(retry_after_seconds)), *headers)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """RFC 9110 section 10.2.3 and the limits' state, readable for scripts of any origin."""
        return (*CORS_HEADERS, *self._headers)


class RateLimited(LimitError):
    """The caller has sent more requests in a window than the API allows."""

    code = "rate_limited"
    status = 429


class UsageQuotaExceeded(LimitError):
    """The API has been called as often as it may be, today or this month."""

    code = "usage_quota_exceeded"
    status = 429


class CapExceeded(LimitError):
    """The API has cost its callers as much as it may, today or this month; nothing is charged."""

    code = "cap_exceeded"
    status = 402


class LimitsOutage(InternalError):
    """What counts the API's limits does not answer."""

    is_call = False

    def __init__(self) -> None:
        """Say that it passes."""
        super().__init__("The limits of this API cannot be told at the moment. Try again.")

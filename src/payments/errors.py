"""The errors that end a paid request.

    PaymentError
    ├── PaymentRequired                 402 payment_required: the request has no payment
    ├── PaymentInvalid                  402 payment_invalid: the payment is malformed or rejected
    │   └── PaymentIdentifierRequired   400 payment_identifier_required: the API demands one
    ├── PaymentFailed                   402 payment_failed: the payment could not be settled
    ├── PaymentAlreadyUsed              409 payment_already_used: it paid for another request
    ├── PaymentInProgress               409 payment_in_progress: another request is using it
    └── FacilitatorUnavailable          503 facilitator_unavailable

Clients rely on the codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from core.errors import CallerError, Evidence
from core.responses import PAYMENT_ID_HEADER


class PaymentError(CallerError):
    """Ends a paid request before it is served; it does not count as a call."""

    def __init__(
        self,
        message: str,
        headers: Sequence[tuple[str, str]] = (),
        page: str | None = None,
        **evidence: Evidence,
    ) -> None:
        """Take the message for the caller, the x402 headers, and the HTML page for people."""
        super().__init__(message, **evidence)
        self._headers = tuple(headers)
        self._page = page

    def of(self, payment_id: str) -> Self:
        """Add the id of a payment that is in the ledger to the headers; return the error."""
        self._headers += ((PAYMENT_ID_HEADER, payment_id),)
        return self

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The x402 headers."""
        return self._headers

    @property
    def page(self) -> str | None:
        """The payment requirements as a page, if a browser sent the request."""
        return self._page


class PaymentRequired(PaymentError):
    """A request to a priced API has no payment."""

    code = "payment_required"
    status = 402


class PaymentInvalid(PaymentError):
    """The payment is malformed, not for this API, or rejected; nothing was claimed."""

    code = "payment_invalid"
    status = 402


class PaymentIdentifierRequired(PaymentInvalid):
    """The record demands a `payment-identifier`, and the payment has none; nothing was claimed.

    The status is that of the extension's specification.
    """

    code = "payment_identifier_required"
    status = 400


class PaymentFailed(PaymentError):
    """The payment could not be settled; nothing was charged and the request is not served."""

    code = "payment_failed"
    status = 402


class PaymentAlreadyUsed(PaymentError):
    """The payment was presented before, for another request."""

    code = "payment_already_used"
    status = 409


class PaymentInProgress(PaymentError):
    """Another request with the same payment is in progress."""

    code = "payment_in_progress"
    status = 409


class FacilitatorUnavailable(PaymentError):
    """No facilitator responded, so it is unknown whether the payment is valid or settled."""

    code = "facilitator_unavailable"
    status = 503

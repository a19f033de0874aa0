"""Why a paid request is not answered with what was asked for, one class each.

    PaymentError                    every answer says so in headers that browsers may read
    ├── PaymentRequired                 402 payment_required: nothing was presented
    ├── PaymentInvalid                  402 payment_invalid: what was presented is no payment
    ├── PaymentFailed                   402 payment_failed: it could not be settled
    ├── PaymentAlreadyUsed              409 payment_already_used: it paid for another request
    ├── PaymentInProgress               409 payment_in_progress: another request holds it
    └── FacilitatorUnavailable          503 facilitator_unavailable

Owns the codes, statuses and headers that all of these share. The codes are the contract's.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import CallerError, Evidence
from core.responses import CORS_HEADERS


class PaymentError(CallerError):
    """A paid request that ends before it is served, and is no call."""

    def __init__(
        self,
        message: str,
        headers: Sequence[tuple[str, str]] = (),
        page: str | None = None,
        **evidence: Evidence,
    ) -> None:
        """Take the sentence for the caller, what x402 says in headers, and a page for people."""
        super().__init__(message, **evidence)
        self._headers = tuple(headers)
        self._page = page

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What x402 says, readable for scripts of any origin."""
        return (*CORS_HEADERS, *self._headers)

    @property
    def page(self) -> str | None:
        """The offer as a page, when a browser asked for one."""
        return self._page


class PaymentRequired(PaymentError):
    """A priced API was called without a payment."""

    code = "payment_required"
    status = 402


class PaymentInvalid(PaymentError):
    """What was presented as a payment is none, or not for this; nothing was claimed."""

    code = "payment_invalid"
    status = 402


class PaymentFailed(PaymentError):
    """The payment could not be settled; nothing was charged and nothing is handed out."""

    code = "payment_failed"
    status = 402


class PaymentAlreadyUsed(PaymentError):
    """The payment was presented before, for another request."""

    code = "payment_already_used"
    status = 409


class PaymentInProgress(PaymentError):
    """Another request with this very payment is under way."""

    code = "payment_in_progress"
    status = 409


class FacilitatorUnavailable(PaymentError):
    """No facilitator says whether the payment is good, or whether it was settled."""

    code = "facilitator_unavailable"
    status = 503

"""Errors and receipts of a paid request, as headers and JSON, and a page for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from core import constants
from core.calendar import timestamp
from core.ports import Json, Response
from core.responses import (
    CORS_HEADERS,
    PAYMENT_ID_HEADER,
    PAYMENT_REQUIRED_HEADER,
    PAYMENT_RESPONSE_HEADER,
    PAYMENT_RESPONSE_HEADER_V1,
    json_response,
    prefers_page,
)
from payments.discovery import encode_header, payment_required_header
from payments.errors import (
    FacilitatorUnavailable,
    PaymentAlreadyUsed,
    PaymentError,
    PaymentFailed,
    PaymentInProgress,
    PaymentRequired,
)
from payments.facilitator import SETTLEMENT_PENDING
from payments.models import PaymentRequest, PaymentRow
from payments.requirements import PaymentRequirements, Resource, accepts_in_body
from tenants.networks import network_name_v1

_VERSION_1 = 1
_SERVED_BEFORE = (
    "This payment was settled and served before, for the request named here."
    " It is not charged again, and the API's response was not stored."
)
_WITHDRAWN = (
    "This payment was settled, and no response to it is recorded. The API is not published any"
    " more, so it cannot be served now. It is not charged again."
)
ErrorT = TypeVar("ErrorT", bound=PaymentError)


@dataclass(frozen=True, slots=True)
class PaymentErrors:
    """Makes the errors that end a paid request."""

    request: PaymentRequest

    def unpaid(self) -> PaymentError:
        """Make the error for a request without a payment."""
        if not self.request.offered:
            networks = ", ".join(one.network for one in self.request.accepts)
            message = f"No facilitator settles payments on {networks} at the moment: try again."
            return self.retry_soon(FacilitatorUnavailable, "facilitator_unavailable", message)
        return self.with_requirements(
            PaymentRequired, "payment_required", "This API is paid per request, with x402."
        )

    def with_requirements(
        self, kind: type[ErrorT], reason: str, message: str, headers: Sequence[tuple[str, str]] = ()
    ) -> ErrorT:
        """Make an error with the payment requirements, so that the client can pay.

        `reason` is a code for programs, `message` a sentence; `headers` are added to the
        x402 header.
        """
        accepts = self.request.offered or self.request.accepts
        resource = self.request.resource
        document = payment_required_header(accepts, resource, message)
        is_browser = prefers_page(self.request.headers)
        page = _page(accepts, resource, message) if is_browser else None
        all_headers = ((PAYMENT_REQUIRED_HEADER, document), *headers)
        in_body = accepts_in_body(accepts, resource)
        return kind(message, all_headers, page, reason=reason, **in_body)

    def retry_soon(self, kind: type[ErrorT], reason: str, message: str) -> ErrorT:
        """Make an error after which the same request may be sent again in 2 seconds."""
        return kind(message, (("retry-after", "2"),), reason=reason)

    def in_progress(self, payment_id: str) -> PaymentInProgress:
        """Make the error for a payment that another request has at the moment."""
        message = "Another request with this payment is in progress: try again."
        headers = (("retry-after", "2"), (PAYMENT_ID_HEADER, payment_id))
        return PaymentInProgress(message, headers, reason="payment_in_progress")

    def already_used(self, payment_id: str) -> PaymentAlreadyUsed:
        """Make the error for a payment that was presented for another request."""
        message = "This payment was presented for another request; sign a new one."
        headers = ((PAYMENT_ID_HEADER, payment_id),)
        return PaymentAlreadyUsed(message, headers, reason="payment_already_used")

    def failed(self, row: PaymentRow, version: int, reason: str) -> PaymentFailed:
        """Make the error for a payment that could not be settled and was not charged."""
        receipt = _receipt(row, version) | {
            "success": False,
            "errorReason": reason,
            "transaction": "",
        }
        message = f"The payment could not be settled ({reason}). Nothing was charged."
        headers = _headers(row, version, receipt)
        return self.with_requirements(PaymentFailed, reason, message, headers)

    def pending(self, row: PaymentRow, version: int, transaction: str) -> FacilitatorUnavailable:
        """Make the error for a payment of which it is unknown whether it was settled."""
        receipt = _receipt(row, version) | {
            "success": False,
            "errorReason": SETTLEMENT_PENDING,
            "transaction": transaction,
        }
        message = (
            "Whether the payment was settled is not known yet. Present the same payment for the"
            " same request again: it is not charged twice, and is served once it is settled."
        )
        retry = ("retry-after", str(constants.PAYMENT_RETRY_SECONDS))
        headers = (*_headers(row, version, receipt), retry)
        return FacilitatorUnavailable(
            message, headers, reason=SETTLEMENT_PENDING, paymentId=row.payment_id
        )


def _page(accepts: Sequence[PaymentRequirements], resource: Resource, message: str) -> str:
    # Imported here because few requests need it.
    from payments.pages.payment_page import payment_page  # noqa: PLC0415

    return payment_page(accepts, resource, message)


def receipt_headers(row: PaymentRow, version: int) -> Sequence[tuple[str, str]]:
    """Return a settled payment's receipt as headers, for x402 version 1 or 2."""
    return _headers(row, version, _receipt(row, version))


def already_served_response(row: PaymentRow, version: int, request_id: str) -> Response:
    """Make the response to a payment that is not served (again): its receipt and no content.

    One that was not served is of an API that is not published any more.
    """
    assert row.settled_at_ms is not None
    message = _SERVED_BEFORE if row.served else _WITHDRAWN
    body: Mapping[str, Json] = {
        "ok": True,
        "requestId": request_id,
        "message": message,
        "payment": {
            "id": row.payment_id,
            "state": row.state.value,
            "requestId": row.request_id,
            "transaction": row.transaction_id,
            "network": row.network,
            "asset": row.asset,
            "amount": row.amount,
            "amountMicros": row.amount_micros,
            "payer": row.payer,
            "settledAt": timestamp(row.settled_at_ms),
        },
    }
    headers = (*CORS_HEADERS, *receipt_headers(row, version))
    return json_response(body, request_id, headers=headers)


def _receipt(row: PaymentRow, version: int) -> dict[str, Json]:
    name_v1 = network_name_v1(row.network) if version == _VERSION_1 else None
    amount = {} if row.signed_amount is None else {"amount": row.amount}
    return {
        "success": True,
        "transaction": row.transaction_id,
        "network": name_v1 or row.network,
        "payer": row.payer,
        **amount,
    }


def _headers(
    row: PaymentRow, version: int, receipt: Mapping[str, Json]
) -> Sequence[tuple[str, str]]:
    name = PAYMENT_RESPONSE_HEADER_V1 if version == _VERSION_1 else PAYMENT_RESPONSE_HEADER
    return ((name, encode_header(receipt)), (PAYMENT_ID_HEADER, row.payment_id))

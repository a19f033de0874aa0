"""What a caller is told about a payment, in headers and body.

Owns the words around a payment's outcome and the headers that carry it.
Refuses to decide what the outcome is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeVar

from core import constants
from core.calendar import timestamp
from core.ports import Json, Response
from core.responses import (
    CORS_HEADERS,
    PAYMENT_REQUIRED_HEADER,
    PAYMENT_RESPONSE_HEADER,
    PAYMENT_RESPONSE_HEADER_V1,
    json_response,
)
from payments.errors import FacilitatorUnavailable, PaymentError, PaymentFailed
from payments.facilitator import SETTLEMENT_PENDING
from payments.models import PaymentRequest, PaymentRow
from payments.requirements import (
    NETWORKS_V1,
    PaymentRequirements,
    Resource,
    encode_header,
    offer_in_body,
    payment_required,
)

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Payment required</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem }}
dt {{ font-weight: 600 }} dd {{ margin: 0 0 .75rem; overflow-wrap: anywhere }}
</style>
<h1>Payment required</h1>
<p>{description}</p>
<p>{message}</p>
<dl>
<dt>Address</dt><dd>{url}</dd>
<dt>Price of one request</dt><dd>${price}</dd>
<dt>Paid in</dt><dd>{asset_name}, token {asset} on {network}</dd>
<dt>Paid to</dt><dd>{pay_to}</dd>
</dl>
<p>This address is for programs that pay by themselves, with
<a href="https://www.x402.org" rel="noreferrer">x402</a>. What such a program needs to know is in
the header <code>PAYMENT-REQUIRED</code> of this answer.</p>
</html>
"""


def wants_page(accept: str) -> bool:
    """Tell by the header `Accept` whether a person's browser asks."""
    return "text/html" in accept.lower()


def payment_page(offer: PaymentRequirements, resource: Resource, message: str) -> str:
    """Write the page of an offer."""
    dollars = f"{offer.amount_micros / 1_000_000:.6f}".rstrip("0").rstrip(".")
    return _PAGE.format(
        description=escape(resource.description),
        message=escape(message),
        url=escape(resource.url),
        price=escape(dollars),
        asset_name=escape(offer.asset_name),
        asset=escape(offer.asset),
        network=escape(offer.network),
        pay_to=escape(offer.pay_to),
    )


PAYMENT_ID = "x-clawr-payment-id"
_VERSION_1 = 1
_NAMES_V1 = {network: name for name, network in NETWORKS_V1.items()}
Refusal = TypeVar("Refusal", bound=PaymentError)


@dataclass(frozen=True, slots=True)
class PaymentErrors:
    """Makes the errors that end a paid request."""

    order: PaymentRequest

    def offer(
        self,
        kind: type[Refusal],
        reason: str,
        message: str,
        headers: Sequence[tuple[str, str]] = (),
    ) -> Refusal:
        """Refuse with the offer beside it, so that a client can pay with what it gets."""
        order = self.order
        document = encode_header(payment_required(order.offer, order.resource, message))
        accept = order.headers.get("accept", "")
        page = payment_page(order.offer, order.resource, message) if wants_page(accept) else None
        in_body = offer_in_body(order.offer, order.resource)
        all_headers = ((PAYMENT_REQUIRED_HEADER, document), *headers)
        return kind(message, all_headers, page, reason=reason, **in_body)

    def plain(self, kind: type[Refusal], reason: str, message: str) -> Refusal:
        """Refuse where another payment is not what is missing."""
        return kind(message, reason=reason)

    def retry(self, kind: type[Refusal], reason: str, message: str) -> Refusal:
        """Refuse for now; the same request may be sent again in a moment."""
        return kind(message, (("retry-after", "2"),), reason=reason)

    def failed(self, row: PaymentRow, version: int, reason: str) -> PaymentFailed:
        """Say that a payment could not be settled, and was not charged."""
        receipt = _receipt(row, version) | {
            "success": False,
            "errorReason": reason,
            "transaction": "",
        }
        message = f"The payment could not be settled ({reason}). Nothing was charged."
        return self.offer(PaymentFailed, reason, message, _headers(row, version, receipt))

    def pending(self, row: PaymentRow, version: int, transaction: str) -> FacilitatorUnavailable:
        """Say that nobody knows yet whether a payment was settled, and what to do about it."""
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


def response_headers(row: PaymentRow, version: int) -> Sequence[tuple[str, str]]:
    """Write a settled payment's receipt as headers."""
    return _headers(row, version, _receipt(row, version))


def repeated_answer(row: PaymentRow, version: int, request_id: str) -> Response:
    """Answer a payment that was served before: its receipt, and nothing that it paid for."""
    assert row.settled_at_ms is not None
    body: Mapping[str, Json] = {
        "ok": True,
        "requestId": request_id,
        "message": "This payment was settled and served before, for the request named here."
        " It is not charged again, and that answer is not kept.",
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
    headers = (*CORS_HEADERS, *response_headers(row, version))
    return json_response(body, request_id, headers=headers)


def _receipt(row: PaymentRow, version: int) -> dict[str, Json]:
    network = _NAMES_V1.get(row.network, row.network) if version == _VERSION_1 else row.network
    return {
        "success": True,
        "transaction": row.transaction_id,
        "network": network,
        "payer": row.payer,
    }


def _headers(
    row: PaymentRow, version: int, receipt: Mapping[str, Json]
) -> Sequence[tuple[str, str]]:
    name = PAYMENT_RESPONSE_HEADER_V1 if version == _VERSION_1 else PAYMENT_RESPONSE_HEADER
    return ((name, encode_header(receipt)), (PAYMENT_ID, row.payment_id))

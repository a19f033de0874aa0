"""A paid request as far as its payment is concerned, from its order to its receipt.

Owns the values that the steps of `payments` hand on to each other. Refuses to
do any of the steps.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import limits
from offers import Resource
from payment_headers import Payment
from payment_rows import PaymentRow, State
from pricing import Offer
from tenants import Tenant


@dataclass(frozen=True, slots=True)
class Order:
    """A request of a priced tenant, as far as its payment is concerned.

    `headers` are by lower-case name, `target` is the path and query that the
    tenant gets, `caller` makes the caller's hash of a payer's address.
    """

    request_id: str
    tenant: Tenant
    offer: Offer
    resource: Resource
    target: str
    headers: Mapping[str, str]
    caller: Callable[[str], str]

    @property
    def fingerprint(self) -> str:
        """A hash of what is asked for: API, method, path and query, whatever the host.

        Not of the body, which is never read here. It needs not be: a payment
        is handed out for once, so another body gets nothing by it.
        """
        api = self.tenant.api
        asked = (api.tenant_id, api.slug, self.resource.method, self.target)
        return hashlib.sha256("\n".join(asked).encode()).hexdigest()


@dataclass(slots=True)
class Ticket:
    """A payment that lets one request through. `is_settled` when it was before this request."""

    row: PaymentRow
    order: Order
    version: int
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class Repeated:
    """A payment that was settled, and served, for the same request before."""

    row: PaymentRow
    version: int


@dataclass(frozen=True, slots=True)
class Paid:
    """A settled payment's receipt as headers.

    `is_recorded` tells whether the request's usage event, with its revenue, is
    in the log already.
    """

    headers: Sequence[tuple[str, str]]
    is_recorded: bool


def claim_of(
    order: Order, payment: Payment, facilitator: str, name: str, now_ms: int
) -> PaymentRow:
    """Write the row that claims a verified payment for an order.

    `facilitator` verified it, `name` is whose claim this is.
    """
    offer, api = order.offer, order.tenant.api
    return PaymentRow(
        payment_id=payment.payment_id(offer),
        attempt=1,
        state=State.CLAIMED,
        reason="",
        changed_at_ms=now_ms,
        changed_by=name,
        lease_until_ms=now_ms + limits.CLAIM_LEASE_MS,
        request_id=order.request_id,
        fingerprint=order.fingerprint,
        proof_digest=payment.digest,
        proof=json.dumps(payment.proof(offer, order.resource)),
        identifier=payment.identifier,
        payer=payment.payer,
        pay_to=offer.pay_to,
        network=offer.network,
        asset=offer.asset,
        nonce=payment.nonce,
        amount=offer.amount,
        amount_micros=offer.amount_micros,
        valid_before_ms=payment.valid_before_ms,
        claimed_at_ms=now_ms,
        tenant_id=api.tenant_id,
        slug=api.slug,
        owner=api.owner,
        directory=api.directory,
        method=order.resource.method,
        caller=order.caller(payment.payer),
        asked=0,
        facilitator=facilitator,
        transaction_id="",
        settled_at_ms=None,
        served=False,
        usage_batch=None,
        reconciled_at_ms=None,
    )

"""A paid request as far as its payment is concerned, from its order to its receipt.

Owns the values that the steps of `payments` hand on to each other. Refuses to
do any of the steps.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from core import constants
from core.logs import fields
from core.ports import Json, Row
from payments.payload import PaymentPayload
from payments.requirements import PaymentRequirements, Resource
from tenants.records import Tenant


class PaymentState(Enum):
    """What is known of a payment."""

    CLAIMED = "claimed"
    """A request holds it; no facilitator has been asked to settle it."""
    PENDING = "pending"
    """A facilitator was, or is just being, asked to settle it; money may have moved."""
    SETTLED = "settled"
    """The money moved, in a transaction that is known."""
    FAILED = "failed"
    """It was not settled, and nothing was charged; it may be presented again."""


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """One payment authorization. Times are milliseconds since 1970 UTC, money is whole.

    `payment_id` names the authorization, `identifier` is the payer's own name
    for it. `fingerprint` tells the request that it pays for, `proof_digest`
    what was signed, `proof` what a facilitator is asked with while it is not
    final. `lease_until_ms` is until when somebody works on it, `changed_by`
    who changed its state last, `asked` how often a facilitator was asked to
    settle it. `served` tells whether what it paid for was handed out.
    `usage_batch` is the batch of the usage log that has its revenue.
    """

    payment_id: str
    attempt: int
    state: PaymentState
    reason: str
    changed_at_ms: int
    changed_by: str
    lease_until_ms: int
    request_id: str
    fingerprint: str
    proof_digest: str
    proof: str | None
    identifier: str | None
    payer: str
    pay_to: str
    network: str
    asset: str
    nonce: str
    amount: str
    amount_micros: int
    valid_before_ms: int
    claimed_at_ms: int
    tenant_id: str
    slug: str
    owner: str
    directory: str
    method: str
    caller: str
    asked: int
    facilitator: str
    transaction_id: str
    settled_at_ms: int | None
    served: bool
    usage_batch: str | None
    reconciled_at_ms: int | None


COLUMNS = tuple(one.name for one in dataclasses.fields(PaymentRow))
"""The columns of the table, in order."""


def read_row(row: Row) -> PaymentRow:
    """Read a row as the database gives it."""
    values: dict[str, Any] = {name: row[name] for name in COLUMNS}
    return PaymentRow(
        **{**values, "state": PaymentState(row["state"]), "served": bool(row["served"])}
    )


def payment_fields(row: PaymentRow, cause: object = None) -> Mapping[str, Mapping[str, Json]]:
    """Make the `extra` of a line in the log about a payment; `cause` is told as text."""
    return fields(
        payment=row.payment_id,
        requestId=row.request_id,
        tenant=row.tenant_id,
        state=row.state.value,
        cause=None if cause is None else str(cause),
    )


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """A request of a priced tenant, as far as its payment is concerned.

    `headers` are by lower-case name, `target` is the path and query that the
    tenant gets, `caller` makes the caller's hash of a payer's address.
    """

    request_id: str
    tenant: Tenant
    offer: PaymentRequirements
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
class Claim:
    """A payment that lets one request through. `is_settled` when it was before this request."""

    row: PaymentRow
    order: PaymentRequest
    version: int
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class AlreadyServed:
    """A payment that was settled, and served, for the same request before."""

    row: PaymentRow
    version: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """A settled payment's receipt as headers.

    `is_recorded` tells whether the request's usage event, with its revenue, is
    in the log already.
    """

    headers: Sequence[tuple[str, str]]
    is_recorded: bool


def new_payment_row(
    order: PaymentRequest, payment: PaymentPayload, facilitator: str, name: str, now_ms: int
) -> PaymentRow:
    """Write the row that claims a verified payment for an order.

    `facilitator` verified it, `name` is whose claim this is.
    """
    offer, api = order.offer, order.tenant.api
    return PaymentRow(
        payment_id=payment.payment_id(offer),
        attempt=1,
        state=PaymentState.CLAIMED,
        reason="",
        changed_at_ms=now_ms,
        changed_by=name,
        lease_until_ms=now_ms + constants.CLAIM_LEASE_MS,
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

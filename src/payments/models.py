"""The values of a payment: the request it is for, its row in the ledger, claim and settlement."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from core import constants
from core.logs import fields
from core.ports import Json, Row
from metering.events import Api
from payments.payload import PaymentPayload, Proof
from payments.requirements import PaymentRequirements, Resource
from tenants.pricing import UPTO

_BLOCKHASH_VALID_MS = 120_000
"""How long a payment is valid at most that says nothing of it: 150 blocks of Solana, which are 60 s
in most cases."""


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """What the payment of a request to an API depends on.

    `accepts` are the ways to pay, and `offered` those that can be paid now, with their fee payers.
    `headers` are by lower-case name, `target` is the path and query that the tenant's script
    receives, `caller` returns the caller's hash for a payer's address.
    """

    request_id: str
    api: Api
    accepts: Sequence[PaymentRequirements]
    offered: Sequence[PaymentRequirements]
    resource: Resource
    target: str
    headers: Mapping[str, str]
    caller: Callable[[str], str]

    @property
    def fingerprint(self) -> str:
        """A hash of what is requested: API, method, path and query, for any host.

        The body is not included, because the dispatcher never reads it. A payment is served
        once, so presenting it again with another body gains nothing.
        """
        parts = (self.api.tenant_id, self.api.slug, self.resource.method, self.target)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class PaymentState(Enum):
    """The state of a payment in the ledger."""

    CLAIMED = "claimed"
    """One request has it, and only that request can have asked a facilitator to settle it."""
    PENDING = "pending"
    """A facilitator was asked to settle it, or may have been; money may have moved."""
    SETTLED = "settled"
    """The money moved, in a known transaction."""
    FAILED = "failed"
    """It was not settled and nothing was charged; it may be presented again."""


class PaymentRow(NamedTuple):
    """One payment authorization. Times are milliseconds since 1970 UTC.

    - `payment_id` identifies the authorization; `identifier` is the payer's own name for it.
    - `scheme` is that of x402. `amount` is what is to be settled, in the token's smallest unit, and
      `amount_micros` the same in millionths of a dollar. With the scheme `upto` they are what was
      signed until `signed_amount` is set, in the change that fixes them; then they stay the same.
    - `fingerprint` identifies the request that it pays for.
    - `proof_digest` is a hash of what was signed. `proof` is what is sent to a facilitator;
      it is deleted once the payment is settled or failed.
    - `holder` is the request that has it, or had it last. `due_ms` is until when that request
      alone may serve it, and afterwards when cron is to look at it; None for never. Both are
      compared with the database's clock only.
    - `asked` counts the settle calls that had no result.
    - `served` tells whether the response of the request it pays for was sent.
    - `shard` is the shard of the usage log that has the payment; it stays the same if shards are
      added.
    - `usage_batch` is the batch for the usage log, with its settlement event and its revenue.
    - `reconciled_at_ms` is when the shard acknowledged the batch.
    - `is_due` is not stored: it tells whether the payment had no holder when the row was read.
    """

    payment_id: str
    attempt: int
    state: PaymentState
    reason: str
    holder: str
    due_ms: int | None
    changed_at_ms: int
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
    scheme: str
    signed_amount: str | None
    valid_before_ms: int
    claimed_at_ms: int
    tenant_id: str
    slug: str
    owner: str
    directory: str
    method: str
    caller: str
    shard: int
    asked: int
    facilitator: str
    transaction_id: str
    settled_at_ms: int | None
    served: bool
    usage_batch: str | None
    reconciled_at_ms: int | None
    is_due: bool = False

    @property
    def has_open_amount(self) -> bool:
        """Whether it is not known yet how much of what was signed is to be settled."""
        is_open = self.scheme == UPTO and self.signed_amount is None
        return is_open and self.state is not PaymentState.SETTLED


class Charge(NamedTuple):
    """What is to be settled of a payment, as in its row."""

    amount: str
    amount_micros: int


COLUMNS = PaymentRow._fields[:-1]
"""The stored columns of the table, in order."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A payment that admits one request. `version` is that of x402.

    If its `row` is `settled`, an earlier request settled it and was not served.
    """

    row: PaymentRow
    request: PaymentRequest
    version: int

    @property
    def is_settled(self) -> bool:
        """Whether the payment was settled before this request."""
        return self.row.state is PaymentState.SETTLED


@dataclass(frozen=True, slots=True)
class AlreadyServed:
    """A payment of the same request that was settled, and served or cannot be served any more."""

    row: PaymentRow
    version: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """The receipt of a settled payment, as headers, and its row.

    If it `is_new`, the row has the usage event of the request, which `Payments.publish` sends
    after the response. If not, an earlier request settled it.
    """

    headers: Sequence[tuple[str, str]]
    row: PaymentRow
    is_new: bool


def new_payment_row(
    request: PaymentRequest,
    payload: PaymentPayload,
    requirements: PaymentRequirements,
    *,
    proof: str,
    facilitator: str,
    now_ms: int,
    shard: int,
) -> PaymentRow:
    """Make the row that claims a payment, verified by `facilitator`, for a request.

    `requirements` are those that it meets, and `proof` is what was verified. `shard` is the shard
    of the tenant. The ledger sets `due_ms`.
    """
    api = request.api
    return PaymentRow(
        payment_id=payload.payment_id(requirements.asset),
        attempt=1,
        state=PaymentState.CLAIMED,
        reason="",
        holder=request.request_id,
        due_ms=None,
        changed_at_ms=now_ms,
        request_id=request.request_id,
        fingerprint=request.fingerprint,
        proof_digest=payload.digest,
        proof=proof,
        identifier=payload.identifier,
        payer=payload.payer,
        pay_to=requirements.pay_to,
        network=requirements.network,
        asset=requirements.asset,
        nonce=payload.authorization.nonce,
        amount=requirements.amount,
        amount_micros=requirements.amount_micros,
        scheme=requirements.scheme,
        signed_amount=None,
        valid_before_ms=payload.authorization.valid_before_ms or now_ms + _BLOCKHASH_VALID_MS,
        claimed_at_ms=now_ms,
        tenant_id=api.tenant_id,
        slug=api.slug,
        owner=api.owner,
        directory=api.directory,
        method=request.resource.method,
        caller=request.caller(payload.payer),
        shard=shard,
        asked=0,
        facilitator=facilitator,
        transaction_id="",
        settled_at_ms=None,
        served=False,
        usage_batch=None,
        reconciled_at_ms=None,
    )


def read_row(row: Row) -> PaymentRow:
    """Parse a row of the table `payments`."""
    found = PaymentRow._make((*(row[name] for name in COLUMNS), row.get("is_due", 1)))
    return found._replace(
        state=PaymentState(row["state"]), served=bool(row["served"]), is_due=bool(found.is_due)
    )


def proof_of(row: PaymentRow) -> Proof:
    """Return what a facilitator gets to verify a payment that is not finished."""
    assert row.proof is not None
    return Proof(row.proof, row.payer, row.network, row.asset, row.amount)


def settle_proof_of(row: PaymentRow) -> Proof:
    """Return what a facilitator gets to settle a payment: the same, with what is to be settled."""
    proof = proof_of(row)
    if row.signed_amount is None:
        return proof
    body = json.loads(proof.text)
    body["paymentRequirements"]["amount"] = row.amount
    return proof._replace(text=json.dumps(body, separators=(",", ":")))


def payment_fields(row: PaymentRow, cause: object = None) -> Mapping[str, Mapping[str, Json]]:
    """Return the `extra` of a logging call about a payment; `cause` is logged as text."""
    return fields(
        payment=row.payment_id,
        requestId=row.request_id,
        tenant=row.tenant_id,
        state=row.state.value,
        cause=None if cause is None else str(cause),
    )


def terms_of(row: PaymentRow) -> PaymentRequirements:
    """Return the requirements that a payment met when it was claimed."""
    wanted = json.loads(row.proof or "{}").get("paymentRequirements", {})
    return PaymentRequirements(
        network=row.network,
        asset=row.asset,
        amount=row.signed_amount or row.amount,
        amount_micros=row.amount_micros,
        decimals=None,
        pay_to=row.pay_to,
        max_timeout_seconds=wanted.get("maxTimeoutSeconds", constants.PAYMENT_VALID_SECONDS),
        extra=wanted.get("extra", {}),
        scheme=row.scheme,
    )

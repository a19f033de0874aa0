"""One payment as the ledger has it: a row of the table `payments`.

Owns the row's form. Its states and who may move them are in `ledger`; the
rules that hold whoever writes are triggers in `migrations/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from logs import about
from ports import Json, Row


class State(Enum):
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
    state: State
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


COLUMNS = tuple(one.name for one in fields(PaymentRow))
"""The columns of the table, in order."""


def read_row(row: Row) -> PaymentRow:
    """Read a row as the database gives it."""
    values: dict[str, Any] = {name: row[name] for name in COLUMNS}
    return PaymentRow(**{**values, "state": State(row["state"]), "served": bool(row["served"])})


def about_payment(row: PaymentRow, cause: object = None) -> Mapping[str, Mapping[str, Json]]:
    """Make the `extra` of a line in the log about a payment; `cause` is told as text."""
    return about(
        payment=row.payment_id,
        requestId=row.request_id,
        tenant=row.tenant_id,
        state=row.state.value,
        cause=None if cause is None else str(cause),
    )

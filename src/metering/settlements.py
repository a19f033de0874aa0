"""Settlement events in the usage log: payments that were settled, in addition to the ledger in D1.

If a tenant's script takes payments itself, its receipts are no settlements: they are not verified
and not stored. The outcome of the usage event says that there was one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from core.calendar import timestamp
from core.errors import SettlementUnreadable
from core.ports import Json

SETTLEMENT_VERSION = 2
_INTEGER_FIELDS = ("amount_micros", "claimed_at_ms", "settled_at_ms")
"""The other fields are strings."""


class SettlementEvent(NamedTuple):
    """One settled payment. Times are in milliseconds since 1970 UTC.

    `payer` is the caller's keyed hash; only the ledger has the address. `amount` is in the
    asset's smallest unit, `amount_micros` in millionths of a dollar.
    """

    payment_id: str
    request_id: str
    tenant_id: str
    slug: str
    payer: str
    network: str
    asset: str
    amount: str
    amount_micros: int
    transaction: str
    facilitator: str
    claimed_at_ms: int
    settled_at_ms: int


def settlement_fields(event: SettlementEvent) -> Json:
    """Return an event as a JSON list: the version, then the fields."""
    return [SETTLEMENT_VERSION, *event]


def settlement_from(value: Json) -> SettlementEvent:
    """Decode what `settlement_fields` returned. Raises `SettlementUnreadable`."""
    try:
        version, *fields = value
        if version != SETTLEMENT_VERSION:
            raise SettlementUnreadable(f"it is of version {version!r}")
        event = SettlementEvent(*fields)
    except (ValueError, TypeError) as error:
        raise SettlementUnreadable(f"it has an invalid form: {error}") from error
    for name, found in event._asdict().items():
        if type(found) is not (int if name in _INTEGER_FIELDS else str):
            raise SettlementUnreadable(f"its {name} is {found!r}")
    return event


def shown_settlement(event: SettlementEvent) -> Mapping[str, Json]:
    """Return an event as the platform API shows it."""
    return {
        "paymentId": event.payment_id,
        # Readers of the first version distinguish the receipts of scripts by these.
        "source": "edge",
        "counted": True,
        "requestId": event.request_id,
        "tenantId": event.tenant_id,
        "endpoint": f"/t/{event.slug}",
        "payer": event.payer or None,
        "network": event.network,
        "asset": event.asset,
        "amount": event.amount,
        "amountUsd": event.amount_micros / 1_000_000,
        "amountMicros": event.amount_micros,
        "transaction": event.transaction,
        "facilitator": event.facilitator,
        "claimedAt": timestamp(event.claimed_at_ms),
        "settledAt": timestamp(event.settled_at_ms),
        "receipt": None,
    }

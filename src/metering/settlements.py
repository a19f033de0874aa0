"""Settlement events: what the edge settled, in KV, beside the ledger in D1.

Owns the event's form, and writing it together with the one usage batch that
has its revenue. Both keys are made of the payment alone, so whoever writes
them again writes the same. Refuses to know how a payment came to be settled.

A receipt that a tenant's script sends of its own accord is kept in the same
form with another source. It is shown, and never counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core import keys
from core.calendar import timestamp
from core.errors import SettlementUnreadable
from core.kv_store import get_all
from core.ports import Json, KeyValueStore

SETTLEMENT_VERSION = 1
_WHOLE = ("amount_micros", "claimed_at_ms", "settled_at_ms")
"""The fields that are whole numbers; the others are texts."""

AT_EDGE = "edge"
"""The dispatcher settled it, and the ledger has it."""

BY_SCRIPT = "script"
"""A tenant's script says so; nobody checked."""


class SettlementEvent(NamedTuple):
    """What the edge settled, once. Times are milliseconds since 1970 UTC, money is whole.

    `payer` is the caller's keyed hash; the address is in the ledger alone.
    For a script's own receipt only who and when is known, `receipt` is what
    it said, and money is 0.
    """

    source: str
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
    receipt: str

    @property
    def key(self) -> str:
        """Where it is in KV."""
        return keys.settlement(self.claimed_at_ms, self.payment_id)


def encode_settlement(event: SettlementEvent) -> str:
    """Write an event as JSON: a version and the fields by position."""
    return json.dumps([SETTLEMENT_VERSION, *event], separators=(",", ":"))


def decode_settlement(value: str) -> SettlementEvent:
    """Read an event back. Raises `SettlementUnreadable` for anything else."""
    try:
        version, *fields = json.loads(value)
        if version != SETTLEMENT_VERSION:
            raise SettlementUnreadable(f"it is of version {version!r}")
        event = SettlementEvent(*fields)
    except (ValueError, TypeError, RecursionError) as error:
        raise SettlementUnreadable(f"it does not parse: {error}") from error
    for name, found in event._asdict().items():
        if type(found) is not (int if name in _WHOLE else str):
            raise SettlementUnreadable(f"its {name} is {found!r}")
    return event


async def put_settlement(store: KeyValueStore, event: SettlementEvent) -> None:
    """Write an event. Raises `StoreUnavailable`."""
    metadata = {"source": event.source, "amountMicros": event.amount_micros}
    await store.put(event.key, encode_settlement(event), metadata)


async def read_settlements(
    store: KeyValueStore, names: Sequence[str]
) -> tuple[Sequence[SettlementEvent], Sequence[str]]:
    """Read events by key; the second value has what cannot be read, with the reason."""
    events, unreadable = [], []
    for name, value in (await get_all(store, names)).items():
        try:
            events.append(decode_settlement(value or ""))
        except SettlementUnreadable as error:
            unreadable.append(f"{name}: {error}")
    return events, unreadable


def shown_settlement(event: SettlementEvent) -> Mapping[str, Json]:
    """Write an event as the platform API shows it."""
    return {
        "paymentId": event.payment_id,
        "source": event.source,
        "counted": event.source == AT_EDGE,
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
        "receipt": event.receipt or None,
    }

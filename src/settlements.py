"""Settlement events: what the edge settled, in KV, beside the ledger in D1.

Owns the event's form, and writing it together with the one usage batch that
has its revenue. Both keys are made of the payment alone, so whoever writes
them again writes the same. Refuses to know how a payment came to be settled.

A receipt that a tenant's script sends of its own accord is kept in the same
form with another source. It is shown, and never counted.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import keys
import limits
from batches import get_all
from errors import SettlementUnreadable
from events import Api, Batch, UsageEvent, batch_metadata, decode_batch, encode_batch
from payment_rows import PaymentRow
from ports import Clock, Json, KeyValueStore

SETTLEMENT_VERSION = 1

_WHOLE = ("amount_micros", "claimed_at_ms", "settled_at_ms")
"""The fields that are whole numbers; the others are texts."""

AT_EDGE = "edge"
"""The dispatcher settled it, and the ledger has it."""

BY_SCRIPT = "script"
"""A tenant's script says so; nobody checked."""

LATE_REVENUE = "settled_later"
"""The outcome of an event that has revenue of a request which got no answer at its time."""


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


def settlement_of(row: PaymentRow) -> SettlementEvent:
    """Write the event of a settled payment."""
    assert row.settled_at_ms is not None
    return SettlementEvent(
        source=AT_EDGE,
        payment_id=row.payment_id,
        request_id=row.request_id,
        tenant_id=row.tenant_id,
        slug=row.slug,
        payer=row.caller,
        network=row.network,
        asset=row.asset,
        amount=row.amount,
        amount_micros=row.amount_micros,
        transaction=row.transaction_id,
        facilitator=row.facilitator,
        claimed_at_ms=row.claimed_at_ms,
        settled_at_ms=row.settled_at_ms,
        receipt="",
    )


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


def late_revenue(row: PaymentRow, at_ms: int) -> UsageEvent:
    """Make the usage event of revenue alone: no call, because its request ended before."""
    api = Api(row.tenant_id, row.slug, row.owner, row.directory, row.amount_micros)
    return UsageEvent(
        request_id=row.request_id,
        at_ms=at_ms,
        api=api,
        method=row.method,
        status=200,
        latency_ms=0,
        caller=row.caller,
        outcome=LATE_REVENUE,
        counted=False,
        revenue_micros=row.amount_micros,
    )


def revenue_batch(event: UsageEvent) -> str:
    """Write the usage batch that holds one event of a paid request."""
    return encode_batch(Batch((event,), 0), event.at_ms // keys.MINUTE_MS)


def revenue_key(row: PaymentRow) -> str:
    """Build the key of a settled payment's usage batch."""
    assert row.settled_at_ms is not None
    minute = row.settled_at_ms // keys.MINUTE_MS
    return keys.usage_batch(minute, keys.payment_writer(row.payment_id), 1)


def read_revenue_batch(row: PaymentRow) -> Batch:
    """Read the usage batch that a settled payment's row holds."""
    assert row.settled_at_ms is not None
    assert row.usage_batch is not None
    return decode_batch(row.usage_batch, row.settled_at_ms // keys.MINUTE_MS)


async def put_settlement(store: KeyValueStore, event: SettlementEvent) -> None:
    """Write an event. Raises `StoreUnavailable`."""
    metadata = {"source": event.source, "amountMicros": event.amount_micros}
    await store.put(event.key, encode_settlement(event), metadata)


async def put_revenue(store: KeyValueStore, clock: Clock, row: PaymentRow) -> None:
    """Write a settled payment's usage batch, marked when it is late. Raises `StoreUnavailable`."""
    assert row.settled_at_ms is not None
    assert row.usage_batch is not None
    key = revenue_key(row)
    now_minute = clock.now_ms() // keys.MINUTE_MS
    # Compaction looks at a minute for some time, and later only where it finds a mark.
    if now_minute - row.settled_at_ms // keys.MINUTE_MS > limits.LATE_AFTER_MINUTES:
        await store.put(keys.late(key, now_minute), "", {})
    await store.put(key, row.usage_batch, batch_metadata(read_revenue_batch(row)))


async def publish(store: KeyValueStore, clock: Clock, row: PaymentRow) -> None:
    """Write both of a settled payment at once. Raises `StoreUnavailable`."""
    puts = (put_settlement(store, settlement_of(row)), put_revenue(store, clock, row))
    for outcome in await asyncio.gather(*puts, return_exceptions=True):
        if outcome is not None:
            raise outcome


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
        "claimedAt": keys.timestamp(event.claimed_at_ms),
        "settledAt": keys.timestamp(event.settled_at_ms),
        "receipt": event.receipt or None,
    }

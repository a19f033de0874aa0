"""A settled payment in KV: its settlement event, and the usage batch with its revenue.

Both keys are derived from the payment alone, so writing them again changes nothing.
"""

from __future__ import annotations

from core import keys
from core.calendar import MINUTE_MS
from core.ports import Clock, KeyValueStore
from metering.events import Api, Batch, UsageEvent, decode_batch, encode_batch
from metering.settlements import AT_EDGE, SettlementEvent
from payments.models import PaymentRow
from usage import record_settlement

LATE_REVENUE = "settled_later"
"""The outcome of an event with the revenue of a request that ended before it was settled."""


async def publish(store: KeyValueStore, clock: Clock, row: PaymentRow) -> None:
    """Write the settlement event and the usage batch of a settled payment.

    Raises `StoreUnavailable`.
    """
    assert row.usage_batch is not None
    await record_settlement(store, clock, settlement_event(row), revenue_key(row), row.usage_batch)


def settlement_event(row: PaymentRow) -> SettlementEvent:
    """Make the settlement event of a settled payment."""
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


def late_revenue_event(row: PaymentRow, at_ms: int) -> UsageEvent:
    """Make the usage event of revenue alone; its request was counted when it ended."""
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


def revenue_key(row: PaymentRow) -> str:
    """Build the key of a settled payment's usage batch."""
    assert row.settled_at_ms is not None
    minute = row.settled_at_ms // MINUTE_MS
    return keys.usage_batch(minute, keys.payment_writer(row.payment_id), 1)


def encode_revenue_batch(event: UsageEvent) -> str:
    """Encode the usage batch with the one event of a paid request."""
    return encode_batch(Batch((event,), 0), event.at_ms // MINUTE_MS)


def decode_revenue_batch(row: PaymentRow) -> Batch:
    """Decode the usage batch in a settled payment's row."""
    assert row.settled_at_ms is not None
    assert row.usage_batch is not None
    return decode_batch(row.usage_batch, row.settled_at_ms // MINUTE_MS)

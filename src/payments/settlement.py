"""A settled payment in the usage log: one batch with its settlement event and its usage event.

The batch is stored in the payment's row, which is the outbox: it is sent until the payment's shard
acknowledges it. The shard counts a payment once, so it may be sent again at any time.
"""

from __future__ import annotations

from core.ports import UsageShards
from metering.batches import Batch, decode_batch, encode_batch
from metering.events import Api, UsageEvent
from metering.settlements import SettlementEvent
from payments.models import PaymentRow
from usage import append

LATE_REVENUE = "settled_later"
"""The outcome of an event with the revenue of a request that ended before it was settled."""


async def send(shards: UsageShards, row: PaymentRow) -> None:
    """Append a settled payment to the usage log.

    Raises:
        ShardUnavailable: The shard did not respond; it may have the payment.
        BatchRefused: The shard is of another version.
    """
    assert row.usage_batch is not None
    await append(shards, row.shard, row.usage_batch)


def settlement_event(row: PaymentRow) -> SettlementEvent:
    """Make the settlement event of a settled payment."""
    assert row.settled_at_ms is not None
    return SettlementEvent(
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
    )


def late_revenue_event(row: PaymentRow) -> UsageEvent:
    """Make the usage event of revenue alone; its request was counted when it ended."""
    assert row.settled_at_ms is not None
    return UsageEvent(
        request_id=row.request_id,
        at_ms=row.settled_at_ms,
        api=Api(row.tenant_id, row.slug, row.owner, row.directory, row.amount_micros),
        method=row.method,
        status=200,
        latency_ms=0,
        caller=row.caller,
        outcome=LATE_REVENUE,
        counted=False,
        revenue_micros=row.amount_micros,
    )


def encode_payment(row: PaymentRow, event: UsageEvent) -> str:
    """Encode the batch of a settled payment, whose revenue is in `event`."""
    return encode_batch(Batch("", 0, 0, (event,), settlement_event(row)))


def counts_as_call(row: PaymentRow) -> bool:
    """Tell whether the batch of a settled payment has the call that it paid for."""
    assert row.usage_batch is not None
    return any(event.counted for event in decode_batch(row.usage_batch).events)

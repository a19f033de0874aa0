"""Builds events and rows of the ledger for tests, with defaults for all fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from metering.aggregate import Aggregate
from metering.batches import Batch, encode_batch
from metering.events import Api, UsageEvent
from metering.settlements import SettlementEvent
from payments.models import PaymentRow, PaymentState
from payments.requirements import PaymentRequirements
from tests.support.fake_chain import NETWORK, PAYEE, PAYER, USDC
from tests.support.fakes import NOON_MS

WEATHER = Api("tenant-1", "weather", "alice", "Data", 10_000)
MAPS = Api("tenant-2", "maps", "@bob", "", 0)
PAYMENT_ROW = PaymentRow(
    payment_id="id-1",
    attempt=1,
    state=PaymentState.CLAIMED,
    reason="",
    holder="r-1",
    due_ms=None,
    changed_at_ms=NOON_MS,
    request_id="r-1",
    fingerprint="f",
    proof_digest="d",
    proof="{}",
    identifier=None,
    payer=PAYER.lower(),
    pay_to=PAYEE,
    network=NETWORK,
    asset=USDC,
    nonce="0x" + "01" * 32,
    amount="10000",
    amount_micros=10_000,
    scheme="exact",
    signed_amount=None,
    valid_before_ms=NOON_MS + 300_000,
    claimed_at_ms=NOON_MS,
    tenant_id="t1",
    slug="paid",
    owner="",
    directory="",
    method="GET",
    caller="c1",
    shard=0,
    asked=0,
    facilitator="http://f",
    transaction_id="",
    settled_at_ms=None,
    served=False,
    usage_batch=None,
    reconciled_at_ms=None,
)

REQUIREMENTS = PaymentRequirements(
    network=NETWORK,
    asset=USDC,
    amount="10000",
    amount_micros=10_000,
    decimals=6,
    pay_to=PAYEE,
    max_timeout_seconds=300,
    extra={"name": "USDC", "version": "2"},
)
"""One cent in the token of the fake chain."""

SETTLEMENT = SettlementEvent(
    payment_id="id-1",
    request_id="r-1",
    tenant_id="t1",
    slug="paid",
    payer="c1",
    network=NETWORK,
    asset=USDC,
    amount="10000",
    amount_micros=10_000,
    transaction="0xabc",
    facilitator="http://f",
    claimed_at_ms=NOON_MS,
    settled_at_ms=NOON_MS + 1_234,
)


def settlement_batch(settlement: SettlementEvent, usage: UsageEvent | None = None) -> str:
    """Encode the batch of a settled payment, with its usage event if it has one."""
    return encode_batch(Batch("", 0, 0, () if usage is None else (usage,), settlement))


def merged(aggregates: Iterable[Aggregate]) -> Aggregate:
    """Return a new aggregate with the totals of all."""
    result = Aggregate()
    for aggregate in aggregates:
        result.merge(aggregate)
    return result


def event(  # noqa: PLR0913 (all have defaults)
    at_ms: int = NOON_MS,
    api: Api | None = WEATHER,
    *,
    request_id: str = "w-000001",
    status: int = 200,
    latency_ms: int = 20,
    caller: str = "c1",
    counted: bool = True,
    revenue_micros: int = 0,
    method: str = "GET",
    outcome: str = "served",
    network: str = "",
) -> UsageEvent:
    """Build one event."""
    return UsageEvent(
        request_id,
        at_ms,
        api,
        method,
        status,
        latency_ms,
        caller,
        outcome,
        counted,
        revenue_micros,
        network,
    )


def payment_row(payment_id: str = "id-1", **changes: Any) -> PaymentRow:
    """Build a row in the state `claimed`."""
    return PAYMENT_ROW._replace(payment_id=payment_id, **changes)


def numbered(sequence: int, *events: UsageEvent, writer: str = "w", dropped: int = 0) -> Batch:
    """Build a batch of a writer, with one event if none is given."""
    found = events or (event(request_id=f"{writer}-{sequence:06d}"),)
    return Batch(writer, sequence, dropped, found)

"""Recovers payments by cron, and compares the ledger in D1 with the usage log.

A payment that is settled in the ledger is sent to its shard until that acknowledges it. A
settlement event without a settled payment in the ledger is only reported.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core import constants
from core.calendar import DAY_MS, timestamp
from core.errors import SettlementUnreadable
from core.ports import Json, UsageShards
from metering.settlements import SettlementEvent, settlement_from
from payments.ledger import DayTotals, Ledger
from payments.models import PaymentRow, PaymentState
from payments.resolution import PendingResolver
from payments.settlement import settlement_event

_SETTLED_FOR_MS = 60_000
"""Payments settled more recently are skipped: their request may still be sending them."""


@dataclass(frozen=True, slots=True)
class PaymentRunReport:
    """What one run did: payments resolved, acknowledged by the usage log, and still unsent.

    `pending` payments have no final state yet.
    """

    resolved: int
    acknowledged: int
    unsent: int
    pending: int


async def run(resolver: PendingResolver, name: str) -> PaymentRunReport:
    """Resolve payments, then send some to the usage log again; cron does this every minute.

    `name` is a unique name for this run. Raises `DatabaseUnavailable`; the next run continues.
    """
    ledger = resolver.ledger
    rows = await ledger.unresolved(constants.PENDING_ROWS_MAX)
    for number, row in enumerate(rows):
        await resolver.resolve(row, f"{name}/{number}")
    acknowledged, unsent = await _send_again(resolver)
    _, pending = await ledger.oldest_unresolved_ms()
    return PaymentRunReport(len(rows), acknowledged, unsent, pending)


async def _send_again(resolver: PendingResolver) -> tuple[int, int]:
    """Send settled payments to the usage log that it has not acknowledged.

    Returns how many it acknowledged, and how many it did not.
    """
    before_ms = resolver.clock.now_ms() - _SETTLED_FOR_MS
    rows = await resolver.ledger.unreconciled(before_ms, constants.RECONCILED_ROWS_MAX)
    are_sent = await asyncio.gather(*map(resolver.send, rows))
    sent = [row.payment_id for row, is_sent in zip(rows, are_sent, strict=True) if is_sent]
    await resolver.ledger.mark_reconciled(sent)
    return len(sent), len(rows) - len(sent)


async def compare_day(ledger: Ledger, shards: UsageShards, day: int) -> Mapping[str, Json]:
    """Compare the ledger and the usage log for the payments claimed on a UTC day.

    Returns fields of `GET /__platform/reconciliation`; `day` counts from 1970. Raises
    `DatabaseUnavailable` and `ShardUnavailable`.
    """
    events, unreadable = await _settlements_on(shards, day)
    at_edge = {event.payment_id: event for event in events}
    rows = await ledger.payments_on(day)
    settled = {row.payment_id: row for row in rows if row.state is PaymentState.SETTLED}
    totals = {total.tenant_id: total for total in await ledger.totals_on(day)}
    tenants = sorted({*totals, *(event.tenant_id for event in at_edge.values())})
    differing = {
        "onlyAtEdge": sorted(at_edge.keys() - settled.keys()),
        "onlyInLedger": sorted(settled.keys() - at_edge.keys()),
        "unequal": sorted(
            name
            for name in at_edge.keys() & settled.keys()
            if at_edge[name] != settlement_event(settled[name])
        ),
    }
    compared = [_compare_tenant(name, [*at_edge.values()], totals.get(name)) for name in tenants]
    return {
        "date": timestamp(day * DAY_MS)[:10],
        "agrees": not any(differing.values())
        and not unreadable
        and all(tenant["differenceMicros"] == 0 for tenant in compared),
        "tenants": compared,
        "differing": differing,
        "pending": [_pending_entry(row) for row in rows if row.state is PaymentState.PENDING],
        "unreadable": unreadable,
    }


async def _settlements_on(
    shards: UsageShards, day: int
) -> tuple[Sequence[SettlementEvent], Sequence[str]]:
    """Read the settlement events of payments claimed on a UTC day, of all shards.

    Returns the events, and for each unreadable one the reason.
    """
    found = await asyncio.gather(
        *(_settlements_of_shard(shards, shard, day) for shard in range(shards.count))
    )
    events: list[SettlementEvent] = []
    unreadable: list[str] = []
    for rows in found:
        for fields in rows:
            try:
                events.append(settlement_from(fields))
            except SettlementUnreadable as error:
                unreadable.append(str(error))
    return events, unreadable


async def _settlements_of_shard(shards: UsageShards, shard: int, day: int) -> Sequence[Json]:
    limit = constants.SETTLEMENTS_MAX
    before: tuple[int, str] = ((day + 1) * DAY_MS, "")
    found: list[Json] = []
    while True:
        request = {"before": before, "since": day * DAY_MS, "limit": limit}
        page = json.loads(await shards.call(shard, "settlements", json.dumps(request)))
        found += page
        if len(page) < limit:
            return found
        last = settlement_from(page[-1])
        before = (last.claimed_at_ms, last.payment_id)


def _compare_tenant(
    tenant_id: str,
    events: Sequence[SettlementEvent],
    total: DayTotals | None,
) -> Mapping[str, Json]:
    at_edge = sum(event.amount_micros for event in events if event.tenant_id == tenant_id)
    in_ledger = total.settled_micros if total else 0
    return {
        "tenantId": tenant_id,
        "settledAtEdgeMicros": at_edge,
        "inLedgerMicros": in_ledger,
        "correctedMicros": total.corrected_micros if total else 0,
        "differenceMicros": at_edge - in_ledger,
    }


def _pending_entry(row: PaymentRow) -> Mapping[str, Json]:
    return {
        "paymentId": row.payment_id,
        "tenantId": row.tenant_id,
        "amountMicros": row.amount_micros,
        "reason": row.reason or "asking",
        "asked": row.asked,
        "transaction": row.transaction_id,
        "claimedAt": timestamp(row.claimed_at_ms),
    }

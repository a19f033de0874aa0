"""Makes the two sides of every payment agree: the ledger in D1, and KV.

Owns the comparison, and mending what has one clear answer: whatever the ledger
has settled is in KV once, as an event and as revenue. An event that the
ledger knows nothing of is shown, and left to people. Refuses to find out what
became of a payment; that is for `resolution`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core import constants, keys
from core.calendar import DAY_MS, timestamp
from core.kv_store import all_names, get_all
from core.logs import fields
from core.ports import Clock, Json, KeyValueStore
from metering.settlements import (
    AT_EDGE,
    BY_SCRIPT,
    SettlementEvent,
    encode_settlement,
    read_settlements,
)
from payments.ledger import DayTotals, Ledger
from payments.models import PaymentRow, PaymentState
from payments.resolution import PendingResolver
from payments.settlement import publish, revenue_key, settlement_of

_LOGGER = logging.getLogger(__name__)
_SETTLED_FOR_MS = 60_000
"""Younger ones are not looked for: who settled them may be just writing them."""


@dataclass(frozen=True, slots=True)
class PaymentRunReport:
    """What one run did: payments moved on, compared and found the same, and written again."""

    resolved: int
    reconciled: int
    mended: int
    reconciled_through_ms: int
    pending: int


async def run(resolver: PendingResolver, name: str) -> PaymentRunReport:
    """Move left-over payments on, then compare and mend; cron does this every minute.

    `name` is this run's own. Raises `DatabaseUnavailable` and `StoreUnavailable`;
    what was done until then stays done.
    """
    clock, ledger, store = resolver.clock, resolver.ledger, resolver.store
    rows = await ledger.unresolved(constants.PENDING_ROWS_MAX)
    for number, row in enumerate(rows):
        await resolver.resolve(row, f"{name}/{number}")
    reconciled, mended = await _reconcile_some(ledger, store, clock)
    since_ms, pending = await ledger.oldest_unresolved_ms()
    through_ms = clock.now_ms() if since_ms is None else since_ms
    await store.put(keys.RECONCILED_UNTIL, str(through_ms), {"pending": pending})
    return PaymentRunReport(len(rows), reconciled, mended, through_ms, pending)


async def compare_day(ledger: Ledger, store: KeyValueStore, day: int) -> Mapping[str, Json]:
    """Compare both sides for the payments presented on a UTC day.

    Raises `DatabaseUnavailable` and `StoreUnavailable`.
    """
    names = await all_names(store, keys.settlement_day(day))
    events, unreadable = await read_settlements(store, names)
    at_edge = {event.payment_id: event for event in events if event.source == AT_EDGE}
    rows = await ledger.of_day(day)
    settled = {row.payment_id: row for row in rows if row.state is PaymentState.SETTLED}
    totals = {total.tenant_id: total for total in await ledger.totals_of_day(day)}
    tenants = sorted({*totals, *(event.tenant_id for event in at_edge.values())})
    differing = {
        "onlyAtEdge": sorted(at_edge.keys() - settled.keys()),
        "onlyInLedger": sorted(settled.keys() - at_edge.keys()),
        "unequal": sorted(
            name
            for name in at_edge.keys() & settled.keys()
            if at_edge[name] != settlement_of(settled[name])
        ),
    }
    shown = [_compare(name, [*at_edge.values()], totals.get(name)) for name in tenants]
    return {
        "date": timestamp(day * DAY_MS)[:10],
        "agrees": not any(differing.values())
        and not unreadable
        and all(tenant["differenceMicros"] == 0 for tenant in shown),
        "tenants": shown,
        "differing": differing,
        "pending": [_shown_pending(row) for row in rows if row.state is PaymentState.PENDING],
        "unreadable": unreadable,
        "reportedByScripts": sum(event.source == BY_SCRIPT for event in events),
    }


def _compare(
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


def _shown_pending(row: PaymentRow) -> Mapping[str, Json]:
    return {
        "paymentId": row.payment_id,
        "tenantId": row.tenant_id,
        "amountMicros": row.amount_micros,
        "reason": row.reason or "asking",
        "asked": row.asked,
        "transaction": row.transaction_id,
        "claimedAt": timestamp(row.claimed_at_ms),
    }


async def _reconcile_some(ledger: Ledger, store: KeyValueStore, clock: Clock) -> tuple[int, int]:
    """Compare some settled payments with KV; write again what is not there as it should be."""
    before_ms = clock.now_ms() - _SETTLED_FOR_MS
    rows = await ledger.unreconciled(before_ms, constants.RECONCILED_ROWS_MAX)
    if not rows:
        return 0, 0
    wanted = {row.payment_id: _in_store(row) for row in rows}
    names = [name for pairs in wanted.values() for name in pairs]
    found = await get_all(store, names)
    same = [
        row.payment_id
        for row in rows
        if all(found[name] == value for name, value in wanted[row.payment_id].items())
    ]
    await ledger.reconcile(same)
    # Those are looked at once more, and count as reconciled when they are seen.
    mended = [row for row in rows if row.payment_id not in same]
    for row in mended:
        _LOGGER.warning(
            "payment_written_again", extra=fields(payment=row.payment_id, tenant=row.tenant_id)
        )
        await publish(store, clock, row)
    return len(same), len(mended)


def _in_store(row: PaymentRow) -> Mapping[str, str | None]:
    """Say what KV must have of a settled payment, by key."""
    event = settlement_of(row)
    return {event.key: encode_settlement(event), revenue_key(row): row.usage_batch}

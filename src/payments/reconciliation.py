"""Reconciles the ledger in D1 with the settlement events and the revenue in KV.

A payment that is settled in the ledger but missing in KV is written again. An event in KV
without a settled payment in the ledger is only reported.
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
from payments.settlement import publish, revenue_key, settlement_event

_LOGGER = logging.getLogger(__name__)
_SETTLED_FOR_MS = 60_000
"""Payments settled more recently are skipped: their request may still be writing to KV."""


@dataclass(frozen=True, slots=True)
class PaymentRunReport:
    """What one run did: payments resolved, found equal in KV, and written to KV again."""

    resolved: int
    reconciled: int
    rewritten: int
    reconciled_through_ms: int
    pending: int


async def run(resolver: PendingResolver, name: str) -> PaymentRunReport:
    """Resolve payments, then reconcile some; cron does this every minute.

    `name` is a unique name for this run. Raises `DatabaseUnavailable` and `StoreUnavailable`;
    the next run continues.
    """
    clock, ledger, store = resolver.clock, resolver.ledger, resolver.store
    rows = await ledger.unresolved(constants.PENDING_ROWS_MAX)
    for number, row in enumerate(rows):
        await resolver.resolve(row, f"{name}/{number}")
    reconciled, rewritten = await _reconcile(ledger, store, clock)
    since_ms, pending = await ledger.oldest_unresolved_ms()
    through_ms = clock.now_ms() if since_ms is None else since_ms
    await store.put(keys.RECONCILED_UNTIL, str(through_ms), {"pending": pending})
    return PaymentRunReport(len(rows), reconciled, rewritten, through_ms, pending)


async def compare_day(ledger: Ledger, store: KeyValueStore, day: int) -> Mapping[str, Json]:
    """Compare the ledger and KV for the payments claimed on a UTC day, in days since 1970.

    Returns the fields of `GET /__platform/reconciliation`. Raises `DatabaseUnavailable` and
    `StoreUnavailable`.
    """
    names = await all_names(store, keys.settlement_day(day))
    events, unreadable = await read_settlements(store, names)
    at_edge = {event.payment_id: event for event in events if event.source == AT_EDGE}
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
        "reportedByScripts": sum(event.source == BY_SCRIPT for event in events),
    }


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


async def _reconcile(ledger: Ledger, store: KeyValueStore, clock: Clock) -> tuple[int, int]:
    """Compare some settled payments with KV and write those that differ again.

    Returns how many were equal and how many were written.
    """
    before_ms = clock.now_ms() - _SETTLED_FOR_MS
    rows = await ledger.unreconciled(before_ms, constants.RECONCILED_ROWS_MAX)
    if not rows:
        return 0, 0
    wanted = {row.payment_id: _expected_in_store(row) for row in rows}
    names = [name for pairs in wanted.values() for name in pairs]
    found = await get_all(store, names)
    equal = [
        row.payment_id
        for row in rows
        if all(found[name] == value for name, value in wanted[row.payment_id].items())
    ]
    await ledger.reconcile(equal)
    # These are compared again by a later run, and are reconciled if they are equal then.
    differing = [row for row in rows if row.payment_id not in equal]
    for row in differing:
        _LOGGER.warning(
            "settlement_rewritten", extra=fields(payment=row.payment_id, tenant=row.tenant_id)
        )
        await publish(store, clock, row)
    return len(equal), len(differing)


def _expected_in_store(row: PaymentRow) -> Mapping[str, str | None]:
    """Return the values that KV must have for a settled payment, by key."""
    event = settlement_event(row)
    return {event.key: encode_settlement(event), revenue_key(row): row.usage_batch}

"""Recovers payments by cron, and compares the ledger with the usage log.

A payment that is settled in the ledger is sent to its shard until that acknowledges it. A
settlement event without a settled payment in the ledger is only reported.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from core import constants
from core.calendar import DAY_MS, timestamp
from core.errors import DatabaseUnavailable, SettlementUnreadable
from core.ports import Json, UsageShards
from metering.settlements import SettlementEvent, settlement_from
from payments.archive import OBJECTS_PER_RUN_MAX, Archive
from payments.ledger import NOT_SENT, PROBLEM, Ledger
from payments.ledger_reports import DayTotals, payments_on, totals_on
from payments.models import PaymentRow, PaymentState, payment_fields
from payments.resolution import PendingResolver
from payments.settlement import settlement_event
from tenants.networks import normal_address

_TIMEOUT_MS = 30_000
"""How long one run may take: more than one payment does whose node and shard time out."""

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PaymentRunReport:
    """What one run did: payments processed, acknowledged by the usage log, and archived.

    `failed` payments could not be processed; health names them.
    """

    processed: int
    acknowledged: int
    archived: int
    failed: int


async def run(resolver: PendingResolver) -> PaymentRunReport:
    """Resolve payments, and send some to the usage log again; cron does this every minute.

    All payments are processed at the same time and under one time limit; one that fails does
    not affect the others. Then finished payments are archived. Raises `DatabaseUnavailable` and
    `StoreUnavailable`; the next run continues.
    """
    rows = await resolver.ledger.due(constants.CRON_ROWS_MAX)
    tasks = [asyncio.ensure_future(_process(resolver, row)) for row in rows]
    acknowledged: list[str] = []
    failed = 0
    if tasks:
        await asyncio.wait(tasks, timeout=_TIMEOUT_MS / 1000)
    for row, task in zip(rows, tasks, strict=True):
        if not task.done():
            task.cancel()
        error = TimeoutError("no result in time") if not task.done() else task.exception()
        if error is not None:
            if not isinstance(error, Exception):
                raise error
            failed += 1
            await _note_problem(resolver, row, error)
        elif task.result():
            acknowledged.append(row.payment_id)
    await resolver.ledger.mark_reconciled(acknowledged)
    archived = 0
    for _ in range(OBJECTS_PER_RUN_MAX):
        moved = await resolver.archive.move()
        archived += moved
        if not moved:
            break
    return PaymentRunReport(len(rows), len(acknowledged), archived, failed)


async def _process(resolver: PendingResolver, row: PaymentRow) -> bool:
    """Do what a due payment needs; return whether the usage log acknowledged it just now."""
    if row.state is not PaymentState.SETTLED:
        reason = await resolver.prove(row)
        if reason:
            await resolver.defer(row, reason)
        return False
    if row.reconciled_at_ms is not None:
        await resolver.ledger.free_unserved(row)
        return False
    if await resolver.send(row):
        return True
    await resolver.defer(row, NOT_SENT)
    return False


async def _note_problem(resolver: PendingResolver, row: PaymentRow, error: BaseException) -> None:
    """Name a payment that could not be processed at health."""
    _LOGGER.error("payment_not_processed", extra=payment_fields(row, repr(error)))
    reason = f"{PROBLEM}{type(error).__name__}: {error}"[: constants.TEXT_LENGTH_MAX]
    try:
        await resolver.defer(row, reason)
    except DatabaseUnavailable:
        _LOGGER.exception("problem_not_in_ledger", extra=payment_fields(row))


async def compare_day(
    ledger: Ledger,
    archive: Archive,
    shards: UsageShards,
    day: int,
    only: Collection[str] | None = None,
) -> Mapping[str, Json]:
    """Compare the ledger, archive included, and the usage log for the payments of a UTC day.

    Returns fields of `GET /__platform/reconciliation`; a payment belongs to the day of its
    claim, and `day` counts from 1970. If `only` is given, only tenants with these ids. Raises
    `DatabaseUnavailable`, `StoreUnavailable` and `ShardUnavailable`.
    """
    events, unreadable = await _settlements_on(shards, day)
    if only is not None:
        # Whose event it is that cannot be read, is not known.
        events, unreadable = [event for event in events if event.tenant_id in only], []
    at_edge = {event.payment_id: event for event in events}
    archived = await archive.payments_on(day)
    day_totals = await totals_on(ledger, day)
    rows = [*archived, *await payments_on(ledger, day)]
    if only is not None:
        archived = [row for row in archived if row.tenant_id in only]
        rows = [row for row in rows if row.tenant_id in only]
        day_totals = [total for total in day_totals if total.tenant_id in only]
    settled = {row.payment_id: row for row in rows if row.state is PaymentState.SETTLED}
    totals = _with_archived(day_totals, archived)
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
    rows_settled = [settlement_event(row) for row in settled.values()]
    compared = [
        _compare_tenant(name, [*at_edge.values()], rows_settled, totals.get(name))
        for name in tenants
    ]
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


def _with_archived(
    totals: Sequence[DayTotals], archived: Sequence[PaymentRow]
) -> Mapping[str, DayTotals]:
    """Return the ledger's totals by tenant, with the settlements that are in the archive."""
    found = {total.tenant_id: total for total in totals}
    for row in archived:
        if row.state is PaymentState.SETTLED:
            total = found.get(row.tenant_id, DayTotals(row.tenant_id, 0, 0))
            micros = total.settled_micros + row.amount_micros
            found[row.tenant_id] = replace(total, settled_micros=micros)
    return found


def _compare_tenant(
    tenant_id: str,
    at_edge_events: Sequence[SettlementEvent],
    ledger_events: Sequence[SettlementEvent],
    total: DayTotals | None,
) -> Mapping[str, Json]:
    """Compare what was settled for a tenant, in dollars and in each token."""
    events = [event for event in at_edge_events if event.tenant_id == tenant_id]
    at_edge = sum(event.amount_micros for event in events)
    in_ledger = total.settled_micros if total else 0
    units = _units(events)
    units_in_ledger = _units(event for event in ledger_events if event.tenant_id == tenant_id)
    return {
        "tenantId": tenant_id,
        "settledAtEdgeMicros": at_edge,
        "inLedgerMicros": in_ledger,
        "correctedMicros": total.corrected_micros if total else 0,
        "differenceMicros": at_edge - in_ledger,
        "tokens": [
            {
                "network": network,
                "asset": asset,
                "settledAtEdge": str(units[network, asset]),
                "inLedger": str(units_in_ledger[network, asset]),
                "difference": str(units[network, asset] - units_in_ledger[network, asset]),
            }
            for network, asset in sorted({*units, *units_in_ledger})
        ],
    }


def _units(events: Iterable[SettlementEvent]) -> Counter[tuple[str, str]]:
    """Add up amounts in each token's smallest unit, by network and token."""
    found: Counter[tuple[str, str]] = Counter()
    for event in events:
        asset = normal_address(event.network, event.asset)
        found[event.network, asset] += int(event.amount)
    return found


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

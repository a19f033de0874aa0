"""The invariants of every run of payments at rest.

4. One payment, at most one settlement and at most one served request; nothing is served unpaid;
   the ledger equals the settlements, the revenue shown and the money that moved. A payment that
   stays pending cannot be decided, and is reported. Refused payments are not charged.
5. Tenants never mix: all of this holds for each tenant separately.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.calendar import HOUR_MS, timestamp
from metering.batches import Batch
from metering.events import UsageEvent
from metering.segments import batches_of
from metering.settlements import SettlementEvent
from payments.errors import PaymentInProgress
from payments.facilitator import SETTLEMENT_PENDING
from tests.simulation.invariants import Shown, require
from tests.simulation.payments.chain import BLOCK_MS
from tests.simulation.payments.isolate import TENANTS
from tests.simulation.payments.world import PaymentWorld

REACH_MS = 9_000 * BLOCK_MS
"""How far back the code under test searches the chain."""


@dataclass(frozen=True, slots=True)
class PaymentRecords:
    """All records about money, at rest."""

    rows: Mapping[str, Mapping[str, Any]]
    entries: Sequence[Mapping[str, Any]]
    settlements: Mapping[str, SettlementEvent]
    events: Sequence[UsageEvent]

    def in_state(self, state: str) -> Sequence[Mapping[str, Any]]:
        return [row for row in self.rows.values() if row["state"] == state]


def read_records(world: PaymentWorld) -> PaymentRecords:
    rows = world.payment_rows()
    batches = batches_in(world)
    events = [event for batch in batches for event in batch.events]
    found = [batch.settlement for batch in batches if batch.settlement is not None]
    settlements = {event.payment_id: event for event in found}
    require(len(settlements) == len(found), "a payment has two settlement events")
    return PaymentRecords(
        {row["payment_id"]: row for row in rows},
        world.entries(),
        settlements,
        events,
    )


def batches_in(world: PaymentWorld) -> Sequence[Batch]:
    """Return all batches in the usage log."""
    commits = [commit for found in world.objects.values() for commit in found.sql.commits]
    return [batch for commit in commits for batch in batches_of(commit)]


def check_run(world: PaymentWorld) -> None:
    """Check the problems that were recorded during the run."""
    problems = [*world.problems, *world.object_problems, *world.loop.problems]
    for isolate in world.isolates:
        problems += isolate.problems
    require(not problems, "; ".join(problems[:5]))
    require(not world.kv.breaches, "KV's limits were broken: " + "; ".join(world.kv.breaches))


def check_records(world: PaymentWorld, records: PaymentRecords) -> None:
    """Check that all records agree."""
    _check_states(world, records)
    _check_ledger(records)
    _check_chain(world, records)
    _check_events(world, records)


def is_unprovable(world: PaymentWorld, row: Mapping[str, Any], rested_at_ms: float) -> bool:
    """Return whether no facilitator and no node can prove the outcome of a pending payment."""
    if not world.payment_shape.has_node:
        return True
    return bool(rested_at_ms - row["claimed_at_ms"] > REACH_MS - 2 * HOUR_MS)


def _check_states(world: PaymentWorld, records: PaymentRecords) -> None:
    """Check that each payment's last entry is of its state, and each row of its request."""
    last = {
        entry["payment_id"]: entry["kind"]
        for entry in sorted(records.entries, key=lambda entry: entry["number"] or 99)
    }
    ends = {"settled": "settlement", "failed": "refusal", "pending": "pending"}
    for row in records.rows.values():
        end = ends[row["state"]]
        entered = last.get(row["payment_id"])
        require(entered == end, f"{row['payment_id']} is {row['state']}, its entry {entered}")
    for row in records.rows.values():
        resource = world.requests[row["request_id"]].resource
        found = (row["tenant_id"], row["pay_to"], row["amount_micros"], row["method"])
        tenant = resource.tenant
        expected = (tenant.tenant_id, tenant.payee, tenant.price_micros, resource.method)
        require(
            found == expected,
            f"payment {row['payment_id']} is of {found}, its request of {expected}",
        )


def _check_ledger(records: PaymentRecords) -> None:
    settled = {row["payment_id"]: row for row in records.in_state("settled")}
    entered = {one["payment_id"]: one for one in records.entries if one["kind"] == "settlement"}
    require(entered.keys() == settled.keys(), "entries and settled payments differ")
    for payment_id, entry in entered.items():
        row = settled[payment_id]
        found = (entry["amount_micros"], entry["tenant_id"], entry["note"])
        expected = (row["amount_micros"], row["tenant_id"], row["transaction_id"])
        require(found == expected, f"the entry of {payment_id} is {found}, not {expected}")
    require(
        records.settlements.keys() == settled.keys(),
        f"events of {sorted(records.settlements)}, settled are {sorted(settled)}",
    )
    for payment_id, event in records.settlements.items():
        row = settled[payment_id]
        reported = (event.amount_micros, event.tenant_id, event.transaction, event.settled_at_ms)
        names = ("amount_micros", "tenant_id", "transaction_id", "settled_at_ms")
        is_same = reported == tuple(row[name] for name in names)
        require(is_same, f"the settlement event of {payment_id} is {event}")
        require(row["reconciled_at_ms"] is not None, f"{payment_id} is not reconciled at rest")


def _check_chain(world: PaymentWorld, records: PaymentRecords) -> None:
    """Check that settled money has moved, and that money moved by a facilitator is settled."""
    by_name = {(row["payer"], row["nonce"]): row for row in records.rows.values()}
    moved = {one.name: one for one in world.chain.transfers}
    require(len(moved) == len(world.chain.transfers), "an authorization moved money twice")
    for row in records.in_state("settled"):
        transfer = moved.get((row["payer"], row["nonce"]))
        require(transfer is not None, f"{row['payment_id']} is settled, and nothing moved")
        assert transfer is not None
        expected = (row["pay_to"].lower(), int(row["amount"]))
        require(
            (transfer.payee, transfer.value) == expected, f"{row['payment_id']} moved {transfer}"
        )
    for name, transfer in moved.items():
        if not transfer.by:
            continue
        found = by_name.get(name)
        require(found is not None, f"{transfer} was settled and never claimed")
        assert found is not None
        require(
            found["state"] in ("settled", "pending"),
            f"{found['payment_id']} is {found['state']} ({found['reason']}), and {transfer} moved",
        )


def _check_events(world: PaymentWorld, records: PaymentRecords) -> None:
    """Check for each tenant that no request counts twice, and that revenue equals settlements."""
    calls = Counter(event.request_id for event in records.events if event.counted)
    twice = [name for name, count in calls.items() if count > 1]
    require(not twice, f"{twice} count as more than one call")
    reported = {name: world.refused[name] for name in calls if name in world.refused}
    for row in records.rows.values():
        # D1 may have recorded its settlement after it had reported failures, or too late.
        ends = (SETTLEMENT_PENDING, PaymentInProgress.code)
        if row["state"] == "settled" and reported.get(row["request_id"]) in ends:
            del reported[row["request_id"]]
    require(not reported, f"{reported} were refused, or got a receipt, and count as calls")
    for event in records.events:
        sent = world.requests.get(event.request_id)
        require(sent is not None, f"{event.request_id} never happened")
        assert sent is not None
        tenant = event.api.tenant_id if event.api else None
        require(tenant == sent.resource.tenant.tenant_id, f"{event.request_id} is of {tenant}")
    earned: Counter[str] = Counter()
    for event in records.events:
        if event.api is not None:
            earned[event.api.tenant_id] += event.revenue_micros
    require(+earned == +settled_by_tenant(records), f"revenue in the log is {earned}")
    for payment_id, requests in world.served.items():
        state = records.rows[payment_id]["state"]
        require(state == "settled", f"{requests} were served, and {payment_id} is {state}")


def settled_by_tenant(records: PaymentRecords) -> Counter[str]:
    found: Counter[str] = Counter()
    for entry in records.entries:
        found[entry["tenant_id"]] += entry["amount_micros"]
    return found


def check_shown(records: PaymentRecords, shown: Shown) -> None:
    """Check that the overall snapshot shows the ledger's sums."""
    expected = settled_by_tenant(records)
    found = Counter({row["tenantId"]: row["revenueMicros"] for row in shown["allApis"]})
    require(+found == +expected, f"revenue shown is {+found}, the ledger has {+expected}")
    total = shown["heroStats"]["revenueMicros"]
    require(
        total == expected.total(), f"revenue shown is {total}, the ledger has {expected.total()}"
    )


def check_reconciliation(records: PaymentRecords, compared: Mapping[str, Any]) -> None:
    """Check reconciliation of a day: it agrees, and names pending payments."""
    require(compared["agrees"], f"reconciliation finds differences: {compared}")
    day = compared["date"]
    expected = {
        row["payment_id"]
        for row in records.in_state("pending")
        if timestamp(row["claimed_at_ms"])[:10] == day
    }
    named = {row["paymentId"] for row in compared["pending"]}
    require(named == expected, f"{expected - named} are pending on {day} and not named")
    by_tenant = {one["tenantId"]: one["inLedgerMicros"] for one in compared["tenants"]}
    names = {tenant.tenant_id for tenant in TENANTS}
    require(by_tenant.keys() <= names, f"reconciliation names {by_tenant}")

"""The payout ledger: the state of every payment, in D1.

The states are `claimed → pending → settled | failed` and `claimed → failed`; a failed payment
can be claimed again. Each change is one transaction, made only from the state it expects, and
triggers (in `migrations/`) write its ledger entry and its audit row. Each change stores a unique
name, `by`. If its confirmation is lost, the change is repeated and recognized by that name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core import constants
from core.calendar import DAY_MS
from core.errors import DatabaseUnavailable
from core.ports import Clock, Database, Row, Statement
from payments.models import COLUMNS, PaymentRow, PaymentState, read_row

ABANDONED = "abandoned"
"""The reason of a claim whose request ended or took too long before settlement."""

_ATTEMPTS = 3
_PAUSE_MS = 150
_BY_ID = "SELECT * FROM payments WHERE payment_id = ?"

_BY_EITHER = (
    "SELECT * FROM payments WHERE payment_id = ? OR (payer = ? AND identifier = ?)"
    " ORDER BY state = 'failed', payment_id = ? DESC LIMIT 1"
)
"""The payment with this authorization or this identifier, preferably one that has not failed."""

_CLAIM = (
    f"INSERT INTO payments ({', '.join(COLUMNS)})"  # noqa: S608, names of columns
    f" VALUES ({', '.join('?' for _ in COLUMNS)})"
    " ON CONFLICT DO NOTHING"
)

_TERMS = tuple(name for name in COLUMNS if name not in ("payment_id", "attempt"))

_CLAIM_AGAIN = (
    "UPDATE payments SET attempt = attempt + 1,"  # noqa: S608, names of columns
    f" {', '.join(f'{name} = ?' for name in _TERMS)}"
    " WHERE payment_id = ? AND state = 'failed'"
    " AND NOT EXISTS (SELECT 1 FROM payments other WHERE other.payer = ? AND other.identifier = ?"
    " AND other.payment_id <> payments.payment_id)"
)
"""Claims a failed payment again, unless another payment has its identifier."""

_FREE_IDENTIFIER = (
    "UPDATE payments SET identifier = NULL"
    " WHERE payer = ? AND identifier = ? AND state = 'failed' AND payment_id <> ?"
)
"""Removes the identifier from a failed payment, so that another payment can have it."""


@dataclass(frozen=True, slots=True)
class SettlementRecord:
    """What is recorded of a settlement, with the batch for the usage log."""

    transaction: str
    facilitator: str
    at_ms: int
    usage_batch: str
    served: bool


@dataclass(frozen=True, slots=True)
class DayTotals:
    """The ledger's totals of one day for one tenant, in micro-dollars."""

    tenant_id: str
    settled_micros: int
    corrected_micros: int


@dataclass(frozen=True, slots=True)
class PaymentCounts:
    """Payments by state: of those claimed since some time, and of all unresolved ones."""

    since: Mapping[PaymentState, int]
    unresolved: Mapping[PaymentState, int]


class Ledger:
    """The ledger of one deployment. Every method raises `DatabaseUnavailable` if D1 fails."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Take the database, with all migrations applied."""
        self._database = database
        self._clock = clock

    async def find(self, payment_id: str) -> PaymentRow | None:
        """Return a payment; None if it is not in the ledger."""
        (rows,) = await self._execute_with_retry(Statement(_BY_ID, (payment_id,)))
        return read_row(rows[0]) if rows else None

    async def claim(self, wanted: PaymentRow) -> PaymentRow:
        """Claim a payment, unless it is already claimed.

        Returns the row in the ledger: `wanted`, recognizable by its `changed_by`, or the row
        that conflicts with it by authorization or by identifier.
        """
        values = _values(wanted)
        terms = tuple(value for name, value in values.items() if name in _TERMS)
        owner = (wanted.payer, wanted.identifier)
        found = await self._execute_with_retry(
            Statement(_FREE_IDENTIFIER, (*owner, wanted.payment_id)),
            Statement(_CLAIM, tuple(values.values())),
            Statement(_CLAIM_AGAIN, (*terms, wanted.payment_id, *owner)),
            Statement(_BY_EITHER, (wanted.payment_id, *owner, wanted.payment_id)),
        )
        return read_row(found[3][0])

    async def begin_settling(self, row: PaymentRow, by: str) -> bool:
        """Change a claim to `pending`, right before the settle call.

        False if the claim was abandoned in the meantime; it must not be settled then.
        """
        until_ms = self._clock.now_ms() + constants.SETTLE_LEASE_MS
        return await self._change(
            row,
            PaymentState.CLAIMED,
            by,
            "state = 'pending', asked = 1, lease_until_ms = ?",
            until_ms,
        )

    async def take_over(self, row: PaymentRow, by: str) -> bool:
        """Take the lease of a pending payment for a settle call; False if it has not expired."""
        now_ms = self._clock.now_ms()
        change = "asked = asked + 1, lease_until_ms = ?"
        free = f" AND lease_until_ms <= {now_ms:d}"
        until_ms = now_ms + constants.SETTLE_LEASE_MS
        return await self._change(row, PaymentState.PENDING, by, change, until_ms, where=free)

    async def defer(
        self, row: PaymentRow, by: str, reason: str, transaction: str, pause_ms: int
    ) -> bool:
        """Keep a payment pending for `pause_ms` until the next attempt, with what is known."""
        until_ms = self._clock.now_ms() + pause_ms
        change = "reason = ?, transaction_id = ?, lease_until_ms = ?"
        return await self._change(
            row, PaymentState.PENDING, by, change, reason, transaction, until_ms
        )

    async def mark_settled(self, row: PaymentRow, by: str, settled: SettlementRecord) -> bool:
        """Change a pending payment to `settled`; False if it is no longer pending."""
        change = (
            "state = 'settled', reason = '', proof = NULL, transaction_id = ?, facilitator = ?,"
            " settled_at_ms = ?, usage_batch = ?, served = ?"
        )
        values = (settled.transaction, settled.facilitator, settled.at_ms, settled.usage_batch)
        return await self._change(
            row, PaymentState.PENDING, by, change, *values, int(settled.served)
        )

    async def mark_failed(self, row: PaymentRow, by: str, reason: str) -> bool:
        """Change a payment from the state in `row` to `failed`."""
        change = "state = 'failed', proof = NULL, reason = ?"
        return await self._change(row, row.state, by, change, reason)

    async def mark_refused(self, row: PaymentRow, by: str, reason: str) -> bool:
        """Change a pending payment to `failed` whose first settle call was refused.

        False if there was another settle call: it may have succeeded and caused the refusal.
        """
        change = "state = 'failed', proof = NULL, reason = ?"
        return await self._change(
            row, PaymentState.PENDING, by, change, reason, where=" AND asked = 1"
        )

    async def mark_served(self, row: PaymentRow, by: str, *, served: bool) -> bool:
        """Record that the paid request is being served, or that it could not be.

        False if that is recorded already: another request is being served with this payment.
        """
        unserved = f" AND served = {int(not served)}"
        return await self._change(
            row, PaymentState.SETTLED, by, "served = ?", int(served), where=unserved
        )

    async def unresolved(self, limit: int) -> Sequence[PaymentRow]:
        """List claims and pending payments whose lease has expired, the oldest first."""
        sql = (
            "SELECT * FROM payments WHERE state IN ('claimed', 'pending') AND lease_until_ms <= ?"
            " ORDER BY lease_until_ms LIMIT ?"
        )
        (rows,) = await self._execute_with_retry(Statement(sql, (self._clock.now_ms(), limit)))
        return [read_row(row) for row in rows]

    async def unreconciled(self, before_ms: int, limit: int) -> Sequence[PaymentRow]:
        """List payments settled before a time that no shard acknowledged, the oldest first."""
        sql = (
            "SELECT * FROM payments WHERE state = 'settled' AND reconciled_at_ms IS NULL"
            " AND settled_at_ms < ? ORDER BY settled_at_ms LIMIT ?"
        )
        (rows,) = await self._execute_with_retry(Statement(sql, (before_ms, limit)))
        return [read_row(row) for row in rows]

    async def mark_reconciled(self, payment_ids: Sequence[str]) -> None:
        """Record that the usage log has these settled payments."""
        marks = ", ".join("?" for _ in payment_ids)
        sql = f"UPDATE payments SET reconciled_at_ms = ? WHERE payment_id IN ({marks})"  # noqa: S608
        if payment_ids:
            await self._execute_with_retry(Statement(sql, (self._clock.now_ms(), *payment_ids)))

    async def oldest_unresolved_ms(self) -> tuple[int | None, int]:
        """Return when the oldest payment without a final, reconciled outcome was claimed.

        That is a claimed, pending, or settled but not reconciled payment; None if there is
        none. The second value is the number of pending payments.
        """
        sql = (
            "SELECT MIN(claimed_at_ms) AS since, SUM(state = 'pending') AS pending FROM payments"
            " WHERE state IN ('claimed', 'pending')"
            " OR (state = 'settled' AND reconciled_at_ms IS NULL)"
        )
        (rows,) = await self._execute_with_retry(Statement(sql))
        since, pending = rows[0]["since"], rows[0]["pending"]
        return None if since is None else int(since), int(pending or 0)

    async def payments_on(self, day: int) -> Sequence[PaymentRow]:
        """List the settled and pending payments claimed on a UTC day, in days since 1970."""
        sql = (
            "SELECT * FROM payments WHERE claimed_at_ms >= ? AND claimed_at_ms < ?"
            " AND state IN ('settled', 'pending') ORDER BY claimed_at_ms, payment_id"
        )
        bounds = (day * DAY_MS, (day + 1) * DAY_MS)
        (rows,) = await self._execute_with_retry(Statement(sql, bounds))
        return [read_row(row) for row in rows]

    async def counts(self, since_ms: int) -> PaymentCounts:
        """Count payments by state; reads the rows claimed since then and the unresolved ones."""
        (since, unresolved) = await self._execute_with_retry(
            Statement(
                "SELECT state, COUNT(*) AS count FROM payments"
                " WHERE claimed_at_ms >= ? GROUP BY state",
                (since_ms,),
            ),
            Statement(
                "SELECT state, COUNT(*) AS count FROM payments"
                " WHERE state IN ('claimed', 'pending') GROUP BY state"
            ),
        )
        return PaymentCounts(
            {**dict.fromkeys(PaymentState, 0), **_by_state(since)},
            {PaymentState.CLAIMED: 0, PaymentState.PENDING: 0, **_by_state(unresolved)},
        )

    async def totals_on(self, day: int) -> Sequence[DayTotals]:
        """Sum the entries of payments claimed on a UTC day, in days since 1970, by tenant."""
        sql = (
            "SELECT e.tenant_id AS tenant,"
            " SUM(CASE WHEN e.kind = 'settlement' THEN e.amount_micros ELSE 0 END) AS settled,"
            " SUM(CASE WHEN e.kind = 'correction' THEN e.amount_micros ELSE 0 END) AS corrected"
            " FROM entries e JOIN payments p ON p.payment_id = e.payment_id"
            " WHERE p.claimed_at_ms >= ? AND p.claimed_at_ms < ? AND p.state = 'settled'"
            " GROUP BY e.tenant_id ORDER BY e.tenant_id"
        )
        bounds = (day * DAY_MS, (day + 1) * DAY_MS)
        (rows,) = await self._execute_with_retry(Statement(sql, bounds))
        return [
            DayTotals(str(row["tenant"]), int(row["settled"] or 0), int(row["corrected"] or 0))
            for row in rows
        ]

    async def _change(
        self,
        row: PaymentRow,
        start: PaymentState,
        by: str,
        change: str,
        *values: str | int,
        where: str = "",
    ) -> bool:
        sql = (
            f"UPDATE payments SET changed_by = ?, changed_at_ms = ?, {change}"  # noqa: S608
            f" WHERE payment_id = ? AND attempt = ? AND state = ?{where}"
        )
        key = (row.payment_id, row.attempt, start.value)
        found = await self._execute_with_retry(
            Statement(sql, (by, self._clock.now_ms(), *values, *key)),
            Statement(_BY_ID, (row.payment_id,)),
        )
        # The name also recognizes this change after an attempt whose confirmation was lost.
        return bool(found[1]) and found[1][0]["changed_by"] == by

    async def _execute_with_retry(self, *statements: Statement) -> Sequence[Sequence[Row]]:
        """Run a transaction, up to three times; every transaction here may run twice."""
        for last in (*[False] * (_ATTEMPTS - 1), True):
            try:
                return await self._database.execute(*statements)
            except DatabaseUnavailable:
                if last:
                    raise
                await self._clock.sleep_ms(_PAUSE_MS)
        raise AssertionError


def _by_state(rows: Sequence[Row]) -> Mapping[PaymentState, int]:
    return {PaymentState(row["state"]): int(row["count"] or 0) for row in rows}


def _values(row: PaymentRow) -> dict[str, str | int | None]:
    values = {name: getattr(row, name) for name in COLUMNS}
    return {**values, "state": row.state.value, "served": int(row.served)}

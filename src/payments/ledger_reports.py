"""Reports on the payments of the ledger that are not archived, for operators.

Every function raises `DatabaseUnavailable` if D1 fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.calendar import DAY_MS
from core.ports import Row, Statement
from payments.ledger import PROBLEM, ROW, Ledger
from payments.models import PaymentRow, PaymentState, read_row


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


@dataclass(frozen=True, slots=True)
class OpenPayments:
    """The payments that are not finished.

    `since_ms` is when the oldest was claimed, None if there is none; `pending` counts those of
    unknown outcome; `problems` are reasons why cron could not process some of them, by payment.
    """

    since_ms: int | None
    pending: int
    problems: Mapping[str, str]


async def open_payments(ledger: Ledger, problems_max: int) -> OpenPayments:
    """Return what is known of the payments that are not finished.

    At most `problems_max` problems are returned.
    """
    is_open = "is_done = 0 AND (state <> 'settled' OR reconciled_at_ms IS NULL)"
    since, reasons = await ledger.execute(
        Statement(
            "SELECT MIN(claimed_at_ms) AS since, SUM(state = 'pending') AS pending"  # noqa: S608
            f" FROM payments WHERE {is_open}"
        ),
        Statement(
            f"SELECT payment_id, reason FROM payments WHERE {is_open}"  # noqa: S608
            " AND reason LIKE ? ORDER BY payment_id LIMIT ?",
            (f"{PROBLEM}%", problems_max),
        ),
    )
    since_ms, pending = since[0]["since"], since[0]["pending"]
    return OpenPayments(
        None if since_ms is None else int(since_ms),
        int(pending or 0),
        {str(row["payment_id"]): str(row["reason"]).removeprefix(PROBLEM) for row in reasons},
    )


async def payments_on(ledger: Ledger, day: int) -> Sequence[PaymentRow]:
    """List the settled and pending payments claimed on a UTC day, in days since 1970."""
    sql = (
        f"{ROW} WHERE claimed_at_ms >= ? AND claimed_at_ms < ?"
        " AND state IN ('settled', 'pending') ORDER BY claimed_at_ms, payment_id"
    )
    bounds = (day * DAY_MS, (day + 1) * DAY_MS)
    (rows,) = await ledger.execute(Statement(sql, bounds))
    return [read_row(row) for row in rows]


async def counts_since(ledger: Ledger, since_ms: int) -> PaymentCounts:
    """Count payments by state; reads the rows claimed since then and the unfinished ones."""
    (since, unresolved) = await ledger.execute(
        Statement(
            "SELECT state, COUNT(*) AS count FROM payments WHERE claimed_at_ms >= ? GROUP BY state",
            (since_ms,),
        ),
        Statement(
            "SELECT state, COUNT(*) AS count FROM payments"
            " WHERE is_done = 0 AND state IN ('claimed', 'pending') GROUP BY state"
        ),
    )
    return PaymentCounts(
        {**dict.fromkeys(PaymentState, 0), **_by_state(since)},
        {PaymentState.CLAIMED: 0, PaymentState.PENDING: 0, **_by_state(unresolved)},
    )


async def totals_on(ledger: Ledger, day: int) -> Sequence[DayTotals]:
    """Sum the entries of payments claimed on a UTC day, in days since 1970, by tenant.

    Settlements of archived payments are not included; corrections of them are.
    """
    sql = (
        "SELECT e.tenant_id AS tenant,"
        " SUM(CASE WHEN e.kind = 'settlement' THEN e.amount_micros ELSE 0 END) AS settled,"
        " SUM(CASE WHEN e.kind = 'correction' THEN e.amount_micros ELSE 0 END) AS corrected"
        " FROM (SELECT payment_id FROM payments WHERE claimed_at_ms >= ?1 * ?2"
        " AND claimed_at_ms < (?1 + 1) * ?2 AND state = 'settled'"
        " UNION ALL SELECT payment_id FROM archives JOIN archived USING (archive)"
        " WHERE day = ?1) JOIN entries e USING (payment_id)"
        " GROUP BY e.tenant_id ORDER BY e.tenant_id"
    )
    (rows,) = await ledger.execute(Statement(sql, (day, DAY_MS)))
    return [
        DayTotals(str(row["tenant"]), int(row["settled"] or 0), int(row["corrected"] or 0))
        for row in rows
    ]


def _by_state(rows: Sequence[Row]) -> Mapping[PaymentState, int]:
    return {PaymentState(row["state"]): int(row["count"] or 0) for row in rows}

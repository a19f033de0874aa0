"""The payout ledger: the state of every payment that is not archived, in D1.

Each change is one conditional statement. A payment belongs to its `holder`, a request, until
`due_ms`; then anyone who presents the payment may take it over. Triggers (in `migrations/`)
refuse what is not a step of docs/payments.md, and write the entries.

Leases are compared with the database's clock only, because isolates' clocks differ. If the
confirmation of a change is lost, the change is repeated and recognized by the holder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from operator import attrgetter

from core import constants
from core.calendar import DAY_MS
from core.errors import DatabaseUnavailable
from core.ports import Clock, Database, Row, Statement
from payments.models import COLUMNS, Charge, PaymentRow, PaymentState, read_row

PROBLEM = "problem: "
"""Begins the reason of a payment that cron could not process; health shows the rest."""

FAILED_DAYS_MAX = 30
"""How long a payment that was not charged can be presented again at most."""

_ATTEMPTS = 3
_PAUSE_MS = 150
NOW = "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
_ARCHIVED_AT = (
    f"MAX((claimed_at_ms / {DAY_MS} + 2) * {DAY_MS},"
    f" MIN(valid_before_ms, claimed_at_ms + {FAILED_DAYS_MAX} * {DAY_MS}))"
)
"""When a payment that failed may be archived: its authorization has expired, and its day is
over."""

_SERVED_ARCHIVED_AT = f"(claimed_at_ms / {DAY_MS} + 2) * {DAY_MS}"
UNKNOWN = "outcome_unknown"
"""The reason of a payment without a holder, of which nothing is proven."""

NOT_SENT = "not_in_usage_log"
"""The reason of a settled payment without a holder, which its shard did not acknowledge."""

_IS_FREE = (
    f"(COALESCE(due_ms <= {NOW}, 1) OR reason IN ('{UNKNOWN}', '{NOT_SENT}')"
    f" OR reason LIKE '{PROBLEM}%')"
)
"""With these reasons, `due_ms` is only when cron looks at the payment again."""

ROW = f"SELECT *, {_IS_FREE} AS is_due FROM payments"  # noqa: S608
_BY_ID = f"{ROW} WHERE payment_id = ?"

_OF_OTHERS = (
    f"{ROW} WHERE holder <> ?1 AND (payment_id = ?2 OR (payer = ?3 AND identifier = ?4))"
    " ORDER BY state = 'failed', payment_id = ?2 DESC LIMIT 1"
)
"""The payment with this authorization or this identifier that another request has, preferably
one that has not failed."""

_CLAIM_UNTIL = f"{NOW} + {constants.CLAIM_LEASE_MS}"
_AT_CLAIM = {
    "attempt": "1",
    "state": "'claimed'",
    "reason": "''",
    "due_ms": _CLAIM_UNTIL,
    "asked": "0",
    "transaction_id": "''",
    "settled_at_ms": "NULL",
    "served": "0",
    "usage_batch": "NULL",
    "signed_amount": "NULL",
    "reconciled_at_ms": "NULL",
}
_GIVEN = tuple(name for name in COLUMNS if name not in _AT_CLAIM)
_given_values = attrgetter(*_GIVEN)
_MARKS = {name: f"?{number}" for number, name in enumerate(_GIVEN, 1)}
_CLAIMED = {**_MARKS, **_AT_CLAIM}
_ID, _PAYER, _IDENTIFIER = (_MARKS[name] for name in ("payment_id", "payer", "identifier"))

_CLAIM = (
    f"INSERT INTO payments ({', '.join(_CLAIMED)}) SELECT {', '.join(_CLAIMED.values())}"  # noqa: S608
    f" WHERE NOT EXISTS (SELECT 1 FROM payments WHERE payment_id = {_ID})"
    f" AND NOT EXISTS (SELECT 1 FROM archived WHERE payment_id = {_ID})"
    " AND NOT EXISTS (SELECT 1 FROM payments"
    f" WHERE payer = {_PAYER} AND identifier = {_IDENTIFIER})"
    f" AND NOT EXISTS (SELECT 1 FROM archived WHERE identifier = {_PAYER} || '/' || {_IDENTIFIER})"
    " RETURNING attempt"
)

_AGAIN = {**_CLAIMED, "attempt": "attempt + 1"}
del _AGAIN["payment_id"]
_CLAIM_AGAIN = (
    f"UPDATE payments SET {', '.join(f'{name} = {value}' for name, value in _AGAIN.items())}"  # noqa: S608
    f" WHERE payment_id = {_ID} AND state = 'failed' AND holder <> {_MARKS['holder']}"
    f" AND NOT EXISTS (SELECT 1 FROM payments other WHERE other.payer = {_PAYER}"
    f" AND other.identifier = {_IDENTIFIER} AND other.payment_id <> {_ID})"
    f" AND NOT EXISTS (SELECT 1 FROM archived WHERE identifier = {_PAYER} || '/' || {_IDENTIFIER})"
    " RETURNING attempt"
)
"""Claims a failed payment again, unless another payment has its identifier."""

_SETTLE = (
    "state = 'settled', reason = '', proof = NULL, request_id = ?, transaction_id = ?,"
    " facilitator = ?, settled_at_ms = ?, usage_batch = ?"
)

_MARK_SERVED = (
    "UPDATE payments SET served = 1,"  # noqa: S608
    " reconciled_at_ms = COALESCE(reconciled_at_ms, value ->> 2), due_ms = CASE WHEN"
    f" COALESCE(reconciled_at_ms, value ->> 2) IS NULL THEN due_ms ELSE {_SERVED_ARCHIVED_AT} END"
    " FROM json_each(?) WHERE payment_id = value ->> 0 AND state = 'settled'"
    " AND holder = value ->> 1"
)
_FREE_IDENTIFIER = (
    "UPDATE payments SET identifier = NULL"
    " WHERE payer = ? AND identifier = ? AND state = 'failed' AND payment_id <> ?"
)
"""Removes the identifier from a failed payment, so that another payment can have it."""


class Ledger:
    """The ledger of one deployment. Every method raises `DatabaseUnavailable` if D1 fails."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Take the database, with all migrations applied."""
        self._database = database
        self._clock = clock

    async def find(self, payment_id: str) -> PaymentRow | None:
        """Return a payment; None if it is not there, or archived."""
        (rows,) = await self.execute(Statement(_BY_ID, (payment_id,)))
        return read_row(rows[0]) if rows else None

    async def claim(self, wanted: PaymentRow) -> PaymentRow | None:
        """Claim a payment for `wanted.holder`, unless it is already claimed.

        Returns the row in the ledger: one with that holder, or the row that conflicts with it
        by authorization or by identifier. None if that one is archived.
        """
        name, holder = wanted.payment_id, wanted.holder
        owner = (wanted.payer, wanted.identifier)
        given = _given_values(wanted)
        statements = [
            Statement(_CLAIM, given),
            Statement(_CLAIM_AGAIN, given),
            Statement(_OF_OTHERS, (holder, name, *owner)),
        ]
        if wanted.identifier is not None:
            statements.insert(0, Statement(_FREE_IDENTIFIER, (*owner, name)))
        *_, claimed, again, others = await self.execute(*statements)
        if claimed or again:
            return wanted._replace(attempt=int((claimed or again)[0]["attempt"] or 0))
        # Without either, the confirmation of an earlier attempt was lost.
        return read_row(others[0]) if others else await self.find(wanted.payment_id)

    async def take_over(self, row: PaymentRow, request_id: str, facilitator: str) -> PaymentRow:
        """Give a payment that is due to a request, which may then settle and serve it.

        `facilitator` has verified it now; it does not matter for a settled payment. Returns the
        row in the ledger, which has this request as `holder` if that succeeded.
        """
        is_free = f"holder <> ? AND served = 0 AND {_IS_FREE}"
        await self.execute(
            Statement(
                "UPDATE payments SET state = 'pending', reason = '', holder = ?,"  # noqa: S608
                f" due_ms = {_CLAIM_UNTIL}, changed_at_ms = {NOW}, request_id = ?,"
                " facilitator = ? WHERE payment_id = ? AND attempt = ?"
                f" AND state IN ('claimed', 'pending') AND {is_free}",
                (request_id, request_id, facilitator, row.payment_id, row.attempt, request_id),
            ),
            Statement(
                f"UPDATE payments SET reason = '', holder = ?, due_ms = {_CLAIM_UNTIL}"  # noqa: S608
                f" WHERE payment_id = ? AND state = 'settled' AND {is_free}",
                (request_id, row.payment_id, request_id),
            ),
        )
        return await self.find(row.payment_id) or row

    async def fix_amount(self, row: PaymentRow, charge: Charge) -> bool:
        """Record how much of a payment with an open amount its holder has settled, before it does.

        False if another request has taken it over, which then decides.
        """
        return await self._change(
            row,
            "signed_amount = amount, amount = ?, amount_micros = ?",
            charge,
            "state IN ('claimed', 'pending') AND holder = ? AND signed_amount IS NULL",
            (row.holder,),
            lambda found: (
                (found.holder, found.amount) == (row.holder, charge.amount)
                and found.signed_amount is not None
            ),
        )

    async def record_settlement(self, final: PaymentRow) -> bool:
        """Record that the holder settled a payment, and is about to send its response.

        `final` is the new row. False if the payment was taken over in the meantime: the response
        must not be sent. If true, the holder has the payment for `SERVE_LEASE_MS` more.
        """
        return await self._change(
            final,
            f"{_SETTLE}, due_ms = {NOW} + {constants.SERVE_LEASE_MS}",
            _settlement_values(final),
            "state IN ('claimed', 'pending') AND holder = ?",
            (final.holder,),
            lambda row: row.usage_batch == final.usage_batch,
        )

    async def record_proof(self, final: PaymentRow) -> bool:
        """Record proof that a payment was settled, with any holder; False if it is final.

        `final` is the new row. The payment admits one request.
        """
        return await self._change(
            final,
            _SETTLE,
            _settlement_values(final),
            # The holder may have fixed the amount since the row was read.
            "state IN ('claimed', 'pending') AND amount = ?",
            (final.amount,),
            lambda row: row.usage_batch == final.usage_batch,
        )

    async def keep(self, row: PaymentRow) -> bool:
        """Keep a settled payment for `SERVE_LEASE_MS`, right before its response is sent.

        False if another request has taken it over: the response must not be sent.
        """
        return await self._change(
            row,
            f"due_ms = {NOW} + {constants.SERVE_LEASE_MS}",
            (),
            "state = 'settled' AND served = 0 AND holder = ?",
            (row.holder,),
            lambda found: found.holder == row.holder,
        )

    async def mark_served(self, rows: Iterable[PaymentRow], reconciled: Collection[str]) -> None:
        """Record that responses were sent, and which payments their shards acknowledged, by id."""
        now_ms = self._clock.now_ms()
        given = [
            (row.payment_id, row.holder, now_ms if row.payment_id in reconciled else None)
            for row in rows
        ]
        await self.execute(Statement(_MARK_SERVED, (json.dumps(given),)))

    async def mark_reconciled(self, payment_ids: Sequence[str]) -> None:
        """Record that the usage log has these settled payments."""
        sql = (
            "UPDATE payments SET reconciled_at_ms = ?1, reason = '', due_ms = CASE"  # noqa: S608
            f" WHEN served = 1 THEN {_SERVED_ARCHIVED_AT} WHEN due_ms > {NOW} THEN due_ms END"
            " WHERE payment_id IN (SELECT value FROM json_each(?2))"
            " AND state = 'settled' AND reconciled_at_ms IS NULL"
        )
        if payment_ids:
            values = (self._clock.now_ms(), json.dumps(list(payment_ids)))
            await self.execute(Statement(sql, values))

    async def mark_failed(self, row: PaymentRow, reason: str) -> bool:
        """Record that its first holder released a payment, or that it was refused.

        Only that request may do so, because only it can have had it settled. False if another
        request has taken it over.
        """
        return await self._fail(
            row, reason, "state IN ('claimed', 'pending') AND holder = ?", (row.holder,)
        )

    async def mark_void(self, row: PaymentRow, reason: str) -> bool:
        """Record proof that an unresolved payment was not settled and never will be."""
        return await self._fail(row, reason, "state IN ('claimed', 'pending')", ())

    async def release(
        self, row: PaymentRow, reason: str, transaction: str, pause_ms: int, *, was_asked: bool
    ) -> None:
        """Let a holder give up a payment without a known outcome, or a settled one unserved.

        Nothing happens to it for `pause_ms`; the settled one is free at once.
        """
        sql = (
            "UPDATE payments SET state = 'pending', reason = ?, asked = asked + ?,"  # noqa: S608
            " transaction_id = CASE ? WHEN '' THEN transaction_id ELSE ? END,"
            f" changed_at_ms = {NOW}, due_ms = {NOW} + ?"
            " WHERE payment_id = ? AND holder = ? AND state IN ('claimed', 'pending')"
        )
        free = (
            "UPDATE payments SET"  # noqa: S608
            f" due_ms = CASE WHEN reconciled_at_ms IS NULL THEN {NOW} END"
            " WHERE payment_id = ? AND holder = ? AND state = 'settled' AND served = 0"
        )
        key = (row.payment_id, row.holder)
        values = (reason, int(was_asked), transaction, transaction, pause_ms, *key)
        await self.execute(Statement(free, key), Statement(sql, values))

    async def defer(self, row: PaymentRow, reason: str, pause_ms: int) -> None:
        """Let cron look at a payment that is due again after `pause_ms`, and note why.

        A claim becomes pending: its holder may have asked a facilitator to settle it.
        """
        sql = (
            "UPDATE payments SET reason = ?,"  # noqa: S608
            " state = CASE state WHEN 'claimed' THEN 'pending' ELSE state END,"
            f" changed_at_ms = {NOW}, due_ms = {NOW} + ?"
            f" WHERE payment_id = ? AND attempt = ? AND {_IS_FREE} AND is_done = 0"
        )
        await self.execute(Statement(sql, (reason, pause_ms, row.payment_id, row.attempt)))

    async def free_unserved(self, row: PaymentRow) -> None:
        """Leave a settled payment whose holder did not serve it to its payer alone."""
        sql = (
            "UPDATE payments SET due_ms = NULL WHERE payment_id = ? AND holder = ?"  # noqa: S608
            f" AND served = 0 AND reconciled_at_ms IS NOT NULL AND due_ms <= {NOW}"
        )
        await self.execute(Statement(sql, (row.payment_id, row.holder)))

    async def due(self, limit: int) -> Sequence[PaymentRow]:
        """List payments that are not finished and due, the longest due first."""
        sql = f"{ROW} WHERE is_done = 0 AND due_ms <= {NOW} ORDER BY due_ms LIMIT ?"
        (rows,) = await self.execute(Statement(sql, (limit,)))
        return [read_row(row) for row in rows]

    async def execute(self, *statements: Statement) -> Sequence[Sequence[Row]]:
        """Run a transaction, up to three times; it must be one that may run twice."""
        for last in (*[False] * (_ATTEMPTS - 1), True):
            try:
                return await self._database.execute(*statements)
            except DatabaseUnavailable:
                if last:
                    raise
                await self._clock.sleep_ms(_PAUSE_MS)
        raise AssertionError

    async def _fail(self, row: PaymentRow, reason: str, where: str, values: Sequence[str]) -> bool:
        return await self._change(
            row,
            f"state = 'failed', proof = NULL, reason = ?, due_ms = {_ARCHIVED_AT}",
            (reason,),
            where,
            values,
            lambda found: found.state is PaymentState.FAILED and found.reason == reason,
        )

    async def _change(
        self,
        row: PaymentRow,
        change: str,
        values: Sequence[str | int | None],
        where: str,
        wanted: Sequence[str],
        is_made: Callable[[PaymentRow], bool],
    ) -> bool:
        """Change a row of this attempt; `is_made` recognizes that an earlier try did so."""
        sql = (
            f"UPDATE payments SET changed_at_ms = {NOW}, {change}"  # noqa: S608
            f" WHERE payment_id = ? AND attempt = ? AND {where} RETURNING attempt"
        )
        key = (row.payment_id, row.attempt)
        (changed,) = await self.execute(Statement(sql, (*values, *key, *wanted)))
        if changed:
            return True
        found = await self.find(row.payment_id)
        return found is not None and found.attempt == row.attempt and is_made(found)


def _settlement_values(final: PaymentRow) -> Sequence[str | int | None]:
    return (
        final.request_id,
        final.transaction_id,
        final.facilitator,
        final.settled_at_ms,
        final.usage_batch,
    )

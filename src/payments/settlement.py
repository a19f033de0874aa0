"""A settled payment in the usage log: one batch with its settlement event and its usage event.

The batch is stored in the payment's row, which is the outbox: it is sent until the payment's shard
acknowledges it. The shard counts a payment once, so it may be sent again at any time.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from core import constants
from core.errors import BatchRefused, DatabaseUnavailable, ShardUnavailable
from core.logs import fields
from core.ports import Background, Clock, UsageShards
from metering.batches import Batch, decode_batch, encode_batch
from metering.events import Api, UsageEvent
from metering.settlements import SettlementEvent
from payments.ledger import Ledger
from payments.models import PaymentRow, Settlement, payment_fields
from usage import append

_LOGGER = logging.getLogger(__name__)
_ATTEMPTS = 3
_PAUSE_MS = 1_000
_GROUP_MAX = 100
"""Payments that are sent and recorded together."""

_LEASE_MS = 2 * constants.SHARD_TIMEOUT_MS
"""Without progress for this long, publishing counts as ended; the next payment begins it again."""

_DEADLINE_MS = 10_000
"""After this time the next payment begins it: the runtime ends background work after 30 s."""

LATE_REVENUE = "settled_later"
"""The outcome of an event with the revenue of a request that ended before it was settled."""


@dataclass(slots=True)
class Outbox:
    """The settled payments of one isolate whose responses were sent.

    They are recorded as served, and sent to the usage log. While some are on their way, others
    wait, and follow together: in one call of their shard, and one statement.
    """

    ledger: Ledger
    shards: UsageShards
    clock: Clock
    _waiting: list[Settlement] = field(default_factory=list)
    _lease_ms: int = 0

    def add(self, settlement: Settlement, background: Background) -> None:
        """Add a payment whose response is sent, to be published in the background.

        If the log does not acknowledge it, cron sends it again.
        """
        self._waiting.append(settlement)
        now_ms = self.clock.now_ms()
        # The clock may have been set back since.
        if not 0 < self._lease_ms - now_ms <= _LEASE_MS:
            self._lease_ms = now_ms + _LEASE_MS
            background.run(self._publish_all())

    async def _publish_all(self) -> None:
        """Publish what waits, until nothing does. Several calls at once share the work."""
        deadline_ms = self.clock.now_ms() + _DEADLINE_MS
        unsent: list[PaymentRow] = []
        while self._waiting:
            now_ms = self.clock.now_ms()
            self._lease_ms = now_ms + _LEASE_MS if now_ms < deadline_ms else 0
            group, self._waiting = self._waiting[:_GROUP_MAX], self._waiting[_GROUP_MAX:]
            unsent += await self._publish(group)
        self._lease_ms = 0
        if unsent:
            try:
                await self.ledger.mark_reconciled(await self.send(unsent))
            except DatabaseUnavailable as error:
                _LOGGER.warning("response_not_in_ledger", extra=payment_fields(unsent[0], error))

    async def send(self, rows: Sequence[PaymentRow]) -> Sequence[str]:
        """Send payments with up to three attempts each; return the ids of those that arrived."""
        sent: list[str] = []
        for attempt in range(_ATTEMPTS):
            if attempt:
                await self.clock.sleep_ms(_PAUSE_MS)
            sent += await send(self.shards, [row for row in rows if row.payment_id not in sent])
            if len(sent) == len(rows):
                break
        return sent

    async def _publish(self, group: Sequence[Settlement]) -> Iterable[PaymentRow]:
        """Publish some payments; return those that their shard did not acknowledge."""
        rows = [one.row for one in group]
        new = [one.row for one in group if one.is_new]
        sent = await send(self.shards, new)
        try:
            await self.ledger.mark_served(rows, sent)
        except DatabaseUnavailable as error:
            for row in rows:
                _LOGGER.warning("response_not_in_ledger", extra=payment_fields(row, error))
        return [row for row in new if row.payment_id not in sent]


async def send(shards: UsageShards, rows: Iterable[PaymentRow]) -> Collection[str]:
    """Append settled payments to the usage log; return the ids of those that their shards have."""
    by_shard: dict[int, dict[str, str]] = {}
    for row in rows:
        assert row.usage_batch is not None
        by_shard.setdefault(row.shard, {})[row.payment_id] = row.usage_batch
    sent: set[str] = set()
    for shard, batches in by_shard.items():
        try:
            await append(shards, shard, *batches.values())
            sent.update(batches)
        except (ShardUnavailable, BatchRefused) as error:
            for payment_id in batches:
                _LOGGER.warning(
                    "settlement_not_sent", extra=fields(payment=payment_id, cause=str(error))
                )
    return sent


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

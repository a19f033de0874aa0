"""Resolves payments whose lease has expired.

The sources of proof, in this order: the settlement event that a dying request left in the
usage log, the chain, and another settle call. A payment that none of them proves stays pending.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace

from core import constants
from core.errors import BatchRefused, BindingMissing, ShardUnavailable
from core.ports import Clock, Environment, UsageShards
from metering.settlements import SettlementEvent, settlement_from
from payments.chain.authorizations import AuthorizationState, Chain
from payments.facilitator import Facilitators, Outcome
from payments.facilitator_settings import facilitator_urls
from payments.ledger import ABANDONED, Ledger, SettlementRecord
from payments.models import PaymentRow, PaymentState, payment_fields
from payments.settlement import encode_payment, late_revenue_event, send

LOG_UNAVAILABLE = "usage_log_unavailable"
"""The reason of a payment whose shard did not say whether it has the settlement event."""

NEVER_SETTLED = "expired"
"""The reason of a payment whose authorization is void on the chain."""

_LOGGER = logging.getLogger(__name__)
_SAME_TIME_MAX = 1_000
"""Payments that are claimed in the same millisecond."""

_PAUSE_MS = 45_000
"""Less than a minute, so that each cron run makes an attempt before the payment expires."""


@dataclass(frozen=True, slots=True)
class PendingResolver:
    """Resolves pending payments as far as there is proof."""

    ledger: Ledger
    facilitators: Facilitators
    chain: Chain
    shards: UsageShards
    clock: Clock

    async def resolve(self, row: PaymentRow, by: str) -> PaymentRow:
        """Resolve a payment whose lease has expired, and return its new row.

        `by` is a unique name for this change of the ledger. Raises `DatabaseUnavailable`.
        """
        if row.state is PaymentState.CLAIMED:
            # No facilitator was asked, so nothing was charged. If the request is still
            # running, it finds its claim failed and stops.
            await self.ledger.mark_failed(row, f"{by}/abandon", ABANDONED)
        elif row.state is PaymentState.PENDING and await self.ledger.take_over(row, f"{by}/ask"):
            await self._resolve_pending(row, by)
        return await self.ledger.find(row.payment_id) or row

    async def send(self, row: PaymentRow) -> bool:
        """Send a settled payment to the usage log; return whether its shard has it."""
        try:
            await send(self.shards, row)
        except (ShardUnavailable, BatchRefused) as error:
            _LOGGER.warning("settlement_not_sent", extra=payment_fields(row, error))
            return False
        return True

    async def _resolve_pending(self, row: PaymentRow, by: str) -> None:
        try:
            event = await self._event_in_log(row)
        except ShardUnavailable:
            # With another proof, the ledger could differ from an event that is in the log.
            await self._defer(row, by, LOG_UNAVAILABLE, row.transaction_id)
            return
        if event is not None:
            at_ms, facilitator = event.settled_at_ms, event.facilitator
            await self._settle(row, by, event.transaction, facilitator, at_ms)
            return
        proof = await self.chain.query(row)
        if proof.state is AuthorizationState.MOVED:
            await self._settle(row, by, proof.transaction, row.facilitator)
            return
        if proof.state is AuthorizationState.VOID:
            await self.ledger.mark_failed(row, f"{by}/void", NEVER_SETTLED)
            return
        if row.valid_before_ms <= self.clock.now_ms():
            # A facilitator rejects an expired authorization whether it was used or not.
            await self._defer(row, by, "outcome_unknown", row.transaction_id)
            return
        assert row.proof is not None
        result = await self.facilitators.settle(json.loads(row.proof), self._next_facilitator(row))
        if result.outcome is Outcome.SETTLED:
            await self._settle(row, by, result.transaction, result.facilitator)
            return
        # A refusal of this call does not tell the outcome of the earlier one.
        transaction = result.transaction or row.transaction_id
        await self._defer(row, by, result.reason, transaction)

    async def _event_in_log(self, row: PaymentRow) -> SettlementEvent | None:
        at_ms = row.claimed_at_ms
        request = {"before": [at_ms + 1, ""], "since": at_ms, "limit": _SAME_TIME_MAX}
        found = json.loads(await self.shards.call(row.shard, "settlements", json.dumps(request)))
        events = [settlement_from(fields) for fields in found]
        return next((event for event in events if event.payment_id == row.payment_id), None)

    def _next_facilitator(self, row: PaymentRow) -> str:
        """Choose the facilitator of the first call, and for further attempts each in turn."""
        urls = facilitator_urls(self.facilitators.environment)
        known = row.facilitator in urls
        start = urls.index(row.facilitator) if known else 0
        return urls[(start + max(0, row.asked - 1)) % len(urls)]

    async def _settle(
        self,
        row: PaymentRow,
        by: str,
        transaction: str,
        facilitator: str,
        at_ms: int | None = None,
    ) -> None:
        final = replace(
            row,
            transaction_id=transaction,
            facilitator=facilitator,
            settled_at_ms=self.clock.now_ms() if at_ms is None else at_ms,
        )
        assert final.settled_at_ms is not None
        batch = encode_payment(final, late_revenue_event(final))
        settled = SettlementRecord(
            transaction, facilitator, final.settled_at_ms, batch, served=False
        )
        if not await self.ledger.mark_settled(row, f"{by}/settle", settled):
            return
        _LOGGER.info("pending_payment_settled", extra=payment_fields(row))
        if await self.send(replace(final, usage_batch=batch)):
            await self.ledger.mark_reconciled([row.payment_id])

    async def _defer(self, row: PaymentRow, by: str, reason: str, transaction: str) -> None:
        pause_ms = _PAUSE_MS
        # The block that proves an authorization unused may be visible only after a while.
        if row.valid_before_ms + 2 * constants.EXPIRY_MARGIN_MS < self.clock.now_ms():
            pause_ms = min(_PAUSE_MS * 2 ** min(row.asked, 10), constants.PENDING_BACKOFF_MS_MAX)
        await self.ledger.defer(row, f"{by}/leave", reason, transaction, pause_ms)
        _LOGGER.warning("payment_still_pending", extra=payment_fields(row, reason))


def resolver_of(environment: Environment, clock: Clock) -> PendingResolver:
    """Make a resolver with this deployment's bindings. Raises `BindingMissing`."""
    database, shards = environment.control_database, environment.usage_shards
    if database is None:
        raise BindingMissing("CONTROL_DB")
    if shards is None:
        raise BindingMissing("USAGE_SHARD")
    facilitators = Facilitators(environment, clock)
    return PendingResolver(
        Ledger(database, clock), facilitators, Chain(environment, clock), shards, clock
    )

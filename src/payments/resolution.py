"""Proves what became of payments whose holder did not say so.

The sources of proof, in this order: the settlement event that a dying request left in the
usage log, and the chain. Nothing is settled here: only a request that presents the payment may
have it settled. A payment that nothing proves stays pending.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

from core import constants
from core.errors import BindingMissing, ShardUnavailable
from core.ports import Clock, Environment, UsageShards
from metering.settlements import SettlementEvent, settlement_from
from payments.archive import Archive
from payments.chain.outcome import AuthorizationState
from payments.chain.queries import Chain
from payments.ledger import UNKNOWN, Ledger
from payments.models import PaymentRow, PaymentState, payment_fields
from payments.settlement import encode_payment, late_revenue_event, send

LOG_UNAVAILABLE = "usage_log_unavailable"
"""The reason of a payment whose shard did not say whether it has the settlement event."""

NOT_VALID = "not_valid_now"
"""The reason of a payment of which nothing is proven, and that no facilitator verified again."""

NEVER_SETTLED = "expired"
"""The reason of a payment whose authorization is void on the chain."""

_LOGGER = logging.getLogger(__name__)
_SAME_TIME_MAX = 1_000
"""Payments that are claimed in the same millisecond."""

_PAUSE_MS = 45_000
"""Less than a minute, so that each cron run makes an attempt before the payment expires."""


@dataclass(frozen=True, slots=True)
class PendingResolver:
    """Resolves claimed and pending payments that are due, as far as there is proof."""

    ledger: Ledger
    archive: Archive
    chain: Chain
    shards: UsageShards
    clock: Clock

    async def prove(self, row: PaymentRow) -> str:
        """Record proof of a payment's outcome in the ledger, if there is any.

        Returns the reason why there is none, or an empty string. Raises `DatabaseUnavailable`.
        """
        try:
            event = await self._event_in_log(row)
        except ShardUnavailable:
            # With another proof, the ledger could differ from an event that is in the log.
            return LOG_UNAVAILABLE
        if event is not None:
            row = row._replace(request_id=event.request_id)
            await self.settle(row, event.transaction, event.facilitator, event.settled_at_ms)
            return ""
        proof = await self.chain.query(row)
        if proof.state is AuthorizationState.MOVED:
            await self.settle(row, proof.transaction, row.facilitator, self.clock.now_ms())
        elif proof.state is AuthorizationState.VOID:
            await self.ledger.mark_void(row, NEVER_SETTLED)
        else:
            return UNKNOWN
        return ""

    async def settle(self, row: PaymentRow, transaction: str, facilitator: str, at_ms: int) -> None:
        """Record a settlement whose request was not served, and send it to the usage log.

        `at_ms` is when it was settled, in milliseconds since 1970. Raises `DatabaseUnavailable`.
        """
        final = row._replace(
            transaction_id=transaction, facilitator=facilitator, settled_at_ms=at_ms
        )
        final = final._replace(usage_batch=encode_payment(final, late_revenue_event(final)))
        if not await self.ledger.record_proof(final):
            return
        _LOGGER.info("pending_payment_settled", extra=payment_fields(row))
        if await self.send(final):
            await self.ledger.mark_reconciled([row.payment_id])

    async def defer(self, row: PaymentRow, reason: str) -> None:
        """Note why a payment is not resolved, and when to look at it again."""
        pause_ms = _PAUSE_MS
        # The block that proves an authorization unused may be visible only after a while.
        end_ms = row.valid_before_ms + 2 * constants.EXPIRY_MARGIN_MS
        expired_ms = self.clock.now_ms() - end_ms
        if expired_ms > 0 and row.state is not PaymentState.SETTLED:
            pause_ms = min(max(_PAUSE_MS, expired_ms // 2), constants.PENDING_BACKOFF_MS_MAX)
        await self.ledger.defer(row, reason, pause_ms)
        _LOGGER.warning("payment_still_pending", extra=payment_fields(row, reason))

    async def send(self, row: PaymentRow) -> bool:
        """Send a settled payment to the usage log; return whether its shard has it."""
        return bool(await send(self.shards, [row]))

    async def _event_in_log(self, row: PaymentRow) -> SettlementEvent | None:
        at_ms = row.claimed_at_ms
        request = {"before": [at_ms + 1, ""], "since": at_ms, "limit": _SAME_TIME_MAX}
        found = json.loads(await self.shards.call(row.shard, "settlements", json.dumps(request)))
        events = [settlement_from(fields) for fields in found]
        return next((event for event in events if event.payment_id == row.payment_id), None)


def resolver_of(environment: Environment, clock: Clock) -> PendingResolver:
    """Make a resolver with this deployment's bindings. Raises `BindingMissing`."""
    database, shards = environment.control_database, environment.usage_shards
    store = environment.usage_store
    if database is None:
        raise BindingMissing("CONTROL_DB")
    if shards is None:
        raise BindingMissing("USAGE_SHARD")
    if store is None:
        raise BindingMissing("USAGE_KV")
    ledger, archive = Ledger(database, clock), Archive(database, store, clock)
    chain = Chain(environment, clock)
    return PendingResolver(ledger, archive, chain, shards, clock)

"""Finds out what became of payments that nobody works on any more.

Owns the order of evidence: the settlement event that a dying request left in
KV, then the chain, then the facilitator, asked again. Whatever none of them
proves stays pending. Refuses to answer requests.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

from core import constants, keys
from core.errors import BindingMissing, StoreUnavailable
from core.ports import Clock, Environment, KeyValueStore
from metering.settlements import SettlementEvent, read_settlements
from payments.chain import AuthorizationState, Chain
from payments.facilitator import Facilitators, Outcome
from payments.ledger import ABANDONED, Ledger, Settled
from payments.models import PaymentRow, PaymentState, payment_fields
from payments.requirements import facilitator_urls
from payments.settlement import late_revenue, publish, revenue_batch

NEVER_SETTLED = "expired"
"""The reason of a payment whose authorization is void on the chain."""

_LOGGER = logging.getLogger(__name__)
_PAUSE_MS = 45_000
"""Less than a minute, so that each run of cron asks while an answer can still be had."""


@dataclass(frozen=True, slots=True)
class PendingResolver:
    """Moves left-over payments on, as far as there is proof."""

    ledger: Ledger
    facilitators: Facilitators
    chain: Chain
    store: KeyValueStore
    clock: Clock

    async def resolve(self, row: PaymentRow, by: str) -> PaymentRow:
        """Move a payment on whose lease is over; returns it as it is then.

        `by` is the name of whoever does it, used by nobody else. Raises
        `DatabaseUnavailable`.
        """
        if row.state is PaymentState.CLAIMED:
            # No facilitator was asked, so nothing was charged; a request that comes
            # back from the dead finds its claim gone and stops.
            await self.ledger.mark_failed(row, f"{by}/abandon", ABANDONED)
        elif row.state is PaymentState.PENDING and await self.ledger.ask_again(row, f"{by}/ask"):
            await self._resolve_pending(row, by)
        return await self.ledger.find(row.payment_id) or row

    async def _resolve_pending(self, row: PaymentRow, by: str) -> None:
        event = await self._event_in_store(row)
        if event is not None:
            at_ms, facilitator = event.settled_at_ms, event.facilitator
            await self._settle(row, by, event.transaction, facilitator, at_ms)
            return
        evidence = await self.chain.look(row)
        if evidence.fate is AuthorizationState.MOVED:
            await self._settle(row, by, evidence.transaction, row.facilitator)
            return
        if evidence.fate is AuthorizationState.VOID:
            await self.ledger.mark_failed(row, f"{by}/void", NEVER_SETTLED)
            return
        if row.valid_before_ms <= self.clock.now_ms():
            # A facilitator says of an expired authorization that it is expired, used or not.
            await self._leave(row, by, "outcome_unknown", row.transaction_id)
            return
        assert row.proof is not None
        settling = await self.facilitators.settle(json.loads(row.proof), self._whom_to_ask(row))
        if settling.outcome is Outcome.SETTLED:
            await self._settle(row, by, settling.transaction, settling.facilitator)
            return
        # It was asked before, so a refusal now does not tell what became of that first time.
        transaction = settling.transaction or row.transaction_id
        await self._leave(row, by, settling.reason, transaction)

    async def _event_in_store(self, row: PaymentRow) -> SettlementEvent | None:
        try:
            events, _ = await read_settlements(
                self.store, [keys.settlement(row.claimed_at_ms, row.payment_id)]
            )
        except StoreUnavailable:
            return None
        return events[0] if events else None

    def _whom_to_ask(self, row: PaymentRow) -> str:
        """Ask whoever was asked first, then, when that leads nowhere, each in turn."""
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
        settled_at_ms = self.clock.now_ms() if at_ms is None else at_ms
        batch = revenue_batch(late_revenue(row, settled_at_ms))
        settled = Settled(transaction, facilitator, settled_at_ms, batch, served=False)
        if not await self.ledger.mark_settled(row, f"{by}/settle", settled):
            return
        _LOGGER.info("payment_turned_out_settled", extra=payment_fields(row))
        final = await self.ledger.find(row.payment_id)
        assert final is not None
        try:
            await publish(self.store, self.clock, final)
        except StoreUnavailable as error:
            _LOGGER.warning("payment_waits_for_cron", extra=payment_fields(row, str(error)))

    async def _leave(self, row: PaymentRow, by: str, reason: str, transaction: str) -> None:
        pause_ms = _PAUSE_MS
        # The block that proves an authorization unused may be seen a while after it was made.
        if row.valid_before_ms + 2 * constants.EXPIRY_MARGIN_MS < self.clock.now_ms():
            pause_ms = min(_PAUSE_MS * 2 ** min(row.asked, 10), constants.PENDING_BACKOFF_MS_MAX)
        await self.ledger.leave_pending(row, f"{by}/leave", reason, transaction, pause_ms)
        _LOGGER.warning("payment_stays_pending", extra=payment_fields(row, reason))


def resolver_of(environment: Environment, clock: Clock) -> PendingResolver:
    """Put a resolver together on this deployment's bindings. Raises `BindingMissing`."""
    database, store = environment.control_database, environment.usage_store
    if database is None:
        raise BindingMissing("CONTROL_DB")
    if store is None:
        raise BindingMissing("USAGE_KV")
    facilitators = Facilitators(environment, clock)
    return PendingResolver(
        Ledger(database, clock), facilitators, Chain(environment, clock), store, clock
    )

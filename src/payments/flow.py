"""A paid request's money: asked for, verified, claimed, settled, and written down.

Owns the order of these steps for one request (CONTRACT, "Payment") and what is
said when one of them fails. Each step leaves the ledger in a state from which
`resolution` goes on, should the isolate die right after it. Refuses to know
scripts: between `admit` and `settle` the dispatcher lets one answer.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from core import constants
from core.errors import DatabaseUnavailable, LedgerOutage, StoreUnavailable
from core.logs import fields
from core.ports import Clock, KeyValueStore
from metering.events import UsageEvent
from metering.settlements import put_settlement
from payments.errors import (
    FacilitatorUnavailable,
    PaymentAlreadyUsed,
    PaymentFailed,
    PaymentInProgress,
    PaymentInvalid,
    PaymentRequired,
)
from payments.facilitator import (
    SETTLEMENT_PENDING,
    Facilitators,
    NoFacilitator,
    Outcome,
    SettleResult,
)
from payments.ledger import ABANDONED, Ledger, Settled
from payments.models import (
    AlreadyServed,
    Claim,
    PaymentRequest,
    PaymentRow,
    PaymentState,
    Settlement,
    new_payment_row,
    payment_fields,
)
from payments.payload import InvalidPayload, PaymentPayload, read_payment
from payments.resolution import PendingResolver
from payments.responses import PaymentErrors, response_headers
from payments.settlement import (
    publish,
    read_revenue_batch,
    revenue_batch,
    revenue_key,
    settlement_of,
)
from usage import UsageRecorder

_LOGGER = logging.getLogger(__name__)
_POLL_MS = 250
_PUT_TRIES = 3
_PUT_PAUSE_MS = 300


@dataclass(slots=True)
class Payments:
    """Takes the payments of one isolate."""

    clock: Clock
    log: UsageRecorder
    facilitators: Facilitators
    resolver: PendingResolver
    _moves: int = field(default=0)

    async def claim(self, order: PaymentRequest) -> Claim | AlreadyServed:
        """Let a request through that brings a good payment of its own.

        Raises `PaymentError` when it does not, `ConfigurationError`,
        `BindingMissing` and `LedgerOutage` when that cannot be told.
        """
        refusals = PaymentErrors(order)
        try:
            payment = read_payment(order.headers, order.offer)
        except InvalidPayload as error:
            raise refusals.offer(PaymentInvalid, error.reason, str(error)) from error
        if payment is None:
            raise refusals.offer(
                PaymentRequired, "payment_required", "This API is paid for by request, with x402."
            )
        try:
            return await self._verify_and_claim(order, payment, refusals)
        except InvalidPayload as error:
            raise refusals.offer(PaymentInvalid, error.reason, str(error)) from error
        except DatabaseUnavailable as error:
            raise LedgerOutage from error

    async def release(self, ticket: Claim, reason: str) -> None:
        """Give a payment back because the request could not be served; it is not charged.

        One that was settled before stays so, and lets another request through.
        """
        try:
            if ticket.is_settled:
                await self._ledger.mark_served(ticket.row, self._name(ticket.order), served=False)
            else:
                await self._ledger.mark_failed(ticket.row, self._name(ticket.order), reason)
        except DatabaseUnavailable as error:
            # The claim runs out by itself; nobody was asked to settle it.
            _LOGGER.warning("payment_not_released", extra=payment_fields(ticket.row, error))

    async def settle(self, ticket: Claim, event: Callable[[int, int], UsageEvent]) -> Settlement:
        """Settle the payment of a request that its script has answered.

        `event` makes the request's usage event of a time in milliseconds and a
        revenue in micro-dollars. When this raises, nothing may be handed out:
        `PaymentFailed` is not charged, `FacilitatorUnavailable` is pending.
        """
        if ticket.is_settled:
            return Settlement(response_headers(ticket.row, ticket.version), is_recorded=False)
        refusals = PaymentErrors(ticket.order)
        row = ticket.row
        try:
            begun = await self._ledger.begin_settling(row, self._name(ticket.order))
        except DatabaseUnavailable as error:
            raise LedgerOutage from error
        if not begun:
            raise refusals.offer(
                PaymentFailed, ABANDONED, "The API took too long. Nothing was charged: pay again."
            )
        row = replace(row, state=PaymentState.PENDING)
        settling = await self._ask(row)
        if settling.outcome is Outcome.SETTLED:
            return await self._settled(ticket, row, settling, event)
        is_noted = await self._note(ticket, row, settling)
        if settling.outcome is Outcome.REFUSED and is_noted:
            raise refusals.failed(row, ticket.version, settling.reason)
        raise refusals.pending(row, ticket.version, settling.transaction)

    async def _verify_and_claim(
        self, order: PaymentRequest, payment: PaymentPayload, refusals: PaymentErrors
    ) -> Claim | AlreadyServed:
        found = await self._known(order, payment, refusals)
        if found is not None:
            return found
        payment.check_time(self.clock.now_ms())
        proof = payment.proof(order.offer, order.resource)
        try:
            verdict = await self.facilitators.verify(proof, payment.payer)
        except NoFacilitator as error:
            _LOGGER.warning(
                "nobody_verifies", extra=fields(requestId=order.request_id, cause=str(error))
            )
            message = "No facilitator answers at the moment. Nothing was charged: try again."
            raise refusals.retry(
                FacilitatorUnavailable, "facilitator_unavailable", message
            ) from None
        if not verdict.is_valid:
            # Whoever presented it at the same time may have settled it since this one looked.
            found = await self._known(order, payment, refusals)
            if found is not None:
                return found
            message = verdict.message or f"The facilitator refuses the payment: {verdict.reason}."
            raise refusals.offer(PaymentInvalid, verdict.reason, message)
        name, now_ms = self._name(order), self.clock.now_ms()
        row = new_payment_row(order, payment, verdict.facilitator, name, now_ms)
        claimed = await self._ledger.claim(row)
        if claimed.changed_by == row.changed_by:
            return Claim(claimed, order, payment.version)
        found = await self._go_on(order, payment, claimed, refusals)
        if found is not None:
            return found
        # What was in the way has failed meanwhile; once more, and no more than that.
        claimed = await self._ledger.claim(row)
        if claimed.changed_by == row.changed_by:
            return Claim(claimed, order, payment.version)
        raise self._in_progress(refusals)

    async def _known(
        self, order: PaymentRequest, payment: PaymentPayload, refusals: PaymentErrors
    ) -> Claim | AlreadyServed | None:
        """Go on with a payment if the ledger knows it; None when it does not, or it has failed."""
        known = await self._ledger.find(payment.payment_id(order.offer))
        # Only who holds the very signature may go on with what is known of a payment.
        if known is None or known.proof_digest != payment.digest:
            return None
        return await self._go_on(order, payment, known, refusals)

    async def _go_on(
        self,
        order: PaymentRequest,
        payment: PaymentPayload,
        row: PaymentRow,
        refusals: PaymentErrors,
    ) -> Claim | AlreadyServed | None:
        """Go on with a payment that the ledger knows; None when it may be claimed again."""
        give_up_ms = self.clock.now_ms() + constants.PAYMENT_WAIT_MS
        while row.state is not PaymentState.FAILED:
            if row.fingerprint != order.fingerprint:
                message = "This payment was presented for another request; sign a new one."
                raise refusals.plain(PaymentAlreadyUsed, "payment_already_used", message)
            if row.state is PaymentState.SETTLED:
                name = self._name(order)
                if not row.served and await self._ledger.mark_served(row, name, served=True):
                    served = replace(row, served=True)
                    return Claim(served, order, payment.version, is_settled=True)
                return AlreadyServed(row, payment.version)
            if row.lease_until_ms <= self.clock.now_ms():
                row = await self.resolver.resolve(row, self._name(order))
                if row.state is PaymentState.PENDING:
                    raise refusals.pending(row, payment.version, row.transaction_id)
                if row.state is not PaymentState.CLAIMED:
                    continue
            if row.state is PaymentState.PENDING and row.reason:
                # It was asked about, and rests; nobody works on it now.
                raise refusals.pending(row, payment.version, row.transaction_id)
            if self.clock.now_ms() >= give_up_ms:
                raise self._in_progress(refusals)
            await self.clock.sleep_ms(_POLL_MS)
            row = await self._ledger.find(row.payment_id) or row
        return None

    async def _ask(self, row: PaymentRow) -> SettleResult:
        assert row.proof is not None
        proof = json.loads(row.proof)
        first = await self.facilitators.settle(proof, row.facilitator)
        if first.reason != SETTLEMENT_PENDING:
            return first
        await self.clock.sleep_ms(constants.SETTLE_RETRY_DELAY_MS)
        second = await self.facilitators.settle(proof, row.facilitator)
        # A refusal now would only say that the first transaction is in its way.
        return second if second.outcome is Outcome.SETTLED else first

    async def _note(self, ticket: Claim, row: PaymentRow, settling: SettleResult) -> bool:
        """Note what is known now; False when the ledger has not taken it."""
        name = self._name(ticket.order)
        try:
            if settling.outcome is Outcome.REFUSED:
                return await self._ledger.mark_refused(row, name, settling.reason)
            pause_ms = constants.PAYMENT_RETRY_SECONDS * 1000
            reason, transaction = settling.reason, settling.transaction
            return await self._ledger.leave_pending(row, name, reason, transaction, pause_ms)
        except DatabaseUnavailable as error:
            # It is pending in the ledger, so somebody will ask again, and may be heard.
            _LOGGER.warning("payment_outcome_not_noted", extra=payment_fields(row, error))
            return False

    async def _settled(
        self,
        ticket: Claim,
        row: PaymentRow,
        settling: SettleResult,
        event: Callable[[int, int], UsageEvent],
    ) -> Settlement:
        at_ms = self.clock.now_ms()
        batch = revenue_batch(event(at_ms, row.amount_micros))
        settled = Settled(settling.transaction, settling.facilitator, at_ms, batch, served=True)
        final = replace(
            row,
            state=PaymentState.SETTLED,
            transaction_id=settling.transaction,
            facilitator=settling.facilitator,
            settled_at_ms=at_ms,
            served=True,
            usage_batch=batch,
        )
        refusals = PaymentErrors(ticket.order)
        try:
            moved = await self._ledger.mark_settled(row, self._name(ticket.order), settled)
        except DatabaseUnavailable as error:
            _LOGGER.exception("payment_settled_unlike_its_row", extra=payment_fields(row, error))
            # Cron mends the ledger by this event. Until then nothing may be handed out:
            # nobody could tell any more whether it was.
            await self._insist(lambda store: put_settlement(store, settlement_of(final)))
            raise refusals.pending(row, ticket.version, settling.transaction) from error
        if not moved:
            # Somebody took it for abandoned and found out the same; what is paid for is due.
            raise self._in_progress(refusals)
        self.log.adopt(revenue_key(final), read_revenue_batch(final))
        if not await self._insist(lambda store: publish(store, self.clock, final)):
            _LOGGER.warning("payment_waits_for_cron", extra=payment_fields(row))
        return Settlement(response_headers(final, ticket.version), is_recorded=True)

    async def _insist(self, put: Callable[[KeyValueStore], Awaitable[None]]) -> bool:
        """Put, again if need be; tell whether KV took it."""
        for _ in range(_PUT_TRIES):
            try:
                await put(self.resolver.store)
            except StoreUnavailable:
                await self.clock.sleep_ms(_PUT_PAUSE_MS)
            else:
                return True
        return False

    def _in_progress(self, refusals: PaymentErrors) -> Exception:
        message = "Another request with this payment is under way: try again."
        return refusals.retry(PaymentInProgress, "payment_in_progress", message)

    def _name(self, order: PaymentRequest) -> str:
        """Make a name for one move in the ledger, used by nobody else."""
        self._moves += 1
        return f"{order.request_id}/{self._moves}"

    @property
    def _ledger(self) -> Ledger:
        return self.resolver.ledger

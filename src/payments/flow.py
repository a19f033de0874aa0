"""The steps of one payment: read, verify, claim, and, after the script responded, settle.

Each step leaves the ledger in a state from which `resolution` can continue if the isolate
dies right after it. The gateway dispatches the request between `claim` and `settle`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from core import constants
from core.errors import DatabaseUnavailable, LedgerOutage
from core.logs import fields
from core.ports import Clock
from metering.events import UsageEvent
from payments.errors import (
    FacilitatorUnavailable,
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
from payments.ledger import ABANDONED, Ledger, SettlementRecord
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
from payments.responses import PaymentErrors, receipt_headers
from payments.settlement import encode_payment, late_revenue_event
from usage import UsageRecorder

_LOGGER = logging.getLogger(__name__)
_POLL_MS = 250
_SEND_ATTEMPTS = 3
_SEND_PAUSE_MS = 1_000


@dataclass(slots=True)
class Payments:
    """The payments of one isolate."""

    clock: Clock
    recorder: UsageRecorder
    facilitators: Facilitators
    resolver: PendingResolver
    _changes: int = field(default=0)

    async def claim(self, request: PaymentRequest) -> Claim | AlreadyServed:
        """Claim the payment that a request presents.

        Raises `PaymentError` if there is no valid payment for this request, and
        `ConfigurationError`, `BindingMissing` or `LedgerOutage` if that cannot be determined.
        """
        errors = PaymentErrors(request)
        try:
            payload = read_payment(request.headers)
            if payload is not None:
                payload.match(request.requirements)
        except InvalidPayload as error:
            raise errors.with_requirements(PaymentInvalid, error.reason, str(error)) from error
        if payload is None:
            raise errors.with_requirements(
                PaymentRequired, "payment_required", "This API is paid per request, with x402."
            )
        try:
            return await self._verify_and_claim(request, payload, errors)
        except InvalidPayload as error:
            raise errors.with_requirements(PaymentInvalid, error.reason, str(error)) from error
        except DatabaseUnavailable as error:
            raise LedgerOutage from error

    async def _verify_and_claim(
        self, request: PaymentRequest, payload: PaymentPayload, errors: PaymentErrors
    ) -> Claim | AlreadyServed:
        resumed = await self._resume_known(request, payload, errors)
        if resumed is not None:
            return resumed
        payload.check_expiry(self.clock.now_ms())
        proof = payload.proof(request.requirements, request.resource)
        try:
            verified = await self.facilitators.verify(proof, payload.payer)
        except NoFacilitator as error:
            _LOGGER.warning(
                "no_facilitator_verified",
                extra=fields(requestId=request.request_id, cause=str(error)),
            )
            message = "No facilitator responds at the moment. Nothing was charged: try again."
            raise errors.retry_soon(
                FacilitatorUnavailable, "facilitator_unavailable", message
            ) from None
        if not verified.is_valid:
            # A concurrent request may have settled the same payment in the meantime.
            resumed = await self._resume_known(request, payload, errors)
            if resumed is not None:
                return resumed
            message = verified.message or f"The facilitator rejects the payment: {verified.reason}."
            raise errors.with_requirements(PaymentInvalid, verified.reason, message)
        row = new_payment_row(
            request,
            payload,
            facilitator=verified.facilitator,
            name=self._change_name(request),
            now_ms=self.clock.now_ms(),
            shard=self.recorder.shard_of(request.tenant.tenant_id),
        )
        claimed = await self._ledger.claim(row)
        if claimed.changed_by == row.changed_by:
            return Claim(claimed, request, payload.version)
        resumed = await self._resume(request, payload, claimed, errors)
        if resumed is not None:
            return resumed
        # The conflicting payment has failed in the meantime. Try once more, and only once.
        claimed = await self._ledger.claim(row)
        if claimed.changed_by == row.changed_by:
            return Claim(claimed, request, payload.version)
        raise _in_progress(errors)

    async def _resume_known(
        self, request: PaymentRequest, payload: PaymentPayload, errors: PaymentErrors
    ) -> Claim | AlreadyServed | None:
        """Resume a payment that is in the ledger; None if it is not there or has failed."""
        known = await self._ledger.find(payload.payment_id(request.requirements.asset))
        # The digest includes the signature, so only its holder can resume the payment.
        if known is None or known.proof_digest != payload.digest:
            return None
        return await self._resume(request, payload, known, errors)

    async def _resume(
        self,
        request: PaymentRequest,
        payload: PaymentPayload,
        row: PaymentRow,
        errors: PaymentErrors,
    ) -> Claim | AlreadyServed | None:
        """Wait until a known payment is final; None if it failed and may be claimed again."""
        give_up_ms = self.clock.now_ms() + constants.PAYMENT_WAIT_MS
        while row.state is not PaymentState.FAILED:
            if row.fingerprint != request.fingerprint:
                raise errors.already_used()
            if row.state is PaymentState.SETTLED:
                name = self._change_name(request)
                if not row.served and await self._ledger.mark_served(row, name, served=True):
                    served = replace(row, served=True)
                    return Claim(served, request, payload.version, is_settled=True)
                return AlreadyServed(row, payload.version)
            if row.lease_until_ms <= self.clock.now_ms():
                row = await self.resolver.resolve(row, self._change_name(request))
                if row.state is PaymentState.PENDING:
                    raise errors.pending(row, payload.version, row.transaction_id)
                if row.state is not PaymentState.CLAIMED:
                    continue
            if row.state is PaymentState.PENDING and row.reason:
                # The last settle call had no result. Nothing happens until the next attempt.
                raise errors.pending(row, payload.version, row.transaction_id)
            if self.clock.now_ms() >= give_up_ms:
                raise _in_progress(errors)
            await self.clock.sleep_ms(_POLL_MS)
            row = await self._ledger.find(row.payment_id) or row
        return None

    async def settle(self, claim: Claim, event: Callable[[int, int], UsageEvent]) -> Settlement:
        """Settle the payment of a request to which the script has responded.

        `event` makes the request's usage event for a time in milliseconds and a revenue in
        micro-dollars. If this raises, the script's response must not be sent. After
        `PaymentFailed` nothing is charged. After `FacilitatorUnavailable`, `PaymentInProgress`
        or `LedgerOutage` the payment may be settled, now or later; if the caller presents it
        again, it is not charged twice.
        """
        if claim.is_settled:
            return Settlement(receipt_headers(claim.row, claim.version), unsent=None)
        errors = PaymentErrors(claim.request)
        row = claim.row
        try:
            begun = await self._ledger.begin_settling(row, self._change_name(claim.request))
        except DatabaseUnavailable as error:
            raise LedgerOutage from error
        if not begun:
            raise errors.with_requirements(
                PaymentFailed, ABANDONED, "The API took too long. Nothing was charged: pay again."
            )
        row = replace(row, state=PaymentState.PENDING)
        result = await self._call_facilitator(row)
        if result.outcome is Outcome.SETTLED:
            return await self._record_settlement(claim, row, result, event)
        is_recorded = await self._record_outcome(claim, row, result)
        if result.outcome is Outcome.REFUSED and is_recorded:
            raise errors.failed(row, claim.version, result.reason)
        raise errors.pending(row, claim.version, result.transaction)

    async def _call_facilitator(self, row: PaymentRow) -> SettleResult:
        assert row.proof is not None
        proof = json.loads(row.proof)
        first = await self.facilitators.settle(proof, row.facilitator)
        if first.reason != SETTLEMENT_PENDING:
            return first
        await self.clock.sleep_ms(constants.SETTLE_RETRY_DELAY_MS)
        second = await self.facilitators.settle(
            proof, row.facilitator, constants.SETTLE_RETRY_TIMEOUT_MS
        )
        # A refusal of the second call may only mean that the first one's transaction succeeded.
        return second if second.outcome is Outcome.SETTLED else first

    async def _record_settlement(
        self,
        claim: Claim,
        row: PaymentRow,
        result: SettleResult,
        event: Callable[[int, int], UsageEvent],
    ) -> Settlement:
        at_ms = self.clock.now_ms()
        final = replace(
            row,
            state=PaymentState.SETTLED,
            transaction_id=result.transaction,
            facilitator=result.facilitator,
            settled_at_ms=at_ms,
            served=True,
        )
        batch = encode_payment(final, event(at_ms, row.amount_micros))
        settled = SettlementRecord(
            result.transaction, result.facilitator, at_ms, batch, served=True
        )
        errors = PaymentErrors(claim.request)
        try:
            moved = await self._ledger.mark_settled(row, self._change_name(claim.request), settled)
        except DatabaseUnavailable as error:
            _LOGGER.exception("settlement_not_in_ledger", extra=payment_fields(row, error))
            # Cron corrects the ledger from this event. The response must not be sent: the ledger
            # does not record the payment as served, so it would admit another request.
            proof = encode_payment(final, late_revenue_event(final))
            await self._send(replace(final, usage_batch=proof))
            raise errors.pending(row, claim.version, result.transaction) from error
        if not moved:
            # The lease had expired, and the resolver settled it. The caller may retry.
            raise _in_progress(errors)
        unsent = replace(final, usage_batch=batch)
        return Settlement(receipt_headers(final, claim.version), unsent)

    async def publish(self, row: PaymentRow) -> None:
        """Send a settled payment to the usage log; if that fails, cron sends it again."""
        if not await self._send(row):
            return
        try:
            await self._ledger.mark_reconciled([row.payment_id])
        except DatabaseUnavailable as error:
            _LOGGER.warning("acknowledgment_not_in_ledger", extra=payment_fields(row, error))

    async def _record_outcome(self, claim: Claim, row: PaymentRow, result: SettleResult) -> bool:
        """Record a settle call that did not settle; False if the ledger did not change."""
        name = self._change_name(claim.request)
        try:
            if result.outcome is Outcome.REFUSED:
                return await self._ledger.mark_refused(row, name, result.reason)
            pause_ms = constants.PAYMENT_RETRY_SECONDS * 1000
            return await self._ledger.defer(row, name, result.reason, result.transaction, pause_ms)
        except DatabaseUnavailable as error:
            # The row stays pending, so the resolver tries again after the lease.
            _LOGGER.warning("payment_outcome_not_recorded", extra=payment_fields(row, error))
            return False

    async def release(self, claim: Claim, reason: str) -> None:
        """Release a payment whose request could not be served; it is not charged.

        A payment that was settled before stays settled and admits another request.
        """
        try:
            name = self._change_name(claim.request)
            if claim.is_settled:
                await self._ledger.mark_served(claim.row, name, served=False)
            else:
                await self._ledger.mark_failed(claim.row, name, reason)
        except DatabaseUnavailable as error:
            # The lease expires, and no facilitator was asked to settle it.
            _LOGGER.warning("payment_not_released", extra=payment_fields(claim.row, error))

    async def _send(self, row: PaymentRow) -> bool:
        """Send a settled payment to the usage log, with up to three attempts."""
        for last in (*[False] * (_SEND_ATTEMPTS - 1), True):
            if await self.resolver.send(row):
                return True
            if not last:
                await self.clock.sleep_ms(_SEND_PAUSE_MS)
        return False

    def _change_name(self, request: PaymentRequest) -> str:
        """Make a unique name for one change of the ledger."""
        self._changes += 1
        return f"{request.request_id}/{self._changes}"

    @property
    def _ledger(self) -> Ledger:
        return self.resolver.ledger


def _in_progress(errors: PaymentErrors) -> PaymentInProgress:
    message = "Another request with this payment is in progress: try again."
    return errors.retry_soon(PaymentInProgress, "payment_in_progress", message)

"""The steps of one payment: verify, claim, and, after the script responded, settle.

The gateway dispatches the request between `claim` and `settle`, and publishes the `outbox` after
the response. docs/payments.md has the states, and what happens if the isolate dies after a step.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from core import constants
from core.errors import DatabaseUnavailable, LedgerOutage, StoreUnavailable
from core.logs import fields
from core.ports import Background, Clock
from metering.events import UsageEvent
from payments.chain.authorization import InvalidPayload
from payments.errors import (
    FacilitatorUnavailable,
    PaymentError,
    PaymentIdentifierRequired,
    PaymentInvalid,
)
from payments.extensions.responses import ExtensionResponses
from payments.facilitator import (
    SETTLEMENT_PENDING,
    Facilitators,
    NoFacilitator,
    Outcome,
    SettleResult,
)
from payments.ledger import UNKNOWN, Ledger
from payments.models import (
    AlreadyServed,
    Charge,
    Claim,
    PaymentRequest,
    PaymentRow,
    PaymentState,
    Settlement,
    new_payment_row,
    payment_fields,
    proof_of,
    settle_proof_of,
)
from payments.payload import PaymentPayload, read_payment
from payments.resolution import LOG_UNAVAILABLE, NOT_VALID, PendingResolver
from payments.responses import PaymentErrors, receipt_headers
from payments.settlement import Outbox, encode_payment, late_revenue_event
from usage import UsageRecorder

_LOGGER = logging.getLogger(__name__)
_POLL_MS = 250
_SENT_WITHIN_MS = 30_000
"""How long recording a settlement may take for the response to be sent nevertheless: less than
`SERVE_LEASE_MS`, so that it can be recorded as sent before others may take it over."""


@dataclass(slots=True)
class Payments:
    """The payments of one isolate."""

    clock: Clock
    recorder: UsageRecorder
    facilitators: Facilitators
    resolver: PendingResolver
    extension_responses: ExtensionResponses
    outbox: Outbox = field(init=False)

    def __post_init__(self) -> None:
        """Create the outbox."""
        self.outbox = Outbox(self.resolver.ledger, self.resolver.shards, self.clock)

    async def claim(self, request: PaymentRequest) -> Claim | AlreadyServed:
        """Claim the payment that a request presents.

        Raises `PaymentError` if there is no valid payment for this request, and
        `ConfigurationError`, `BindingMissing` or `LedgerOutage` if that cannot be determined.
        """
        errors = PaymentErrors(request)
        try:
            payload = read_payment(request.headers)
        except InvalidPayload as error:
            raise errors.with_requirements(PaymentInvalid, error.reason, str(error)) from error
        if payload is None:
            raise errors.unpaid()
        try:
            return await self._verify_and_claim(request, payload, errors)
        except (DatabaseUnavailable, StoreUnavailable) as error:
            raise LedgerOutage from error

    async def _verify_and_claim(
        self, request: PaymentRequest, payload: PaymentPayload, errors: PaymentErrors
    ) -> Claim | AlreadyServed:
        refusal: PaymentError
        facilitator: str | None = ""
        try:
            payload.check_identifier(request.resource)
            terms = payload.match(request.accepts)
            payload.check_expiry(self.clock.now_ms())
            proof = payload.proof(terms, request.resource)
            verified = await self.facilitators.verify(proof)
            self._note(request, verified.facilitator, verified.extensions)
            if verified.is_valid:
                wanted = new_payment_row(
                    request,
                    payload,
                    terms,
                    proof=proof.text,
                    facilitator=verified.facilitator,
                    now_ms=self.clock.now_ms(),
                    shard=self.recorder.shard_of(request.api.tenant_id),
                )
                return await self._claim(request, payload, wanted, errors)
            message = verified.message or f"The facilitator rejects the payment: {verified.reason}."
            refusal = errors.with_requirements(PaymentInvalid, verified.reason, message)
        except InvalidPayload as error:
            is_nameless = error.reason == PaymentIdentifierRequired.code
            kind = PaymentIdentifierRequired if is_nameless else PaymentInvalid
            refusal = errors.with_requirements(kind, error.reason, str(error))
            facilitator = None
        except NoFacilitator as error:
            _LOGGER.warning(
                "no_facilitator_verified",
                extra=fields(requestId=request.request_id, cause=str(error)),
            )
            message = "No facilitator responds at the moment. Nothing was charged: try again."
            refusal = errors.retry_soon(FacilitatorUnavailable, "facilitator_unavailable", message)
        # What it does not meet may be new: a known payment keeps its own terms.
        row = await self.find_known(payload, [one.asset for one in request.accepts])
        if row is None:
            raise refusal
        resumed = await self._resume(request, payload, row, errors, facilitator)
        if resumed is None:
            raise refusal.of(row.payment_id)
        return resumed

    async def find_known(self, payload: PaymentPayload, assets: Sequence[str]) -> PaymentRow | None:
        """Return a presented payment as the ledger or the archive has it; None if unknown.

        `assets` are the tokens that a payment may be in if it names none.
        """
        for payment_id in dict.fromkeys(map(payload.payment_id, assets)):
            row = await self._ledger.find(payment_id)
            if row is None:
                row = await self.resolver.archive.find(payment_id, payload.payer, None)
            # The digest includes the signature, so only its holder can resume the payment.
            if row is not None and row.proof_digest == payload.digest:
                return row
        return None

    async def resume(
        self, request: PaymentRequest, payload: PaymentPayload, row: PaymentRow, *, can_serve: bool
    ) -> Claim | AlreadyServed | None:
        """Resume a known payment of a request that needs none now; None if it failed.

        If the request cannot be served any more, the payment is proven at most, never settled,
        and its receipt is all there is. Raises as `claim` does.
        """
        errors = PaymentErrors(request)
        try:
            if can_serve:
                return await self._resume(request, payload, row, errors, None)
            is_final = row.state in (PaymentState.SETTLED, PaymentState.FAILED)
            if row.is_due and not is_final:
                reason = await self.resolver.prove(row)
                if reason:
                    await self.resolver.defer(row, NOT_VALID if reason == UNKNOWN else reason)
                row = await self._ledger.find(row.payment_id) or row
        except (DatabaseUnavailable, StoreUnavailable) as error:
            raise LedgerOutage from error
        if row.state is PaymentState.FAILED:
            return None
        if row.state is PaymentState.SETTLED:
            return AlreadyServed(row, payload.version)
        raise errors.pending(row, payload.version, row.transaction_id)

    async def _claim(
        self,
        request: PaymentRequest,
        payload: PaymentPayload,
        wanted: PaymentRow,
        errors: PaymentErrors,
    ) -> Claim | AlreadyServed:
        """Claim a verified payment, or resume it if it is known."""
        # A conflicting payment may fail in the meantime. Then try once more, and only once.
        for _ in range(2):
            row = await self._ledger.claim(wanted) or await self.resolver.archive.find(
                wanted.payment_id, payload.payer, payload.identifier
            )
            if row is None:
                continue
            if row.holder == request.request_id:
                return Claim(row, request, payload.version)
            if row.state is PaymentState.FAILED:
                # It is archived, and is not claimed again.
                message = "This payment was presented too long ago: sign a new one."
                refusal = errors.with_requirements(PaymentInvalid, "payment_expired", message)
                raise refusal.of(wanted.payment_id)
            resumed = await self._resume(request, payload, row, errors, wanted.facilitator)
            if resumed is not None:
                return resumed
        raise errors.in_progress(wanted.payment_id)

    async def _resume(
        self,
        request: PaymentRequest,
        payload: PaymentPayload,
        row: PaymentRow,
        errors: PaymentErrors,
        facilitator: str | None,
    ) -> Claim | AlreadyServed | None:
        """Wait for a known payment or take it over; None if it failed and may be claimed again.

        `facilitator` is as for `_take_over`.
        """
        give_up_ms = self.clock.now_ms() + constants.PAYMENT_WAIT_MS
        while row.state is not PaymentState.FAILED:
            if row.fingerprint != request.fingerprint:
                raise errors.already_used(row.payment_id)
            if row.served:
                return AlreadyServed(row, payload.version)
            if row.is_due:
                row = await self._take_over(request, payload, row, errors, facilitator)
                if row.holder == request.request_id:
                    return Claim(row, request, payload.version)
                continue
            if row.state is PaymentState.PENDING and row.reason:
                # It has no holder, and the next attempt is not due yet.
                raise errors.pending(row, payload.version, row.transaction_id)
            if self.clock.now_ms() >= give_up_ms:
                raise errors.in_progress(row.payment_id)
            await self.clock.sleep_ms(_POLL_MS)
            row = await self._ledger.find(row.payment_id) or row
        return None

    async def _take_over(
        self,
        request: PaymentRequest,
        payload: PaymentPayload,
        row: PaymentRow,
        errors: PaymentErrors,
        facilitator: str | None,
    ) -> PaymentRow:
        """Resolve a payment that is due, or take it over if nothing is proven.

        `facilitator` has verified the payment now; it is empty if that failed, and None if the
        payment is still to be verified, by its own terms. Returns the new row.
        """
        if row.state is not PaymentState.SETTLED:
            reason = await self.resolver.prove(row)
            if not reason:
                return await self._ledger.find(row.payment_id) or row
            if facilitator is None and reason != LOG_UNAVAILABLE:
                facilitator = await self._verify_known(row)
            if not facilitator or reason == LOG_UNAVAILABLE:
                await self.resolver.defer(row, NOT_VALID if reason == UNKNOWN else reason)
                raise errors.pending(row, payload.version, row.transaction_id)
        return await self._ledger.take_over(row, request.request_id, facilitator or "")

    async def _verify_known(self, row: PaymentRow) -> str:
        """Verify a pending payment by its own terms; return the facilitator, '' if invalid."""
        if row.valid_before_ms <= self.clock.now_ms():
            return ""
        try:
            verified = await self.facilitators.verify(proof_of(row))
        except NoFacilitator:
            return ""
        return verified.facilitator if verified.is_valid else ""

    async def settle(
        self, claim: Claim, event: Callable[[int, int], UsageEvent], charge: Charge | None = None
    ) -> Settlement:
        """Settle the payment of a request to which the script has responded.

        `charge` is how much of it, if its amount is open. It is recorded before anyone is asked,
        because it must not change then. `event` makes the request's usage event for a time in
        milliseconds and a revenue in micro-dollars. If this raises, the script's response must
        not be sent. After `PaymentFailed` nothing is charged. After `FacilitatorUnavailable`,
        `PaymentInProgress` or `LedgerOutage` the payment may be settled, now or later; if the
        caller presents it again, it is not charged twice.
        """
        errors = PaymentErrors(claim.request)
        row = claim.row
        try:
            if claim.is_settled:
                started_ms = self.clock.now_ms()
                is_kept = await self._ledger.keep(row)
                return self._settlement(claim, row, started_ms, is_new=False, is_own=is_kept)
            if charge is not None:
                if not await self._ledger.fix_amount(row, charge):
                    raise errors.in_progress(row.payment_id)
                row = row._replace(signed_amount=row.amount, **charge._asdict())
                claim = replace(claim, row=row)
        except DatabaseUnavailable as error:
            raise LedgerOutage from error
        result = await self._call_facilitator(row)
        self._note(claim.request, result.facilitator, result.extensions)
        if result.outcome is Outcome.SETTLED:
            return await self._record_settlement(claim, result, event)
        is_recorded = await self._record_outcome(row, result)
        if result.outcome is Outcome.REFUSED and is_recorded:
            raise errors.failed(row, claim.version, result.reason)
        raise errors.pending(row, claim.version, result.transaction)

    def _note(self, request: PaymentRequest, facilitator: str, extensions: str) -> None:
        route = request.resource.route
        self.extension_responses.note(request.api.slug, route, facilitator, extensions)

    def publish(self, settlement: Settlement, background: Background) -> None:
        """Publish a payment, whose response is sent, in the background."""
        self.outbox.add(settlement, background)
        self.extension_responses.send(background)

    def _settlement(
        self, claim: Claim, row: PaymentRow, started_ms: int, *, is_new: bool, is_own: bool
    ) -> Settlement:
        """Return the settlement, unless another request has the payment now, or may have it."""
        took_ms = self.clock.now_ms() - started_ms
        if not is_own or took_ms > _SENT_WITHIN_MS:
            raise PaymentErrors(claim.request).in_progress(row.payment_id)
        return Settlement(receipt_headers(row, claim.version), row, is_new)

    async def _call_facilitator(self, row: PaymentRow) -> SettleResult:
        proof = settle_proof_of(row)
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
        self, claim: Claim, result: SettleResult, event: Callable[[int, int], UsageEvent]
    ) -> Settlement:
        row, at_ms = claim.row, self.clock.now_ms()
        final = row._replace(
            state=PaymentState.SETTLED,
            transaction_id=result.transaction,
            facilitator=result.facilitator,
            settled_at_ms=at_ms,
        )
        batch = encode_payment(final, event(at_ms, row.amount_micros))
        final = final._replace(usage_batch=batch)
        try:
            is_own = await self._ledger.record_settlement(final)
            if not is_own:
                # Another request took it over. That the money moved is known only here.
                await self.resolver.settle(row, result.transaction, result.facilitator, at_ms)
        except DatabaseUnavailable as error:
            _LOGGER.exception("settlement_not_in_ledger", extra=payment_fields(row, error))
            # Cron corrects the ledger from this event. The response must not be sent: the ledger
            # does not record the payment as served, so it would admit another request.
            proof = encode_payment(final, late_revenue_event(final))
            await self.outbox.send([final._replace(usage_batch=proof)])
            errors = PaymentErrors(claim.request)
            raise errors.pending(row, claim.version, result.transaction) from error
        return self._settlement(claim, final, at_ms, is_new=True, is_own=is_own)

    async def _record_outcome(self, row: PaymentRow, result: SettleResult) -> bool:
        """Record a settle call that did not settle; return whether it is known to have failed."""
        try:
            # If anyone else may have had it settled, that may have caused the refusal.
            is_only_call = row.state is PaymentState.CLAIMED
            if result.outcome is Outcome.REFUSED and is_only_call:
                return await self._ledger.mark_failed(row, result.reason)
            pause_ms = constants.PAYMENT_RETRY_SECONDS * 1000
            await self._ledger.release(
                row, result.reason, result.transaction, pause_ms, was_asked=True
            )
        except DatabaseUnavailable as error:
            # The payment is taken over or resolved after the lease.
            _LOGGER.warning("payment_outcome_not_recorded", extra=payment_fields(row, error))
        return False

    async def release(self, claim: Claim, reason: str) -> None:
        """Release a payment whose request is not served; this request does not charge it.

        One that was settled before stays settled, and one that an earlier request may have had
        settled stays pending; both may be presented again.
        """
        row = claim.row
        try:
            if row.state is PaymentState.CLAIMED:
                await self._ledger.mark_failed(row, reason)
            else:
                await self._ledger.release(row, UNKNOWN, "", 0, was_asked=False)
        except DatabaseUnavailable as error:
            _LOGGER.warning("payment_not_released", extra=payment_fields(row, error))

    @property
    def _ledger(self) -> Ledger:
        return self.resolver.ledger

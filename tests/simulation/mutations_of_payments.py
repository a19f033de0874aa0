"""Mutations of payments."""

from __future__ import annotations

from functools import partial

from tests.simulation import mutating

Mutation = partial(mutating.Mutation, kind="payments")

PAYMENTS = (
    Mutation(
        "a claim takes a payment that another request has claimed",
        "payments.ledger",
        "Ledger.claim",
        "return read_row(others[0]) if others else await self.find(wanted.payment_id)",
        "return wanted",
    ),
    Mutation(
        "another request's change of a row is taken for one's own",
        "payments.ledger",
        "Ledger._change",
        "found.attempt == row.attempt and is_made(found)",
        "found.attempt == row.attempt",
    ),
    Mutation(
        "the settle request is sent before the claim",
        "payments.flow",
        "Payments._claim",
        "row = await self._ledger.claim(wanted) or",
        "await self._call_facilitator(wanted); row = await self._ledger.claim(wanted) or",
    ),
    Mutation(
        "a settled payment is served every time it is presented",
        "payments.flow",
        "Payments._resume",
        "if row.served:",
        "if False:",
    ),
    Mutation(
        "a response is never recorded as sent",
        "payments.flow",
        "Payments.publish",
        "await self._ledger.mark_served(row, is_reconciled=is_sent)",
        "pass",
    ),
    Mutation(
        "a payment that was taken over is served by both requests",
        "payments.flow",
        "Payments._settlement",
        "if not is_own or took_ms > _SENT_WITHIN_MS:",
        "if took_ms > _SENT_WITHIN_MS:",
    ),
    Mutation(
        "a refusal of a repeated settle request is taken for a failure",
        "payments.flow",
        "Payments._record_outcome",
        "is_only_call = row.state is PaymentState.CLAIMED",
        "is_only_call = True",
        test="tests.unit.payments.test_crashes:test_a_repeated_settle_request_that_is_refused_leaves_it_pending",
    ),
    Mutation(
        "a payment that another request may have had settled is released as failed",
        "payments.flow",
        "Payments.release",
        "if row.state is PaymentState.CLAIMED:",
        "if row.state is not PaymentState.SETTLED:",
    ),
    Mutation(
        "a receipt is returned to anyone who knows the nonce",
        "payments.flow",
        "Payments.find_known",
        "row is not None and row.proof_digest == payload.digest",
        "row is not None",
    ),
    Mutation(
        "a payment is not verified",
        "payments.flow",
        "Payments._verify_and_claim",
        "if verified.is_valid:",
        "if True:",
    ),
    Mutation(
        "a payment that no shard has acknowledged counts as reconciled",
        "payments.reconciliation",
        "_process",
        "if await resolver.send(row):",
        "await resolver.send(row)\n    if True:",
    ),
    Mutation(
        "cron does not send payments again",
        "payments.reconciliation",
        "_process",
        "if await resolver.send(row):",
        "if True:",
    ),
    Mutation(
        "an authorization is taken for void although nothing is proven",
        "payments.resolution",
        "PendingResolver.prove",
        "elif proof.state is AuthorizationState.VOID:",
        "else:\n        await self.ledger.mark_void(row, NEVER_SETTLED)\n    if False:",
    ),
    Mutation(
        "a payment is sent to another shard after shards were added",
        "payments.settlement",
        "send",
        "row.shard",
        "shards.count - 1",
    ),
    Mutation(
        "late revenue counts as a call",
        "payments.settlement",
        "late_revenue_event",
        "counted=False",
        "counted=True",
    ),
    Mutation(
        "a refusal after a pending result is taken for a failure",
        "payments.flow",
        "Payments._call_facilitator",
        "return second if second.outcome is Outcome.SETTLED else first",
        "return second",
    ),
    Mutation(
        "a facilitator that does not respond is taken for a failure",
        "payments.facilitator",
        "Facilitators.settle",
        "return SettleResult(Outcome.UNKNOWN,",
        "return SettleResult(Outcome.REFUSED,",
    ),
    Mutation(
        "a failure without a transaction is taken for final",
        "payments.facilitator",
        "_read_settle_result",
        "is_certain = bool(transaction)",
        "is_certain = True",
    ),
    Mutation(
        "a payment is accepted for any request",
        "payments.flow",
        "Payments._resume",
        "if row.fingerprint != request.fingerprint:",
        "if False:",
    ),
    Mutation(
        "the fingerprint of a request ignores the path",
        "payments.models",
        "PaymentRequest.fingerprint",
        "self.resource.method, self.target)",
        "self.resource.method)",
    ),
    Mutation(
        "a used authorization is taken for a settlement",
        "payments.chain.authorizations",
        "_read_receipt",
        "if any(log.topics == wanted and log.data == amount for log in transfers):",
        "if logs:",
    ),
    Mutation(
        "a transfer of any token is taken for a settlement",
        "payments.chain.authorizations",
        "_read_logs",
        "if address == asset.lower() and is_formed:",
        "if is_formed:",
        test="tests.unit.payments.test_chain:test_a_transfer_of_another_token_proves_nothing",
    ),
    Mutation(
        "an authorization expires by our own clock",
        "payments.chain.authorizations",
        "Chain._query",
        "has_expired = block_seconds * 1000 >= row.valid_before_ms + constants.EXPIRY_MARGIN_MS",
        "has_expired = self.clock.now_ms() >= row.valid_before_ms + constants.EXPIRY_MARGIN_MS",
    ),
    Mutation(
        "the settlement event of a request that died is no proof",
        "payments.resolution",
        "PendingResolver.prove",
        "if event is not None:",
        "if False:",
    ),
)

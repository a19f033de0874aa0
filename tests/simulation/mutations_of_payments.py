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
        "return read_row(found[3][0])",
        "return wanted",
    ),
    Mutation(
        "another request's change of a row is taken for one's own",
        "payments.ledger",
        "Ledger._change",
        'found[1][0]["changed_by"] == by',
        "True",
    ),
    Mutation(
        "a payment is settled without being pending before",
        "payments.flow",
        "Payments.settle",
        "begun = await self._ledger.begin_settling(row, self._change_name(claim.request))",
        "begun = True",
    ),
    Mutation(
        "an abandoned claim is settled",
        "payments.flow",
        "Payments.settle",
        "if not begun:",
        "if begun is None:",
    ),
    Mutation(
        "a payment becomes pending after the settle request",
        "payments.flow",
        "Payments.settle",
        "    begun = await",
        "    result = await self._call_facilitator(row); begun = await",
    ),
    Mutation(
        "the settle request is sent before the claim",
        "payments.flow",
        "Payments._verify_and_claim",
        "claimed = await self._ledger.claim(row)\n    if claimed.changed_by == row.changed_by:\n"
        "        return Claim(claimed, request, payload.version)\n    resumed",
        "await self._call_facilitator(row); claimed = await self._ledger.claim(row)\n"
        "    if claimed.changed_by == row.changed_by:\n"
        "        return Claim(claimed, request, payload.version)\n    resumed",
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
        "the revenue of a request that died is not recorded",
        "payments.resolution",
        "PendingResolver._settle",
        'if not await self.ledger.mark_settled(row, f"{by}/settle", settled):',
        "if True:",
    ),
    Mutation(
        "a settled payment is served every time it is presented",
        "payments.flow",
        "Payments._resume",
        "if not row.served and await self._ledger.mark_served(row, name, served=True):",
        "if await self._ledger.mark_served(row, name, served=True) or True:",
    ),
    Mutation(
        "two requests with a settled payment are both served",
        "payments.ledger",
        "Ledger.mark_served",
        'unserved = f" AND served = {int(not served)}"',
        "unserved = ''",
    ),
    Mutation(
        "a settled payment is never served later",
        "payments.flow",
        "Payments._resume",
        "if not row.served and await",
        "if False and await",
    ),
    Mutation(
        "a refusal after a pending result is taken for a failure",
        "payments.flow",
        "Payments._call_facilitator",
        "return second if second.outcome is Outcome.SETTLED else first",
        "return second",
    ),
    Mutation(
        "a refusal of a repeated settle request is taken for a failure",
        "payments.resolution",
        "PendingResolver._resolve_pending",
        "await self._defer(row, by, result.reason, transaction)",
        "await self.ledger.mark_failed(row, by, result.reason)",
    ),
    Mutation(
        "a refusal counts although another request has sent a settle request",
        "payments.ledger",
        "Ledger.mark_refused",
        'where=" AND asked = 1"',
        'where=""',
        test="tests.unit.payments.test_outages:test_a_refusal_that_a_concurrent_settle_call_may_have_caused_is_not_a_failure",
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
        "a payment is released after it was settled",
        "payments.flow",
        "Payments.release",
        "if claim.is_settled:",
        "if False:",
    ),
    Mutation(
        "a request that cannot be served keeps its settled payment",
        "payments.flow",
        "Payments.release",
        "await self._ledger.mark_served(claim.row, name, served=False)",
        "pass",
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
        "a receipt is returned to anyone who knows the nonce",
        "payments.flow",
        "Payments._resume_known",
        "if known is None or known.proof_digest != payload.digest:",
        "if known is None:",
    ),
    Mutation(
        "a payment is not verified",
        "payments.flow",
        "Payments._verify_and_claim",
        "if not verified.is_valid:",
        "if False:",
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
        "cron takes claims for pending payments",
        "payments.resolution",
        "PendingResolver.resolve",
        "if row.state is PaymentState.CLAIMED:",
        "if row.state is PaymentState.CLAIMED and not row.proof:",
    ),
    Mutation(
        "a payment that no shard has acknowledged counts as reconciled",
        "payments.reconciliation",
        "_send_again",
        " if is_sent]",
        "]",
    ),
    Mutation(
        "a request takes its payment for acknowledged",
        "payments.flow",
        "Payments.publish",
        "if not await self._send(row):",
        "if not await self._send(row) and False:",
    ),
    Mutation(
        "cron does not send payments again",
        "payments.reconciliation",
        "_send_again",
        "await asyncio.gather(*map(resolver.send, rows))",
        "[True] * len(rows)",
    ),
    Mutation(
        "the settlement event of a request that died is no proof",
        "payments.resolution",
        "PendingResolver._resolve_pending",
        "if event is not None:",
        "if False:",
    ),
)

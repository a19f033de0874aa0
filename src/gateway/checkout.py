"""Where a request of a priced API is paid for, and where it is not let through without.

Owns turning a request into an order and a payment's outcome into an answer.
Refuses to know the steps of a payment: those are in `payments`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from core.errors import StoreUnavailable
from core.logs import fields
from core.ports import Clock, Environment, Response, UpstreamResponse
from core.responses import CORS_HEADERS, RESPONSE_HEADER, RESPONSE_HEADER_V1
from core.telemetry import SERVED
from gateway.request_context import CallerHash, RequestContext, payer_identity
from metering.settlements import BY_SCRIPT, SettlementEvent, put_settlement
from payments.flow import Payments
from payments.models import AlreadyServed, Claim, PaymentRequest, Settlement
from payments.requirements import Resource, facilitator_urls, offer_for
from payments.resolution import resolver_of
from payments.responses import repeated_answer
from tenants.records import Tenant
from usage import UsageRecorder

PREFLIGHT = "preflight"
"""The outcome of a browser's question whether it may ask."""

REPEATED = "payment_repeated"
"""The outcome of a request whose payment had been served before."""

TENANT_ERROR = "tenant_error"
"""The reason of a payment that was given back because the script did not serve."""

_RECEIPT_LENGTH_MAX = 2_000
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EarlyResponse:
    """An answer that ends a request before its script is asked, with the event's outcome."""

    answer: Response
    outcome: str


@dataclass(slots=True)
class Checkout:
    """Takes the payments for the requests of one isolate."""

    environment: Environment
    clock: Clock
    log: UsageRecorder
    callers: CallerHash
    _payments: Payments | None = field(default=None)

    async def admit(self, passage: RequestContext, tenant: Tenant) -> Claim | EarlyResponse:
        """Let a request of a priced tenant through, or answer it here.

        Raises `PaymentError`, `ConfigurationError`, `BindingMissing`, `LedgerOutage`.
        """
        headers = passage.request.headers
        is_preflight = passage.request.method == "OPTIONS" and "origin" in headers
        if is_preflight and "access-control-request-method" in headers:
            return EarlyResponse(_preflight(passage), PREFLIGHT)
        facilitator_urls(self.environment)
        order = PaymentRequest(
            request_id=passage.request_id,
            tenant=tenant,
            offer=offer_for(self.environment, tenant),
            resource=Resource(
                passage.request.url, passage.request.method, tenant.description or tenant.slug
            ),
            target=passage.target,
            headers=headers,
            caller=lambda payer: self.callers.of(payer_identity(payer)),
        )
        admitted = await self.payments.admit(order)
        passage.caller = admitted.row.caller
        if isinstance(admitted, AlreadyServed):
            answer = repeated_answer(admitted.row, admitted.version, passage.request_id)
            return EarlyResponse(answer, REPEATED)
        return admitted

    async def settle(
        self, passage: RequestContext, ticket: Claim, reply: UpstreamResponse
    ) -> Settlement | None:
        """Settle when the script has served; None when it has not, which costs nothing.

        Raises as `Payments.settle` does; then the script's body is dropped.
        """
        if reply.status >= 400:
            await self.payments.release(ticket, TENANT_ERROR)
            return None
        try:
            return await self.payments.settle(
                ticket,
                lambda at_ms, micros: passage.event(
                    at_ms, reply.status, SERVED, revenue_micros=micros
                ),
            )
        except BaseException:
            await reply.discard()
            raise

    async def release(self, ticket: Claim, reason: str = TENANT_ERROR) -> None:
        """Give a payment back because the script failed, or was not to be asked."""
        await self.payments.release(ticket, reason)

    async def keep_receipt(
        self, passage: RequestContext, tenant: Tenant, reply: UpstreamResponse
    ) -> None:
        """Keep the receipt that a script of an API without edge payment sent, to be shown."""
        store = self.environment.usage_store
        receipt = reply.header(RESPONSE_HEADER) or reply.header(RESPONSE_HEADER_V1)
        if store is None or not receipt:
            return
        now_ms = self.clock.now_ms()
        event = SettlementEvent(
            source=BY_SCRIPT,
            payment_id=passage.request_id,
            request_id=passage.request_id,
            tenant_id=tenant.tenant_id,
            slug=tenant.slug,
            payer="",
            network="",
            asset="",
            amount="",
            amount_micros=0,
            transaction="",
            facilitator="",
            claimed_at_ms=now_ms,
            settled_at_ms=now_ms,
            receipt=receipt[:_RECEIPT_LENGTH_MAX],
        )
        try:
            await put_settlement(store, event)
        except StoreUnavailable as error:
            _LOGGER.warning(
                "receipt_not_kept", extra=fields(requestId=passage.request_id, cause=str(error))
            )

    @property
    def payments(self) -> Payments:
        """The steps of a payment, on this deployment's bindings. Raises `BindingMissing`."""
        if self._payments is None:
            resolver = resolver_of(self.environment, self.clock)
            self._payments = Payments(self.clock, self.log, resolver.facilitators, resolver)
        return self._payments


def _preflight(passage: RequestContext) -> Response:
    """Let a browser ask: what is asked with leave to ask is paid for all the same."""
    headers = passage.request.headers
    asked = headers.get("access-control-request-headers", "")
    allowed = ", ".join(part for part in ("PAYMENT-SIGNATURE, X-PAYMENT", asked) if part)
    method = headers.get("access-control-request-method", "GET")
    return Response(
        204,
        (
            *CORS_HEADERS,
            ("access-control-allow-methods", method),
            ("access-control-allow-headers", allowed),
            ("access-control-max-age", "600"),
            ("cache-control", "no-store"),
            ("x-request-id", passage.request_id),
        ),
        "",
    )

"""Where a request of a priced API is paid for, and where it is not let through without.

Owns turning a request into an order and a payment's outcome into an answer.
Refuses to know the steps of a payment: those are in `payments`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from chain import Chain
from errors import BindingMissing, StoreUnavailable
from facilitators import Facilitators
from identity import CallerHash, payer_identity
from ledger import Ledger
from logs import about
from offers import Resource
from orders import Order, Paid, Repeated, Ticket
from passages import Passage
from payment_answers import repeated_answer
from payment_errors import CORS_HEADERS, RESPONSE_HEADER, RESPONSE_HEADER_V1
from payments import Payments
from ports import Answer, Clock, Environment, TenantReply
from pricing import facilitator_urls, offer_for
from resolution import Resolver
from settlements import BY_SCRIPT, SettlementEvent, put_settlement
from tallies import SERVED
from tenants import Tenant
from usage import UsageLog

PREFLIGHT = "preflight"
"""The outcome of a browser's question whether it may ask."""

REPEATED = "payment_repeated"
"""The outcome of a request whose payment had been served before."""

TENANT_ERROR = "tenant_error"
"""The reason of a payment that was given back because the script did not serve."""

_RECEIPT_LENGTH_MAX = 2_000
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Admitted:
    """An answer that ends a request before its script is asked, with the event's outcome."""

    answer: Answer
    outcome: str


@dataclass(slots=True)
class Checkout:
    """Takes the payments for the requests of one isolate."""

    environment: Environment
    clock: Clock
    log: UsageLog
    callers: CallerHash
    _payments: Payments | None = field(default=None)

    async def admit(self, passage: Passage, tenant: Tenant) -> Ticket | Admitted:
        """Let a request of a priced tenant through, or answer it here.

        Raises `PaymentError`, `ConfigurationError`, `BindingMissing`, `LedgerOutage`.
        """
        headers = passage.request.headers
        is_preflight = passage.request.method == "OPTIONS" and "origin" in headers
        if is_preflight and "access-control-request-method" in headers:
            return Admitted(_preflight(passage), PREFLIGHT)
        facilitator_urls(self.environment)
        order = Order(
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
        if isinstance(admitted, Repeated):
            answer = repeated_answer(admitted.row, admitted.version, passage.request_id)
            return Admitted(answer, REPEATED)
        return admitted

    async def settle(self, passage: Passage, ticket: Ticket, reply: TenantReply) -> Paid | None:
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

    async def release(self, ticket: Ticket, reason: str = TENANT_ERROR) -> None:
        """Give a payment back because the script failed, or was not to be asked."""
        await self.payments.release(ticket, reason)

    async def keep_receipt(self, passage: Passage, tenant: Tenant, reply: TenantReply) -> None:
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
                "receipt_not_kept", extra=about(requestId=passage.request_id, cause=str(error))
            )

    @property
    def payments(self) -> Payments:
        """The steps of a payment, on this deployment's bindings. Raises `BindingMissing`."""
        if self._payments is None:
            resolver = resolver_of(self.environment, self.clock)
            self._payments = Payments(self.clock, self.log, resolver.facilitators, resolver)
        return self._payments


def resolver_of(environment: Environment, clock: Clock) -> Resolver:
    """Put a resolver together on this deployment's bindings. Raises `BindingMissing`."""
    database, store = environment.control_database, environment.usage_store
    if database is None:
        raise BindingMissing("CONTROL_DB")
    if store is None:
        raise BindingMissing("USAGE_KV")
    facilitators = Facilitators(environment, clock)
    return Resolver(Ledger(database, clock), facilitators, Chain(environment, clock), store, clock)


def _preflight(passage: Passage) -> Answer:
    """Let a browser ask: what is asked with leave to ask is paid for all the same."""
    headers = passage.request.headers
    asked = headers.get("access-control-request-headers", "")
    allowed = ", ".join(part for part in ("PAYMENT-SIGNATURE, X-PAYMENT", asked) if part)
    method = headers.get("access-control-request-method", "GET")
    return Answer(
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

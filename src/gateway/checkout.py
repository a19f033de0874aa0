"""Translates between requests and payments: claims a payment, and settles it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeAlias

from api.explore.assets import PAGE_PATH
from core.callers import CallerHasher, payer_identity
from core.errors import (
    BindingMissing,
    ConfigurationError,
    DatabaseUnavailable,
    DispatcherError,
    LedgerOutage,
    StoreUnavailable,
    TenantNotFound,
    TenantWorkerFailure,
)
from core.logs import fields
from core.ports import Clock, Environment, Response, UpstreamResponse
from core.responses import ALLOW_ORIGIN_HEADER, SETTLEMENT_OVERRIDES_HEADER, prefers_page
from core.telemetry import SERVED
from gateway.charges import ChargeUnusable, read_charge
from gateway.request_context import RequestContext
from metering.events import Api
from payments.chain.authorization import InvalidPayload
from payments.chain.fee_payers import FeePayers, fee_payer_field
from payments.errors import PaymentFailed
from payments.extensions.responses import ExtensionResponses
from payments.facilitator import Facilitators
from payments.facilitator_settings import facilitator_urls
from payments.flow import Payments
from payments.models import (
    AlreadyServed,
    Charge,
    Claim,
    PaymentRequest,
    PaymentRow,
    PaymentState,
    Settlement,
    terms_of,
)
from payments.payload import PaymentPayload, read_payment
from payments.requirements import PaymentRequirements, Resource, requirements_for
from payments.resolution import resolver_of
from payments.responses import PaymentErrors, already_served_response
from tenants.records import Tenant
from usage import UsageRecorder

_LOGGER = logging.getLogger(__name__)

_NOTHING_TO_SETTLE = "nothing_to_settle"
"""The reason of a payment of which the script wants nothing."""

NOT_CHARGED = "response_not_charged"
"""The reason of a payment that was released because of the script's response, or its lack."""

_Accepts: TypeAlias = tuple[Tenant, Sequence[PaymentRequirements], bool]
"""The ways to pay a tenant, and whether one of them needs a fee payer."""

_ACCEPTS_MAX = 1_000
_REPEATED = "payment_repeated"
_UNREADABLE = "origin_not_allowed"


@dataclass(frozen=True, slots=True)
class EarlyResponse:
    """A response that ends a request before dispatch, and the outcome of its usage event."""

    response: Response
    outcome: str


@dataclass(slots=True)
class Checkout:
    """The payments of one isolate's requests."""

    environment: Environment
    clock: Clock
    recorder: UsageRecorder
    callers: CallerHasher
    facilitators: Facilitators
    _payments: Payments | None = field(default=None)
    _accepts: dict[tuple[str, str], _Accepts] = field(default_factory=dict)
    _fee_payers: FeePayers = field(init=False)

    def __post_init__(self) -> None:
        """Create the cache of fee payers."""
        self._fee_payers = FeePayers(self.facilitators, self.clock)

    @property
    def payments(self) -> Payments:
        """The payment flow on this deployment's bindings. Raises `BindingMissing`."""
        if self._payments is None:
            resolver = resolver_of(self.environment, self.clock)
            said = ExtensionResponses(self.environment.tenant_store, self.clock)
            self._payments = Payments(self.clock, self.recorder, self.facilitators, resolver, said)
        return self._payments

    async def claim(self, context: RequestContext, tenant: Tenant) -> Claim | EarlyResponse:
        """Claim the payment of a request to a priced tenant.

        Returns an `EarlyResponse` for payments that were served before. Sets the caller to the
        payer. Raises `PaymentError`, `ConfigurationError`, `BindingMissing`, `LedgerOutage`.
        """
        headers = context.request.headers
        try:
            # Without a facilitator the 402 would describe a payment that cannot be made.
            facilitator_urls(self.environment)
            _, accepts, has_fee_payer = self._accepts_of(tenant)
            offered = await self._fee_payers.offer(accepts) if has_fee_payer else accepts
        except ConfigurationError:
            # A known payment does not depend on what is demanded now.
            resumed = await self.resume(context, tenant)
            if resumed is None:
                raise
            return resumed
        payment_request = PaymentRequest(
            request_id=context.request_id,
            api=tenant.api,
            accepts=accepts,
            offered=offered,
            resource=Resource(
                context.request.url,
                context.request.method,
                tenant.description or tenant.slug,
                tenant.discovery,
                _template_of(context, tenant),
                needs_identifier=tenant.needs_identifier,
                route=_route_of(tenant),
                page=_page_of(context, tenant),
            ),
            target=context.target,
            headers=headers,
            caller=lambda payer: self.callers.hash(payer_identity(payer)),
        )
        return self._claimed(context, await self.payments.claim(payment_request))

    async def resume(self, context: RequestContext, tenant: Tenant) -> Claim | EarlyResponse | None:
        """Resume a payment that was accepted before, whatever the API demands now.

        Returns None without a payment, and for one that the ledger does not have for this
        request, or that failed: a script may take payments itself. So an outage of the ledger
        does not affect free APIs.
        """
        try:
            known = await self._find_known(context)
        except (DatabaseUnavailable, StoreUnavailable) as error:
            _LOGGER.warning(
                "payment_not_looked_up",
                extra=fields(requestId=context.request_id, cause=str(error)),
            )
            return None
        return (
            None
            if known is None
            else await self._resume(context, tenant.api, *known, can_serve=True)
        )

    async def resume_withdrawn(
        self, context: RequestContext, not_found: TenantNotFound
    ) -> EarlyResponse | None:
        """Return the receipt of a request to an API that is not published any more.

        None without a payment that the ledger has for this request. The ledger does not have
        hosts, so at an API's host the path alone is compared.
        """
        try:
            known = await self._find_known(context)
        except (DatabaseUnavailable, StoreUnavailable) as error:
            raise LedgerOutage from error
        if known is None:
            return None
        _, row = known
        api = Api(row.tenant_id, row.slug, row.owner, row.directory, row.amount_micros)
        if not_found.evidence.get("slug", api.slug) != api.slug:
            return None
        receipt = await self._resume(context, api, *known, can_serve=False)
        assert not isinstance(receipt, Claim)
        return receipt

    async def _find_known(
        self, context: RequestContext
    ) -> tuple[PaymentPayload, PaymentRow] | None:
        try:
            payload, payments = read_payment(context.request.headers), self.payments
        except (InvalidPayload, BindingMissing):
            # It is not the dispatcher's payment, or the deployment has no ledger.
            return None
        if payload is None:
            return None
        asset = (self.environment.setting("X402_ASSET") or "").strip()
        row = await payments.find_known(payload, [asset])
        return None if row is None or row.state is PaymentState.FAILED else (payload, row)

    async def _resume(
        self,
        context: RequestContext,
        api: Api,
        payload: PaymentPayload,
        row: PaymentRow,
        *,
        can_serve: bool,
    ) -> Claim | EarlyResponse | None:
        own = [terms_of(row)]
        request = PaymentRequest(
            request_id=context.request_id,
            api=api,
            accepts=own,
            offered=own,
            resource=Resource(context.request.url, context.request.method, api.slug),
            target=context.target,
            headers=context.request.headers,
            caller=lambda _: row.caller,
        )
        if row.fingerprint != request.fingerprint:
            return None
        resumed = await self.payments.resume(request, payload, row, can_serve=can_serve)
        return None if resumed is None else self._claimed(context, resumed)

    def _accepts_of(self, tenant: Tenant) -> _Accepts:
        """Return the ways to pay a tenant; they are the same until its record is read again."""
        key = (tenant.slug, _route_of(tenant))
        known = self._accepts.get(key)
        if known is not None and known[0] is tenant:
            return known
        found = requirements_for(self.environment, tenant)
        if len(self._accepts) >= _ACCEPTS_MAX:
            self._accepts.clear()
        has_fee_payer = any(fee_payer_field(one.network, one.scheme) for one in found)
        self._accepts[key] = accepts = (tenant, found, has_fee_payer)
        return accepts

    def _claimed(
        self, context: RequestContext, claim: Claim | AlreadyServed
    ) -> Claim | EarlyResponse:
        """Set the caller to the payer; make the response of a payment that is not served."""
        context.caller = claim.row.caller
        context.payment_id = claim.row.payment_id
        if isinstance(claim, AlreadyServed):
            response = already_served_response(claim.row, claim.version, context.request_id)
            return EarlyResponse(response, _REPEATED)
        return claim

    async def settle(
        self,
        context: RequestContext,
        claim: Claim,
        upstream: UpstreamResponse,
        hold: Callable[[int], Awaitable[None]],
    ) -> Settlement | None:
        """Settle the payment of a request that the script served.

        Releases the payment and returns None if the response is not charged: an error, or a
        redirect, whose target may be requested with the same payment. Otherwise awaits `hold` with
        what is to be settled, in micro-dollars, before anything is, and releases the payment if
        that raises. Raises as `Payments.settle` does, and `TenantWorkerFailure` if the script wants
        an unusable amount; the body is then discarded.
        """
        if not _is_charged(upstream.status, context.tenant):
            await self.payments.release(claim, NOT_CHARGED)
            return None
        if not _is_readable(context, upstream):
            await self.payments.release(claim, _UNREADABLE)
            await upstream.discard()
            raise PaymentErrors(claim.request).with_requirements(
                PaymentFailed,
                _UNREADABLE,
                "The API lets no page of this origin read its response. Nothing was charged.",
            )
        charge = None
        try:
            if claim.row.has_open_amount:
                charge = _charge_of(claim.row, upstream)
                if charge.amount == "0":
                    await self.payments.release(claim, _NOTHING_TO_SETTLE)
                    return None
            await hold(claim.row.amount_micros if charge is None else charge.amount_micros)
        except DispatcherError as error:
            await self.payments.release(claim, error.code)
            await upstream.discard()
            raise
        try:
            return await self.payments.settle(
                claim,
                lambda at_ms, micros: context.event(
                    at_ms, upstream.status, SERVED, revenue_micros=micros
                ),
                charge,
            )
        except BaseException:
            await upstream.discard()
            raise


def _page_of(context: RequestContext, tenant: Tenant) -> str:
    """Return the address of the API's page, at the same host, for a person who is to see it.

    Empty for programs, and at a host of the API itself.
    """
    if context.upstream_url is None or not prefers_page(context.request.headers):
        return ""
    return f"{context.parsed_url.origin}{PAGE_PATH}/{tenant.slug}"


def _route_of(tenant: Tenant) -> str:
    """Return the name of the route whose price counts; empty for the record's."""
    return tenant.route.name if tenant.route else ""


def _charge_of(row: PaymentRow, upstream: UpstreamResponse) -> Charge:
    """Return what a script wants of a payment. Raises `TenantWorkerFailure` if it is unusable."""
    is_set = SETTLEMENT_OVERRIDES_HEADER in upstream.header_names
    try:
        header = upstream.header(SETTLEMENT_OVERRIDES_HEADER) or ""
        return read_charge(row, header if is_set else None)
    except ChargeUnusable as error:
        message = "The API's script asked for an unusable amount. Nothing was charged."
        raise TenantWorkerFailure(message) from error


def _template_of(context: RequestContext, tenant: Tenant) -> str:
    """Return the template of the request's path if its price is of a route that has one."""
    template = "" if tenant.route is None else tenant.route.template
    path = context.target.partition("?")[0]
    return template and context.parsed_url.path.removesuffix(path) + template


def _is_readable(context: RequestContext, upstream: UpstreamResponse) -> bool:
    """Tell whether the page that sent a request may read a script's response.

    This is the check of the Fetch standard (https://fetch.spec.whatwg.org/#cors-check) for a
    request without credentials; preflights are granted for no others. Without a header of the
    script, the dispatcher lets every page read it.
    """
    origin = context.request.headers.get("origin")
    if origin is None or ALLOW_ORIGIN_HEADER not in upstream.header_names:
        return True
    return upstream.header(ALLOW_ORIGIN_HEADER) in ("*", origin) or (
        origin == context.parsed_url.origin
    )


def _is_charged(status: int, tenant: Tenant | None) -> bool:
    is_redirect = 300 <= status < 400 and status != HTTPStatus.NOT_MODIFIED
    return 200 <= status < 400 and (
        not is_redirect or (tenant is not None and tenant.charge_redirects)
    )

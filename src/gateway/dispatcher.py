"""The pipeline of a request: find the tenant, admit, dispatch, settle, record, respond.

One dispatcher serves all requests of an isolate.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from api.catalog.route import Catalog
from api.explore.assets import is_page
from api.explore.pages import ExplorePages
from api.explore.route import Explore
from api.explore.routes import EXPLORE, EXPLORE_USAGE
from api.routes import HEALTH
from core.callers import CallerHasher
from core.errors import (
    BindingMissing,
    ConfigurationError,
    DispatcherError,
    InternalError,
    MethodNotAllowed,
    NotFound,
    StoreUnavailable,
    TenantError,
    TenantNotFound,
)
from core.ports import (
    Background,
    Clock,
    Environment,
    ProxyResponse,
    Request,
    Response,
    UpstreamResponse,
)
from core.responses import (
    PAYMENT_HEADERS,
    PREFLIGHT,
    is_preflight,
    json_response,
    preflight_response,
    priced_method,
    with_security_headers,
)
from core.telemetry import PLATFORM, PUBLIC, RequestCounters
from gateway.checkout import NOT_CHARGED, Checkout, EarlyResponse
from gateway.cors import PlatformCors
from gateway.error_handling import handle_error
from gateway.ignored_agents import IgnoredAgents
from gateway.proxy_response import outcome_of, proxy_response
from gateway.request_context import RequestContext, removed_from_request
from gateway.urls import (
    check_shared_host,
    check_size,
    is_own_path,
    is_platform,
    parse_url,
    readings,
    split_tenant_path,
)
from payments.errors import PaymentFailed, PaymentInvalid
from payments.facilitator import Facilitators
from payments.models import Claim, Settlement
from payments.payload import has_payment
from payments.settlement import counts_as_call
from tenants.admission import Admission, LimitError, Reservation
from tenants.directory import TenantDirectory
from tenants.records import SLUG, Tenant, is_normal_host
from usage import UsageRecorder

_SERVICE = "clawr-dispatcher"
_PUBLIC_PATHS = (HEALTH.path, EXPLORE.path, EXPLORE_USAGE.path)


class PlatformRoutes(Protocol):
    """The routes below `/__platform`."""

    async def handle(self, request: Request, path: str, query: str, request_id: str) -> Response:
        """Respond to one request. Raises `DispatcherError`."""
        ...


@dataclass(slots=True)
class Dispatcher:
    """Responds to every request of one isolate."""

    environment: Environment
    clock: Clock
    directory: TenantDirectory
    recorder: UsageRecorder
    platform_api: PlatformRoutes
    explore: Explore
    counters: RequestCounters = field(default_factory=RequestCounters)
    facilitators: Facilitators | None = None
    _requests: int = 0
    _callers: CallerHasher = field(init=False)
    _ignored: IgnoredAgents = field(init=False)
    _cors: PlatformCors = field(init=False)
    _catalog: Catalog = field(init=False)
    _pages: ExplorePages = field(init=False)
    _checkout: Checkout = field(init=False)
    _admission: Admission = field(init=False)

    def __post_init__(self) -> None:
        """Create the stages of the pipeline."""
        self._callers = CallerHasher(self.environment)
        self._ignored = IgnoredAgents(self.environment)
        self._cors = PlatformCors(self.environment)
        self._catalog = Catalog(self.environment, self.clock, self.directory, self.explore)
        self._pages = ExplorePages(self.environment, self.directory, self.explore)
        self._checkout = Checkout(
            self.environment,
            self.clock,
            self.recorder,
            self._callers,
            self.facilitators or Facilitators(self.environment, self.clock),
        )
        self._admission = Admission(self.environment, self.clock)

    async def handle(self, request: Request, background: Background) -> Response | ProxyResponse:
        """Respond to one request; an exception becomes an error response."""
        self._requests += 1
        request_id = f"{self.recorder.writer}-{self._requests:06x}"
        arrived_ms = self.clock.now_ms()
        surface, context = PUBLIC, None
        response: Response | ProxyResponse
        try:
            context = RequestContext(request, request_id, arrived_ms, parse_url(request.url))
            if is_platform(context.parsed_url.path):
                surface = PLATFORM
                response = await self._serve_platform(context)
            else:
                response = await self._route(context, background)
        except Exception as error:  # noqa: BLE001 (every request gets a response)
            response = handle_error(
                error,
                request_id,
                request,
                context,
                self._callers.key_headers,
                is_public=surface is PUBLIC,
            )
            if surface is PUBLIC and is_preflight(request):
                # A page is shown no error of a preflight, only that of the request itself.
                response = preflight_response(request, request_id, PAYMENT_HEADERS)
        if surface is PLATFORM and isinstance(response, Response):
            response = self._cors.readable(request, response)
        responded_ms = context.responded_ms if context is not None else None
        if responded_ms is None:
            responded_ms = self.clock.now_ms()
        self.counters.add(surface, response, responded_ms - arrived_ms)
        return with_security_headers(response) if isinstance(response, Response) else response

    async def _serve_platform(self, context: RequestContext) -> Response:
        request, url = context.request, context.parsed_url
        check_size(request)
        preflight = self._cors.preflight(request, context.request_id)
        if preflight is not None:
            return preflight
        return await self.platform_api.handle(request, url.path, url.query, context.request_id)

    async def _route(
        self, context: RequestContext, background: Background
    ) -> Response | ProxyResponse:
        """Serve a public route, or find the tenant and serve it; record a tenant's errors."""
        url = context.parsed_url
        if url.path in _PUBLIC_PATHS and await self._is_unclaimed_host(url.host):
            return await self._serve_public(context)
        # Raises if the directory cannot be read, because a tenant's host may have this path.
        if is_own_path(url, context.request.headers) and await self._find_by_host(url.host) is None:
            return await self._serve_own(context)
        context.is_counted = not is_preflight(context.request)
        try:
            try:
                tenant = await self._find_tenant(context)
            except TenantNotFound as error:
                if not has_payment(context.request.headers):
                    raise
                receipt = await self._checkout.resume_withdrawn(context, error)
                if receipt is None:
                    raise
                return self._respond_early(context, receipt, background)
            if is_preflight(context.request):
                return await self._serve_preflight(context, tenant, background)
            return await self._serve(context, tenant, background)
        except NotFound:
            # Not a tenant's route, so no event.
            raise
        except DispatcherError as error:
            self._record(context, error.status, error.code, background, is_call=error.is_call)
            raise
        except Exception:
            self._record(context, InternalError.status, InternalError.code, background)
            raise

    async def _serve_public(self, context: RequestContext) -> Response:
        """Serve a public, unmetered route."""
        request, url, request_id = context.request, context.parsed_url, context.request_id
        if url.path == HEALTH.path:
            if request.method not in HEALTH.methods:
                raise MethodNotAllowed(request.method, HEALTH.methods)
            body = {"ok": True, "service": _SERVICE, "requestId": request_id}
            return json_response(body, request_id)
        return await self._pages.serve_data(request, url.path, url.query, request_id)

    async def _serve_own(self, context: RequestContext) -> Response | ProxyResponse:
        """Serve a page or a document of the dispatcher's own host."""
        request, url, request_id = context.request, context.parsed_url, context.request_id
        if is_page(url.path):
            return await self._pages.handle(request, url.origin, url.path, request_id)
        return await self._catalog.handle(request, url.path, request_id)

    async def _find_tenant(self, context: RequestContext) -> Tenant:
        """Find the tenant by host, else by `/t/SLUG`; set it in the context, at its price."""
        url = context.parsed_url
        tenant = await self._find_by_host(url.host)
        check_size(context.request)
        if tenant is None:
            check_shared_host(context.request)
            slug, rest = split_tenant_path(url)
            context.upstream_url = url.origin + rest + url.query
            tenant = await self.directory.by_slug(slug) if SLUG.fullmatch(slug) else None
            if tenant is None:
                raise TenantNotFound(f"No API is published as {slug[:63]!r}.", slug=slug[:63])
        if tenant.routes:
            path = context.target.partition("?")[0]
            tenant = tenant.at(priced_method(context.request), readings(path))
        context.tenant = tenant
        return tenant

    async def _serve(
        self, context: RequestContext, tenant: Tenant, background: Background
    ) -> Response | ProxyResponse:
        """Admit a request, dispatch it, settle its payment, record it, respond."""
        headers = context.request.headers
        context.caller, context.network = self._callers.identify(headers)
        context.is_counted = not self._ignored.includes(headers.get("user-agent", ""))
        self._check_log(tenant)
        claim = None
        if tenant.is_priced or has_payment(headers):
            claim = await self._claim(context, tenant)
        if isinstance(claim, EarlyResponse):
            return self._respond_early(context, claim, background)
        is_paid = tenant.is_priced or claim is not None
        reservation = await self._reserve(context, tenant, claim) if tenant.is_limited else None
        try:
            upstream = await self._dispatch(context, tenant, is_paid=is_paid)
        except BaseException:
            await self._release(claim, reservation)
            raise
        settlement = None
        if claim is not None:
            settlement = await self._settle(context, tenant, claim, upstream, reservation)
        if reservation is not None and reservation.has_unused(upstream.status):
            has_paid = settlement is not None
            background.run(
                self._admission.release_unused(reservation, upstream.status, is_paid=has_paid)
            )
        if settlement is not None:
            self._checkout.payments.publish(settlement, background)
        if settlement is None or not settlement.is_new:
            status, outcome = outcome_of(upstream, is_paid=is_paid)
            is_new_call = settlement is None or not counts_as_call(settlement.row)
            is_call = upstream.has_client and is_new_call
            self._record(context, status, outcome, background, is_call=is_call)
        return proxy_response(context, tenant, upstream, settlement, reservation)

    async def _serve_preflight(
        self, context: RequestContext, tenant: Tenant, background: Background
    ) -> Response | ProxyResponse:
        """Let the script respond to a preflight; of a priced request, respond without it."""
        self._check_log(tenant)
        if tenant.is_priced:
            response = preflight_response(context.request, context.request_id, PAYMENT_HEADERS)
            return self._respond_early(context, EarlyResponse(response, PREFLIGHT), background)
        upstream = await self._dispatch(context, tenant, is_paid=False)
        self._record(context, upstream.status, PREFLIGHT, background)
        return proxy_response(context, tenant, upstream, None, None)

    def _check_log(self, tenant: Tenant) -> None:
        """Raise `BindingMissing` or `ConfigurationError` if a request could not be recorded."""
        if self.environment.usage_shards is None:
            raise BindingMissing("USAGE_SHARD")
        if self.environment.usage_store is None:
            raise BindingMissing("USAGE_KV")
        self.recorder.shard_of(tenant.tenant_id)

    async def _claim(self, context: RequestContext, tenant: Tenant) -> Claim | EarlyResponse | None:
        """Claim the payment in a request; an invalid one counts against its sender's rate.

        The sender is not the payer, whose name an invalid payment proves nothing about. Without
        a price, only a payment that is known is resumed.
        """
        sender = context.caller
        if not tenant.is_priced:
            return await self._checkout.resume(context, tenant)
        if not has_payment(context.request.headers):
            return await self._checkout.claim(context, tenant)
        with self._admission.payment_attempt(sender, tenant):
            try:
                return await self._checkout.claim(context, tenant)
            except PaymentInvalid:
                await self._admission.count_invalid_payment(sender, tenant)
                raise

    async def _settle(
        self,
        context: RequestContext,
        tenant: Tenant,
        claim: Claim,
        upstream: UpstreamResponse,
        reservation: Reservation | None,
    ) -> Settlement | None:
        """Settle the payment of a request, within its API's cap."""

        async def hold(micros: int) -> None:
            if reservation is not None:
                # It is 0 without a cap, and the highest amount otherwise.
                reservation.micros = min(micros, reservation.micros)
                await self._admission.hold(tenant, reservation)

        try:
            return await self._checkout.settle(context, claim, upstream, hold)
        except (PaymentFailed, LimitError, TenantError):
            await self._release(None, reservation)
            raise
        except BaseException:
            # The payment may still be settled.
            if reservation is not None:
                await self._admission.keep(reservation)
            raise

    async def _reserve(
        self, context: RequestContext, tenant: Tenant, claim: Claim | None
    ) -> Reservation:
        """Reserve one request of the tenant's limits; release its payment if they refuse it."""
        # An earlier request with the same payment was counted, and its price kept.
        has_quota = claim is not None and (claim.is_settled or claim.row.asked > 0)
        try:
            micros = 0 if claim is None else claim.row.amount_micros
            return await self._admission.reserve(
                context.caller, tenant, micros, has_quota=has_quota
            )
        except DispatcherError as error:
            if claim is not None:
                await self._checkout.payments.release(claim, error.code)
            raise

    async def _dispatch(
        self, context: RequestContext, tenant: Tenant, *, is_paid: bool
    ) -> UpstreamResponse:
        namespace = self.environment.namespace
        if namespace is None:
            raise BindingMissing("DISPATCHER")
        request = context.request
        remove = removed_from_request(request.headers, is_priced=is_paid)
        url = context.upstream_url
        prefix = "" if url is None else tenant.prefix
        return await namespace.fetch(
            tenant.worker_name, tenant.limits, request, url, remove, prefix
        )

    async def _release(self, claim: Claim | None, reservation: Reservation | None) -> None:
        """Release what was claimed and reserved for a request that is not served."""
        if claim is not None:
            await self._checkout.payments.release(claim, NOT_CHARGED)
        if reservation is not None:
            await self._admission.release(reservation)

    def _respond_early(
        self, context: RequestContext, early: EarlyResponse, background: Background
    ) -> Response:
        self._record(context, early.response.status, early.outcome, background, is_call=False)
        return early.response

    def _record(
        self,
        context: RequestContext,
        status: int,
        outcome: str,
        background: Background,
        *,
        is_call: bool = True,
    ) -> None:
        context.responded_ms = self.clock.now_ms()
        event = context.event(context.responded_ms, status, outcome, is_call=is_call)
        if self.recorder.record(event):
            background.run(self.recorder.send())

    async def _is_unclaimed_host(self, host: str) -> bool:
        """Tell whether no tenant has this host; true also if the directory cannot be read."""
        with suppress(ConfigurationError, StoreUnavailable):
            return await self._find_by_host(host) is None
        return True

    async def _find_by_host(self, host: str) -> Tenant | None:
        return await self.directory.by_host(host) if is_normal_host(host) else None

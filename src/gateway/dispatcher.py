"""A request's way: find who answers, admit it, let the script answer, record it.

Owns the pipeline and the hygiene of headers and paths around it. One instance
serves an isolate. Refuses to know KV, JavaScript and the platform API.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote

from api.explore.assets import is_page, page_response
from api.explore.route import Explore
from api.routes import EXPLORE, HEALTH
from core.errors import (
    BindingMissing,
    ConfigurationError,
    DispatcherError,
    InternalError,
    MethodNotAllowed,
    NotFound,
    StoreUnavailable,
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
    EXPOSED_HEADERS,
    REQUEST_ID,
    RESPONSE_HEADER,
    RESPONSE_HEADER_V1,
    json_response,
    secured,
)
from core.telemetry import PLATFORM, PUBLIC, SERVED, RequestCounters
from gateway.checkout import Checkout, EarlyResponse
from gateway.error_handling import error_response
from gateway.request_context import (
    TENANT_ID,
    CallerHash,
    RequestContext,
    caller_identity,
    reserved_headers,
)
from gateway.scheduled import run_compaction, run_payment_recovery
from gateway.urls import ParsedUrl, check_shared_host, check_size, is_own_host, is_platform, locate
from payments.errors import PaymentFailed
from payments.models import Claim, Settlement
from tenants.admission import Admission, AdmittedRequest
from tenants.directory import TenantDirectory
from tenants.limit_headers import FIELDS_EXPOSED
from tenants.records import SLUG, Tenant, is_normal_host
from usage import CommitRole, UsageRecorder

SERVICE = "clawr-dispatcher"
TENANT_PATH = "/t"
EXPOSE = "access-control-expose-headers"


class PlatformApi(Protocol):
    """What answers below `/__platform`."""

    async def handle(
        self, request: Request, path: str, query: str, request_id: str, background: Background
    ) -> Response:
        """Answer one request; raises errors of the one tree."""
        ...

    async def publish(self) -> None:
        """Leave finished snapshots for other isolates."""
        ...


@dataclass(slots=True)
class Dispatcher:
    """Answers every request of one isolate."""

    environment: Environment
    clock: Clock
    directory: TenantDirectory
    log: UsageRecorder
    platform_api: PlatformApi
    explore: Explore
    tally: RequestCounters = field(default_factory=RequestCounters)
    _requests: int = 0
    _callers: CallerHash = field(init=False)
    _checkout: Checkout = field(init=False)
    _admission: Admission = field(init=False)

    def __post_init__(self) -> None:
        """Know callers by this deployment's secret, and take payments by its settings."""
        self._callers = CallerHash(self.environment)
        self._checkout = Checkout(self.environment, self.clock, self.log, self._callers)
        self._admission = Admission(self.environment, self.clock)

    async def handle(self, request: Request, background: Background) -> Response | ProxyResponse:
        """Answer one request; whatever goes wrong becomes an answer too."""
        self._requests += 1
        request_id = f"{self.log.writer}-{self._requests:06x}"
        arrived_ms = self.clock.now_ms()
        surface, passage = PUBLIC, None
        try:
            passage = RequestContext(request, request_id, arrived_ms, locate(request.url))
            if is_platform(passage.location.path):
                surface = PLATFORM
                answer = await self._ask_platform(passage, background)
            else:
                answer = await self._answer(passage, background)
        except Exception as error:  # noqa: BLE001 (whatever it is, somebody waits for an answer)
            answer = error_response(error, request_id, request, passage)
        answered_ms = passage.answered_ms if passage is not None else None
        if answered_ms is None:
            answered_ms = self.clock.now_ms()
        self.tally.add(surface, answer, answered_ms - arrived_ms)
        return secured(answer) if isinstance(answer, Response) else answer

    async def compact(self) -> None:
        """Go on with compaction, on cron's behalf."""
        await run_compaction(self.environment, self.clock)
        await self.platform_api.publish()

    async def tend_payments(self) -> None:
        """Move left-over payments on, on cron's behalf; nothing without a ledger."""
        if self.environment.control_database is None:
            return
        self._requests += 1
        name = f"{self.log.writer}-cron-{self._requests:06x}"
        await run_payment_recovery(self.environment, self.clock, name)

    async def _ask_platform(
        self, passage: RequestContext, background: Background
    ) -> Response | ProxyResponse:
        request, path, query = passage.request, passage.location.path, passage.location.query
        check_size(request)
        return await self.platform_api.handle(request, path, query, passage.request_id, background)

    async def _answer(
        self, passage: RequestContext, background: Background
    ) -> Response | ProxyResponse:
        location = passage.location
        if location.path in (HEALTH.path, EXPLORE.path) and await self._is_unclaimed_host(
            location.host
        ):
            return await self._answer_publicly(passage, background)
        # A directory that fails may hide a tenant who has such a path of its own.
        if is_page(location.path) and await self._find_by_host(location.host) is None:
            url = location.origin + location.path
            return await page_response(self.environment, passage.request, url, passage.request_id)
        try:
            tenant = await self._find_tenant(passage)
            return await self._serve(passage, tenant, background)
        except NotFound:
            # Not a tenant's route, so there is nothing to meter.
            raise
        except DispatcherError as error:
            self._record(passage, error.status, error.code, background, is_call=error.is_call)
            raise
        except Exception:
            self._record(passage, InternalError.status, InternalError.code, background)
            raise

    async def _answer_publicly(self, passage: RequestContext, background: Background) -> Response:
        """Answer what is for everybody, and metered for nobody."""
        request, request_id = passage.request, passage.request_id
        if passage.location.path == HEALTH.path:
            return _health(request, request_id)
        return await self.explore.handle(request, passage.location.query, request_id, background)

    async def _serve(
        self, passage: RequestContext, tenant: Tenant, background: Background
    ) -> Response | ProxyResponse:
        """Admit a request, let the script answer, settle, record."""
        passage.caller = self._callers.of(caller_identity(passage.request.headers))
        if self.environment.usage_store is None:
            raise BindingMissing("USAGE_KV")
        ticket = await self._checkout.admit(passage, tenant) if tenant.is_priced else None
        if isinstance(ticket, EarlyResponse):
            status, outcome = ticket.answer.status, ticket.outcome
            self._record(passage, status, outcome, background, is_call=False)
            return ticket.answer
        hold = await self._hold(passage, tenant, ticket) if tenant.is_limited else None
        try:
            reply = await self._dispatch(passage, tenant)
        except BaseException:
            if ticket is not None:
                await self._checkout.release(ticket)
            await self._admission.cancel(hold)
            raise
        paid = None
        if ticket is not None:
            try:
                paid = await self._checkout.settle(passage, ticket, reply)
            except PaymentFailed:
                # Whatever else it ends with, the payment may yet be settled.
                await self._admission.cancel(hold)
                raise
        await self._admission.finish(hold, reply.status, is_paid=paid is not None)
        if paid is None or not paid.is_recorded:
            self._record(passage, reply.status, SERVED, background)
        return self._relay(passage, tenant, reply, paid, hold, background)

    async def _hold(
        self, passage: RequestContext, tenant: Tenant, ticket: Claim | None
    ) -> AdmittedRequest:
        """Take what the limits leave; when that is nothing, the payment is given back."""
        is_counted = ticket is not None and ticket.is_settled
        try:
            return await self._admission.admit(passage.caller, tenant, is_counted=is_counted)
        except DispatcherError as error:
            if ticket is not None:
                await self._checkout.release(ticket, error.code)
            raise

    def _relay(
        self,
        passage: RequestContext,
        tenant: Tenant,
        reply: UpstreamResponse,
        paid: Settlement | None,
        hold: AdmittedRequest | None,
        background: Background,
    ) -> ProxyResponse:
        names = reply.header_names
        if not tenant.is_priced and (RESPONSE_HEADER in names or RESPONSE_HEADER_V1 in names):
            background.run(self._checkout.keep_receipt(passage, tenant, reply))
        set_headers = ((REQUEST_ID, passage.request_id), (TENANT_ID, tenant.tenant_id))
        remove = reserved_headers(names, is_priced=tenant.is_priced)
        # Joined to what the script says of limits of its own.
        add = () if hold is None else (*hold.fields, (EXPOSE, FIELDS_EXPOSED))
        if paid is None:
            return ProxyResponse(reply, set_headers, remove, add)
        no_store = ("cache-control", "no-store")
        exposed = (EXPOSE, EXPOSED_HEADERS)
        return ProxyResponse(
            reply, (*set_headers, *paid.headers, no_store), remove, (*add, exposed)
        )

    async def _is_unclaimed_host(self, host: str) -> bool:
        """Tell whether a host is no tenant's: nobody's while the directory cannot be read."""
        with suppress(ConfigurationError, StoreUnavailable):
            return await self._find_by_host(host) is None
        return True

    async def _find_tenant(self, passage: RequestContext) -> Tenant:
        """Find whose request this is."""
        location = passage.location
        tenant = await self._find_by_host(location.host)
        check_size(passage.request)
        if tenant is None:
            check_shared_host(passage.request)
            slug, rest = _split_tenant_path(location)
            tenant = await self.directory.by_slug(slug) if SLUG.fullmatch(slug) else None
            if tenant is None:
                raise TenantNotFound(f"No API is published as {slug[:63]!r}.", slug=slug[:63])
            passage.url = location.origin + rest + location.query
        passage.tenant = tenant
        return tenant

    async def _find_by_host(self, host: str) -> Tenant | None:
        return await self.directory.by_host(host) if is_normal_host(host) else None

    async def _dispatch(self, passage: RequestContext, tenant: Tenant) -> UpstreamResponse:
        namespace = self.environment.namespace
        if namespace is None:
            raise BindingMissing("DISPATCHER")
        request = passage.request
        remove = reserved_headers(request.headers, is_priced=tenant.is_priced)
        return await namespace.fetch(
            tenant.worker_name, tenant.limits, request, passage.url, remove
        )

    def _record(
        self,
        passage: RequestContext,
        status: int,
        outcome: str,
        background: Background,
        *,
        is_call: bool = True,
    ) -> None:
        passage.answered_ms = self.clock.now_ms()
        event = passage.event(passage.answered_ms, status, outcome, is_call=is_call)
        role = self.log.record(event)
        store = self.environment.usage_store
        if store is None:
            return
        if role is CommitRole.LEAD:
            background.run(self.log.commit_after_delay(store))
        elif role is CommitRole.COMMIT:
            background.run(self.log.commit(store))


def _health(request: Request, request_id: str) -> Response:
    if request.method not in HEALTH.methods:
        raise MethodNotAllowed(request.method, HEALTH.methods)
    return json_response({"ok": True, "service": SERVICE, "requestId": request_id}, request_id)


def _split_tenant_path(location: ParsedUrl) -> tuple[str, str]:
    """Split `/t/SLUG/rest` into the slug, lower case, and `/rest`."""
    path = location.path
    if path != TENANT_PATH and not path.startswith(TENANT_PATH + "/"):
        if is_own_host(location.host):
            raise NotFound("There is nothing here. APIs are at /t/SLUG or at hosts of their own.")
        raise TenantNotFound(f"No API answers at {location.host[:253]}.", host=location.host[:253])
    slug, slash, rest = path[len(TENANT_PATH) + 1 :].partition("/")
    if not slug:
        raise TenantNotFound("The path names no API: it must be /t/SLUG.", slug="")
    return unquote(slug).lower(), slash + rest or "/"

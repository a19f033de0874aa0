"""A request's way: find who answers, admit it, let the script answer, record it.

Owns the pipeline and the hygiene of headers and paths around it. One instance
serves an isolate. Refuses to know KV, JavaScript and the platform API.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

import limits
from directory import TenantDirectory
from errors import (
    BindingMissing,
    CallerError,
    ConfigurationError,
    DispatcherError,
    InternalError,
    InvalidParameter,
    MethodNotAllowed,
    NotFound,
    PaymentUnavailable,
    StoreOutage,
    StoreUnavailable,
    TenantNotFound,
)
from events import UsageEvent
from locations import Location, is_own_host, is_platform, locate
from ports import Answer, Background, Clock, Environment, Relay, Request, TenantReply
from responses import REQUEST_ID, error_answer, json_answer
from rollups import compact
from tenants import SLUG, Tenant, normal_host
from usage import Duty, UsageLog

SERVICE = "clawr-dispatcher"
TENANT_ID = "x-tenant-id"
TENANT_PATH = "/t"
HEALTH_PATH = "/health"
SERVED = "served"

_LOGGED_LENGTH = 1_000
_LOGGER = logging.getLogger(__name__)


class PlatformApi(Protocol):
    """What answers below `/__platform`."""

    async def handle(
        self, request: Request, path: str, query: str, request_id: str, background: Background
    ) -> Answer:
        """Answer one request; raises errors of the one tree."""
        ...

    async def publish(self) -> None:
        """Leave finished snapshots for other isolates."""
        ...


def caller_identity(headers: Mapping[str, str]) -> str:
    """Tell who calls, as well as the request's headers (by lower-case name) can.

    The kind stands before the value, so that an API key and an agent's name
    that happen to be alike stay two callers.
    """
    authorization = headers.get("authorization", "")
    scheme, _, credentials = authorization.partition(" ")
    candidates = (
        ("key", headers.get("x-api-key")),
        ("key", credentials.strip() if scheme.lower() == "bearer" else None),
        ("agent", headers.get("x-agent-id")),
        ("agent", headers.get("x-caller-id")),
        ("ip", headers.get("cf-connecting-ip")),
    )
    for kind, value in candidates:
        if value:
            return f"{kind}:{value[: limits.IDENTITY_LENGTH_MAX]}"
    return "unknown:"


def reserved_headers(names: Sequence[str]) -> Sequence[str]:
    """Pick, of lower-case header names, those that only the dispatcher may set."""
    return [
        name for name in names if name in (REQUEST_ID, TENANT_ID) or name.startswith("x-clawr-")
    ]


@dataclass(slots=True)
class Dispatcher:
    """Answers every request of one isolate."""

    environment: Environment
    clock: Clock
    directory: TenantDirectory
    log: UsageLog
    platform_api: PlatformApi
    _requests: int = 0
    _caller_key: bytes = b""

    async def handle(self, request: Request, background: Background) -> Answer | Relay:
        """Answer one request; whatever goes wrong becomes an answer too."""
        self._requests += 1
        request_id = f"{self.log.writer}-{self._requests:06x}"
        try:
            return await self._answer(request, request_id, background)
        except DispatcherError as error:
            if not isinstance(error, CallerError):
                # The cause is what the caller is not shown: a script's own words, for one.
                cause = repr(str(error.__cause__))[:_LOGGED_LENGTH]
                _LOGGER.warning("request %s: %s (%s)", request_id, error.message, cause)
            return error_answer(error, request_id)
        except StoreUnavailable as error:
            _LOGGER.warning("request %s: KV failed (%s)", request_id, error)
            return error_answer(StoreOutage(), request_id)
        except Exception:
            _LOGGER.exception("request %s failed", request_id)
            return error_answer(InternalError(), request_id)

    async def compact(self) -> None:
        """Go on with compaction, on cron's behalf."""
        store = self.environment.usage_store
        if store is None:
            raise BindingMissing("USAGE_KV")
        report = await compact(store, self.clock.now_ms(), limits.COMPACTION_OPERATIONS)
        if report.stopped_by:
            _LOGGER.warning("compaction stopped: %s", report.stopped_by)
        _LOGGER.info("compaction: %s", report)
        await self.platform_api.publish()

    async def _answer(
        self, request: Request, request_id: str, background: Background
    ) -> Answer | Relay:
        arrived_ms = self.clock.now_ms()
        location = locate(request.url)
        if is_platform(location.path):
            path, query = location.path, location.query
            return await self.platform_api.handle(request, path, query, request_id, background)
        passage = _Passage(request, request_id, arrived_ms, location)
        try:
            tenant = await self._find_tenant(passage)
            if tenant is None:
                return _health(request, request_id)
            reply = await self._dispatch(passage, tenant)
        except NotFound:
            # Not a tenant's route, so there is nothing to meter.
            raise
        except DispatcherError as error:
            self._record(passage, error.status, error.code, background, is_call=error.is_call)
            raise
        except Exception:
            self._record(passage, InternalError.status, InternalError.code, background)
            raise
        self._record(passage, reply.status, SERVED, background)
        set_headers = ((REQUEST_ID, request_id), (TENANT_ID, tenant.tenant_id))
        return Relay(reply, set_headers, reserved_headers(reply.header_names))

    async def _find_tenant(self, passage: _Passage) -> Tenant | None:
        """Find whose request this is; None for the dispatcher's own routes."""
        location = passage.location
        is_health = location.path == HEALTH_PATH
        tenant = None
        # What is well must show even when the directory is not.
        with suppress(ConfigurationError, StoreUnavailable) if is_health else nullcontext():
            tenant = await self._find_by_host(location.host)
        if tenant is None and is_health:
            return None
        _check_size(passage.request)
        if tenant is None:
            slug, rest = _split_tenant_path(location)
            tenant = await self.directory.by_slug(slug) if SLUG.fullmatch(slug) else None
            if tenant is None:
                raise TenantNotFound(f"No API is published as {slug[:63]!r}.", slug=slug[:63])
            passage.url = location.origin + rest + location.query
        passage.tenant = tenant
        return tenant

    async def _find_by_host(self, host: str) -> Tenant | None:
        try:
            is_name = normal_host(host) == host
        except ValueError:
            return None
        return await self.directory.by_host(host) if is_name else None

    async def _dispatch(self, passage: _Passage, tenant: Tenant) -> TenantReply:
        passage.caller = self._caller_hash(passage.request.headers)
        if self.environment.usage_store is None:
            raise BindingMissing("USAGE_KV")
        namespace = self.environment.namespace
        if namespace is None:
            raise BindingMissing("DISPATCHER")
        if tenant.x402_enabled and tenant.price_micros:
            raise PaymentUnavailable(tenant.slug)
        request = passage.request
        remove = reserved_headers(tuple(request.headers))
        return await namespace.fetch(
            tenant.worker_name, tenant.limits, request, passage.url, remove
        )

    def _caller_hash(self, headers: Mapping[str, str]) -> str:
        if not self._caller_key:
            secret = self.environment.setting("CALLER_HASH_SECRET")
            if secret is None:
                raise ConfigurationError(
                    "CALLER_HASH_SECRET",
                    "Set it to a long random text (`wrangler secret put CALLER_HASH_SECRET`):"
                    " callers are told apart by a hash under this key.",
                )
            self._caller_key = hashlib.sha256(secret.encode()).digest()
        identity = caller_identity(headers).encode()
        return hashlib.blake2b(identity, key=self._caller_key, digest_size=8).hexdigest()

    def _record(
        self,
        passage: _Passage,
        status: int,
        outcome: str,
        background: Background,
        *,
        is_call: bool = True,
    ) -> None:
        now_ms = self.clock.now_ms()
        event = UsageEvent(
            request_id=passage.request_id,
            at_ms=now_ms,
            api=passage.tenant.api if passage.tenant else None,
            method=passage.request.method,
            status=status,
            latency_ms=max(0, now_ms - passage.arrived_ms),
            caller=passage.caller,
            outcome=outcome,
            counted=is_call,
            revenue_micros=0,
        )
        duty = self.log.append(event)
        store = self.environment.usage_store
        if store is None:
            return
        if duty is Duty.LEAD:
            background.run(self.log.lead(store))
        elif duty is Duty.COMMIT:
            background.run(self.log.commit(store))


@dataclass(slots=True)
class _Passage:
    """What is known so far of one request on a tenant's route."""

    request: Request
    request_id: str
    arrived_ms: int
    location: Location
    tenant: Tenant | None = None
    url: str | None = None
    caller: str = ""


def _health(request: Request, request_id: str) -> Answer:
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed(request.method, ("GET", "HEAD"))
    return json_answer({"ok": True, "service": SERVICE, "requestId": request_id}, request_id)


def _check_size(request: Request) -> None:
    if len(request.url) > limits.URL_LENGTH_MAX:
        raise InvalidParameter("url", f"at most {limits.URL_LENGTH_MAX} characters long")
    length = sum(len(name) + len(value) for name, value in request.headers.items())
    if length > limits.HEADERS_LENGTH_MAX:
        raise InvalidParameter(
            "headers", f"at most {limits.HEADERS_LENGTH_MAX} characters long together"
        )


def _split_tenant_path(location: Location) -> tuple[str, str]:
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

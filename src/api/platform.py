"""The routes below `/__platform`: authorize, read the parameters, call the route's handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from analytics import WINDOWS, Analytics
from api import routes
from api.auth import Authorizer
from api.event_pages import newest_events, newest_settlements
from api.health import Health
from api.metrics import Metrics, metrics_response
from api.pagination import NEWEST_CLAIM, encode_claim, encode_places
from api.payment_health import PaymentHealth
from api.rebuild_days import rebuild_days
from api.spec import Values, query_pairs, read_parameters, refuse_unknown
from core import constants
from core.calendar import DAY_MS, timestamp
from core.callers import CallerHasher
from core.errors import (
    BindingMissing,
    DatabaseUnavailable,
    InvalidParameter,
    LedgerOutage,
    MethodNotAllowed,
    NotFound,
    StoreUnavailable,
)
from core.ports import (
    Clock,
    Environment,
    Json,
    KeyValueStore,
    Request,
    Response,
    UsageShards,
)
from core.responses import (
    REQUEST_ID_HEADER,
    VARY_ON_TOKEN,
    etag_matches,
    json_response,
    text_response,
)
from core.telemetry import SERVED_WITH_RECEIPT, RequestCounters
from metering.events import UsageEvent
from metering.settlements import shown_settlement
from metering.totals import DEFAULT_DIRECTORY
from payments.facilitator import Facilitators
from payments.reconciliation import compare_day
from payments.resolution import resolver_of
from snapshots.ranking import shown_owner
from snapshots.serialization import etag_of, response_json
from tenants.directory import TenantDirectory
from usage import UsageRecorder


@dataclass(frozen=True, slots=True)
class _Call:
    """One authorized request: its parameters by name, and what its response needs."""

    request: Request
    values: Values
    request_id: str
    if_none_match: str
    tenants: frozenset[str] | None
    """The tenants that the token may see; None for all."""

    @property
    def listed_tenants(self) -> Sequence[str] | None:
        """The same in a fixed order."""
        return None if self.tenants is None else sorted(self.tenants)


_Handler = Callable[[_Call], Awaitable[Response]]


@dataclass(slots=True)
class PlatformApi:
    """Serves the platform routes of one isolate."""

    environment: Environment
    clock: Clock
    directory: TenantDirectory
    recorder: UsageRecorder
    analytics: Analytics
    request_counters: RequestCounters = field(default_factory=RequestCounters)
    facilitators: Facilitators | None = None
    """Those of the isolate, whose state the health report shows."""
    _authorizer: Authorizer = field(init=False)
    _callers: CallerHasher = field(init=False)
    _health: Health = field(init=False)
    _metrics: Metrics = field(init=False)
    _handlers: Mapping[str, _Handler] = field(init=False)
    """By path; every path in `routes.PLATFORM_ROUTES` has one."""

    def __post_init__(self) -> None:
        """Wire the parts."""
        environment, clock = self.environment, self.clock
        self._authorizer = Authorizer(environment, clock)
        self._callers = CallerHasher(environment)
        self._health = Health(
            environment,
            clock,
            self.directory,
            self.recorder,
            self._authorizer,
            PaymentHealth(
                environment, clock, self.facilitators or Facilitators(environment, clock)
            ),
        )
        self._metrics = Metrics(
            environment, clock, self.recorder, self.analytics, self.request_counters
        )
        self._handlers = {
            routes.ANALYTICS.path: self._get_analytics,
            routes.EVENTS.path: self._get_events,
            routes.SETTLEMENTS.path: self._get_settlements,
            routes.RECONCILIATION.path: self._get_reconciliation,
            routes.PLATFORM_HEALTH.path: self._get_health,
            routes.USAGE.path: self._get_usage,
            routes.COMPACT.path: self._post_compact,
            routes.IMPORT.path: self._post_import,
            routes.METRICS.path: self._get_metrics,
            routes.OPENAPI.path: self._get_openapi,
        }

    async def handle(self, request: Request, path: str, query: str, request_id: str) -> Response:
        """Serve one request to `path` with `query`, which is empty or starts with `?`.

        Raises `InvalidParameter` for too many parameters, `Unauthorized`, then
        `NotFound`, `MethodNotAllowed` or `InvalidParameter`, then what the handler raises.
        """
        pairs = query_pairs(query)
        tenants = await self._authorizer.authorize(request.headers, path, dict(pairs))
        route = routes.PLATFORM_ROUTES.get(path)
        if route is None:
            paths = ", ".join(routes.PLATFORM_ROUTES)
            raise NotFound(f"The platform API has no such route; it has {paths}.")
        if request.method not in route.methods:
            raise MethodNotAllowed(request.method, route.methods)
        refuse_unknown(route.parameters, pairs)
        values = read_parameters(route.parameters, pairs)
        if_none_match = request.headers.get("if-none-match", "")
        call = _Call(request, values, request_id, if_none_match, tenants)
        return await self._handlers[path](call)

    @property
    def _store(self) -> KeyValueStore:
        store = self.environment.usage_store
        if store is None:
            raise BindingMissing("USAGE_KV")
        return store

    @property
    def _shards(self) -> UsageShards:
        shards = self.environment.usage_shards
        if shards is None:
            raise BindingMissing("USAGE_SHARD")
        return shards

    async def _get_analytics(self, call: _Call) -> Response:
        window, top = call.values["window"], call.values["top"]
        now_ms = self.clock.now_ms()
        windows = WINDOWS if window is None else (window,)
        snapshots = await self.analytics.snapshots(windows, top, call.listed_tenants)
        body: dict[str, Json] = {"generatedAt": timestamp(now_ms)}
        if window is None:
            body["windows"] = snapshots
        else:
            body |= {"window": window, "snapshot": snapshots[window]}
        is_public = self._authorizer.is_public and call.tenants is None
        return analytics_response(body, call.request_id, call.if_none_match, is_public=is_public)

    async def _get_events(self, call: _Call) -> Response:
        places = call.values["cursor"] or ()
        limit, tenants = call.values["limit"], call.tenants
        page = await newest_events(self._shards, self._store, limit, places, tenants)
        next_places = page.next_places
        body = {
            "events": [_shown_event(event) for event in page.events],
            "unreadable": page.unreadable,
            "cursor": None if next_places is None else encode_places(next_places),
        }
        return _json_response(call, body)

    async def _get_settlements(self, call: _Call) -> Response:
        place = call.values["cursor"] or NEWEST_CLAIM
        limit, tenants = call.values["limit"], call.listed_tenants
        page = await newest_settlements(self._shards, limit, place, tenants)
        body = {
            "settlements": [shown_settlement(event) for event in page.events],
            "unreadable": page.unreadable,
            "cursor": None if page.next_place is None else encode_claim(page.next_place),
        }
        return _json_response(call, body)

    async def _get_reconciliation(self, call: _Call) -> Response:
        from metering.usage.ranges import UsageRange  # noqa: PLC0415 (see `_get_usage`)

        today = self.clock.now_ms() // DAY_MS
        day = today if call.values["day"] is None else call.values["day"]
        if day > today:
            raise InvalidParameter("day", "a day that has begun")
        resolver = resolver_of(self.environment, self.clock)
        try:
            comparison = await compare_day(
                resolver.ledger, resolver.archive, resolver.shards, day, call.tenants
            )
        except (DatabaseUnavailable, StoreUnavailable) as error:
            raise LedgerOutage from error
        outcomes = UsageRange("day", day, day + 1, call.listed_tenants, None, "outcome")
        rows = (await self.analytics.usage(outcomes)).rows
        receipts = sum(row.requests for row in rows if row.group == SERVED_WITH_RECEIPT)
        return _json_response(call, {"day": {**comparison, "reportedByScripts": receipts}})

    async def _get_health(self, call: _Call) -> Response:
        return _json_response(call, await self._health.report())

    async def _get_usage(self, call: _Call) -> Response:
        # Few isolates read usage, so its modules are loaded on the first request.
        from api.usage.route import usage_response  # noqa: PLC0415

        return await usage_response(
            self.analytics,
            self.clock,
            call.values,
            call.request.headers,
            call.listed_tenants,
            call.request_id,
        )

    async def _get_metrics(self, call: _Call) -> Response:
        return metrics_response(await self._metrics.text(), call.request_id)

    async def _post_compact(self, call: _Call) -> Response:
        """Rebuild the days of a range from the log, and report which ones changed."""
        start_ms, end_ms = call.values["from"], call.values["to"]
        days = range(start_ms // DAY_MS, -(-end_ms // DAY_MS))
        if not start_ms < end_ms or len(days) > constants.REBUILD_DAYS_MAX:
            raise InvalidParameter(
                "to", f"later than `from`, by at most {constants.REBUILD_DAYS_MAX} days"
            )
        report = await rebuild_days(self._shards, self.clock, days)
        return _json_response(call, report)

    async def _post_import(self, call: _Call) -> Response:
        # Few isolates import events.
        from api.imports.importing import Importer  # noqa: PLC0415

        importer = Importer(self._shards, self.clock, self._callers)
        import_id, undone = call.values["id"], call.values["undo"]
        if undone is not None:
            if import_id is not None:
                raise InvalidParameter("id", "left out together with `undo`")
            execute = not call.values["dryRun"]
            found = await importer.undo(undone, execute=execute)
            body: dict[str, Json] = {
                "importId": undone,
                "state": found["state"],
                "events": found["events"],
                "undoUntil": _moment(found["untilMs"]),
            }
            return _json_response(call, body)
        report = await importer.run(call.request, import_id or "")
        body = {
            "importId": import_id,
            "undoUntil": _moment(report.undo_until_ms),
            "received": report.received,
            "imported": report.imported,
            "known": report.known,
            "rejected": report.rejected,
            "errors": report.errors,
        }
        return _json_response(call, body)

    async def _get_openapi(self, call: _Call) -> Response:
        # Few clients request the document, so its text is loaded on the first request.
        from api.openapi_document import TAG, TEXT  # noqa: PLC0415

        headers = (
            ("cache-control", f"private, max-age={constants.OPENAPI_AGE_SECONDS}"),
            ("vary", VARY_ON_TOKEN),
            ("etag", f"W/{TAG}"),
            (REQUEST_ID_HEADER, call.request_id),
        )
        if etag_matches(TAG, call.if_none_match):
            return Response(304, headers, "")
        content = (("content-type", "application/json"), ("x-content-type-options", "nosniff"))
        return Response(200, (*content, *headers), TEXT)


def analytics_response(
    body: Mapping[str, Json], request_id: str, if_none_match: str, *, is_public: bool
) -> Response:
    """Return the response with `body`, which has one `snapshot` or several in `windows`.

    It is 304 without a body if `if_none_match`, that header's value or empty, has
    the current tag. Shared caches may store it only if it `is_public`.
    """
    tag = etag_of(body["windows"].values() if "windows" in body else [body["snapshot"]])
    cacheability = "public" if is_public else "private"
    headers = (
        ("cache-control", f"{cacheability}, max-age={constants.ANALYTICS_AGE_SECONDS}"),
        ("vary", VARY_ON_TOKEN),
        ("etag", f"W/{tag}"),
    )
    if etag_matches(tag, if_none_match):
        return Response(304, (*headers, (REQUEST_ID_HEADER, request_id)), "")
    text = response_json({"ok": True, "requestId": request_id, **body})
    return text_response(text, request_id, headers=headers)


def _moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else timestamp(at_ms)


def _json_response(call: _Call, body: Mapping[str, Json]) -> Response:
    return json_response({"ok": True, "requestId": call.request_id, **body}, call.request_id)


def _shown_event(event: UsageEvent) -> Mapping[str, Json]:
    api = event.api
    return {
        "requestId": event.request_id,
        "at": timestamp(event.at_ms),
        "tenantId": api.tenant_id if api else None,
        "endpoint": f"/t/{api.slug}" if api else None,
        "owner": shown_owner(api.owner) if api else None,
        "directory": (api.directory or DEFAULT_DIRECTORY) if api else None,
        "priceUsd": api.price_micros / 1_000_000 if api else None,
        "method": event.method,
        "status": event.status,
        "latencyMs": event.latency_ms,
        "caller": event.caller or None,
        "outcome": event.outcome,
        "counted": event.counted,
        "revenueUsd": event.revenue_micros / 1_000_000,
        "revenueMicros": event.revenue_micros,
    }

"""The platform API: everything below `/__platform`, closed unless a token opens it.

Owns the routes, their parameters and the shape of the answers. Refuses to compute
figures, which is for `analytics`, and to know tokens, which is for `access`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from analytics import Analytics
from api import routes as api_routes
from api.auth import Authorizer
from api.health import Health
from api.metrics import Metrics, metrics_response
from api.pagination import encode_listing, encode_position
from api.spec import Values, query_pairs, read_parameters
from core import constants, keys
from core.errors import (
    BindingMissing,
    DatabaseUnavailable,
    InvalidParameter,
    LedgerOutage,
    MethodNotAllowed,
    NotFound,
)
from core.ports import Background, Clock, Environment, Json, KeyValueStore, Request, Response
from core.responses import REQUEST_ID, VARIES_BY, is_known, json_response, text_answer
from core.telemetry import RequestCounters
from metering.compactor import rebuild
from metering.events import UsageEvent
from metering.pages import newest_events
from metering.settlements import read_settlements, shown_settlement
from metering.state import rebuildable_from
from metering.totals import DEFAULT_DIRECTORY
from payments.reconciliation import compare_day
from payments.resolution import resolver_of
from snapshots.ranking import shown_owner
from snapshots.render import WINDOWS
from snapshots.serialization import answer_text, tag_of
from tenants.directory import TenantDirectory
from usage import UsageRecorder


def analytics_response(
    body: Mapping[str, Json], request_id: str, wanted: str, *, is_public: bool
) -> Response:
    """Make the answer for `body`, which has one `snapshot` or several in `windows`.

    It is 304 without a body when `wanted`, the header `If-None-Match` or empty,
    has its tag. Others than the asker may keep it only if it `is_public`.
    """
    tag = tag_of(body["windows"].values() if "windows" in body else [body["snapshot"]])
    kept_by = "public" if is_public else "private"
    headers = (
        ("cache-control", f"{kept_by}, max-age={constants.ANALYTICS_AGE_SECONDS}"),
        ("vary", VARIES_BY),
        ("etag", f"W/{tag}"),
    )
    if is_known(tag, wanted):
        return Response(304, (*headers, (REQUEST_ID, request_id)), "")
    text = answer_text({"ok": True, "requestId": request_id, **body})
    return text_answer(text, request_id, headers=headers)


async def settlements(store: KeyValueStore, values: Values) -> Mapping[str, Json]:
    """Show settlement events, those of the newest payments first. Raises `StoreUnavailable`."""
    page = await store.list_page(keys.SETTLEMENT_PREFIX, values["cursor"], values["limit"])
    events, unreadable = await read_settlements(store, [key.name for key in page.keys])
    return {
        "settlements": [shown_settlement(event) for event in events],
        "unreadable": unreadable,
        "cursor": None if page.cursor is None else encode_listing(page.cursor),
    }


async def reconciliation(
    environment: Environment, clock: Clock, values: Values
) -> Mapping[str, Json]:
    """Compare the ledger and the settlement events of a UTC day, today's by default.

    Raises `InvalidParameter`, `BindingMissing`, `LedgerOutage` and `StoreUnavailable`.
    """
    today = clock.now_ms() // keys.DAY_MS
    day = today if values["day"] is None else values["day"]
    if day > today:
        raise InvalidParameter("day", "a day that has begun")
    resolver = resolver_of(environment, clock)
    try:
        return {"day": await compare_day(resolver.ledger, resolver.store, day)}
    except DatabaseUnavailable as error:
        raise LedgerOutage from error


Handler = Callable[[Values, Background], Awaitable[Mapping[str, Json]]]


@dataclass(slots=True)
class PlatformApi:
    """Answers the platform's requests of one isolate."""

    environment: Environment
    clock: Clock
    directory: TenantDirectory
    log: UsageRecorder
    tally: RequestCounters = field(default_factory=RequestCounters)
    reader: Analytics = field(init=False)
    health: Health = field(init=False)
    access: Authorizer = field(init=False)
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        """Let the reader and health look at the same things."""
        self.reader = Analytics(self.clock, self.log)
        self.access = Authorizer(self.environment, self.clock)
        self.health = Health(self.environment, self.clock, self.directory, self.log, self.access)
        self.metrics = Metrics(self.environment, self.clock, self.log, self.reader, self.tally)

    async def handle(
        self, request: Request, path: str, query: str, request_id: str, background: Background
    ) -> Response:
        """Answer one request to `path` with `query`, which is empty or starts with `?`.

        Raises `Unauthorized` before anything else is looked at, then whatever
        is wrong with path, method and parameters.
        """
        pairs = query_pairs(query)
        await self.access.authorize(request.headers, path, dict(pairs))
        wanted = request.headers.get("if-none-match", "")
        route = api_routes.PLATFORM_ROUTES.get(path)
        handlers: Mapping[str, Handler] = {
            api_routes.ANALYTICS.path: self._analytics,
            api_routes.EVENTS.path: self._events,
            api_routes.PLATFORM_HEALTH.path: self._health,
            api_routes.SETTLEMENTS.path: self._settlements,
            api_routes.RECONCILIATION.path: self._reconciliation,
            api_routes.COMPACT.path: self._compact,
            api_routes.METRICS.path: self._metrics,
        }
        if route is None:
            names = ", ".join(api_routes.PLATFORM_ROUTES)
            raise NotFound(f"The platform API has no such route; it has {names}.")
        if request.method not in route.methods:
            raise MethodNotAllowed(request.method, route.methods)
        values = read_parameters(route.parameters, pairs)
        if route is api_routes.OPENAPI:
            # Few ask for it, so nobody else waits for what writes it to be loaded.
            from api.openapi.document import openapi_response  # noqa: PLC0415

            return openapi_response(request_id, wanted)
        body = await handlers[path](values, background)
        if route is api_routes.ANALYTICS:
            return analytics_response(body, request_id, wanted, is_public=self.access.is_public)
        if route is api_routes.METRICS:
            return metrics_response(body["text"], request_id)
        return json_response({"ok": True, "requestId": request_id, **body}, request_id)

    async def publish(self) -> None:
        """Leave finished snapshots for other isolates, on cron's behalf."""
        await self.reader.publish(self._store)

    @property
    def _store(self) -> KeyValueStore:
        store = self.environment.usage_store
        if store is None:
            raise BindingMissing("USAGE_KV")
        return store

    async def _analytics(self, values: Values, background: Background) -> Mapping[str, Json]:
        window, top = values["window"], values["top"]
        now_ms = self.clock.now_ms()
        names = WINDOWS if window is None else (window,)
        shown = await self.reader.snapshots(self._store, names, top, background)
        generated = {"generatedAt": keys.timestamp(now_ms)}
        if window is None:
            return {**generated, "windows": shown}
        return {**generated, "window": window, "snapshot": shown[window]}

    async def _events(self, values: Values, _: Background) -> Mapping[str, Json]:
        events, position = await newest_events(
            self._store, self.log.local_batches().held, values["limit"], values["cursor"]
        )
        return {
            "events": [_shown_event(event) for event in events],
            "cursor": None if position is None else encode_position(position),
        }

    async def _settlements(self, values: Values, _: Background) -> Mapping[str, Json]:
        return await settlements(self._store, values)

    async def _reconciliation(self, values: Values, _: Background) -> Mapping[str, Json]:
        return await reconciliation(self.environment, self.clock, values)

    async def _health(self, _: Values, __: Background) -> Mapping[str, Json]:
        return await self.health.report()

    async def _metrics(self, _: Values, background: Background) -> Mapping[str, Json]:
        return {"text": await self.metrics.text(background)}

    async def _compact(self, values: Values, _: Background) -> Mapping[str, Json]:
        """Make the summaries of a range again from the log, and say what came out differently."""
        first, end = values["from"], values["to"]
        if not first < end <= first + constants.REBUILD_MINUTES_MAX:
            raise InvalidParameter(
                "to", f"later than `from`, by at most {constants.REBUILD_MINUTES_MAX} minutes"
            )
        now_ms = self.clock.now_ms()
        earliest = rebuildable_from(now_ms // keys.MINUTE_MS)
        if first < earliest:
            raise InvalidParameter(
                "from",
                f"{keys.timestamp(earliest * keys.MINUTE_MS)} or later, because batches expire"
                f" after {constants.BATCH_DAYS} days and summaries of them are not made anew",
            )
        report = await rebuild(self._store, now_ms, first, end, constants.COMPACTION_OPERATIONS)
        return {
            "from": keys.timestamp(first * keys.MINUTE_MS),
            "to": keys.timestamp(end * keys.MINUTE_MS),
            "complete": report.done,
            "rebuilt": len(report.made),
            "changed": sorted(set(report.changed)),
            "operations": report.operations,
            "stoppedBy": report.stopped_by or None,
        }


def _shown_event(event: UsageEvent) -> Mapping[str, Json]:
    api = event.api
    return {
        "requestId": event.request_id,
        "at": keys.timestamp(event.at_ms),
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

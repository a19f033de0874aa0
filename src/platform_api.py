"""The platform API: everything below `/__platform`, closed unless a token opens it.

Owns the routes, their parameters and the shape of the answers. Refuses to compute
figures, which is for `analytics`, and to know tokens, which is for `access`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import keys
import limits
from access import Access
from analytics import WINDOWS
from caching import analytics_answer
from directory import TenantDirectory
from errors import (
    BindingMissing,
    InvalidParameter,
    InvalidWindow,
    MethodNotAllowed,
    NotFound,
)
from event_pages import newest_events
from events import UsageEvent
from figures import DEFAULT_DIRECTORY
from health import Health
from metrics import Metrics, metrics_answer
from parameters import (
    Parameters,
    decode_cursor,
    encode_cursor,
    minute_of,
    parse_query,
    whole_number,
)
from payment_routes import reconciliation, settlements
from ports import Answer, Background, Clock, Environment, Json, KeyValueStore, Request
from ranking import shown_owner
from reader import SnapshotReader
from recovery import rebuildable_from
from responses import json_answer
from rollups import rebuild
from tallies import RequestTally
from usage import UsageLog

_ANALYTICS = "/__platform/analytics"
_METRICS = "/__platform/metrics"
_READ_METHODS = ("GET", "HEAD")


Route = Callable[[Parameters, Background], Awaitable[Mapping[str, Json]]]


@dataclass(slots=True)
class PlatformApi:
    """Answers the platform's requests of one isolate."""

    environment: Environment
    clock: Clock
    directory: TenantDirectory
    log: UsageLog
    tally: RequestTally = field(default_factory=RequestTally)
    reader: SnapshotReader = field(init=False)
    health: Health = field(init=False)
    access: Access = field(init=False)
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        """Let the reader and health look at the same things."""
        self.reader = SnapshotReader(self.clock, self.log)
        self.access = Access(self.environment, self.clock)
        self.health = Health(self.environment, self.clock, self.directory, self.log, self.access)
        self.metrics = Metrics(self.environment, self.clock, self.log, self.reader, self.tally)

    async def handle(
        self, request: Request, path: str, query: str, request_id: str, background: Background
    ) -> Answer:
        """Answer one request to `path` with `query`, which is empty or starts with `?`.

        Raises `Unauthorized` before anything else is looked at, then whatever
        is wrong with path, method and parameters.
        """
        parameters = parse_query(query)
        await self.access.authorize(request.headers, path, parameters)
        routes: Mapping[str, tuple[Sequence[str], Route]] = {
            _ANALYTICS: (_READ_METHODS, self._analytics),
            "/__platform/events": (_READ_METHODS, self._events),
            "/__platform/health": (_READ_METHODS, self._health),
            "/__platform/settlements": (_READ_METHODS, self._settlements),
            "/__platform/reconciliation": (_READ_METHODS, self._reconciliation),
            "/__platform/compact": (("POST",), self._compact),
            _METRICS: (_READ_METHODS, self._metrics),
        }
        if path not in routes:
            raise NotFound(f"The platform API has no such route; it has {', '.join(routes)}.")
        methods, route = routes[path]
        if request.method not in methods:
            raise MethodNotAllowed(request.method, methods)
        body = await route(parameters, background)
        if path == _ANALYTICS:
            wanted = request.headers.get("if-none-match", "")
            return analytics_answer(body, request_id, wanted, is_public=self.access.is_public)
        if path == _METRICS:
            return metrics_answer(body["text"], request_id)
        return json_answer({"ok": True, "requestId": request_id, **body}, request_id)

    async def publish(self) -> None:
        """Leave finished snapshots for other isolates, on cron's behalf."""
        await self.reader.publish(self._store)

    @property
    def _store(self) -> KeyValueStore:
        store = self.environment.usage_store
        if store is None:
            raise BindingMissing("USAGE_KV")
        return store

    async def _analytics(
        self, parameters: Parameters, background: Background
    ) -> Mapping[str, Json]:
        window = parameters.get("window")
        if window is not None and window not in WINDOWS:
            raise InvalidWindow(WINDOWS)
        top = whole_number(parameters, "top", limits.TOP_DEFAULT, limits.TOP_MAX)
        now_ms = self.clock.now_ms()
        names = WINDOWS if window is None else (window,)
        shown = await self.reader.snapshots(self._store, names, top, background)
        generated = {"generatedAt": keys.timestamp(now_ms)}
        if window is None:
            return {**generated, "windows": shown}
        return {**generated, "window": window, "snapshot": shown[window]}

    async def _events(self, parameters: Parameters, _: Background) -> Mapping[str, Json]:
        limit = whole_number(parameters, "limit", limits.EVENTS_DEFAULT, limits.EVENTS_MAX)
        after = decode_cursor(parameters.get("cursor"))
        events, position = await newest_events(
            self._store, self.log.local_batches().held, limit, after
        )
        return {
            "events": [_shown_event(event) for event in events],
            "cursor": None if position is None else encode_cursor(position),
        }

    async def _settlements(self, parameters: Parameters, _: Background) -> Mapping[str, Json]:
        return await settlements(self._store, parameters)

    async def _reconciliation(self, parameters: Parameters, _: Background) -> Mapping[str, Json]:
        return await reconciliation(self.environment, self.clock, parameters)

    async def _health(self, _: Parameters, __: Background) -> Mapping[str, Json]:
        return await self.health.report()

    async def _metrics(self, _: Parameters, background: Background) -> Mapping[str, Json]:
        return {"text": await self.metrics.text(background)}

    async def _compact(self, parameters: Parameters, _: Background) -> Mapping[str, Json]:
        """Make the summaries of a range again from the log, and say what came out differently."""
        first = minute_of(parameters, "from")
        end = minute_of(parameters, "to")
        if not first < end <= first + limits.REBUILD_MINUTES_MAX:
            raise InvalidParameter(
                "to", f"later than `from`, by at most {limits.REBUILD_MINUTES_MAX} minutes"
            )
        now_ms = self.clock.now_ms()
        earliest = rebuildable_from(now_ms // keys.MINUTE_MS)
        if first < earliest:
            raise InvalidParameter(
                "from",
                f"{keys.timestamp(earliest * keys.MINUTE_MS)} or later, because batches expire"
                f" after {limits.BATCH_DAYS} days and summaries of them are not made anew",
            )
        report = await rebuild(self._store, now_ms, first, end, limits.COMPACTION_OPERATIONS)
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

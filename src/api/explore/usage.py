"""The route `/api/explore/usage`: the public use of one API, for its page.

Nothing in it identifies a caller: callers are counted, and of a payment there is only what anybody
can read on its chain, without the payer.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analytics import Analytics
from api.event_pages import newest_settlements
from api.explore.ranges import (
    LAST_HOURS,
    RANGE_DAYS,
    freshness_of,
    point_of,
    previous_sums,
    sums_of,
)
from api.explore.routes import EXPLORE_USAGE, USAGE_SECONDS
from api.explore.sources import UNREACHABLE
from api.pagination import NEWEST_CLAIM
from api.spec import query_pairs, read_parameters
from core import constants
from core.calendar import DAY_MS, HOUR_MS, HOURS_PER_DAY, MINUTE_MS, timestamp
from core.errors import (
    BindingMissing,
    MethodNotAllowed,
    NotFound,
    ShardUnavailable,
    StoreUnavailable,
)
from core.logs import fields
from core.ports import Clock, Environment, Json, Request, Response
from core.responses import (
    ANY_ORIGIN,
    is_preflight,
    json_response,
    preflight_response,
    text_response,
)
from metering.settlements import SettlementEvent
from metering.usage.days import add_sums
from metering.usage.ranges import UsageRange
from snapshots.serialization import json_text
from tenants.directory import TenantDirectory
from tenants.networks import network_name_v1, transaction_page
from tenants.records import Tenant

_LOGGER = logging.getLogger(__name__)
_HOURS = {LAST_HOURS: HOURS_PER_DAY, "7d": 7 * HOURS_PER_DAY}
"""The hours of a range that is shown by hour."""

_PAYMENTS_MAX = 10
_DAYS = 90
_CACHED_MAX = 200
_WINDOW = "overall"


@dataclass(frozen=True, slots=True)
class _Rendered:
    """A response body made at `made_ms`."""

    made_ms: int
    text: str


@dataclass(slots=True)
class ExploreUsage:
    """Serves the route for one isolate. Responses are cached by API and range."""

    environment: Environment
    clock: Clock
    directory: TenantDirectory
    analytics: Analytics
    _cached: dict[tuple[str, str], _Rendered] = field(default_factory=dict)

    async def handle(self, request: Request, query: str, request_id: str) -> Response:
        """Serve one request with `query`, which is empty or starts with `?`.

        Raises `MethodNotAllowed`, `InvalidParameter`, `NotFound` for an API that is not published,
        and as `TenantDirectory.by_slug`.
        """
        if is_preflight(request):
            return preflight_response(request, request_id)
        if request.method not in EXPLORE_USAGE.methods:
            raise MethodNotAllowed(request.method, EXPLORE_USAGE.methods)
        values = read_parameters(EXPLORE_USAGE.parameters, query_pairs(query))
        slug, name = values["api"], values["range"]
        now_ms = self.clock.now_ms()
        known = self._cached.get((slug, name))
        age_ms = USAGE_SECONDS * 1000
        if known is None or not 0 <= now_ms - known.made_ms < age_ms:
            tenant = await self.directory.by_slug(slug)
            if tenant is None:
                raise NotFound(f"No API is published as {slug[:63]!r}.")
            try:
                known = _Rendered(now_ms, json_text(await self._body(tenant, name, now_ms)))
            except (BindingMissing, ShardUnavailable, StoreUnavailable) as error:
                _LOGGER.warning("public_usage_unavailable", extra=fields(cause=str(error)))
                body = {"ok": False, "error": UNREACHABLE, "api": slug, "range": name}
                return json_response(body, request_id, headers=(ANY_ORIGIN,))
            if len(self._cached) >= _CACHED_MAX:
                self._cached.clear()
            self._cached[slug, name] = known
        cache = ("cache-control", f"public, max-age={USAGE_SECONDS}")
        return text_response(known.text, request_id, headers=(cache, ANY_ORIGIN))

    async def _body(self, tenant: Tenant, name: str, now_ms: int) -> Mapping[str, Json]:
        analytics, tenants, slug = self.analytics, [tenant.tenant_id], tenant.slug
        hour, day = now_ms // HOUR_MS, now_ms // DAY_MS
        hours = _HOURS.get(name, 0)
        days = await analytics.usage(UsageRange("day", day - _DAYS + 1, day + 1, tenants, slug))
        if hours:
            start_ms = (hour - hours + 1) * HOUR_MS
            shown = await analytics.usage(
                UsageRange("hour", hour - hours + 1, hour + 1, tenants, slug)
            )
            rows = shown.rows
        else:
            start_ms = (day - RANGE_DAYS[name] + 1) * DAY_MS
            shown, rows = days, days.rows[-RANGE_DAYS[name] :]
        back_ms = (hours * HOUR_MS) or RANGE_DAYS[name] * DAY_MS
        before = await previous_sums(analytics, start_ms - back_ms, now_ms - back_ms, tenants, slug)
        return {
            "ok": True,
            "api": slug,
            "source": "self",
            "range": {"name": name, "startAt": timestamp(start_ms), "endAt": timestamp(now_ms)},
            "interval": "hour" if hours else "day",
            "totals": sums_of(add_sums(row.sums for row in rows)),
            "previous": sums_of(before) if before.calls or before.revenue_micros else None,
            "series": [point_of(row) for row in rows],
            "days": [point_of(row) for row in days.rows],
            "callers": await self._callers(f"{tenant.tenant_id}:{slug}"),
            "payments": await self._payments(tenant),
            "freshness": freshness_of(shown, now_ms),
        }

    async def _callers(self, name: str) -> Mapping[str, int]:
        """Return the distinct callers of all time, those who paid and the others."""
        snapshots = await self.analytics.snapshots((_WINDOW,), constants.TOP_MAX)
        rows = (row for row in snapshots[_WINDOW]["allApis"] if row["id"] == name)
        row = next(rows, {"uniqueCallers": 0, "payingCallers": 0})
        return {
            "paying": row["payingCallers"],
            "others": max(0, row["uniqueCallers"] - row["payingCallers"]),
        }

    async def _payments(self, tenant: Tenant) -> Sequence[Mapping[str, Json]]:
        shards = self.environment.usage_shards
        assert shards is not None, "analytics need them, too"
        page = await newest_settlements(
            shards, _PAYMENTS_MAX, NEWEST_CLAIM, [tenant.tenant_id], tenant.slug
        )
        return [*map(_shown_payment, page.events)]


def _shown_payment(event: SettlementEvent) -> Mapping[str, Json]:
    """Return what the page shows of a payment. The payer is not part of it."""
    return {
        "settledAt": timestamp(event.settled_at_ms - event.settled_at_ms % MINUTE_MS),
        "amountUsd": event.amount_micros / 1_000_000,
        "amountMicros": event.amount_micros,
        "network": network_name_v1(event.network) or event.network,
        "transaction": event.transaction,
        "transactionUrl": transaction_page(event.network, event.transaction) or None,
    }

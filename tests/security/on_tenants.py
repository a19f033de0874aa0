"""Attacks with a token that is limited to one tenant, to see something of another."""

from __future__ import annotations

import json

from api.limited.stored_tokens import CACHED_SECONDS
from core.errors import DispatcherError
from tests.security.guard import Guard
from tests.unit.api.limited.test_limited_tokens import (
    ANALYTICS,
    EVENTS,
    MINE,
    NOTHING,
    SETTLEMENTS,
    STORED,
    TODAY,
    USAGE,
    bearer,
    limited_scene,
    store_token,
)


def _shows_others(path: str, query: str, token: str = MINE) -> bool:
    text = json.dumps(limited_scene().body(path, query, bearer(token)))
    return any(name in text for name in ("tenant-2", "0b0b"))


def _is_refused(token: str, path: str) -> bool:
    try:
        limited_scene().request(path, headers=bearer(token))
    except DispatcherError:
        return True
    return False


def read_the_snapshot_of_all_tenants() -> bool:
    return _shows_others(ANALYTICS, "?window=week")


def read_events_of_another_tenant() -> bool:
    return _shows_others(EVENTS, "")


def read_settlements_of_another_tenant() -> bool:
    return _shows_others(SETTLEMENTS, "")


def ask_for_the_usage_of_another_tenant() -> bool:
    body = limited_scene().body(USAGE, f"?from={TODAY}&tenant=tenant-2", bearer(MINE))
    return bool(body["totals"]["calls"])


def see_everything_with_a_token_without_tenants() -> bool:
    body = limited_scene().body(USAGE, f"?from={TODAY}", bearer(NOTHING))
    return bool(body["totals"]["calls"])


def read_the_health_of_the_deployment() -> bool:
    return not _is_refused(MINE, "/__platform/health")


def use_a_revoked_token() -> bool:
    scene = limited_scene()
    key = store_token(scene, STORED)
    scene.body(EVENTS, "", bearer(STORED))
    del scene.environment.tenant_store.values[key]  # type: ignore[union-attr]
    scene.clock.at_ms += CACHED_SECONDS * 1000
    try:
        scene.request(EVENTS, headers=bearer(STORED))
    except DispatcherError:
        return False
    return True


def store_a_token_for_all_tenants() -> bool:
    scene = limited_scene()
    key = store_token(scene, STORED)
    value = json.loads(scene.environment.tenant_store.values[key][0])  # type: ignore[union-attr]
    del value["tenants"]
    scene.environment.tenant_store.values[key] = (json.dumps(value), {})  # type: ignore[union-attr]
    try:
        scene.request(EVENTS, headers=bearer(STORED))
    except DispatcherError:
        return False
    return True


ON_TENANTS = (
    Guard(
        read_the_snapshot_of_all_tenants,
        "analytics",
        "Analytics.snapshots",
        "if tenants is not None:",
        "if False:",
    ),
    Guard(
        read_events_of_another_tenant,
        "api.event_pages",
        "_Tail._has",
        "if self.tenants is None:",
        "if True:",
    ),
    Guard(
        read_settlements_of_another_tenant,
        "api.platform",
        "PlatformApi._get_settlements",
        "limit, place, tenants)",
        "limit, place)",
    ),
    Guard(
        ask_for_the_usage_of_another_tenant,
        "api.usage.parameters",
        "wanted_range",
        "[tenant] if tenants is None or tenant in tenants else []",
        "[tenant]",
    ),
    Guard(
        see_everything_with_a_token_without_tenants,
        "api.platform",
        "_Call.listed_tenants",
        "None if self.tenants is None",
        "None if not self.tenants",
    ),
    Guard(
        read_the_health_of_the_deployment,
        "api.auth",
        "Authorizer.authorize",
        "if token.tenants is not None and not PLATFORM_ROUTES[path].is_by_tenant:",
        "if False:",
    ),
    Guard(
        use_a_revoked_token,
        "api.limited.stored_tokens",
        "StoredTokens.find",
        "if not 0 < until_ms - now_ms <= CACHED_SECONDS * 1000:",
        "if not until_ms:",
    ),
    Guard(
        store_a_token_for_all_tenants,
        "api.tokens",
        "stored_token",
        'if "tenants" not in entry:',
        "if False:",
    ),
)

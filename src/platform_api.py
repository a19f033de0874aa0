"""The platform API: everything below `/__platform`, closed unless a token opens it.

Owns authorisation, parameters and the shape of the answers. Refuses to compute
figures: that is for `analytics`.
"""

from __future__ import annotations

import hashlib
import logging
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from urllib.parse import parse_qsl

import keys
import limits
from analytics import DEFAULT_DIRECTORY, WINDOWS, days_of, shown_owner, snapshot
from directory import TenantDirectory
from errors import (
    BindingMissing,
    ConfigurationError,
    InvalidParameter,
    InvalidWindow,
    MethodNotAllowed,
    NotFound,
    StoreUnavailable,
    Unauthorized,
)
from events import UsageEvent
from ports import Answer, Clock, Environment, Json, KeyValueStore, Request
from responses import json_answer
from rollups import Position, list_batches, newest_events, read_days
from tenants import Directory
from usage import UsageLog

TOKEN_SETTING = "PLATFORM_ANALYTICS_TOKEN"  # noqa: S105
PUBLIC_SETTING = "ALLOW_PUBLIC_PLATFORM_ANALYTICS"

_ANALYTICS = "/__platform/analytics"
_READ_METHODS = ("GET", "HEAD")
_PARAMETERS_MAX = 100
_TOKEN_PARAMETERS = frozenset(
    ("token", "access_token", "platform_token", "x-platform-token", "authorization", "api_key")
)
_DIGITS = re.compile(r"[0-9]{1,9}")
_LOGGER = logging.getLogger(__name__)

Parameters = Mapping[str, str]


@dataclass(slots=True)
class PlatformApi:
    """Answers the platform's requests of one isolate."""

    environment: Environment
    clock: Clock
    directory: TenantDirectory
    log: UsageLog

    async def handle(self, request: Request, path: str, query: str, request_id: str) -> Answer:
        """Answer one request to `path` with `query`, which is empty or starts with `?`.

        Raises `Unauthorized` before anything else is looked at, then whatever
        is wrong with path, method and parameters.
        """
        parameters = _parameters(query)
        self._authorize(request.headers, path, parameters)
        routes: Mapping[str, Callable[[Parameters], Awaitable[Mapping[str, Json]]]] = {
            _ANALYTICS: self._analytics,
            "/__platform/events": self._events,
            "/__platform/health": self._health,
        }
        route = routes.get(path)
        if route is None:
            raise NotFound(f"The platform API has no such route; it has {', '.join(routes)}.")
        if request.method not in _READ_METHODS:
            raise MethodNotAllowed(request.method, _READ_METHODS)
        body = await route(parameters)
        return json_answer({"ok": True, "requestId": request_id, **body}, request_id)

    def _authorize(self, headers: Mapping[str, str], path: str, parameters: Parameters) -> None:
        if not _TOKEN_PARAMETERS.isdisjoint(name.lower() for name in parameters):
            raise Unauthorized(
                "Tokens are not accepted in the query string, where logs would keep them."
                " Send `Authorization: Bearer TOKEN` instead."
            )
        if path == _ANALYTICS and self._is_public:
            return
        token = self.environment.setting(TOKEN_SETTING)
        if token is None:
            raise Unauthorized(
                f"The platform API is closed, because {TOKEN_SETTING} is not configured."
            )
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        offered = (
            bearer.strip() if scheme.lower() == "bearer" else "",
            headers.get("x-platform-token", ""),
        )
        # Digests are compared, so that the time tells nothing about the token's length either.
        wanted = _digest(token)
        matches = [compare_digest(_digest(candidate), wanted) for candidate in offered]
        if not any(matches):
            raise Unauthorized(
                "The platform API needs `Authorization: Bearer TOKEN` or `x-platform-token: TOKEN`"
                f" with the token that {TOKEN_SETTING} is set to."
            )

    @property
    def _is_public(self) -> bool:
        return (self.environment.setting(PUBLIC_SETTING) or "").lower() == "true"

    @property
    def _store(self) -> KeyValueStore:
        store = self.environment.usage_store
        if store is None:
            raise BindingMissing("USAGE_KV")
        return store

    async def _analytics(self, parameters: Parameters) -> Mapping[str, Json]:
        window = parameters.get("window")
        if window is not None and window not in WINDOWS:
            raise InvalidWindow(WINDOWS)
        top = _whole(parameters, "top", limits.TOP_DEFAULT, limits.TOP_MAX)
        now_ms = self.clock.now_ms()
        held = self.log.held_batches()
        wanted = days_of(window or "overall", now_ms)
        days, listing = await read_days(self._store, held, wanted)
        for problem in (*listing.unreadable, *listing.missing):
            _LOGGER.warning("batch left out of analytics: %s", problem)
        generated = {"generatedAt": keys.timestamp(now_ms)}
        if window is not None:
            shown = snapshot(window, days, listing, now_ms, top)
            return {**generated, "window": window, "snapshot": shown}
        windows = {name: snapshot(name, days, listing, now_ms, top) for name in WINDOWS}
        return {**generated, "windows": windows}

    async def _events(self, parameters: Parameters) -> Mapping[str, Json]:
        limit = _whole(parameters, "limit", limits.EVENTS_DEFAULT, limits.EVENTS_MAX)
        after = _position(parameters.get("cursor"))
        events, position = await newest_events(self._store, self.log.held_batches(), limit, after)
        return {
            "events": [_shown_event(event) for event in events],
            "cursor": None if position is None else _cursor(position),
        }

    async def _health(self, _: Parameters) -> Mapping[str, Json]:
        """Say what is configured, what is wrong with it, and how the log fares."""
        problems = self._configuration_problems()
        directory = Directory({}, {}, ())
        try:
            directory = await self.directory.survey()
        except ConfigurationError as error:
            problems.append(_problem(error.code, error.message))
        except StoreUnavailable as error:
            problems.append(_problem("store_unavailable", f"TENANT_KV cannot be read: {error}"))
        problems += [
            _problem("directory_record_refused", str(error)) for error in directory.refused
        ]
        stored = await self._stored_log(problems)
        return {
            "healthy": not problems,
            "generatedAt": keys.timestamp(self.clock.now_ms()),
            "problems": problems,
            "notices": [
                _problem(
                    "limit_not_enforced",
                    f"{slug} has {' and '.join(tenant.not_enforced)},"
                    " which this version does not enforce.",
                )
                for slug, tenant in directory.by_slug.items()
                if tenant.not_enforced
            ],
            "bindings": self._bindings(),
            "directory": {
                "usable": len(directory.by_slug),
                "refused": [
                    {"record": error.record, "reasons": error.reasons}
                    for error in directory.refused
                ],
            },
            "log": stored,
            "isolate": {"writer": self.log.writer, **self.log.report()},
        }

    def _bindings(self) -> Mapping[str, bool]:
        return {
            "USAGE_KV": self.environment.usage_store is not None,
            "TENANT_KV": self.environment.tenant_store is not None,
            "DISPATCHER": self.environment.namespace is not None,
        }

    def _configuration_problems(self) -> list[Mapping[str, str]]:
        problems = [
            _problem(BindingMissing.code, BindingMissing(name).message)
            for name, bound in self._bindings().items()
            if not bound and name != "TENANT_KV"
        ]
        if self.environment.setting("CALLER_HASH_SECRET") is None:
            error = ConfigurationError("CALLER_HASH_SECRET", "No API can be called without it.")
            problems.append(_problem(error.code, error.message))
        return problems

    async def _stored_log(self, problems: list[Mapping[str, str]]) -> Mapping[str, Json]:
        if self.environment.usage_store is None:
            return {}
        try:
            listing = await list_batches(self.environment.usage_store, {}, None)
        except StoreUnavailable as error:
            problems.append(_problem("store_unavailable", f"USAGE_KV cannot be read: {error}"))
            return {}
        return {
            "batches": len(listing.counts),
            "events": sum(listing.counts.values()),
            "olderBatchesUnread": listing.unlisted,
        }


def _problem(code: str, message: str) -> Mapping[str, str]:
    return {"code": code, "message": message}


def _parameters(query: str) -> Parameters:
    try:
        pairs = parse_qsl(query[1:], keep_blank_values=True, max_num_fields=_PARAMETERS_MAX)
    except ValueError as error:
        raise InvalidParameter("query", f"at most {_PARAMETERS_MAX} parameters") from error
    # Of a parameter given twice, the first counts.
    return dict(reversed(pairs))


def _whole(parameters: Parameters, name: str, default: int, maximum: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    # Longer texts are no such number, and Python would take them however long they are.
    value = int(text) if _DIGITS.fullmatch(text) else 0
    if not 1 <= value <= maximum:
        raise InvalidParameter(name, f"a whole number from 1 to {maximum}")
    return value


def _cursor(position: Position) -> str:
    text = f"{position.at_ms}.{position.request_id}"
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _position(cursor: str | None) -> Position | None:
    if cursor is None:
        return None
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at_ms, dot, request_id = text.partition(".")
        position = Position(int(at_ms), request_id)
        keys.timestamp(position.at_ms)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidParameter("cursor", "the `cursor` of an earlier answer") from error
    if not dot or position.at_ms < 0:
        raise InvalidParameter("cursor", "the `cursor` of an earlier answer")
    return position


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


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()

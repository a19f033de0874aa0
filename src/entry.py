"""The Worker's entrypoint: wires one dispatcher for each isolate. No logic."""

from __future__ import annotations

from typing import Any

from analytics import Analytics
from api.explore.route import Explore
from api.platform import PlatformApi
from core import logs
from core.telemetry import RequestCounters
from gateway.dispatcher import Dispatcher
from runtime.coroutine_driver import CoroutineDriver, without_signature
from runtime.counters import QuotaCounter
from runtime.edge_cache import RuntimeEdgeCache
from runtime.environment import (
    RuntimeBackground,
    RuntimeClock,
    RuntimeEnvironment,
    write_log,
    writer_id,
)
from runtime.http import RuntimeRequest
from tenants.directory import TenantDirectory
from usage import UsageRecorder

__all__ = ["QuotaCounter", "on_fetch", "on_scheduled"]
_dispatchers: list[Dispatcher] = []


def _dispatcher(raw_environment: Any) -> Dispatcher:
    # Made at the first request: random names must not be part of a start-up snapshot.
    if not _dispatchers:
        logs.set_up(write_log)
        environment = RuntimeEnvironment(raw_environment)
        clock = RuntimeClock()
        directory = TenantDirectory(
            clock, environment.tenant_store, environment.setting("TENANT_DIRECTORY_JSON")
        )
        log = UsageRecorder(writer_id(), clock)
        tally = RequestCounters(clock.now_ms())
        analytics = Analytics(clock, log)
        platform_api = PlatformApi(environment, clock, directory, log, analytics, tally)
        explore = Explore(environment, clock, analytics, RuntimeEdgeCache())
        _dispatchers.append(
            Dispatcher(environment, clock, directory, log, platform_api, explore, tally)
        )
    return _dispatchers[0]


@without_signature
def on_fetch(raw_request: Any, raw_environment: Any, context: Any) -> Any:
    """Answer one request."""
    return CoroutineDriver(_answered(raw_request, raw_environment, context)).go_on()


async def _answered(raw_request: Any, raw_environment: Any, context: Any) -> Any:
    dispatcher = _dispatcher(raw_environment)
    request = RuntimeRequest(raw_request, context)
    try:
        answer = await dispatcher.handle(request, RuntimeBackground(context))
        if dispatcher.environment.setting("DRAIN_UPLOADS") is not None:
            await request.drain()
        return request.respond(answer)
    except BaseException:
        request.end()
        raise


async def on_scheduled(_controller: Any, raw_environment: Any, _context: Any) -> None:
    """Go on with payments and compaction; Cloudflare's cron calls this every minute."""
    dispatcher = _dispatcher(raw_environment)
    try:
        await dispatcher.tend_payments()
    finally:
        await dispatcher.compact()

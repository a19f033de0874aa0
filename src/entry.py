"""The Worker's entry point: wires the objects of an isolate. No logic."""

from __future__ import annotations

from typing import Any, NamedTuple

from analytics import Analytics
from api.explore.route import Explore
from api.platform import PlatformApi
from core import logs
from core.telemetry import RequestCounters
from gateway.dispatcher import Dispatcher
from gateway.scheduled import ScheduledWork
from runtime.coroutine_driver import driven
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


class _Isolate(NamedTuple):
    dispatcher: Dispatcher
    scheduled_work: ScheduledWork


logs.set_up(write_log)
_isolates: list[_Isolate] = []


def _isolate(raw_environment: Any) -> _Isolate:
    # Created by the first request: a start-up snapshot must not contain random names.
    if not _isolates:
        environment = RuntimeEnvironment(raw_environment)
        clock = RuntimeClock()
        directory = TenantDirectory(
            clock, environment.tenant_store, environment.setting("TENANT_DIRECTORY_JSON")
        )
        recorder = UsageRecorder(writer_id(), clock)
        analytics = Analytics(clock, recorder)
        counters = RequestCounters(clock.now_ms())
        api = PlatformApi(environment, clock, directory, recorder, analytics, counters)
        explore = Explore(environment, clock, analytics, RuntimeEdgeCache())
        dispatcher = Dispatcher(environment, clock, directory, recorder, api, explore, counters)
        scheduled_work = ScheduledWork(environment, clock, recorder.writer, analytics)
        _isolates.append(_Isolate(dispatcher, scheduled_work))
    return _isolates[0]


@driven
async def on_fetch(raw_request: Any, raw_environment: Any, context: Any) -> Any:
    """Respond to one request."""
    dispatcher = _isolate(raw_environment).dispatcher
    request = RuntimeRequest(raw_request, context)
    try:
        response = await dispatcher.handle(request, RuntimeBackground(context))
        if dispatcher.environment.setting("DRAIN_UPLOADS") is not None:
            await request.drain()
        return request.respond(response)
    except BaseException:
        request.end()
        raise


async def on_scheduled(_controller: Any, raw_environment: Any, _context: Any) -> None:
    """Run the scheduled work; Cloudflare's cron calls this every minute."""
    await _isolate(raw_environment).scheduled_work.run()

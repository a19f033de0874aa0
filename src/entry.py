"""The Worker's entry point: wires the objects of an isolate. No logic."""

from __future__ import annotations

from typing import Any

from analytics import Analytics
from api.explore.route import Explore
from api.platform import PlatformApi
from core import logs
from core.telemetry import RequestCounters
from gateway.dispatcher import Dispatcher
from gateway.scheduled import ScheduledWork
from payments.facilitator import Facilitators
from runtime.coroutine_driver import driven
from runtime.counters import QuotaCounter
from runtime.environment import (
    PROXY_SETTING,
    RuntimeBackground,
    RuntimeClock,
    RuntimeEnvironment,
    write_log,
    writer_id,
)
from runtime.http import RuntimeRequest
from runtime.usage_shard import ShardObject
from snapshots.sharing import sharing_shard_of
from tenants.directory import TenantDirectory
from usage import UsageRecorder

__all__ = ["QuotaCounter", "UsageShard", "on_fetch", "on_scheduled"]


class UsageShard(ShardObject):
    """A shard of the usage log."""

    _start = staticmethod(sharing_shard_of)


logs.set_up(write_log)
_isolates: list[tuple[Dispatcher, ScheduledWork]] = []


def _isolate(raw_environment: Any) -> tuple[Dispatcher, ScheduledWork]:
    # Created by the first request: a start-up snapshot must not contain random names.
    if not _isolates:
        environment = RuntimeEnvironment(raw_environment)
        clock = RuntimeClock()
        shards, store = environment.usage_shards, environment.usage_store
        records = environment.setting("TENANT_DIRECTORY_JSON")
        directory = TenantDirectory(clock, environment.tenant_store, records)
        recorder = UsageRecorder(writer_id(), clock, shards, store)
        analytics = Analytics(clock, shards, store)
        shared = (RequestCounters(clock.now_ms()), Facilitators(environment, clock))
        api = PlatformApi(environment, clock, directory, recorder, analytics, *shared)
        explore = Explore(environment, clock, analytics, directory)
        dispatcher = Dispatcher(environment, clock, directory, recorder, api, explore, *shared)
        _isolates.append((dispatcher, ScheduledWork(environment, clock)))
    return _isolates[0]


@driven
async def on_fetch(raw_request: Any, raw_environment: Any, context: Any) -> Any:
    """Respond to one request."""
    dispatcher, _ = _isolate(raw_environment)
    request = RuntimeRequest(raw_request, context)
    try:
        response = await dispatcher.handle(request, RuntimeBackground(context))
        if dispatcher.environment.setting(PROXY_SETTING) is not None:
            await request.drain()
        return request.respond(response)
    except BaseException:
        request.end()
        raise


async def on_scheduled(_controller: Any, raw_environment: Any, _context: Any) -> None:
    """Run the scheduled work; Cloudflare's cron calls this every minute."""
    _, scheduled_work = _isolate(raw_environment)
    await scheduled_work.run()

"""The Worker's entrypoint: wires one dispatcher for each isolate. No logic."""

from __future__ import annotations

from typing import Any

from workers import WorkerEntrypoint

import logs
from directory import TenantDirectory
from dispatch import Dispatcher
from explore import Explore
from platform_api import PlatformApi
from runtime import (
    RuntimeBackground,
    RuntimeClock,
    RuntimeEnvironment,
    RuntimeRequest,
    drain_upload,
    response,
    write_log,
    writer_id,
)
from runtime_edge import RuntimeEdgeCache
from runtime_limits import QuotaCounter
from tallies import RequestTally
from usage import UsageLog

__all__ = ["Default", "QuotaCounter"]

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
        log = UsageLog(writer_id(), clock)
        tally = RequestTally(clock.now_ms())
        platform_api = PlatformApi(environment, clock, directory, log, tally)
        explore = Explore(environment, clock, platform_api.reader, RuntimeEdgeCache())
        _dispatchers.append(
            Dispatcher(environment, clock, directory, log, platform_api, explore, tally)
        )
    return _dispatchers[0]


class Default(WorkerEntrypoint):
    """What Cloudflare calls."""

    async def fetch(self, request: Any) -> Any:
        """Answer one request."""
        dispatcher = _dispatcher(self.env._env)  # noqa: SLF001
        background = RuntimeBackground(self.ctx)
        incoming = RuntimeRequest(request.js_object)
        answer = await background.see_through(dispatcher.handle(incoming, background))
        if dispatcher.environment.setting("DRAIN_UPLOADS") is not None:
            await drain_upload(incoming)
        return response(answer)

    async def scheduled(self, _controller: Any, _environment: Any, _context: Any) -> None:
        """Go on with payments and compaction; Cloudflare's cron calls this every minute."""
        dispatcher = _dispatcher(self.env._env)  # noqa: SLF001
        try:
            await dispatcher.tend_payments()
        finally:
            await dispatcher.compact()

"""What an isolate calls: other servers, and the tenants' scripts.

A request travels to another server, which continues when the isolate dies.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from random import Random

from core.constants import ScriptLimits
from core.errors import FetchFailed, TenantLimitExceeded, TenantWorkerFailure
from core.ports import Fetched, Json, Request
from tests.simulation.loop import VirtualLoop
from tests.simulation.payments.facilitator import SimulatedFacilitator
from tests.simulation.payments.faults import NO_FAULTS, Faults
from tests.simulation.payments.node import SimulatedNode
from tests.support.fakes import FakeUpstreamResponse

NODE_URL = "http://node.example"


@dataclass(slots=True)
class SimulatedNetwork:
    """Outgoing HTTP (the port `Fetcher`) to the facilitators and the node."""

    loop: VirtualLoop
    random: Random
    outside: Context
    facilitators: Mapping[str, SimulatedFacilitator]
    node: SimulatedNode

    async def fetch(
        self,
        url: str,
        *,
        method: str,
        headers: Mapping[str, str],
        body: str | None,
        timeout_ms: int,
        body_bytes_max: int,
    ) -> Fetched:
        assert method == ("GET" if body is None else "POST")
        assert "content-type" in headers or body is None
        response: asyncio.Future[Fetched] = self.loop.create_future()
        request = None if body is None else json.loads(body)

        def give_up() -> None:
            if not response.done():
                response.set_exception(FetchFailed("timed out"))

        self.loop.call_later(timeout_ms / 1000, give_up, context=self.outside)
        self.loop.create_task(self._serve(url, request, response), context=self.outside)
        fetched = await response
        assert len(fetched.body) <= body_bytes_max
        return fetched

    async def _serve(self, url: str, request: Json, response: asyncio.Future[Fetched]) -> None:
        await asyncio.sleep(self.random.uniform(0.005, 0.1))
        found: Fetched | FetchFailed
        try:
            if url == NODE_URL:
                found = self.node.respond(request)
            else:
                host, _, step = url.rpartition("/")
                found = await self.facilitators[host].respond(step, request)
        except FetchFailed as error:
            found = error
        await asyncio.sleep(self.random.uniform(0.005, 0.1))
        if response.done():
            return
        if isinstance(found, FetchFailed):
            response.set_exception(found)
        else:
            response.set_result(found)


@dataclass(slots=True)
class SimulatedScripts:
    """The tenants' scripts (the port `Namespace`): they fail, are slow, and throw."""

    random: Random
    faults: Faults = NO_FAULTS
    calls: list[tuple[str, str]] = field(default_factory=list)
    """The scripts that were called, with the URL."""

    async def fetch(
        self,
        script: str,
        limits: ScriptLimits,
        request: Request,
        url: str | None,
        remove_headers: Sequence[str],
        prefix: str = "",
    ) -> FakeUpstreamResponse:
        del limits, remove_headers, prefix
        random, faults = self.random, self.faults
        self.calls.append((script, url or request.url))
        took_ms = random.uniform(1, 200)
        if random.random() < faults.script_slow:
            took_ms = random.uniform(0, faults.script_slow_ms)
        await asyncio.sleep(took_ms / 1000)
        if random.random() >= faults.script_fails:
            redirects = () if self.faults is NO_FAULTS else (302,)
            return FakeUpstreamResponse(random.choice((200, 200, 204, *redirects)))
        error = random.choice((None, TenantWorkerFailure, TenantLimitExceeded))
        if error is not None:
            raise error("The API's script failed.")
        return FakeUpstreamResponse(random.choice((400, 404, 500, 503)))

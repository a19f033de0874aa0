"""A dispatcher on fake bindings, for tests of the request pipeline."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics import Analytics
from api.explore.route import Explore
from core.errors import NotFound
from core.ports import ProxyResponse, Request, Response
from core.responses import json_response
from gateway.dispatcher import Dispatcher
from metering.events import UsageEvent
from tenants.directory import TenantDirectory
from tests.support.fakes import (
    FakeBackground,
    FakeClock,
    FakeEnvironment,
    FakeRequest,
    Sent,
)
from usage import UsageRecorder

TENANTS: list[dict[str, Any]] = [
    {
        "slug": "weather",
        "tenantId": "t1",
        "workerName": "weather-v2",
        "plan": "pro",
        "priceUsd": "0.01",
        "owner": "alice",
        "directory": "Data",
    },
    {"slug": "fx", "tenantId": "t2", "workerName": "fx", "hosts": ["fx.example", "bücher.example"]},
    {"slug": "paid", "tenantId": "t3", "workerName": "p", "priceUsd": 1, "x402Enabled": True},
]


class Platform:
    """Replaces the platform API; its only route is `/__platform/ask`."""

    async def handle(self, request: Request, path: str, query: str, request_id: str) -> Response:
        assert request.url
        if path != "/__platform/ask":
            raise NotFound("no such route")
        return json_response({"ok": True, "platform": path + query}, request_id)


@dataclass
class Scene:
    """A dispatcher on fake bindings; `request` sends it one request."""

    clock: FakeClock = field(default_factory=FakeClock)
    environment: FakeEnvironment = field(default_factory=FakeEnvironment)
    variable: str | None = json.dumps({"tenants": TENANTS})

    def __post_init__(self) -> None:
        self.environment.settings.setdefault("CALLER_HASH_SECRET", "secret")
        if self.environment.namespace is not None:
            self.environment.namespace.clock = self.clock
        shards = self.environment.usage_shards
        if shards is not None:
            shards.clock = self.clock
            shards.records = (self.environment.tenant_store, self.variable)
        self.log = UsageRecorder("w", self.clock, shards, self.environment.usage_store)
        directory = TenantDirectory(self.clock, self.environment.tenant_store, self.variable)
        reader = Analytics(self.clock, shards, self.environment.usage_store)
        explore = Explore(self.environment, self.clock, reader, directory)
        self.dispatcher = Dispatcher(
            self.environment, self.clock, directory, self.log, Platform(), explore
        )
        self.background = FakeBackground()

    def request(
        self, url: str, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> Response | ProxyResponse:
        if url.startswith("/"):
            url = "http://dispatcher.example" + url

        async def send() -> Response | ProxyResponse:
            request = FakeRequest(url, method, headers or {})
            response = await self.dispatcher.handle(request, self.background)
            await self.background.finish()
            return response

        return asyncio.run(send())

    @property
    def sent(self) -> list[Sent]:
        assert self.environment.namespace is not None
        return self.environment.namespace.sent

    @property
    def events(self) -> list[UsageEvent]:
        """The events that are acknowledged and those that are still buffered, newest first."""
        shards = self.environment.usage_shards
        found = [] if shards is None else shards.events
        return [*found, *buffered_events(self.log)][::-1]


def buffered_events(recorder: UsageRecorder) -> list[UsageEvent]:
    """Return the events that wait in a recorder."""
    return [event for queue in recorder._queues.values() for event in queue.waiting]


def error(response: Response | ProxyResponse) -> dict[str, Any]:
    """Check the common form of an error response, and return its body and status."""
    assert isinstance(response, Response)
    headers = dict(response.headers)
    body: dict[str, Any] = json.loads(response.body)
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["x-request-id"] == body["requestId"]
    assert body["ok"] is False
    return {"status": response.status, **body}

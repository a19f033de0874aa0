"""A platform API whose environment, clock and stores are fakes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from analytics import Analytics
from api.platform import PlatformApi
from core.errors import DispatcherError
from core.ports import Response
from tenants.directory import TenantDirectory
from tests.support.builders import event
from tests.support.fakes import NOON_MS, FakeClock, FakeEnvironment, FakeRequest
from usage import UsageRecorder

RIGHT = "right-token-of-the-unit-tests"
TOKEN = {"authorization": f"Bearer {RIGHT}"}
ROUTES = ["/__platform/analytics", "/__platform/events", "/__platform/health"]
SETTINGS = {"PLATFORM_ANALYTICS_TOKEN": RIGHT, "CALLER_HASH_SECRET": "secret"}


@dataclass
class Scene:
    """One isolate's platform API; `variable` is `TENANT_DIRECTORY_JSON`."""

    environment: FakeEnvironment = field(
        default_factory=lambda: FakeEnvironment(settings=dict(SETTINGS))
    )
    variable: str | None = '{"tenants": []}'
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        shards, store = self.environment.usage_shards, self.environment.usage_store
        if shards is not None:
            shards.clock = self.clock
        self.recorder = UsageRecorder("w", self.clock, shards, store)
        directory = TenantDirectory(self.clock, self.environment.tenant_store, self.variable)
        analytics = Analytics(self.clock, shards, store)
        self.api = PlatformApi(self.environment, self.clock, directory, self.recorder, analytics)

    def request(
        self,
        path: str,
        query: str = "",
        headers: Mapping[str, str] = TOKEN,
        method: str = "GET",
        content: str = "",
    ) -> Response:
        length = {"content-length": str(len(content.encode()))} if content else {}
        request = FakeRequest(f"http://h{path}{query}", method, {**headers, **length}, content)
        return asyncio.run(self.api.handle(request, path, query, "id-1"))

    def body(
        self,
        path: str,
        query: str = "",
        headers: Mapping[str, str] = TOKEN,
        method: str = "GET",
        content: str = "",
    ) -> dict[str, Any]:
        """Send a request; fail unless the response is 200 and JSON, and return its body."""
        response = self.request(path, query, headers, method, content)
        assert response.status == 200
        is_cacheable = path == ROUTES[0]
        assert (dict(response.headers)["cache-control"] == "no-store") is not is_cacheable
        body: dict[str, Any] = json.loads(response.body)
        assert (body["ok"], body["requestId"]) == (True, "id-1")
        return body

    def error(
        self,
        path: str,
        query: str = "",
        headers: Mapping[str, str] = TOKEN,
        method: str = "GET",
        content: str = "",
    ) -> DispatcherError:
        """Send a request; fail unless it ends in an error, and return that."""
        with pytest.raises(DispatcherError) as caught:
            self.body(path, query, headers, method, content)
        return caught.value

    def commit(self, count: int) -> None:
        """Record `count` events, the newest last, and send them to the shard."""
        for number in range(count):
            at_ms = NOON_MS - count + 1 + number
            self.recorder.record(event(at_ms, request_id=f"r{number:03d}"))
        asyncio.run(self.recorder.send())

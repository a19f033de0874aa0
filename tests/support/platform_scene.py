"""A platform API with everything around it, for its tests."""

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
from tests.support.fakes import NOON_MS, FakeBackground, FakeClock, FakeEnvironment, FakeRequest
from usage import UsageRecorder

RIGHT = "right-token-of-the-unit-tests"
TOKEN = {"authorization": f"Bearer {RIGHT}"}
ROUTES = ["/__platform/analytics", "/__platform/events", "/__platform/health"]
SETTINGS = {"PLATFORM_ANALYTICS_TOKEN": RIGHT, "CALLER_HASH_SECRET": "secret"}


@dataclass
class Scene:
    """A platform API with everything around it."""

    environment: FakeEnvironment = field(
        default_factory=lambda: FakeEnvironment(settings=dict(SETTINGS))
    )
    variable: str | None = '{"tenants": []}'
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.log = UsageRecorder("w", self.clock)
        directory = TenantDirectory(self.clock, self.environment.tenant_store, self.variable)
        self.background = FakeBackground()
        analytics = Analytics(self.clock, self.log)
        self.api = PlatformApi(self.environment, self.clock, directory, self.log, analytics)

    def ask(
        self,
        path: str,
        query: str = "",
        headers: Mapping[str, str] = TOKEN,
        method: str = "GET",
    ) -> dict[str, Any]:
        answer = self.answer(path, query, headers, method)
        assert answer.status == 200
        is_kept = path == ROUTES[0]
        assert (dict(answer.headers)["cache-control"] == "no-store") is not is_kept
        body: dict[str, Any] = json.loads(answer.body)
        assert (body["ok"], body["requestId"]) == (True, "id-1")
        return body

    def answer(
        self,
        path: str,
        query: str = "",
        headers: Mapping[str, str] = TOKEN,
        method: str = "GET",
    ) -> Response:
        request = FakeRequest(f"http://h{path}{query}", method, headers)

        async def scene() -> Response:
            answer = await self.api.handle(request, path, query, "id-1", self.background)
            await self.background.finish()
            return answer

        return asyncio.run(scene())

    def refusal(
        self,
        path: str,
        query: str = "",
        headers: Mapping[str, str] = TOKEN,
        method: str = "GET",
    ) -> DispatcherError:
        with pytest.raises(DispatcherError) as caught:
            self.ask(path, query, headers, method)
        return caught.value

    def commit(self, count: int) -> None:
        assert self.environment.usage_store is not None
        for number in range(count):
            self.log.record(event(NOON_MS - number, request_id=f"r{number:03d}"))
        asyncio.run(self.log.commit_after_delay(self.environment.usage_store))

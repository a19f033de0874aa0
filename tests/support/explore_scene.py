"""The public page's route whose environment, clock, store and edge cache are fakes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics import Analytics
from api.explore.route import Explore
from core.ports import Fetched, Json, Response
from tests.support.builders import event
from tests.support.explore_shape import check
from tests.support.fakes import (
    NOON_MS,
    FakeBackground,
    FakeClock,
    FakeEnvironment,
    FakeRequest,
    FakeStore,
)
from usage import UsageRecorder

UPSTREAM = {"ANALYTICS_BASE_URL": "https://dispatch.example", "ANALYTICS_TOKEN": "s3cret-token"}


@dataclass
class FakeEdge:
    """A location's edge cache whose entries never expire."""

    entries: dict[str, str] = field(default_factory=dict)
    lifetimes_seconds: dict[str, int] = field(default_factory=dict)
    reads: int = 0

    async def read(self, address: str) -> str | None:
        self.reads += 1
        await asyncio.sleep(0)
        return self.entries.get(address)

    async def write(self, address: str, text: str, seconds: int) -> None:
        await asyncio.sleep(0)
        self.entries[address] = text
        self.lifetimes_seconds[address] = seconds


@dataclass
class Isolate:
    """One isolate's route. Pass store, clock and edge to share them with another isolate."""

    store: FakeStore = field(default_factory=FakeStore)
    clock: FakeClock = field(default_factory=FakeClock)
    edge: FakeEdge | None = field(default_factory=FakeEdge)
    settings: dict[str, str] = field(default_factory=dict)
    background: FakeBackground = field(default_factory=FakeBackground)

    def __post_init__(self) -> None:
        self.environment = FakeEnvironment(usage_store=self.store, settings=self.settings)
        self.fetcher = self.environment.fetcher
        self.recorder = UsageRecorder("w", self.clock)
        analytics = Analytics(self.clock, self.recorder)
        self.explore = Explore(self.environment, self.clock, analytics, self.edge)

    def record_calls(self, calls: int) -> None:
        """Record calls of an API, and write them to the store."""
        for number in range(calls):
            self.recorder.record(event(NOON_MS - number, request_id=f"r{number}"))
        asyncio.run(self.recorder.commit_after_delay(self.store))

    async def handle(
        self, query: str = "", headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> Response:
        request = FakeRequest(f"http://h/api/explore/analytics{query}", method, headers or {})
        return await self.explore.handle(request, query, "id-1", self.background)

    def request(
        self, query: str = "", headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> Response:
        """Send a request, and finish the background work of its response."""

        async def send() -> Response:
            response = await self.handle(query, headers, method)
            await self.background.finish()
            return response

        return asyncio.run(send())

    def body(self, query: str = "") -> dict[str, Any]:
        """Send a request; fail unless the response is 200, and return its body."""
        response = self.request(query)
        assert response.status == 200
        body: dict[str, Any] = json.loads(response.body)
        return body

    def calls(self, query: str = "") -> int:
        """Return how many calls the page shows."""
        calls: int = self.body(query)["snapshot"]["heroStats"]["calls"]
        return calls

    def set_upstream(self, body: Json, status: int = 200) -> None:
        """Set the other dispatcher's response."""
        text = body if isinstance(body, str) else json.dumps(body)

        async def respond(_url: str, _body: Json) -> Fetched:
            return Fetched(status, text)

        self.fetcher.respond = respond


def upstream(**changes: str) -> Isolate:
    """Return an isolate whose source is another dispatcher."""
    return Isolate(settings={**UPSTREAM, **changes})


def upstream_body(window: str = "today", calls: int = 7) -> dict[str, Any]:
    """Return a body of the other dispatcher's analytics route."""
    hero = {"activeAgents": 1, "publishedApis": 1, "directories": 1, "calls": calls}
    apis = [{"id": "t:a", "rank": 1, "endpoint": "/t/a", "tenantId": "t", "calls": calls}]
    return {
        "ok": True,
        "requestId": "theirs",
        "window": window,
        "snapshot": {"window": window, "heroStats": hero, "allApis": apis, "topApis": apis},
    }


def header(response: Response, name: str) -> str:
    """Return the value of the only header with a name."""
    (value,) = [value for key, value in response.headers if key == name]
    return value


def assert_empty(isolate: Isolate, code: str) -> None:
    """Fail unless the response has an empty snapshot and no secret."""
    response = isolate.request("?window=week")
    assert response.status == 200
    assert header(response, "cache-control") == "no-store"
    body = json.loads(response.body)
    assert (body["ok"], body["error"], body["window"]) == (False, code, "week")
    assert set(body) == {"ok", "error", "window", "source", "snapshot"}
    check(body["snapshot"], "week", 25)
    assert body["snapshot"]["allApis"] == []
    assert UPSTREAM["ANALYTICS_TOKEN"] not in response.body
    assert "dispatch.example" not in response.body

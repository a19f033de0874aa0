"""The public page's route whose environment, clock, shards and store are fakes."""

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
from tests.support.fake_shards import FakeShards
from tests.support.fakes import NOON_MS, FakeClock, FakeEnvironment, FakeRequest, FakeStore

UPSTREAM = {"ANALYTICS_BASE_URL": "https://dispatch.example", "ANALYTICS_TOKEN": "s3cret-token"}


@dataclass
class Isolate:
    """One isolate's route. Pass shards and clock to share them with another isolate."""

    clock: FakeClock = field(default_factory=FakeClock)
    shards: FakeShards | None = None
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = FakeStore()
        self.shards = self.shards or FakeShards(self.store, self.clock)
        self.environment = FakeEnvironment(usage_store=self.store, settings=self.settings)
        self.fetcher = self.environment.fetcher
        analytics = Analytics(self.clock, self.shards, self.store)
        self.explore = Explore(self.environment, self.clock, analytics)

    def record_calls(self, calls: int) -> None:
        """Record calls of an API."""
        assert self.shards is not None
        asyncio.run(self.shards.append([event(NOON_MS - number) for number in range(calls)]))

    @property
    def requests(self) -> int:
        """How often the other dispatcher was asked for its analytics."""
        return sum("/__platform/analytics" in url for url, _, _ in self.fetcher.sent)

    @property
    def reads(self) -> int:
        """How often a shard was read."""
        assert self.shards is not None
        return sum(method == "snapshots" for _, method in self.shards.calls)

    async def handle(
        self, query: str = "", headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> Response:
        request = FakeRequest(f"http://h/api/explore/analytics{query}", method, headers or {})
        return await self.explore.handle(request, query, "id-1")

    def request(
        self, query: str = "", headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> Response:
        """Send a request."""
        return asyncio.run(self.handle(query, headers, method))

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

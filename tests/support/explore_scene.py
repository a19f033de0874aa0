"""The public page's route with everything around it, for its tests."""

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
    """A location's cache, which holds what it is given until it is cleared."""

    kept: dict[str, str] = field(default_factory=dict)
    lifetimes_seconds: dict[str, int] = field(default_factory=dict)
    reads: int = 0

    async def read(self, address: str) -> str | None:
        self.reads += 1
        await asyncio.sleep(0)
        return self.kept.get(address)

    async def write(self, address: str, text: str, seconds: int) -> None:
        await asyncio.sleep(0)
        self.kept[address] = text
        self.lifetimes_seconds[address] = seconds


@dataclass
class Isolate:
    """One isolate's route. Isolates of one location share store, clock and edge."""

    store: FakeStore = field(default_factory=FakeStore)
    clock: FakeClock = field(default_factory=FakeClock)
    edge: FakeEdge | None = field(default_factory=FakeEdge)
    settings: dict[str, str] = field(default_factory=dict)
    background: FakeBackground = field(default_factory=FakeBackground)

    def __post_init__(self) -> None:
        self.environment = FakeEnvironment(usage_store=self.store, settings=self.settings)
        self.fetcher = self.environment.fetcher
        self.log = UsageRecorder("w", self.clock)
        reader = Analytics(self.clock, self.log)
        self.explore = Explore(self.environment, self.clock, reader, self.edge)

    def call(self, calls: int) -> None:
        """Let an API have been called."""
        for number in range(calls):
            self.log.record(event(NOON_MS - number, request_id=f"r{number}"))
        asyncio.run(self.log.commit_after_delay(self.store))

    async def answer(
        self, query: str = "", headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> Response:
        request = FakeRequest(f"http://h/api/explore/analytics{query}", method, headers or {})
        return await self.explore.handle(request, query, "id-1", self.background)

    def ask(
        self, query: str = "", headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> Response:
        """Ask, and do what was left for later before the answer is looked at."""

        async def scene() -> Response:
            answer = await self.answer(query, headers, method)
            await self.background.finish()
            return answer

        return asyncio.run(scene())

    def body(self, query: str = "") -> dict[str, Any]:
        answer = self.ask(query)
        assert answer.status == 200
        found: dict[str, Any] = json.loads(answer.body)
        return found

    def calls(self, query: str = "") -> int:
        """Tell how many calls the page shows."""
        calls: int = self.body(query)["snapshot"]["heroStats"]["calls"]
        return calls

    def upstream_says(self, body: Json, status: int = 200) -> None:
        """Let the other dispatcher answer so."""
        text = body if isinstance(body, str) else json.dumps(body)

        async def answer(_url: str, _body: Json) -> Fetched:
            return Fetched(status, text)

        self.fetcher.answer = answer


def upstream(**changes: str) -> Isolate:
    """An isolate whose figures are another dispatcher's."""
    return Isolate(settings={**UPSTREAM, **changes})


def snapshot_answer(window: str = "today", calls: int = 7) -> dict[str, Any]:
    """What another dispatcher says."""
    hero = {"activeAgents": 1, "publishedApis": 1, "directories": 1, "calls": calls}
    apis = [{"id": "t:a", "rank": 1, "endpoint": "/t/a", "tenantId": "t", "calls": calls}]
    return {
        "ok": True,
        "requestId": "theirs",
        "window": window,
        "snapshot": {"window": window, "heroStats": hero, "allApis": apis, "topApis": apis},
    }


def header(answer: Response, name: str) -> str:
    """Find the one header of a name."""
    (value,) = [value for key, value in answer.headers if key == name]
    return value


def assert_empty(isolate: Isolate, code: str) -> None:
    """Fail unless the page gets an empty snapshot and no secret."""
    answer = isolate.ask("?window=week")
    assert answer.status == 200
    assert header(answer, "cache-control") == "no-store"
    body = json.loads(answer.body)
    assert (body["ok"], body["error"], body["window"]) == (False, code, "week")
    assert set(body) == {"ok", "error", "window", "source", "snapshot"}
    check(body["snapshot"], "week", 25)
    assert body["snapshot"]["allApis"] == []
    assert UPSTREAM["ANALYTICS_TOKEN"] not in answer.body
    assert "dispatch.example" not in answer.body

"""A request's way: who answers, what is passed on, and exactly one event for each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory import TenantDirectory
from dispatch import Dispatcher, Location, caller_identity, locate
from errors import NotFound, TenantError, TenantLimitExceeded, TenantWorkerFailure, WorkerNotFound
from events import Api, UsageEvent
from limits import PLAN_LIMITS
from ports import Answer, Relay, Request
from responses import json_answer
from rollups import newest_events
from tests.fakes import (
    FakeBackground,
    FakeClock,
    FakeEnvironment,
    FakeNamespace,
    FakeReply,
    FakeRequest,
    FakeStore,
    Sent,
    tenant_error,
)
from usage import UsageLog

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
    """Stands where the platform API is and says that it was asked."""

    async def handle(self, request: Request, path: str, query: str, request_id: str) -> Answer:
        assert request.url
        if path != "/__platform/ask":
            raise NotFound("no such route")
        return json_answer({"ok": True, "platform": path + query}, request_id)


@dataclass
class Scene:
    """A dispatcher with everything around it, and one way to ask it something."""

    clock: FakeClock = field(default_factory=FakeClock)
    environment: FakeEnvironment = field(default_factory=FakeEnvironment)
    variable: str | None = json.dumps({"tenants": TENANTS})

    def __post_init__(self) -> None:
        self.environment.settings.setdefault("CALLER_HASH_SECRET", "secret")
        if self.environment.namespace is not None:
            self.environment.namespace.clock = self.clock
        self.log = UsageLog("w", self.clock)
        directory = TenantDirectory(self.clock, self.environment.tenant_store, self.variable)
        self.dispatcher = Dispatcher(self.environment, self.clock, directory, self.log, Platform())
        self.background = FakeBackground()

    def ask(
        self, url: str, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> Answer | Relay:
        if url.startswith("/"):
            url = "http://dispatcher.example" + url

        async def scene() -> Answer | Relay:
            request = FakeRequest(url, method, headers or {})
            answer = await self.dispatcher.handle(request, self.background)
            await self.background.finish()
            return answer

        return asyncio.run(scene())

    @property
    def sent(self) -> list[Sent]:
        assert self.environment.namespace is not None
        return self.environment.namespace.sent

    @property
    def events(self) -> list[UsageEvent]:
        store = self.environment.usage_store or FakeStore()
        return list(asyncio.run(newest_events(store, self.log.held_batches(), 100, None))[0])


def error(answer: Answer | Relay) -> dict[str, Any]:
    """The body of an error, whose form is the same for all."""
    assert isinstance(answer, Answer)
    headers = dict(answer.headers)
    body: dict[str, Any] = json.loads(answer.body)
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["x-request-id"] == body["requestId"]
    assert body["ok"] is False
    return {"status": answer.status, **body}


# Where a request goes.


@pytest.mark.parametrize(
    ("url", "script", "passed_on"),
    [
        ("http://h.example/t/weather", "weather-v2", "http://h.example/"),
        ("http://h.example/t/weather/", "weather-v2", "http://h.example/"),
        ("http://h.example/t/weather?q=1", "weather-v2", "http://h.example/?q=1"),
        (
            "http://h.example/t/weather/a/b?q=%20&q=+",
            "weather-v2",
            "http://h.example/a/b?q=%20&q=+",
        ),
        ("http://h.example:81/t/weather/a%2Fb%20c", "weather-v2", "http://h.example:81/a%2Fb%20c"),
        (
            "https://h.example/t/weather//evil.example/x",
            "weather-v2",
            "https://h.example//evil.example/x",
        ),
        ("http://h.example/t/weather/?", "weather-v2", "http://h.example/?"),
        ("http://h.example/t/WEATHER/x", "weather-v2", "http://h.example/x"),
        ("http://h.example/t/%77eather/x", "weather-v2", "http://h.example/x"),
        ("http://h.example/t/fx/../weather/x", "weather-v2", "http://h.example/x"),
        ("http://h.example/t/fx/%2e%2E/weather/./x/..", "weather-v2", "http://h.example/"),
        (
            "http://h.example/t/weather/__platform/ask",
            "weather-v2",
            "http://h.example/__platform/ask",
        ),
        ("http://fx.example/", "fx", None),
        ("http://fx.example/t/weather/x?y", "fx", None),
        ("http://FX.Example:8787/health", "fx", None),
        ("http://fx.example./x", "fx", None),
        ("http://xn--bcher-kva.example/x", "fx", None),
        ("http://fx.example?q", "fx", None),
    ],
)
def test_a_tenants_request_reaches_its_script(url: str, script: str, passed_on: str | None) -> None:
    scene = Scene()
    answer = scene.ask(url)
    assert isinstance(answer, Relay)
    assert [(sent.script, sent.url) for sent in scene.sent] == [(script, passed_on)]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("/t/nope", "tenant_not_found"),
        ("/t", "tenant_not_found"),
        ("/t/", "tenant_not_found"),
        ("/t//weather", "tenant_not_found"),
        ("/t/we%2Father", "tenant_not_found"),
        ("/t/weather%00", "tenant_not_found"),
        ("/t/..%2fweather", "tenant_not_found"),
        ("/t/weather/../..", "tenant_not_found"),
        ("http://nope.example/", "tenant_not_found"),
        ("http://fx.example.evil.example/x", "tenant_not_found"),
        ("http://evil.example@nope.example/", "tenant_not_found"),
        ("http://localhost:8787/nope", "not_found"),
        ("http://127.0.0.1/", "not_found"),
        ("http://[::1]:8787/", "not_found"),
        ("http://clawr.acme.workers.dev/tt/weather", "not_found"),
    ],
)
def test_what_nobody_answers_is_404(url: str, code: str) -> None:
    scene = Scene()
    found = error(scene.ask(url))
    assert (found["status"], found["error"]) == (404, code)
    assert scene.sent == []


@pytest.mark.parametrize("host", ["dispatcher.example", "fx.example", "nope.example", "localhost"])
@pytest.mark.parametrize(
    "path",
    [
        "/__platform",
        "/__platform/ask",
        "//__platform/ask",
        "/%5f%5Fplatform/ask",
        "/x/../__platform/ask",
        "/%2e%2e/__platform/ask",
        "/\\__platform/ask",
        "/__platform\\ask",
        "/__platform%2fask",
        "/%2f__platform/ask",
        "/./__platform/",
    ],
)
def test_no_tenant_is_reached_through_the_platforms_path(host: str, path: str) -> None:
    scene = Scene()
    answer = scene.ask(f"http://{host}{path}")
    assert isinstance(answer, Answer)
    assert answer.status == (
        200 if locate(f"http://{host}{path}").path == "/__platform/ask" else 404
    )
    assert scene.sent == []
    assert scene.events == []


def test_health_answers_at_the_dispatchers_own_hosts() -> None:
    answer = Scene().ask("http://localhost:8787/health")
    assert isinstance(answer, Answer)
    body = json.loads(answer.body)
    assert (answer.status, body["ok"], body["service"]) == (200, True, "clawr-dispatcher")
    assert dict(answer.headers)["x-request-id"] == body["requestId"]


@pytest.mark.parametrize("variable", ["{", None])
def test_health_answers_even_without_a_directory(variable: str | None) -> None:
    answer = Scene(variable=variable).ask("/health")
    assert isinstance(answer, Answer)
    assert answer.status == 200


def test_health_takes_no_other_method() -> None:
    answer = Scene().ask("/health", "POST")
    assert error(answer)["error"] == "method_not_allowed"
    assert isinstance(answer, Answer)
    assert dict(answer.headers)["allow"] == "GET, HEAD"


def test_the_plans_limits_go_with_each_request() -> None:
    scene = Scene()
    scene.ask("/t/weather")
    assert scene.sent[0].limits == PLAN_LIMITS["pro"]


def test_a_url_past_the_edges_limit_is_refused_and_one_at_it_passes() -> None:
    scene = Scene()
    start = "http://dispatcher.example/t/weather/"
    assert isinstance(scene.ask(start + "a" * (16_384 - len(start))), Relay)
    found = error(scene.ask(start + "a" * (16_385 - len(start))))
    assert (found["status"], found["error"], found["parameter"]) == (
        400,
        "invalid_parameter",
        "url",
    )
    assert [one.counted for one in scene.events] == [False, True]


@given(
    st.text("abc./%2eE\\", max_size=20),
    st.sampled_from(["", "?", "?a=b", "?a=/../b#c"]),
    st.sampled_from(["h.example", "H.example:80", "[::1]:8787", "u@h.example"]),
)
def test_a_location_is_the_url_again_but_for_dot_segments(path: str, query: str, host: str) -> None:
    location = locate(f"http://{host}/{path}{query}")
    assert location.host in ("h.example", "[::1]")
    assert location.query == query
    assert not {".", "..", "%2e", ".%2e", "%2e.", "%2e%2e"} & set(location.path.lower().split("/"))
    if not any(part.lower().replace("%2e", ".") in (".", "..") for part in path.split("/")):
        assert location == Location(f"http://{host}", location.host, f"/{path}", query)


# What is passed on.


def test_headers_that_only_the_dispatcher_sets_are_taken_from_what_callers_send() -> None:
    scene = Scene()
    sent = {
        "x-request-id": "a",
        "x-tenant-id": "b",
        "x-clawr-payer": "c",
        "x-clawrs": "d",
        "x": "e",
    }
    scene.ask("/t/weather", headers=sent)
    assert sorted(scene.sent[0].remove_headers) == ["x-clawr-payer", "x-request-id", "x-tenant-id"]


def test_headers_that_only_the_dispatcher_sets_are_taken_from_what_tenants_return() -> None:
    reply = FakeReply(200, ["x-request-id", "set-cookie", "x-clawr-a", "x-tenant-id"])
    scene = Scene(environment=FakeEnvironment(namespace=FakeNamespace(reply)))
    answer = scene.ask("/t/weather")
    assert isinstance(answer, Relay)
    assert answer.remove_headers == ["x-request-id", "x-clawr-a", "x-tenant-id"]
    set_headers = dict(answer.set_headers)
    assert set_headers["x-tenant-id"] == "t1"
    assert set_headers["x-request-id"] == scene.events[0].request_id


def test_request_ids_are_never_the_same() -> None:
    scene = Scene()
    ids = set()
    for _ in range(20):
        answer = scene.ask("http://localhost/health")
        assert isinstance(answer, Answer)
        ids.add(dict(answer.headers)["x-request-id"])
    assert len(ids) == 20


# Who calls.


@pytest.mark.parametrize(
    ("headers", "identity"),
    [
        ({"x-api-key": "k", "x-agent-id": "a", "cf-connecting-ip": "1.2.3.4"}, "key:k"),
        ({"authorization": "Bearer k", "x-agent-id": "a"}, "key:k"),
        ({"authorization": "bearer  k "}, "key:k"),
        ({"authorization": "Basic dXNlcg==", "x-agent-id": "a"}, "agent:a"),
        ({"x-agent-id": "a", "x-caller-id": "c"}, "agent:a"),
        ({"x-caller-id": "c", "cf-connecting-ip": "1.2.3.4"}, "agent:c"),
        ({"x-agent-id": "", "cf-connecting-ip": "1.2.3.4"}, "ip:1.2.3.4"),
        ({}, "unknown:"),
        ({"x-agent-id": "x" * 100_000}, "agent:" + "x" * 4_096),
    ],
)
def test_callers_are_told_apart_by_the_best_that_is_known(
    headers: Mapping[str, str], identity: str
) -> None:
    assert caller_identity(headers) == identity


def test_callers_are_stored_as_a_hash_that_depends_on_the_secret() -> None:
    def caller(secret: str, agent: str) -> str:
        environment = FakeEnvironment(settings={"CALLER_HASH_SECRET": secret})
        scene = Scene(environment=environment)
        scene.ask("/t/weather", headers={"x-agent-id": agent})
        return scene.events[0].caller

    assert caller("s", "agent-7") == caller("s", "agent-7")
    assert len({caller("s", "agent-7"), caller("s", "agent-8"), caller("other", "agent-7")}) == 3
    assert "agent-7" not in caller("s", "agent-7")


# What is recorded.


def test_a_served_request_is_one_event_with_all_that_is_known() -> None:
    scene = Scene(environment=FakeEnvironment(namespace=FakeNamespace(FakeReply(201), takes_ms=42)))
    arrived_ms = scene.clock.at_ms
    scene.ask("/t/weather", "POST", {"x-agent-id": "a"})
    (one,) = scene.events
    assert one == UsageEvent(
        request_id="w-000001",
        at_ms=arrived_ms + 42,
        api=Api("t1", "weather", "alice", "Data", 10_000),
        method="POST",
        status=201,
        latency_ms=42,
        caller=one.caller,
        outcome="served",
        counted=True,
        revenue_micros=0,
    )
    assert len(one.caller) == 16


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (WorkerNotFound, 404, "worker_not_found"),
        (TenantWorkerFailure, 502, "tenant_worker_failure"),
        (TenantLimitExceeded, 503, "tenant_limit_exceeded"),
    ],
)
def test_a_script_that_fails_is_one_counted_event(
    kind: type[TenantError], status: int, code: str
) -> None:
    scene = Scene(environment=FakeEnvironment(namespace=FakeNamespace(tenant_error(kind))))
    found = error(scene.ask("/t/weather"))
    assert (found["status"], found["error"]) == (status, code)
    (one,) = scene.events
    assert (one.status, one.outcome, one.counted) == (status, code, True)


def test_a_defect_of_ours_is_one_counted_event_and_says_nothing_of_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    namespace = FakeNamespace(RuntimeError("a detail"))
    scene = Scene(environment=FakeEnvironment(namespace=namespace))
    answer = scene.ask("/t/weather")
    found = error(answer)
    assert (found["status"], found["error"]) == (500, "internal_error")
    assert "a detail" not in json.dumps(found)
    assert "a detail" in caplog.text
    assert [(one.outcome, one.counted) for one in scene.events] == [("internal_error", True)]


def test_a_request_for_no_api_is_one_event_that_counts_for_none() -> None:
    scene = Scene()
    scene.ask("/t/nope")
    scene.ask("http://nope.example/")
    assert [(one.api, one.outcome, one.counted) for one in scene.events] == [
        (None, "tenant_not_found", False)
    ] * 2


def test_the_dispatchers_own_routes_leave_no_event() -> None:
    scene = Scene()
    for url in ("http://localhost/health", "http://localhost/nope", "/__platform/ask"):
        scene.ask(url)
    assert scene.events == []


@pytest.mark.parametrize("binding", ["USAGE_KV", "DISPATCHER"])
def test_a_missing_binding_is_named_and_loses_no_event(binding: str) -> None:
    environment = FakeEnvironment(namespace=None)
    if binding == "USAGE_KV":
        environment = FakeEnvironment(usage_store=None)
    scene = Scene(environment=environment)
    found = error(scene.ask("/t/weather"))
    assert (found["status"], found["error"]) == (500, "dispatcher_binding_missing")
    assert found["binding"] == binding
    assert binding in found["message"]
    assert [one.outcome for one in scene.events] == ["dispatcher_binding_missing"]


def test_a_missing_secret_is_named_and_loses_no_event() -> None:
    scene = Scene()
    scene.environment.settings.clear()
    found = error(scene.ask("/t/weather"))
    assert (found["status"], found["error"], found["setting"]) == (
        500,
        "configuration_error",
        "CALLER_HASH_SECRET",
    )
    assert [one.outcome for one in scene.events] == ["configuration_error"]
    assert scene.sent == []


def test_a_missing_directory_is_named_and_loses_no_event() -> None:
    scene = Scene(variable=None)
    found = error(scene.ask("/t/weather"))
    assert (found["error"], found["setting"]) == ("configuration_error", "TENANT_DIRECTORY_JSON")
    assert [one.outcome for one in scene.events] == ["configuration_error"]


def test_a_priced_api_is_never_served_unpaid() -> None:
    scene = Scene()
    found = error(scene.ask("/t/paid"))
    assert (found["status"], found["error"], found["setting"]) == (
        500,
        "configuration_error",
        "x402Enabled",
    )
    assert scene.sent == []
    assert [one.counted for one in scene.events] == [False]


def test_a_kv_that_refuses_writes_for_a_while_loses_no_event_and_delays_no_answer() -> None:
    scene = Scene()
    store = scene.environment.usage_store
    assert store is not None
    store.unavailable = True
    assert isinstance(scene.ask("/t/weather"), Relay)
    store.unavailable = False
    scene.ask("/t/weather")
    assert len(scene.events) == 2
    assert scene.log.report()["eventsHeld"] == 0


def test_a_directory_that_cannot_be_read_is_our_failure_and_not_a_missing_api() -> None:
    environment = FakeEnvironment(tenant_store=FakeStore(unavailable=True))
    scene = Scene(environment=environment)
    assert error(scene.ask("/t/weather"))["error"] == "internal_error"
    assert [one.outcome for one in scene.events] == ["internal_error"]

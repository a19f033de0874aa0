"""Each request to a tenant's route records exactly one event."""

from __future__ import annotations

import json

import pytest

from core.errors import TenantError, TenantLimitExceeded, TenantWorkerFailure, WorkerNotFound
from core.ports import ProxyResponse
from metering.events import Api, UsageEvent
from tests.support.dispatcher_scene import Scene, error
from tests.support.fakes import (
    FakeEnvironment,
    FakeNamespace,
    FakeStore,
    FakeUpstreamResponse,
    tenant_error,
)
from tests.support.log_lines import log_lines


def test_a_served_request_records_one_event_with_every_field() -> None:
    scene = Scene(
        environment=FakeEnvironment(
            namespace=FakeNamespace(FakeUpstreamResponse(201), latency_ms=42)
        )
    )
    arrived_ms = scene.clock.at_ms
    scene.request("/t/weather", "POST", {"x-agent-id": "a"})
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
def test_a_script_that_fails_records_one_counted_event(
    kind: type[TenantError], status: int, code: str
) -> None:
    scene = Scene(environment=FakeEnvironment(namespace=FakeNamespace(tenant_error(kind))))
    found = error(scene.request("/t/weather"))
    assert (found["status"], found["error"]) == (status, code)
    (one,) = scene.events
    assert (one.status, one.outcome, one.counted) == (status, code, True)


def test_a_scripts_error_text_is_logged_under_the_request_id_and_not_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failure = tenant_error(TenantWorkerFailure)
    failure.__cause__ = RuntimeError("the tenant's words\nover two lines")
    scene = Scene(environment=FakeEnvironment(namespace=FakeNamespace(failure)))
    found = error(scene.request("/t/weather"))
    assert "tenant's words" not in json.dumps(found)
    (line,) = log_lines(caplog)
    assert line["cause"] == "the tenant's words\nover two lines"
    assert {name: line[name] for name in ("event", "requestId", "code", "endpoint")} == {
        "event": "request_failed",
        "requestId": found["requestId"],
        "code": "tenant_worker_failure",
        "endpoint": "/t/weather",
    }


def test_an_unexpected_exception_records_one_counted_event_and_its_text_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    namespace = FakeNamespace(RuntimeError("a detail"))
    scene = Scene(environment=FakeEnvironment(namespace=namespace))
    response = scene.request("/t/weather")
    found = error(response)
    assert (found["status"], found["error"]) == (500, "internal_error")
    assert "a detail" not in json.dumps(found)
    (line,) = log_lines(caplog)
    assert (line["level"], line["requestId"]) == ("error", found["requestId"])
    assert line["exception"]["type"] == "RuntimeError"
    assert line["exception"]["stack"][0].startswith("fakes.py:")
    assert "a detail" not in json.dumps(line)
    assert [(one.outcome, one.counted) for one in scene.events] == [("internal_error", True)]


def test_a_request_for_an_unknown_api_records_an_uncounted_event_without_an_api() -> None:
    scene = Scene()
    scene.request("/t/nope")
    scene.request("http://nope.example/")
    assert [(one.api, one.outcome, one.counted) for one in scene.events] == [
        (None, "tenant_not_found", False)
    ] * 2


def test_the_dispatchers_own_routes_record_no_event() -> None:
    scene = Scene()
    for url in ("http://localhost/health", "http://localhost/nope", "/__platform/ask"):
        scene.request(url)
    assert scene.events == []


@pytest.mark.parametrize("binding", ["USAGE_KV", "DISPATCHER"])
def test_an_error_names_the_missing_binding_and_is_recorded(binding: str) -> None:
    environment = FakeEnvironment(namespace=None)
    if binding == "USAGE_KV":
        environment = FakeEnvironment(usage_store=None)
    scene = Scene(environment=environment)
    found = error(scene.request("/t/weather"))
    assert (found["status"], found["error"]) == (500, "dispatcher_binding_missing")
    assert found["binding"] == binding
    assert binding in found["message"]
    assert [one.outcome for one in scene.events] == ["dispatcher_binding_missing"]


def test_an_error_names_the_missing_secret_and_is_recorded() -> None:
    scene = Scene()
    scene.environment.settings.clear()
    found = error(scene.request("/t/weather"))
    assert (found["status"], found["error"], found["setting"]) == (
        500,
        "configuration_error",
        "CALLER_HASH_SECRET",
    )
    assert [one.outcome for one in scene.events] == ["configuration_error"]
    assert scene.sent == []


def test_an_error_names_the_missing_directory_and_is_recorded() -> None:
    scene = Scene(variable=None)
    found = error(scene.request("/t/weather"))
    assert (found["error"], found["setting"]) == ("configuration_error", "TENANT_DIRECTORY_JSON")
    assert [one.outcome for one in scene.events] == ["configuration_error"]


def test_a_priced_api_without_a_facilitator_is_not_served() -> None:
    scene = Scene()
    found = error(scene.request("/t/paid"))
    assert (found["status"], found["error"], found["setting"]) == (
        500,
        "configuration_error",
        "FACILITATOR_URL",
    )
    assert scene.sent == []


def test_a_temporary_kv_outage_loses_no_event_and_delays_no_response() -> None:
    scene = Scene()
    store = scene.environment.usage_store
    assert store is not None
    store.unavailable = True
    assert isinstance(scene.request("/t/weather"), ProxyResponse)
    store.unavailable = False
    scene.request("/t/weather")
    assert len(scene.events) == 2
    assert scene.log.report()["eventsHeld"] == 0


def test_an_unreadable_directory_is_an_internal_error_and_not_an_unknown_api() -> None:
    environment = FakeEnvironment(tenant_store=FakeStore(unavailable=True))
    scene = Scene(environment=environment)
    found = error(scene.request("/t/weather"))
    assert found["error"] == "internal_error"
    assert "KV does not respond" in found["message"]
    assert [one.outcome for one in scene.events] == ["internal_error"]

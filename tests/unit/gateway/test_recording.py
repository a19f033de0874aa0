"""Each request to a tenant's route records exactly one event."""

from __future__ import annotations

import asyncio
import json
from typing import cast

import pytest

from core import constants
from core.errors import (
    ClientClosedRequest,
    ConfigurationError,
    TenantError,
    TenantLimitExceeded,
    TenantWorkerFailure,
    WorkerNotFound,
)
from core.ports import ProxyResponse
from metering.events import Api, UsageEvent
from tests.support.dispatcher_scene import Scene, error
from tests.support.fake_shards import FakeShards
from tests.support.fakes import (
    FakeClock,
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
        network="",
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


@pytest.mark.parametrize("status", [200, 101, 404, 499, 500])
def test_a_client_that_was_gone_before_the_response_made_no_call(status: int) -> None:
    upstream = FakeUpstreamResponse(status, has_client=False)
    scene = Scene(environment=FakeEnvironment(namespace=FakeNamespace(upstream)))
    assert isinstance(scene.request("/t/weather"), ProxyResponse)
    (one,) = scene.events
    assert (one.status, one.outcome, one.counted) == (499, "client_closed_request", False)


def test_an_upload_that_breaks_off_is_no_failure_of_the_api() -> None:
    namespace = FakeNamespace(ClientClosedRequest("gone"))
    scene = Scene(environment=FakeEnvironment(namespace=namespace))
    assert error(scene.request("/t/weather", "POST"))["status"] == 499
    (one,) = scene.events
    assert (one.status, one.outcome, one.counted) == (499, "client_closed_request", False)


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


@pytest.mark.parametrize("binding", ["USAGE_KV", "USAGE_SHARD", "DISPATCHER"])
def test_an_error_names_the_missing_binding_and_is_recorded(binding: str) -> None:
    environment = FakeEnvironment(namespace=None)
    if binding == "USAGE_KV":
        environment = FakeEnvironment(usage_store=None)
    elif binding == "USAGE_SHARD":
        environment = FakeEnvironment(usage_shards=None)
    scene = Scene(environment=environment)
    found = error(scene.request("/t/weather"))
    assert (found["status"], found["error"]) == (500, "dispatcher_binding_missing")
    assert found["binding"] == binding
    assert binding in found["message"]
    assert [one.outcome for one in scene.events] == ["dispatcher_binding_missing"]


class UnusableShards:
    """The shards if the setting USAGE_SHARDS is unusable."""

    clock: FakeClock

    @property
    def count(self) -> int:
        raise ConfigurationError("USAGE_SHARDS", "Set it to a whole number from 1 to 64.")


def test_an_unusable_number_of_shards_is_named_before_anything_is_served() -> None:
    environment = FakeEnvironment()
    environment.usage_shards = cast("FakeShards", UnusableShards())
    scene = Scene(environment=environment)
    found = error(scene.request("/t/weather"))
    assert (found["status"], found["error"], found["setting"]) == (
        500,
        "configuration_error",
        "USAGE_SHARDS",
    )
    assert scene.sent == []


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


def test_an_outage_of_the_shard_loses_no_event_and_delays_no_response() -> None:
    scene = Scene()
    shards = scene.environment.usage_shards
    assert shards is not None
    shards.unavailable = {0}
    assert isinstance(scene.request("/t/weather"), ProxyResponse)
    assert scene.log.report()["eventsSpilled"] == 1
    shards.unavailable = set()
    scene.request("/t/weather")
    scene.clock.at_ms += constants.SPILL_CHECK_MS
    asyncio.run(shards.run())
    assert len(scene.events) == 2
    assert scene.log.report()["eventsBuffered"] == 0


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [
        ("192.0.2.7", "192.0.2.250", "192.0.3.7"),
        ("2001:db8:1:2::3", "2001:DB8:0001:ffff:0:0:0:9", "2001:db8:2::3"),
        ("2001:db8::1", "2001:db8:0:5::", "2001:db8:1::1"),
        ("::ffff:192.0.2.7", "192.0.2.8", "::ffff:192.0.3.7"),
        ("::1", "::2:3", "1::"),
    ],
)
def test_an_event_has_the_hash_of_its_callers_network(address: str, same: str, other: str) -> None:
    scene = Scene()
    for one in (address, same, other):
        scene.request("/t/weather", headers={"cf-connecting-ip": one, "x-api-key": "key"})
    scene.request("/t/weather")
    networks = [one.network for one in reversed(scene.events)]
    assert networks[0] == networks[1] != networks[2]
    assert [len(network) for network in networks] == [16, 16, 16, 0]
    assert len({one.caller for one in scene.events}) == 2


def test_an_unreadable_directory_is_an_internal_error_and_not_an_unknown_api() -> None:
    environment = FakeEnvironment(tenant_store=FakeStore(unavailable=True))
    scene = Scene(environment=environment)
    found = error(scene.request("/t/weather"))
    assert found["error"] == "internal_error"
    assert "KV does not respond" in found["message"]
    assert [one.outcome for one in scene.events] == ["internal_error"]

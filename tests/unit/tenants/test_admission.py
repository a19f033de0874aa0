"""Limits of free APIs: which requests are admitted, how others are refused, what is released."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from core.errors import TenantWorkerFailure
from core.ports import ProxyResponse, Response
from core.quotas import Usage
from tests.support.dispatcher_scene import Scene, error
from tests.support.fake_counters import FakeQuotaCounters
from tests.support.fakes import NOON_MS, FakeRequest, FakeUpstreamResponse, tenant_error
from tests.support.log_lines import log_lines

DAY_MS = 86_400_000


def scene_of(**fields: object) -> Scene:
    """A deployment with the API `api`, with these fields, and the API `free` without limits."""
    required = {"slug": "api", "tenantId": "t1", "workerName": "api"}
    tenants = [{**required, **fields}, {"slug": "free", "tenantId": "t2", "workerName": "free"}]
    return Scene(variable=json.dumps({"tenants": tenants}))


def quota_scene(**quotas: int) -> Scene:
    return scene_of(usageLimit=quotas)


def counters(scene: Scene) -> FakeQuotaCounters:
    assert scene.environment.quota_counters is not None
    return scene.environment.quota_counters


def headers(response: Response | ProxyResponse) -> dict[str, str]:
    if isinstance(response, Response):
        return dict(response.headers)
    return {**dict(response.set_headers), **dict(response.add_headers)}


def request_concurrently(scene: Scene, count: int) -> list[Response | ProxyResponse]:
    """Send several requests concurrently."""

    async def send() -> list[Response | ProxyResponse]:
        request = FakeRequest("http://h.example/t/api/", "GET", {"x-agent-id": "a"})
        sent = [scene.dispatcher.handle(request, scene.background) for _ in range(count)]
        responses = await asyncio.gather(*sent)
        await scene.background.finish()
        return responses

    return asyncio.run(send())


# Rates.


def test_a_rate_admits_exactly_its_number_of_concurrent_requests() -> None:
    scene = scene_of(rateLimit={"requests": 13, "windowSeconds": 10})
    responses = request_concurrently(scene, 32)
    assert sum(isinstance(response, ProxyResponse) for response in responses) == 13
    assert len(scene.sent) == 13


def test_rates_are_counted_per_caller_and_api() -> None:
    scene = scene_of(rateLimit={"requests": 1, "windowSeconds": 60})
    for caller in ("a", "b"):
        assert isinstance(scene.request("/t/api/", headers={"x-agent-id": caller}), ProxyResponse)
        assert isinstance(scene.request("/t/api/", headers={"x-agent-id": caller}), Response)
        assert isinstance(scene.request("/t/free/", headers={"x-agent-id": caller}), ProxyResponse)


def test_most_requests_use_one_binding() -> None:
    scene = scene_of(rateLimit={"requests": 100, "windowSeconds": 10})
    for _ in range(64):
        scene.request("/t/api/")
    calls = {name: one.calls for name, one in scene.environment.rate_counters.items() if one.calls}
    assert calls == {"RATE_10S_64": 64}


def test_a_rate_limited_response_has_the_policy_and_the_time_to_retry() -> None:
    scene = scene_of(rateLimit={"requests": 2, "windowSeconds": 60})
    first = headers(scene.request("/t/api/"))
    # The binding does not report the remainder, so there is no `RateLimit`.
    assert first["ratelimit-policy"] == '"caller";q=2;w=60'
    assert "ratelimit" not in first
    scene.request("/t/api/")
    refused = scene.request("/t/api/")
    found = error(refused)
    assert (found["status"], found["error"], found["limit"]) == (429, "rate_limited", "rateLimit")
    assert (found["requests"], found["windowSeconds"]) == (2, 60)
    shown = headers(refused)
    assert shown["retry-after"] == "60"
    assert shown["ratelimit"] == '"caller";r=0;t=60'
    assert shown["ratelimit-policy"] == '"caller";q=2;w=60'
    assert "RateLimit" in shown["access-control-expose-headers"]


def test_a_refused_request_records_an_event_that_is_not_a_call() -> None:
    scene = scene_of(rateLimit={"requests": 1, "windowSeconds": 10})
    for _ in range(3):
        scene.request("/t/api/")
    found = Counter((one.outcome, one.status, one.counted) for one in scene.events)
    assert found == {("served", 200, True): 1, ("rate_limited", 429, False): 2}


def test_a_rate_limited_request_uses_no_quota() -> None:
    rate = {"requests": 1, "windowSeconds": 10}
    scene = scene_of(rateLimit=rate, usageLimit={"dailyRequests": 9})
    for _ in range(3):
        scene.request("/t/api/")
    assert counters(scene).usage["api/t1"].daily_requests == 1


# Quotas.


@pytest.mark.parametrize("name", ["dailyRequests", "monthlyRequests"])
def test_a_quota_admits_exactly_its_number_of_concurrent_requests(name: str) -> None:
    scene = quota_scene(**{name: 7})
    responses = request_concurrently(scene, 32)
    refused = [error(response) for response in responses if isinstance(response, Response)]
    assert len(scene.sent) == 7
    assert Counter(one["error"] for one in refused) == {"usage_quota_exceeded": 25}
    assert {one["limit"] for one in refused} == {f"usageLimit.{name}"}


def test_a_response_has_the_remaining_quota_and_when_it_resets() -> None:
    scene = quota_scene(dailyRequests=2, monthlyRequests=50)
    policy = '"month";q=50;w=2592000, "day";q=2;w=86400'
    responses = [headers(scene.request("/t/api/")) for _ in range(3)]
    assert [one["ratelimit"] for one in responses] == [
        '"month";r=49;t=734400, "day";r=1;t=43200',
        '"month";r=48;t=734400, "day";r=0;t=43200',
        '"month";r=48;t=734400, "day";r=0;t=43200',
    ]
    assert {one["ratelimit-policy"] for one in responses} == {policy}
    assert responses[2]["retry-after"] == "43200"


def test_a_used_up_quota_names_the_limit_and_when_it_resets() -> None:
    scene = quota_scene(monthlyRequests=1)
    scene.request("/t/api/")
    found = error(scene.request("/t/api/"))
    assert found["status"] == 429
    assert (found["error"], found["limit"]) == (
        "usage_quota_exceeded",
        "usageLimit.monthlyRequests",
    )
    assert (found["requests"], found["resetsAt"]) == (1, "2026-12-01T00:00:00.000Z")
    assert found["retryAfterSeconds"] == 734_400


def test_a_daily_quota_resets_at_midnight_utc() -> None:
    scene = quota_scene(dailyRequests=1)
    assert isinstance(scene.request("/t/api/"), ProxyResponse)
    scene.clock.at_ms = (NOON_MS // DAY_MS + 1) * DAY_MS - 1
    refused = scene.request("/t/api/")
    assert headers(refused)["retry-after"] == "1"
    scene.clock.at_ms += 1
    assert isinstance(scene.request("/t/api/"), ProxyResponse)
    assert isinstance(scene.request("/t/api/"), Response)


def test_each_api_has_its_own_counter() -> None:
    tenants = [
        {
            "slug": slug,
            "tenantId": tenant_id,
            "workerName": "w",
            "usageLimit": {"dailyRequests": 1},
        }
        for slug, tenant_id in (("a", "t"), ("b", "t"), ("c", "t2"))
    ]
    scene = Scene(variable=json.dumps({"tenants": tenants}))
    for slug in ("a", "b", "c"):
        assert isinstance(scene.request(f"/t/{slug}/"), ProxyResponse)
        assert isinstance(scene.request(f"/t/{slug}/"), Response)


def test_an_api_without_limits_uses_no_counter() -> None:
    scene = quota_scene(dailyRequests=1)
    response = scene.request("/t/free/")
    assert counters(scene).calls == []
    assert all(one.calls == 0 for one in scene.environment.rate_counters.values())
    assert "ratelimit-policy" not in headers(response)


def test_a_served_request_calls_its_counter_once() -> None:
    scene = quota_scene(dailyRequests=5)
    scene.request("/t/api/")
    assert counters(scene).calls == ["reserve"]


# Releases.


@pytest.mark.parametrize(("status", "used"), [(200, 1), (302, 1), (404, 1), (500, 0), (503, 0)])
def test_an_error_of_the_script_releases_the_quota(status: int, used: int) -> None:
    scene = quota_scene(dailyRequests=1)
    assert scene.environment.namespace is not None
    scene.environment.namespace.response = FakeUpstreamResponse(status)
    scene.request("/t/api/")
    assert counters(scene).usage["api/t1"].daily_requests == used


def test_a_script_that_throws_releases_the_quota() -> None:
    scene = quota_scene(dailyRequests=1)
    assert scene.environment.namespace is not None
    scene.environment.namespace.response = tenant_error(TenantWorkerFailure)
    assert [error(scene.request("/t/api/"))["error"] for _ in range(3)] == [
        "tenant_worker_failure"
    ] * 3
    scene.environment.namespace.response = FakeUpstreamResponse()
    assert isinstance(scene.request("/t/api/"), ProxyResponse)
    assert isinstance(scene.request("/t/api/"), Response)


def test_a_failure_after_midnight_releases_nothing_of_the_new_day() -> None:
    scene = quota_scene(dailyRequests=1, monthlyRequests=5)
    assert scene.environment.namespace is not None
    scene.environment.namespace.response = FakeUpstreamResponse(500)
    scene.environment.namespace.latency_ms = DAY_MS
    scene.request("/t/api/")
    assert counters(scene).usage["api/t1"] == Usage(NOON_MS // DAY_MS)


@pytest.mark.parametrize("takes_effect_anyway", [False, True])
def test_a_failed_release_is_not_retried(
    takes_effect_anyway: bool, caplog: pytest.LogCaptureFixture
) -> None:
    scene = quota_scene(dailyRequests=2)
    assert scene.environment.namespace is not None
    scene.environment.namespace.response = FakeUpstreamResponse(500)
    one = counters(scene)
    one.takes_effect_anyway = takes_effect_anyway

    one.failing = "release"
    assert isinstance(scene.request("/t/api/"), ProxyResponse)
    assert one.calls == ["reserve", "release"]
    assert one.usage["api/t1"].daily_requests == (0 if takes_effect_anyway else 1)
    assert "reservation_not_released" in [line["event"] for line in log_lines(caplog)]


# Counters that do not respond, and missing bindings.


def outage_error(scene: Scene) -> dict[str, Any]:
    found = error(scene.request("/t/api/"))
    assert scene.sent == []
    assert [one.counted for one in scene.events] == [False]
    return found


def test_a_quota_that_cannot_be_checked_admits_no_request() -> None:
    scene = quota_scene(dailyRequests=2)
    counters(scene).failing = "reserve"
    found = outage_error(scene)
    assert (found["status"], found["error"]) == (500, "internal_error")
    assert "limits of this API" in found["message"]


def test_a_rate_that_cannot_be_checked_admits_no_request() -> None:
    scene = scene_of(rateLimit={"requests": 2, "windowSeconds": 10})
    scene.environment.rate_counters["RATE_10S_2"].unavailable = True
    assert "limits of this API" in outage_error(scene)["message"]


def test_the_error_of_an_api_that_needs_a_missing_binding_names_it() -> None:
    scene = scene_of(
        rateLimit={"requests": 3, "windowSeconds": 10}, usageLimit={"dailyRequests": 9}
    )
    scene.environment.quota_counters = None
    assert error(scene.request("/t/api/"))["binding"] == "QUOTAS"
    scene.environment.rate_counters.clear()
    assert error(scene.request("/t/api/"))["binding"] == "RATE_10S_2"
    assert isinstance(scene.request("/t/free/"), ProxyResponse)


def test_a_script_keeps_its_own_limit_headers() -> None:
    scene = quota_scene(dailyRequests=2)
    response = scene.request("/t/api/")
    assert isinstance(response, ProxyResponse)
    assert "ratelimit" in dict(response.add_headers)
    assert "ratelimit" not in response.remove_headers

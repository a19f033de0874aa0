"""Limits of free APIs: what is let through, what is refused in whose words, what is given back."""

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
from tests.support.fakes import NOON_MS, FakeReply, FakeRequest, tenant_error
from tests.support.log_lines import log_lines

DAY_MS = 86_400_000


def scene_of(**fields: object) -> Scene:
    """A deployment with one API, `api`, that has these fields, and another without limits."""
    least = {"slug": "api", "tenantId": "t1", "workerName": "api"}
    tenants = [{**least, **fields}, {"slug": "free", "tenantId": "t2", "workerName": "free"}]
    return Scene(variable=json.dumps({"tenants": tenants}))


def quota_scene(**quotas: int) -> Scene:
    return scene_of(usageLimit=quotas)


def counters(scene: Scene) -> FakeQuotaCounters:
    assert scene.environment.quota_counters is not None
    return scene.environment.quota_counters


def headers(answer: Response | ProxyResponse) -> dict[str, str]:
    if isinstance(answer, Response):
        return dict(answer.headers)
    return {**dict(answer.set_headers), **dict(answer.add_headers)}


def ask_at_once(scene: Scene, times: int) -> list[Response | ProxyResponse]:
    """Send so many requests in one go."""

    async def send() -> list[Response | ProxyResponse]:
        request = FakeRequest("http://h.example/t/api/", "GET", {"x-agent-id": "a"})
        sent = [scene.dispatcher.handle(request, scene.background) for _ in range(times)]
        answers = await asyncio.gather(*sent)
        await scene.background.finish()
        return answers

    return asyncio.run(send())


# Rates.


def test_a_caller_gets_as_many_requests_as_its_rate_and_no_more() -> None:
    scene = scene_of(rateLimit={"requests": 13, "windowSeconds": 10})
    answers = ask_at_once(scene, 32)
    assert sum(isinstance(answer, ProxyResponse) for answer in answers) == 13
    assert len(scene.sent) == 13


def test_callers_and_apis_have_rates_of_their_own() -> None:
    scene = scene_of(rateLimit={"requests": 1, "windowSeconds": 60})
    for caller in ("a", "b"):
        assert isinstance(scene.ask("/t/api/", headers={"x-agent-id": caller}), ProxyResponse)
        assert isinstance(scene.ask("/t/api/", headers={"x-agent-id": caller}), Response)
        assert isinstance(scene.ask("/t/free/", headers={"x-agent-id": caller}), ProxyResponse)


def test_most_requests_ask_one_binding() -> None:
    scene = scene_of(rateLimit={"requests": 100, "windowSeconds": 10})
    for _ in range(64):
        scene.ask("/t/api/")
    asked = {name: one.asked for name, one in scene.environment.rate_counters.items() if one.asked}
    assert asked == {"RATE_10S_64": 64}


def test_a_refused_rate_says_its_policy_and_when_to_come_again() -> None:
    scene = scene_of(rateLimit={"requests": 2, "windowSeconds": 60})
    first = headers(scene.ask("/t/api/"))
    # How much is left the binding does not tell, so nothing is claimed.
    assert first["ratelimit-policy"] == '"caller";q=2;w=60'
    assert "ratelimit" not in first
    scene.ask("/t/api/")
    refused = scene.ask("/t/api/")
    found = error(refused)
    assert (found["status"], found["error"], found["limit"]) == (429, "rate_limited", "rateLimit")
    assert (found["requests"], found["windowSeconds"]) == (2, 60)
    shown = headers(refused)
    assert shown["retry-after"] == "60"
    assert shown["ratelimit"] == '"caller";r=0;t=60'
    assert shown["ratelimit-policy"] == '"caller";q=2;w=60'
    assert "RateLimit" in shown["access-control-expose-headers"]


def test_a_refused_request_is_an_event_and_no_call() -> None:
    scene = scene_of(rateLimit={"requests": 1, "windowSeconds": 10})
    for _ in range(3):
        scene.ask("/t/api/")
    found = Counter((one.outcome, one.status, one.counted) for one in scene.events)
    assert found == {("served", 200, True): 1, ("rate_limited", 429, False): 2}


def test_what_the_rate_refuses_uses_no_quota() -> None:
    rate = {"requests": 1, "windowSeconds": 10}
    scene = scene_of(rateLimit=rate, usageLimit={"dailyRequests": 9})
    for _ in range(3):
        scene.ask("/t/api/")
    assert counters(scene).uses["api/t1"].daily_requests == 1


# Quotas.


@pytest.mark.parametrize("name", ["dailyRequests", "monthlyRequests"])
def test_of_many_at_once_a_quota_serves_exactly_its_number(name: str) -> None:
    scene = quota_scene(**{name: 7})
    answers = ask_at_once(scene, 32)
    refused = [error(answer) for answer in answers if isinstance(answer, Response)]
    assert len(scene.sent) == 7
    assert Counter(one["error"] for one in refused) == {"usage_quota_exceeded": 25}
    assert {one["limit"] for one in refused} == {f"usageLimit.{name}"}


def test_a_quota_says_what_is_left_and_when_it_begins_anew() -> None:
    scene = quota_scene(dailyRequests=2, monthlyRequests=50)
    policy = '"month";q=50;w=2592000, "day";q=2;w=86400'
    left = [headers(scene.ask("/t/api/")) for _ in range(3)]
    assert [one["ratelimit"] for one in left] == [
        '"month";r=49;t=734400, "day";r=1;t=43200',
        '"month";r=48;t=734400, "day";r=0;t=43200',
        '"month";r=48;t=734400, "day";r=0;t=43200',
    ]
    assert {one["ratelimit-policy"] for one in left} == {policy}
    assert left[2]["retry-after"] == "43200"


def test_a_refused_quota_names_the_limit_and_its_end() -> None:
    scene = quota_scene(monthlyRequests=1)
    scene.ask("/t/api/")
    found = error(scene.ask("/t/api/"))
    assert found["status"] == 429
    assert (found["error"], found["limit"]) == (
        "usage_quota_exceeded",
        "usageLimit.monthlyRequests",
    )
    assert (found["requests"], found["resetsAt"]) == (1, "2026-12-01T00:00:00.000Z")
    assert found["retryAfterSeconds"] == 734_400


def test_the_next_day_begins_anew() -> None:
    scene = quota_scene(dailyRequests=1)
    assert isinstance(scene.ask("/t/api/"), ProxyResponse)
    scene.clock.at_ms = (NOON_MS // DAY_MS + 1) * DAY_MS - 1
    refused = scene.ask("/t/api/")
    assert headers(refused)["retry-after"] == "1"
    scene.clock.at_ms += 1
    assert isinstance(scene.ask("/t/api/"), ProxyResponse)
    assert isinstance(scene.ask("/t/api/"), Response)


def test_two_apis_count_apart() -> None:
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
        assert isinstance(scene.ask(f"/t/{slug}/"), ProxyResponse)
        assert isinstance(scene.ask(f"/t/{slug}/"), Response)


def test_an_api_without_limits_crosses_to_no_counter() -> None:
    scene = quota_scene(dailyRequests=1)
    answer = scene.ask("/t/free/")
    assert counters(scene).asked == []
    assert all(one.asked == 0 for one in scene.environment.rate_counters.values())
    assert "ratelimit-policy" not in headers(answer)


def test_a_served_request_asks_its_counter_once() -> None:
    scene = quota_scene(dailyRequests=5)
    scene.ask("/t/api/")
    assert counters(scene).asked == ["reserve"]


# What is given back.


@pytest.mark.parametrize(("status", "used"), [(200, 1), (302, 1), (404, 1), (500, 0), (503, 0)])
def test_an_error_of_the_script_gives_the_quota_back(status: int, used: int) -> None:
    scene = quota_scene(dailyRequests=1)
    assert scene.environment.namespace is not None
    scene.environment.namespace.reply = FakeReply(status)
    scene.ask("/t/api/")
    assert counters(scene).uses["api/t1"].daily_requests == used


def test_a_script_that_throws_gives_the_quota_back() -> None:
    scene = quota_scene(dailyRequests=1)
    assert scene.environment.namespace is not None
    scene.environment.namespace.reply = tenant_error(TenantWorkerFailure)
    assert [error(scene.ask("/t/api/"))["error"] for _ in range(3)] == ["tenant_worker_failure"] * 3
    scene.environment.namespace.reply = FakeReply()
    assert isinstance(scene.ask("/t/api/"), ProxyResponse)
    assert isinstance(scene.ask("/t/api/"), Response)


def test_what_fails_after_midnight_frees_nothing_of_the_new_day() -> None:
    scene = quota_scene(dailyRequests=1, monthlyRequests=5)
    assert scene.environment.namespace is not None
    scene.environment.namespace.reply = FakeReply(500)
    scene.environment.namespace.takes_ms = DAY_MS
    scene.ask("/t/api/")
    assert counters(scene).uses["api/t1"] == Usage(NOON_MS // DAY_MS)


@pytest.mark.parametrize("works_all_the_same", [False, True])
def test_a_giving_back_that_fails_is_not_repeated(
    works_all_the_same: bool, caplog: pytest.LogCaptureFixture
) -> None:
    scene = quota_scene(dailyRequests=2)
    assert scene.environment.namespace is not None
    scene.environment.namespace.reply = FakeReply(500)
    one = counters(scene)
    one.works_all_the_same = works_all_the_same

    one.failing = "give_back"
    assert isinstance(scene.ask("/t/api/"), ProxyResponse)
    assert one.asked == ["reserve", "give_back"]
    assert one.uses["api/t1"].daily_requests == (0 if works_all_the_same else 1)
    assert "reservation_not_released" in [line["event"] for line in log_lines(caplog)]


# Counters that do not answer, and those that are not there.


def refused_outage(scene: Scene) -> dict[str, Any]:
    found = error(scene.ask("/t/api/"))
    assert scene.sent == []
    assert [one.counted for one in scene.events] == [False]
    return found


def test_a_quota_that_cannot_be_told_serves_nobody() -> None:
    scene = quota_scene(dailyRequests=2)
    counters(scene).failing = "reserve"
    found = refused_outage(scene)
    assert (found["status"], found["error"]) == (500, "internal_error")
    assert "limits of this API" in found["message"]


def test_a_rate_that_cannot_be_told_serves_nobody() -> None:
    scene = scene_of(rateLimit={"requests": 2, "windowSeconds": 10})
    scene.environment.rate_counters["RATE_10S_2"].unavailable = True
    assert "limits of this API" in refused_outage(scene)["message"]


def test_bindings_that_are_missing_are_named_by_the_apis_that_need_them() -> None:
    scene = scene_of(
        rateLimit={"requests": 3, "windowSeconds": 10}, usageLimit={"dailyRequests": 9}
    )
    scene.environment.quota_counters = None
    assert error(scene.ask("/t/api/"))["binding"] == "QUOTAS"
    scene.environment.rate_counters.clear()
    assert error(scene.ask("/t/api/"))["binding"] == "RATE_10S_2"
    assert isinstance(scene.ask("/t/free/"), ProxyResponse)


def test_a_script_keeps_limits_of_its_own() -> None:
    scene = quota_scene(dailyRequests=2)
    answer = scene.ask("/t/api/")
    assert isinstance(answer, ProxyResponse)
    assert "ratelimit" in dict(answer.add_headers)
    assert "ratelimit" not in answer.remove_headers

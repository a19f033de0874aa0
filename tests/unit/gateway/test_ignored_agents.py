"""Monitors and bots leave events, but do not change what people see of an API."""

from __future__ import annotations

import json

import pytest

from core.errors import TenantWorkerFailure
from core.listed_settings import PUBLISH_PROBE
from core.ports import ProxyResponse
from gateway.ignored_agents import IgnoredAgents
from tests.support.dispatcher_scene import Scene, error
from tests.support.fakes import FakeEnvironment, FakeNamespace

UPTIME_ROBOT = "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)"
LISTED = "Acme-Monitor, own bot,"


def is_ignored(user_agent: str, setting: str = "") -> bool:
    settings = {"IGNORED_USER_AGENTS": setting} if setting else {}
    return IgnoredAgents(FakeEnvironment(settings=settings)).includes(user_agent)


@pytest.mark.parametrize(
    "user_agent",
    [
        UPTIME_ROBOT,
        "Better Uptime Bot Mozilla/5.0 (Macintosh)",
        "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
        "GoogleStackdriverMonitoring-UptimeChecks(https://cloud.google.com/monitoring)",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    ],
)
def test_widespread_monitors_and_crawlers_are_ignored_by_default(user_agent: str) -> None:
    assert is_ignored(user_agent)
    assert not is_ignored(user_agent, LISTED)


@pytest.mark.parametrize("user_agent", ["acme-monitor/2.0", "The ACME-Monitor", "My Own Bot 1"])
def test_the_setting_lists_parts_of_user_agents_in_any_case(user_agent: str) -> None:
    assert is_ignored(user_agent, LISTED)
    assert not is_ignored(user_agent)


@pytest.mark.parametrize(
    "user_agent", ["", "curl/8.5.0", "Mozilla/5.0 Chrome/130", "python-httpx/0.28", "MyAgentBot/1"]
)
def test_programs_and_browsers_count(user_agent: str) -> None:
    assert not is_ignored(user_agent)
    assert not is_ignored(user_agent, LISTED)


def test_the_probe_of_clawr_publish_is_always_ignored() -> None:
    assert is_ignored(PUBLISH_PROBE)
    assert is_ignored(PUBLISH_PROBE, LISTED)


@pytest.mark.parametrize("failure", [None, TenantWorkerFailure("failed")])
def test_ignored_requests_have_events_and_are_neither_calls_nor_errors(
    failure: TenantWorkerFailure | None,
) -> None:
    namespace = FakeNamespace() if failure is None else FakeNamespace(failure)
    scene = Scene(environment=FakeEnvironment(namespace=namespace))
    scene.request("/t/weather", headers={"user-agent": UPTIME_ROBOT})
    scene.request("/t/weather", headers={"user-agent": "curl/8.5.0"})
    assert [one.counted for one in scene.events] == [True, False]
    assert {one.outcome for one in scene.events} == {failure.code if failure else "served"}


def test_limits_apply_to_ignored_requests() -> None:
    record = {
        "slug": "few",
        "tenantId": "t9",
        "workerName": "few",
        "rateLimit": {"requests": 1, "windowSeconds": 60},
    }
    scene = Scene(variable=json.dumps({"tenants": [record]}))
    agent = {"user-agent": PUBLISH_PROBE}
    assert isinstance(scene.request("/t/few", headers=agent), ProxyResponse)
    assert error(scene.request("/t/few", headers=agent))["error"] == "rate_limited"


def test_many_user_agents_take_bounded_memory() -> None:
    agents = IgnoredAgents(FakeEnvironment())
    for number in range(3_000):
        assert not agents.includes(f"{number}" * 1_000)
    assert len(agents._known) <= 1_000
    assert max(map(len, agents._known)) <= 500

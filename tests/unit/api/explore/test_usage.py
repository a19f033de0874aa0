"""The public use of one API: sums that agree with the windows, without identities."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from api.explore.routes import USAGE_SECONDS
from core.calendar import DAY_MS, HOUR_MS
from core.ports import Response
from metering.settlements import SettlementEvent, settlement_fields
from metering.tables import SETTLEMENTS_SEARCHED, Tables
from tests.support.dispatcher_scene import Scene, error
from tests.support.fake_chain import PAYER
from tests.support.fake_sql import FakeSql
from tests.support.fakes import FakeEnvironment, FakeUpstreamResponse
from tests.support.payment_scene import Market

POINTS = {"24h": 24, "7d": 168, "30d": 30, "90d": 90}


def use_of(scene: Scene | Market, slug: str, name: str = "7d") -> dict[str, Any]:
    path = f"/api/explore/usage?api={slug}&range={name}"
    response = scene.request(path) if isinstance(scene, Scene) else scene.call(path)
    assert isinstance(response, Response)
    assert response.status == 200
    body: dict[str, Any] = json.loads(response.body)
    return body


@pytest.mark.parametrize("name", POINTS)
def test_each_range_adds_up_the_calls_of_its_hours_or_days(name: str) -> None:
    scene = Scene()
    now_ms = scene.clock.at_ms
    for days in (100, 45, 5, 1, 0):
        scene.clock.at_ms = now_ms - days * DAY_MS
        scene.request("/t/weather/today", headers={"x-agent-id": str(days)})
    expected = {"24h": 1, "7d": 3, "30d": 3, "90d": 4}[name]
    body = use_of(scene, "weather", name)
    assert body["ok"] is True
    assert body["totals"]["calls"] == expected
    assert sum(point["calls"] for point in body["series"]) == expected
    assert len(body["series"]) == POINTS[name]
    assert len(body["days"]) == 90
    assert body["callers"] == {"paying": 0, "others": 5}
    assert body["freshness"]["complete"] is True


def test_a_range_is_compared_with_the_time_before_up_to_the_same_time() -> None:
    scene = Scene()
    start_ms = scene.clock.at_ms
    for hours, calls in ((20, 2), (10, 3), (0, 1)):
        # The first is more than 24 hours before the end, the others are not.
        scene.clock.at_ms = start_ms - hours * HOUR_MS
        for _ in range(calls):
            scene.request("/t/weather/today")
    scene.clock.at_ms = start_ms + 10 * HOUR_MS
    body = use_of(scene, "weather", "24h")
    assert body["totals"]["calls"] == 4
    assert body["previous"]["calls"] == 2


def test_errors_and_latency_are_those_of_the_calls() -> None:
    scene = Scene()
    assert scene.environment.namespace is not None
    scene.request("/t/weather/today")
    scene.environment.namespace.response = FakeUpstreamResponse(status=503)
    scene.request("/t/weather/today")
    body = use_of(scene, "weather")
    assert (body["totals"]["errors"], body["totals"]["errorRatePct"]) == (1, 50)
    assert body["days"][-1]["errors"] == 1


def test_payments_are_listed_without_their_payer() -> None:
    market = Market()
    market.call(headers=market.payment())
    market.call(headers=market.payment(2, "/t/expensive/x"), path="/t/expensive/x")
    market.call("/t/free/x")
    body = use_of(market, "paid")
    (payment,) = body["payments"]
    (settled, _) = sorted(market.settlements, key=lambda one: one.amount_micros)
    assert payment["transaction"] == settled.transaction
    assert payment["amountMicros"] == 10_000
    assert set(payment) == {
        *("settledAt", "amountUsd", "amountMicros", "network", "transaction", "transactionUrl")
    }
    text = json.dumps(body)
    for identity in (PAYER, settled.payer, settled.payment_id, settled.request_id):
        assert identity not in text
    assert body["callers"] == {"paying": 1, "others": 0}
    assert use_of(market, "free")["callers"] == {"paying": 0, "others": 1}
    assert use_of(market, "free")["payments"] == []


def test_the_time_of_a_payment_is_that_of_its_minute() -> None:
    market = Market()
    market.clock.at_ms += 34_567
    market.call(headers=market.payment())
    (payment,) = use_of(market, "paid")["payments"]
    assert re.fullmatch(r".*:00\.000Z", payment["settledAt"])


def test_a_response_is_cached_for_a_while() -> None:
    scene = Scene()
    scene.request("/t/weather/today")
    assert use_of(scene, "weather")["totals"]["calls"] == 1
    scene.request("/t/weather/today")
    assert scene.environment.usage_shards is not None
    calls = len(scene.environment.usage_shards.calls)
    assert use_of(scene, "weather")["totals"]["calls"] == 1
    assert len(scene.environment.usage_shards.calls) == calls
    scene.clock.at_ms += USAGE_SECONDS * 1000
    assert use_of(scene, "weather")["totals"]["calls"] == 2


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 400, "api"),
        ("?api=../weather", 400, "the slug of an API"),
        ("?api=weather&range=1y", 400, "one of 7d, 24h, 30d, 90d"),
        ("?api=weather&api=fx", 400, "given once"),
        ("?api=unknown", 404, "No API is published as 'unknown'."),
    ],
)
def test_what_cannot_be_shown_is_named(query: str, status: int, words: str) -> None:
    shown = error(Scene().request(f"/api/explore/usage{query}"))
    assert shown["status"] == status
    assert words in shown["message"]


def test_without_a_log_the_page_is_told_so() -> None:
    scene = Scene(environment=FakeEnvironment(usage_shards=None))
    body = use_of(scene, "weather")
    assert (body["ok"], body["error"]) == (False, "upstream_unreachable")


def test_pages_of_any_origin_may_read_it_and_nothing_may_be_written() -> None:
    scene = Scene()
    response = scene.request(
        "/api/explore/usage?api=weather", headers={"origin": "https://a.example"}
    )
    assert isinstance(response, Response)
    assert dict(response.headers)["access-control-allow-origin"] == "*"
    shown = error(scene.request("/api/explore/usage?api=weather", "POST"))
    assert (shown["status"], shown["error"]) == (405, "method_not_allowed")


def test_with_totals_of_another_dispatcher_its_data_is_shown() -> None:
    settings = {"ANALYTICS_BASE_URL": "https://other.example"}
    scene = Scene(environment=FakeEnvironment(settings=settings))
    response = scene.request("/api/explore/usage?api=weather")
    assert isinstance(response, Response)
    address = "https://other.example/api/explore/usage?api=weather"
    assert (response.status, dict(response.headers)["location"]) == (307, address)


def test_the_newest_settlements_of_one_api_are_searched_within_a_bound() -> None:
    tables = Tables(FakeSql())
    tables.create()
    texts = ("network", "asset", "1")
    for number in range(SETTLEMENTS_SEARCHED + 10):
        slug = "rare" if number < 20 else "busy"
        event = SettlementEvent(
            f"p{number:05}", "r", "t1", slug, "payer", *texts, 1, "0x1", "f", number, number
        )
        tables.add_settlement(event.payment_id, number, json.dumps(settlement_fields(event)))
    newest = (1 << 52, "")
    found = tables.settlements(newest, 0, 5, ["t1"], "rare")
    assert [name for _, name, _ in found] == ["p00019", "p00018", "p00017", "p00016", "p00015"]
    assert len(tables.settlements(newest, 0, 50, ["t1"], "rare")) == 10
    assert tables.settlements(newest, 0, 5, ["t2"], "rare") == []

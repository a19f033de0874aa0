"""Both sides of every payment: what differs is named, and mended where that is clear."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from analytics import Analytics
from api.explore.route import Explore
from api.platform import PlatformApi
from core import keys
from core.calendar import DAY_MS, HOUR_MS, timestamp
from core.ports import ProxyResponse, Response
from gateway.dispatcher import Dispatcher
from metering.compactor import compact
from metering.settlements import decode_settlement, encode_settlement
from payments.reconciliation import compare_day, run
from payments.resolution import resolver_of
from tenants.directory import TenantDirectory
from tests.support.fakes import NOON_MS, FakeBackground, FakeRequest, FakeUpstreamResponse
from tests.support.payment_scene import PRICE_MICROS, Market, use_chain

DAY = NOON_MS // DAY_MS


def compare(market: Market, day: int = DAY) -> Mapping[str, Any]:
    resolver = resolver_of(market.environment, market.clock)
    return asyncio.run(compare_day(resolver.ledger, market.store, day))


def event_key(market: Market) -> str:
    (key,) = [key for key in market.store.values if key.startswith(keys.SETTLEMENT_PREFIX)]
    return key


def paid(number: int = 1) -> Market:
    """A market in which so many payments were settled."""
    market = Market()
    for nonce in range(1, number + 1):
        market.ask(headers=market.payment(nonce))
    return market


def test_sound_books_agree_tenant_by_tenant() -> None:
    market = paid(3)
    market.ask("/t/dear/x", market.payment(9, "/t/dear/x"))
    found = compare(market)
    assert (found["date"], found["agrees"]) == ("2026-11-22", True)
    sums = {
        one["tenantId"]: (one["settledAtEdgeMicros"], one["inLedgerMicros"])
        for one in found["tenants"]
    }
    assert sums == {"t1": (3 * PRICE_MICROS, 3 * PRICE_MICROS), "t2": (2_000_000, 2_000_000)}
    assert compare(market, DAY - 1)["tenants"] == []


def test_an_event_that_the_ledger_lacks_is_named_and_left_to_people() -> None:
    market = paid()
    event = decode_settlement(market.store.values[event_key(market)][0])
    foreign = event._replace(payment_id="foreign")
    market.store.values[foreign.key] = (encode_settlement(foreign), None)
    market.cron(3)
    found = compare(market)
    assert (found["agrees"], found["differing"]["onlyAtEdge"]) == (False, ["foreign"])
    assert found["tenants"][0]["differenceMicros"] == PRICE_MICROS


@pytest.mark.parametrize("damage", ["gone", "altered", "unreadable"])
def test_an_event_that_is_not_as_in_the_ledger_is_named_and_then_mended(damage: str) -> None:
    market = paid()
    key = event_key(market)
    right = market.store.values[key]
    if damage == "gone":
        del market.store.values[key]
    elif damage == "altered":
        event = decode_settlement(right[0])._replace(amount_micros=1)
        market.store.values[key] = (encode_settlement(event), None)
    else:
        market.store.values[key] = ("{", None)
    assert compare(market)["agrees"] is False
    market.cron(2)
    assert market.store.values[key] == right
    assert compare(market)["agrees"] is True


def test_revenue_that_is_gone_is_written_again_and_marked_for_compaction() -> None:
    market = paid()
    (key,) = [key for key in market.store.values if "payment-" in key]
    del market.store.values[key]
    market.clock.at_ms += 3 * HOUR_MS
    asyncio.run(compact(market.store, market.clock.at_ms, 700))
    market.cron()
    assert market.revenue_micros == PRICE_MICROS
    assert any(name.startswith(keys.LATE_PREFIX) for name in market.store.values)


def test_all_is_reconciled_up_to_the_oldest_that_is_not() -> None:
    market = paid()
    settled_ms = market.clock.at_ms
    name = "first run"
    report = asyncio.run(run(resolver_of(market.environment, market.clock), name))
    assert report.reconciled_through_ms <= settled_ms
    market.cron(2)
    assert market.store.values[keys.RECONCILED_UNTIL][0] == str(market.clock.at_ms)
    market.facilitator.faults["settle"] = ["lost"]
    market.ask(headers=market.payment(2))
    claimed_ms = market.payments[-1]["claimed_at_ms"]
    market.cron(5)
    assert market.store.values[keys.RECONCILED_UNTIL][0] == str(claimed_ms)
    found = compare(market)
    assert [one["reason"] for one in found["pending"]]
    use_chain(market)
    market.cron(60)
    assert market.store.values[keys.RECONCILED_UNTIL][0] == str(market.clock.at_ms)
    assert compare(market)["pending"] == []


def test_receipts_of_scripts_are_counted_apart() -> None:
    market = Market(
        reply=FakeUpstreamResponse(200, ["payment-response"], {"payment-response": "abc"})
    )
    market.ask("/t/free")
    found = compare(market)
    assert (found["agrees"], found["reportedByScripts"], found["tenants"]) == (True, 1, [])


# Through the platform API.


def ask(market: Market, path: str, status: int = 200) -> dict[str, Any]:
    """Ask the platform API of a market's newest isolate."""
    market.settings["PLATFORM_ANALYTICS_TOKEN"] = "right"
    directory = TenantDirectory(market.clock, None, json.dumps({"tenants": market.tenants}))
    analytics = Analytics(market.clock, market.log)
    api = PlatformApi(market.environment, market.clock, directory, market.log, analytics)
    explore = Explore(market.environment, market.clock, analytics, edge=None)
    dispatcher = Dispatcher(market.environment, market.clock, directory, market.log, api, explore)
    request = FakeRequest(f"http://h/__platform/{path}", "GET", {"x-platform-token": "right"})

    async def scene() -> Response | ProxyResponse:
        background = FakeBackground()
        answer = await dispatcher.handle(request, background)
        await background.finish()
        return answer

    answer = asyncio.run(scene())
    assert isinstance(answer, Response)
    assert answer.status == status, answer.body
    body: dict[str, Any] = json.loads(answer.body)
    return body


def test_settlements_come_page_by_page_the_newest_first() -> None:
    market = Market()
    for nonce in range(1, 6):
        market.ask(headers=market.payment(nonce))
        market.clock.at_ms += 30_000
    seen: list[str] = []
    cursor = ""
    while True:
        page = ask(market, f"settlements?limit=2{cursor}")
        seen += [one["settledAt"] for one in page["settlements"]]
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize(
    "query", ["settlements?limit=0", "settlements?cursor=%FF", "reconciliation?day=2026-02-30"]
)
def test_what_is_wrong_with_a_question_is_said(query: str) -> None:
    assert ask(paid(), query, 400)["error"] == "invalid_parameter"


def test_a_day_that_has_not_begun_is_refused() -> None:
    assert ask(paid(), "reconciliation?day=2026-11-23", 400)["parameter"] == "day"


def test_a_day_is_compared_for_whoever_asks() -> None:
    market = paid()
    assert (
        ask(market, "reconciliation")["day"] == ask(market, "reconciliation?day=2026-11-22")["day"]
    )
    market.environment.control_database = None
    assert ask(market, "reconciliation", 500)["binding"] == "CONTROL_DB"


def test_snapshots_say_up_to_when_revenue_is_reconciled() -> None:
    market = paid()
    assert (
        ask(market, "analytics?window=today")["snapshot"]["freshness"]["reconciledThrough"] is None
    )
    market.cron(2)
    found = ask(market, "analytics?window=today")["snapshot"]
    assert found["freshness"]["reconciledThrough"] == timestamp(market.clock.at_ms)
    assert found["heroStats"]["revenueMicros"] == PRICE_MICROS


# Health.


def problems(market: Market) -> list[str]:
    return [one["message"] for one in ask(market, "health")["problems"]]


def test_a_deployment_that_can_be_paid_has_no_problem() -> None:
    market = Market()
    kinds = [{"x402Version": 2, "scheme": "exact", "network": "eip155:84532"}]
    market.facilitator.kinds = kinds
    found = ask(market, "health")
    assert found["problems"] == []
    assert found["payments"]["facilitators"] == [
        {"url": "http://facilitator.example", "answers": True, "supports": ["eip155:84532"]}
    ]


@pytest.mark.parametrize(
    "setting", ["FACILITATOR_URL", "X402_ASSET", "PAY_TO_ADDRESS", "X402_ASSET_VERSION"]
)
def test_a_missing_setting_shows_before_the_first_caller_meets_it(setting: str) -> None:
    market = Market()
    del market.settings[setting]
    assert len([text for text in problems(market) if setting in text]) == 1


def test_what_else_keeps_an_api_from_being_paid_shows_too() -> None:
    market = Market()
    assert any("/supported" in text for text in problems(market))
    market.facilitator.kinds = [{"network": "eip155:1"}]
    assert any("does not settle on eip155:84532" in text for text in problems(market))
    market.database.failing = 9
    assert any("migrations" in text for text in problems(market))
    market.database.failing = 0
    market.environment.control_database = None
    assert any("CONTROL_DB" in text for text in problems(market))

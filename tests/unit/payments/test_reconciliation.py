"""Differences between the ledger and the usage log are reported; what the log lacks is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

import usage
from analytics import Analytics
from api.explore.route import Explore
from api.platform import PlatformApi
from core import constants
from core.calendar import DAY_MS, timestamp
from core.ports import ProxyResponse, Response
from gateway.dispatcher import Dispatcher
from metering.settlements import SettlementEvent
from payments.reconciliation import compare_day, run
from payments.resolution import resolver_of
from tenants.directory import TenantDirectory
from tests.support.builders import settlement_batch
from tests.support.fake_chain import abi_text
from tests.support.fakes import NOON_MS, FakeBackground, FakeRequest, FakeUpstreamResponse
from tests.support.payment_scene import PRICE_MICROS, Market, enable_chain, error_body

DAY = NOON_MS // DAY_MS


def compare(market: Market, day: int = DAY) -> Mapping[str, Any]:
    resolver = resolver_of(market.environment, market.clock)
    return asyncio.run(compare_day(resolver.ledger, resolver.archive, market.shards, day))


def paid(number: int = 1) -> Market:
    """A deployment with so many settled payments."""
    market = Market()
    for nonce in range(1, number + 1):
        market.call(headers=market.payment(nonce))
    return market


def test_the_ledger_and_the_log_agree_tenant_by_tenant() -> None:
    market = paid(3)
    market.call("/t/expensive/x", market.payment(9, "/t/expensive/x"))
    found = compare(market)
    assert (found["date"], found["agrees"]) == ("2026-11-22", True)
    sums = {
        one["tenantId"]: (one["settledAtEdgeMicros"], one["inLedgerMicros"])
        for one in found["tenants"]
    }
    assert sums == {"t1": (3 * PRICE_MICROS, 3 * PRICE_MICROS), "t2": (2_000_000, 2_000_000)}
    assert compare(market, DAY - 1)["tenants"] == []


def append(market: Market, event: SettlementEvent, shard: int = 0) -> None:
    asyncio.run(usage.append(market.shards, shard, settlement_batch(event)))


def test_an_event_without_a_ledger_row_is_reported_and_not_changed() -> None:
    market = paid()
    (event,) = market.settlements
    append(market, event._replace(payment_id="foreign"))
    market.run_cron(3)
    found = compare(market)
    assert (found["agrees"], found["differing"]["onlyAtEdge"]) == (False, ["foreign"])
    assert found["tenants"][0]["differenceMicros"] == PRICE_MICROS


def test_an_event_that_differs_from_the_ledger_is_reported() -> None:
    market = paid()
    headers = market.payment(2)
    market.shards.unavailable = {0}
    market.call(headers=headers)
    market.shards.unavailable = set()
    row = market.payments[1]
    (event,) = market.settlements
    append(market, event._replace(payment_id=row["payment_id"], claimed_at_ms=row["claimed_at_ms"]))
    market.run_cron(2)
    found = compare(market)
    assert (found["agrees"], found["differing"]["unequal"]) == (False, [row["payment_id"]])


def test_a_payment_that_is_only_in_the_ledger_is_reported_and_then_sent() -> None:
    market = Market()
    headers = market.payment()
    market.shards.unavailable = {0}
    market.call(headers=headers)
    market.shards.unavailable = set()
    found = compare(market)
    assert (found["agrees"], len(found["differing"]["onlyInLedger"])) == (False, 1)
    report = asyncio.run(run(resolver_of(market.environment, market.clock)))
    assert (report.processed, report.acknowledged) == (0, 0), "its request may still be sending it"
    market.clock.at_ms += 60_001
    report = asyncio.run(run(resolver_of(market.environment, market.clock)))
    assert (report.processed, report.acknowledged) == (1, 1)
    assert compare(market)["agrees"] is True
    assert market.revenue_micros == PRICE_MICROS


def test_the_payments_of_all_shards_are_compared() -> None:
    market = Market()
    market.shards.count = 8
    for nonce in range(1, 4):
        market.call(headers=market.payment(nonce))
    market.call("/t/expensive/x", market.payment(9, "/t/expensive/x"))
    assert len({row["shard"] for row in market.payments}) == 2
    assert compare(market)["agrees"] is True
    assert sum(one["inLedgerMicros"] for one in compare(market)["tenants"]) == 2_030_000


def test_a_day_with_many_payments_is_compared_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    market = paid(5)
    monkeypatch.setattr(constants, "SETTLEMENTS_MAX", 2)
    assert compare(market)["agrees"] is True


def test_receipts_of_scripts_are_counted_apart_and_stored_nowhere() -> None:
    """However many there are, they cost no write and no settlement is pushed off its page."""
    market = paid(1)
    headers = {"payment-response": "abc", "x-payment-response": "abc"}
    market.reply = FakeUpstreamResponse(200, tuple(headers), headers)
    for _ in range(50):
        response = market.call("/t/free")
        assert isinstance(response, ProxyResponse)
        assert "payment-response" not in response.remove_headers
    (settlement,) = get(market, "settlements?limit=1")["settlements"]
    assert (settlement["source"], settlement["counted"]) == ("edge", True)
    day = get(market, "reconciliation")["day"]
    assert (day["agrees"], day["reportedByScripts"]) == (True, 50)
    outcomes = [event.outcome for event in market.events]
    assert outcomes.count("served_with_receipt") == 50
    assert market.revenue_micros == PRICE_MICROS
    yesterday = get(market, "reconciliation?day=2026-11-21")["day"]
    assert yesterday["reportedByScripts"] == 0


def test_a_priced_scripts_forged_receipt_is_removed_and_not_counted() -> None:
    headers = {"payment-response": "abc"}
    market = Market(reply=FakeUpstreamResponse(200, tuple(headers), headers))
    market.call(headers=market.payment())
    assert [event.outcome for event in market.events][-1:] == ["served"]
    assert get(market, "reconciliation")["day"]["reportedByScripts"] == 0


def get(market: Market, path: str, status: int = 200) -> dict[str, Any]:
    """Call the platform API of the deployment."""
    market.settings["PLATFORM_ANALYTICS_TOKEN"] = "right"
    directory = TenantDirectory(market.clock, None, json.dumps({"tenants": market.tenants}))
    analytics = Analytics(market.clock, market.shards, market.store)
    api = PlatformApi(market.environment, market.clock, directory, market.log, analytics)
    explore = Explore(market.environment, market.clock, analytics)
    dispatcher = Dispatcher(market.environment, market.clock, directory, market.log, api, explore)
    request = FakeRequest(f"http://h/__platform/{path}", "GET", {"x-platform-token": "right"})

    async def scene() -> Response | ProxyResponse:
        background = FakeBackground()
        response = await dispatcher.handle(request, background)
        await background.finish()
        return response

    response = asyncio.run(scene())
    assert isinstance(response, Response)
    assert response.status == status, response.body
    body: dict[str, Any] = json.loads(response.body)
    return body


def test_settlements_are_paged_newest_first() -> None:
    market = Market()
    for nonce in range(1, 6):
        market.call(headers=market.payment(nonce))
        market.clock.at_ms += 30_000
    seen: list[str] = []
    cursor = ""
    while True:
        page = get(market, f"settlements?limit=2{cursor}")
        seen += [one["settledAt"] for one in page["settlements"]]
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize(
    "query", ["settlements?limit=0", "settlements?cursor=%FF", "reconciliation?day=2026-02-30"]
)
def test_an_invalid_parameter_is_rejected(query: str) -> None:
    assert get(paid(), query, 400)["error"] == "invalid_parameter"


def test_a_future_day_is_rejected() -> None:
    assert get(paid(), "reconciliation?day=2026-11-23", 400)["parameter"] == "day"


def test_the_reconciliation_route_compares_today_by_default() -> None:
    market = paid()
    assert (
        get(market, "reconciliation")["day"] == get(market, "reconciliation?day=2026-11-22")["day"]
    )
    market.environment.control_database = None
    assert get(market, "reconciliation", 500)["binding"] == "CONTROL_DB"


def test_health_says_until_when_payments_are_reconciled() -> None:
    market = paid()
    found = get(market, "health")["payments"]
    assert (found["pending"], found["unsettledSince"]) == (0, None)
    assert found["reconciledThrough"] == timestamp(market.clock.at_ms)
    market.facilitator.faults["settle"] = ["lost"]
    market.call(headers=market.payment(2))
    found = get(market, "health")["payments"]
    claimed = timestamp(market.payments[-1]["claimed_at_ms"])
    assert (found["pending"], found["reconciledThrough"]) == (1, claimed)
    assert [one["reason"] for one in compare(market)["pending"]]


def problems(market: Market) -> list[str]:
    return [one["message"] for one in get(market, "health")["problems"]]


def test_a_complete_configuration_has_no_problem() -> None:
    market = Market()
    kinds = [{"x402Version": 2, "scheme": "exact", "network": "eip155:84532"}]
    market.facilitator.kinds = kinds
    found = get(market, "health")
    assert found["problems"] == []
    assert found["payments"]["facilitators"] == [
        {
            "url": "http://facilitator.example",
            "answers": True,
            "supports": ["eip155:84532"],
            "circuit": {"state": "closed", "failures": 0, "openUntil": None, "cause": None},
        }
    ]


@pytest.mark.parametrize(
    "setting", ["FACILITATOR_URL", "X402_ASSET", "PAY_TO_ADDRESS", "X402_ASSET_VERSION"]
)
def test_a_missing_setting_is_a_problem_at_health(setting: str) -> None:
    market = Market()
    del market.settings[setting]
    assert len([text for text in problems(market) if setting in text]) == 1


def test_other_obstacles_to_payments_are_problems_at_health() -> None:
    market = Market()
    assert any("/supported" in text for text in problems(market))
    market.facilitator.kinds = [{"network": "eip155:1"}]
    assert any("exact on eip155:84532" in text for text in problems(market))
    market.database.failing = 9
    assert any("migrations" in text for text in problems(market))
    market.database.failing = 0
    market.environment.control_database = None
    assert any("CONTROL_DB" in text for text in problems(market))


def with_node(market: Market) -> Market:
    """Configure a node and a facilitator that supports the network."""
    enable_chain(market)
    market.facilitator.kinds = [
        {"x402Version": 2, "scheme": "exact", "network": "eip155:84532"},
        {"x402Version": 1, "scheme": "exact", "network": "base-sepolia"},
    ]
    return market


def test_a_node_and_a_token_that_fit_the_settings_are_no_problem() -> None:
    assert problems(with_node(Market())) == []


@pytest.mark.parametrize(
    ("selector", "result", "setting"),
    [
        ("0x06fdde03", abi_text("USD Coin"), "X402_ASSET_NAME"),
        ("0x54fd4d50", abi_text("1"), "X402_ASSET_VERSION"),
        ("0x313ce567", f"0x{18:064x}", "X402_ASSET_DECIMALS"),
        ("0xe94a0102", "0x", "X402_ASSET"),
    ],
)
def test_a_setting_that_does_not_fit_the_token_is_a_problem(
    selector: str, result: str, setting: str
) -> None:
    market = with_node(Market())
    market.chain.token |= {selector: result, "0x3644e515": "0x" + "1" * 64}
    found = problems(market)
    assert any(text.startswith(setting + ":") for text in found), found


@pytest.mark.parametrize("chain_id", ["0x1", "0x2105", None, 84532, "84532", [], "nonsense"])
def test_a_node_of_another_chain_is_a_problem(chain_id: object) -> None:
    market = with_node(Market())
    market.chain.chain_id = chain_id
    (found,) = problems(market)
    assert "X402_RPC_URL" in found


def test_an_unknown_network_in_the_setting_of_nodes_is_a_problem() -> None:
    market = Market()
    market.settings["X402_RPC_URL"] = '{"bsae": "https://node.example/KEY"}'
    (found,) = (text for text in problems(market) if "X402_RPC_URL" in text)
    assert "'bsae'" in found
    assert "KEY" not in found


def test_a_lost_settlement_stays_pending_while_the_node_is_of_another_chain() -> None:
    market = with_node(Market())
    market.facilitator.faults["settle"] = ["lost"]
    error_body(market.call(headers=market.payment()), 503, "facilitator_unavailable")
    market.chain.chain_id = "0x2105"
    market.run_cron(60)
    assert market.states == ["pending"]
    assert len(market.chain.transfers) == 1
    market.chain.chain_id = "0x14a34"
    market.run_cron(60)
    assert market.states == ["settled"]


def test_a_payment_that_cannot_be_processed_is_named_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    market = Market()
    enable_chain(market)
    for number in (1, 2):
        market.facilitator.faults["settle"] = ["lost"]
        market.call(headers=market.payment(number))
    bad = market.payments[0]["payment_id"]
    call = market.shards.call
    log: list[str] = []

    async def fails(shard: int, method: str, argument: str) -> str:
        if method == "settlements" and not log:
            log.append(argument)
            raise ValueError("not a list")
        return await call(shard, method, argument)

    monkeypatch.setattr(market.shards, "call", fails)
    market.run_cron()
    states = {row["payment_id"]: row["state"] for row in market.payments}
    assert sorted(states.values()) == ["pending", "settled"]
    (named,) = [text for text in problems(market) if "could not process" in text]
    assert "ValueError: not a list" in named
    assert (bad in named) == (states[bad] == "pending")
    market.run_cron(2)
    assert market.states == ["settled", "settled"]
    assert not [text for text in problems(market) if "could not process" in text]

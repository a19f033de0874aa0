"""Several ways to pay one API, and prices by route."""

from __future__ import annotations

import asyncio
import html
import json
from collections.abc import Mapping
from typing import Any

import pytest
from x402.extensions.bazaar.facilitator import (
    validate_discovery_extension,
    validate_discovery_extension_spec,
)
from x402.extensions.bazaar.types import parse_discovery_extension

from core.ports import ProxyResponse, Response
from payments.pages.payment_page import payment_page
from payments.reconciliation import compare_day
from payments.requirements import Resource, requirements_for
from payments.resolution import resolver_of
from tenants.records import parse_tenant
from tests.support.fake_chain import NETWORK, PAYEE, PAYER, USDC, signature
from tests.support.fakes import NOON_MS, FakeRequest
from tests.support.payment_scene import Market, encode, error_body, read_header

OTHER = "0x1111111111111111111111111111111111111111"
POLYGON = {"network": "polygon", "priceUsd": "0.02", "payTo": OTHER}
EIGHTEEN = {
    "network": "eip155:999",
    "asset": OTHER,
    "decimals": 18,
    "extra": {"name": "Other", "version": "1"},
    "maxTimeoutSeconds": 60,
}
ACCEPTS = [{}, POLYGON, EIGHTEEN]
RECORD: dict[str, Any] = {
    "slug": "paid",
    "tenantId": "t1",
    "workerName": "p",
    "priceUsd": "0.01",
    "x402Enabled": True,
}


def market_of(**fields: Any) -> Market:
    market = Market()
    market.tenants = [{**RECORD, **fields}]
    market.chain.balances[PAYER.lower()] = 10**20
    market.start()
    return market


def pay(accepted: Mapping[str, Any], market: Market, number: int = 1) -> dict[str, str]:
    """Return the headers that pay as one entry of `accepts` demands."""
    authorization = {
        "from": PAYER,
        "to": accepted["payTo"],
        "value": accepted["amount"],
        "validAfter": "0",
        "validBefore": str(market.clock.at_ms // 1000 + accepted["maxTimeoutSeconds"]),
        "nonce": f"0x{number:064x}",
    }
    signed = {"signature": signature(authorization), "authorization": authorization}
    return {
        "payment-signature": encode({"x402Version": 2, "accepted": accepted, "payload": signed})
    }


def accepts_of(response: Response | ProxyResponse) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_header(response, "payment-required")["accepts"]
    return found


def test_a_402_lists_every_way_to_pay_in_the_order_of_the_record() -> None:
    found = accepts_of(market_of(accepts=ACCEPTS).challenge())
    assert [one["network"] for one in found] == [NETWORK, "eip155:137", "eip155:999"]
    assert [one["amount"] for one in found] == ["10000", "20000", "10000000000000000"]
    assert [one["payTo"] for one in found] == [PAYEE, OTHER, PAYEE]
    assert [one["maxTimeoutSeconds"] for one in found] == [300, 300, 60]
    assert [one["extra"]["name"] for one in found] == ["USDC", "USD Coin", "Other"]


def test_clients_of_version_1_are_offered_one_token_of_each_network_with_a_name() -> None:
    body = error_body(market_of(accepts=ACCEPTS).challenge(), 402, "payment_required")
    assert body["x402Version"] == 1
    assert [one["network"] for one in body["accepts"]] == ["base-sepolia", "polygon"]


@pytest.mark.parametrize(("chosen", "micros"), [(0, 10_000), (1, 20_000), (2, 10_000)])
def test_each_way_is_paid_once_and_counted_at_its_price(chosen: int, micros: int) -> None:
    market = market_of(accepts=ACCEPTS)
    accepted = accepts_of(market.challenge())[chosen]
    headers = pay(accepted, market)
    assert isinstance(market.call(headers=headers), ProxyResponse)
    (payment,) = market.payments
    assert (payment["network"], payment["asset"]) == (accepted["network"], accepted["asset"])
    assert (payment["amount"], payment["pay_to"]) == (accepted["amount"], accepted["payTo"])
    assert (market.entered_micros, market.revenue_micros) == (micros, micros)
    again = market.call(headers=headers)
    assert isinstance(again, Response)
    assert json.loads(again.body)["payment"]["network"] == accepted["network"]
    assert (market.entered_micros, market.revenue_micros) == (micros, micros)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"amount": "1"}, "amount"),
        ({"payTo": PAYER}, "payTo"),
        ({"asset": OTHER}, "asset"),
        ({"network": "eip155:1"}, "network"),
        ({"scheme": "upto"}, "scheme"),
    ],
)
def test_a_payment_that_mixes_the_ways_is_rejected(change: dict[str, str], named: str) -> None:
    market = market_of(accepts=ACCEPTS)
    accepted = {**accepts_of(market.challenge())[0], **change}
    body = error_body(market.call(headers=pay(accepted, market)), 402, "payment_invalid")
    assert named in body["message"]
    assert not market.payments


def test_reconciliation_is_by_network_and_token() -> None:
    market = market_of(accepts=ACCEPTS)
    for number, accepted in enumerate(accepts_of(market.challenge())):
        market.call(headers=pay(accepted, market, number + 1))
    resolver = resolver_of(market.environment, market.clock)
    day = NOON_MS // 86_400_000
    compared = compare_day(resolver.ledger, resolver.archive, market.shards, day)
    found: Any = asyncio.run(compared)
    assert found["agrees"]
    (tenant,) = found["tenants"]
    assert tenant["settledAtEdgeMicros"] == 40_000
    assert [(one["network"], one["settledAtEdge"]) for one in tenant["tokens"]] == [
        ("eip155:137", "20000"),
        (NETWORK, "10000"),
        ("eip155:999", "10000000000000000"),
    ]
    assert all(one["difference"] == "0" for one in tenant["tokens"])


def test_a_free_route_needs_no_payment_and_others_cost_their_price() -> None:
    routes = [{"path": "/health", "priceUsd": 0}, {"path": "/x/*", "priceUsd": "0.05"}]
    market = market_of(routes=routes)
    assert isinstance(market.call("/t/paid/health?a=1"), ProxyResponse)
    assert [one["amount"] for one in accepts_of(market.call("/t/paid/x/1"))] == ["50000"]
    assert [one["amount"] for one in accepts_of(market.call("/t/paid/y"))] == ["10000"]
    assert [event.api and event.api.price_micros for event in market.events] == [0, 50_000, 10_000]
    market.call("/t/paid/x/1", market.payment(path="/t/paid/x/1"))
    assert market.revenue_micros == market.entered_micros == 50_000


@pytest.mark.parametrize(
    ("path", "template", "parameters"),
    [
        ("/users/{id}", "/t/paid/users/:id", {"id": "7"}),
        ("/users/[id]", "/t/paid/users/:id", {"id": "7"}),
        ("/users/*", "/t/paid/users/:var2", {"var2": "7"}),
        ("/*/:id", "/t/paid/:var1/:id", {"var1": "users", "id": "7"}),
    ],
)
def test_indexers_get_the_template_of_a_route(
    path: str, template: str, parameters: dict[str, str]
) -> None:
    market = market_of(routes=[{"path": path, "priceUsd": "0.05"}])
    required = read_header(market.call("/t/paid/users/7?a=1"), "payment-required")
    bazaar = required["extensions"]["bazaar"]
    assert bazaar["routeTemplate"] == template
    assert bazaar["info"]["input"]["pathParams"] == parameters
    assert bazaar["schema"]["properties"]["input"]["properties"]["pathParams"]
    assert validate_discovery_extension_spec(bazaar).valid
    assert validate_discovery_extension(parse_discovery_extension(bazaar)).valid


def test_a_route_without_varying_segments_has_no_template() -> None:
    market = market_of(routes=[{"path": "/a*b/x", "priceUsd": "0.05"}])
    for path in ("/t/paid/acb/x", "/t/paid/y"):
        bazaar = read_header(market.call(path), "payment-required")["extensions"]["bazaar"]
        assert "routeTemplate" not in bazaar


def test_a_payment_for_one_route_does_not_pay_for_another() -> None:
    market = market_of(routes=[{"path": "/x", "priceUsd": "0.05"}])
    cheap = market.payment(path="/t/paid/y")
    body = error_body(market.call("/t/paid/x", cheap), 402, "payment_invalid")
    assert "amount" in body["message"]
    assert not market.payments


def test_a_cap_counts_what_was_paid() -> None:
    market = market_of(accepts=ACCEPTS, spendLimit={"dailySpendUsd": "0.03"})
    ways = accepts_of(market.challenge())
    assert isinstance(market.call(headers=pay(ways[1], market, 1)), ProxyResponse)
    assert isinstance(market.call(headers=pay(ways[0], market, 2)), ProxyResponse)
    error_body(market.call(headers=pay(ways[2], market, 3)), 402, "cap_exceeded")
    assert market.entered_micros == 30_000


def test_a_token_without_a_name_of_its_own_must_be_the_deployments() -> None:
    nameless = {name: value for name, value in EIGHTEEN.items() if name != "extra"}
    body = error_body(market_of(accepts=[nameless]).call(), 500, "configuration_error")
    assert "extra.name and version" in body["message"]
    own = {"network": NETWORK, "asset": USDC, "extra": {}}
    (entry,) = accepts_of(market_of(accepts=[own]).challenge())
    assert entry["extra"] == {"name": "USDC", "version": "2"}


def test_two_entries_that_ask_for_the_same_payment_are_named() -> None:
    market = market_of(accepts=[{}, {"network": NETWORK, "asset": USDC}])
    body = error_body(market.call(), 500, "configuration_error")
    assert "record of paid accepts[0] and accepts[1] ask for the same payment" in body["message"]


def test_the_page_for_people_has_every_way() -> None:
    market = market_of(accepts=ACCEPTS)
    tenant = parse_tenant(market.tenants[0], "r")
    accepts = requirements_for(market.environment, tenant)
    page = payment_page(accepts, Resource("http://h/", "GET", "text"), "Pay.")
    assert page.count("<dt>Price of one request</dt>") == 3
    assert "$0.02" in page


BROWSER = {"accept": "text/html", "user-agent": "Mozilla/5.0"}


def test_the_page_for_people_links_to_the_page_of_the_api() -> None:
    market = market_of(hosts=["own.example"])
    page = market.call(headers=BROWSER)
    assert isinstance(page, Response)
    link = "http://h.example/explore/paid"
    assert f'<a href="{link}">' in page.body
    request = FakeRequest("http://own.example/x", "GET", BROWSER)

    async def at_own_host() -> Response | ProxyResponse:
        response = await market.dispatcher.handle(request, market.background)
        await market.background.finish()
        return response

    at_host = asyncio.run(at_own_host())
    assert isinstance(at_host, Response)
    assert "/explore" not in at_host.body, "which is the script's there"


def test_the_page_for_people_has_the_call_that_the_record_describes() -> None:
    schema = {"type": "object", "properties": {"a": {"const": "it's"}}, "required": ["a"]}
    page = market_of(methods=["POST"], inputSchema=schema).call(headers=BROWSER)
    assert isinstance(page, Response)
    text = html.unescape(page.body)
    assert "<dd>POST http://h.example/t/paid/x</dd>" in text
    assert """curl -gi -X POST -H 'content-type: application/json' -d""" in text
    assert """.request("POST", "http://h.example/t/paid/x", headers=""" in text
    assert """{"method": "POST", "headers": {"content-type": "application/json"}""" in text


def test_a_402_with_eight_ways_to_pay_fits_a_header() -> None:
    accepts = [{**EIGHTEEN, "network": f"eip155:99{number}"} for number in range(8)]
    market = market_of(accepts=accepts, description="ä" * 2_000)
    value = dict(market.call("/t/paid/" + "y" * 2_000).headers)["payment-required"]  # type: ignore[union-attr]
    assert len(value) <= 6_000
    assert len(json.dumps(value)) > 2_000


def test_the_page_names_known_tokens_and_only_those() -> None:
    devnet = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1"
    payee = "7ZG9juKTJqLpxw5bjRigj7GVrrFzh3DjbChTv8muBP71"
    market = Market()
    ways: list[object] = [{"scheme": "upto"}, {"network": devnet, "payTo": payee}]
    tenant = parse_tenant({**RECORD, "accepts": ways}, "r")
    accepts = requirements_for(market.environment, tenant)
    page = payment_page(accepts, Resource("https://x.example/t/paid", "GET", ""), "")
    assert f"USDC, token {USDC} on " in page
    assert "<dd>token 4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU on solana-devnet</dd>" in page

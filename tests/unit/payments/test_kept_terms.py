"""A payment keeps the terms under which it was accepted; only what is served is charged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.ports import ProxyResponse, Response
from tests.support.fakes import FakeUpstreamResponse
from tests.support.payment_scene import PRICE_MICROS, Market, enable_chain, error_body

CHANGES: dict[str, dict[str, Any]] = {
    "price": {"priceUsd": "0.02"},
    "payee": {"payTo": "0x" + "5" * 40},
}


def change(market: Market, name: str) -> None:
    market.tenants = [{**market.tenants[0], **CHANGES[name]}, *market.tenants[1:]]
    market.start()


@pytest.mark.parametrize("name", CHANGES)
def test_a_settled_payment_gets_its_receipt_after_its_terms_changed(name: str) -> None:
    market = Market()
    headers = market.payment()
    market.call(headers=headers)
    change(market, name)
    again = market.call(headers=headers)
    assert isinstance(again, Response)
    assert json.loads(again.body)["payment"]["amountMicros"] == PRICE_MICROS
    error_body(market.call("/t/paid/y", headers), 409, "payment_already_used")
    assert len(market.chain.transfers) == 1


@pytest.mark.parametrize("fault", ["down", "lost"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_pending_payment_is_served_by_its_own_terms(name: str, fault: str) -> None:
    market = Market()
    enable_chain(market)
    market.facilitator.faults["settle"] = [fault]
    headers = market.payment()
    market.call(headers=headers)
    change(market, name)
    error_body(market.call(headers=headers), 503, "facilitator_unavailable")
    market.clock.at_ms += 60_000
    assert isinstance(market.call(headers=headers), ProxyResponse)
    assert market.moved_micros == market.revenue_micros == PRICE_MICROS
    assert market.states == ["settled"]


@pytest.mark.parametrize("fault", ["", "lost"])
@pytest.mark.parametrize("name", ["paymentNetwork", "X402_ASSET_NAME", "X402_NETWORK"])
def test_a_known_payment_is_resumed_while_the_settings_demand_nothing_possible(
    name: str, fault: str
) -> None:
    market = Market()
    enable_chain(market)
    market.facilitator.faults["settle"] = [fault]
    headers = market.payment()
    market.call(headers=headers)
    settings, tenants = {**market.settings}, [*market.tenants]
    if name in settings:
        market.settings[name] = "unusable" if name == "X402_NETWORK" else ""
    else:
        market.tenants = [{**tenants[0], name: "eip155:1"}, *tenants[1:]]
    market.start()
    market.clock.at_ms += 60_000
    again = market.call(headers=headers)
    assert isinstance(again, ProxyResponse) if fault else isinstance(again, Response)
    assert isinstance(again, ProxyResponse) or again.status == 200
    error_body(market.call(), 500, "configuration_error")
    error_body(market.call("/t/paid/y", headers), 500, "configuration_error")
    assert market.moved_micros == market.revenue_micros == PRICE_MICROS


@pytest.mark.parametrize("name", CHANGES)
def test_a_new_payment_by_old_terms_is_rejected(name: str) -> None:
    market = Market()
    headers = market.payment()
    change(market, name)
    error_body(market.call(headers=headers), 402, "payment_invalid")
    assert market.payments == []


@pytest.mark.parametrize("status", [101, 301, 302, 303, 307, 308])
def test_a_redirect_is_not_charged_and_its_payment_pays_for_the_target(status: int) -> None:
    market = Market(reply=FakeUpstreamResponse(status))
    headers = market.payment()
    response = market.call(headers=headers)
    assert isinstance(response, ProxyResponse)
    assert "payment-response" not in dict(response.set_headers)
    assert (market.states, market.chain.transfers) == (["failed"], [])
    market.reply = FakeUpstreamResponse(200)
    target = market.call("/t/paid/target", headers)
    assert isinstance(target, ProxyResponse)
    assert "payment-response" in dict(target.set_headers)
    assert (market.states, market.moved_micros) == (["settled"], PRICE_MICROS)


@pytest.mark.parametrize(("status", "charges"), [(302, True), (304, False), (204, False)])
def test_304_is_charged_and_redirects_only_if_the_record_says_so(
    status: int, charges: bool
) -> None:
    tenant = {**Market().tenants[0], "chargeRedirects": charges}
    market = Market(reply=FakeUpstreamResponse(status), tenants=[tenant])
    assert isinstance(market.call(headers=market.payment()), ProxyResponse)
    assert market.moved_micros == market.revenue_micros == PRICE_MICROS

"""A payment keeps its terms after its API was disabled, became free, or was withdrawn."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.ports import ProxyResponse, Response
from core.telemetry import SERVED, SERVED_WITH_RECEIPT
from tests.support.fakes import FakeUpstreamResponse
from tests.support.payment_scene import (
    PRICE_MICROS,
    Market,
    enable_chain,
    encode,
    error_body,
    pay_v1,
    read_header,
)

UNPRICED: dict[str, dict[str, Any]] = {
    "disabled": {"x402Enabled": False},
    "free": {"priceUsd": 0},
    "without a price": {"priceUsd": None},
}


def change(market: Market, name: str) -> None:
    """Disable payment in the first record, or withdraw it."""
    first, *others = market.tenants
    if name == "withdrawn":
        market.tenants = others
    else:
        changed = {**first, **UNPRICED[name]}
        kept = {field: value for field, value in changed.items() if value is not None}
        market.tenants = [kept, *others]
    market.start()


def unserved(market: Market) -> dict[str, str]:
    """Have a payment settled whose response is not sent; return its headers."""
    enable_chain(market)
    market.facilitator.faults["settle"] = ["lost"]
    headers = market.payment()
    error_body(market.call(headers=headers), 503, "facilitator_unavailable")
    return headers


def receipt_of(market: Market, headers: dict[str, str], path: str = "/t/paid/x") -> Any:
    response = market.call(path, headers)
    assert isinstance(response, Response), response
    assert response.status == 200, response.body
    header = "x-payment-response" if "x-payment" in headers else "payment-response"
    assert read_header(response, header)["success"] is True
    return json.loads(response.body)


@pytest.mark.parametrize("name", [*UNPRICED, "withdrawn"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_served_payment_gets_its_receipt(name: str, version: int) -> None:
    market = Market()
    headers = (
        market.payment() if version == 2 else pay_v1(market.challenge(), now_ms=market.clock.at_ms)
    )
    market.call(headers=headers)
    calls = [event.counted for event in market.events].count(True)
    change(market, name)
    body = receipt_of(market, headers)
    assert body["payment"]["amountMicros"] == PRICE_MICROS
    assert "served before" in body["message"]
    assert (len(market.chain.transfers), market.revenue_micros) == (1, PRICE_MICROS)
    assert [event.counted for event in market.events].count(True) == calls


@pytest.mark.parametrize("name", UNPRICED)
def test_a_settled_payment_that_was_not_served_is_served(name: str) -> None:
    market = Market()
    headers = unserved(market)
    change(market, name)
    market.clock.at_ms += 60_000
    response = market.call(headers=headers)
    assert isinstance(response, ProxyResponse)
    assert read_header(response, "payment-response")["success"] is True
    assert dict(response.set_headers)["cache-control"] == "no-store"
    assert "payment-signature" in market.namespace.sent[-1].remove_headers
    assert market.moved_micros == market.revenue_micros == PRICE_MICROS
    receipt_of(market, headers)
    assert (market.states, len(market.chain.transfers)) == (["settled"], 1)


def test_a_settled_payment_of_a_withdrawn_api_gets_a_receipt_that_says_so() -> None:
    market = Market()
    headers = unserved(market)
    change(market, "withdrawn")
    error_body(market.call(headers=headers), 503, "facilitator_unavailable")
    market.run_cron()
    body = receipt_of(market, headers)
    assert "not published any more" in body["message"]
    assert market.payments[0]["served"] == 0
    # Its payer is served if the API is published again.
    market.tenants = Market().tenants
    market.start()
    assert isinstance(market.call(headers=headers), ProxyResponse)
    assert market.moved_micros == market.revenue_micros == PRICE_MICROS


def test_the_payer_of_a_withdrawn_api_has_the_settlement_proven() -> None:
    market = Market()
    headers = unserved(market)
    change(market, "withdrawn")
    market.clock.at_ms += 200_000
    assert "not published any more" in receipt_of(market, headers)["message"]
    assert (market.states, len(market.chain.transfers)) == (["settled"], 1)


def test_nothing_is_settled_for_a_withdrawn_api() -> None:
    market = Market()
    enable_chain(market)
    market.facilitator.faults["settle"] = ["down"]
    headers = market.payment()
    market.call(headers=headers)
    change(market, "withdrawn")
    market.clock.at_ms += 200_000
    error_body(market.call(headers=headers), 503, "facilitator_unavailable")
    assert market.chain.transfers == []


@pytest.mark.parametrize("path", ["/t/paid/y", "/t/paid/x?a", "/t/free/x"])
@pytest.mark.parametrize("name", ["disabled", "withdrawn"])
def test_a_payment_of_another_request_is_no_payment(name: str, path: str) -> None:
    market = Market()
    headers = market.payment()
    market.call(headers=headers)
    change(market, name)
    response = market.call(path, headers)
    if name == "withdrawn" and "/paid/" in path:
        error_body(response, 404, "tenant_not_found")
    else:
        assert isinstance(response, ProxyResponse)
    assert market.payments[0]["served"] == 1


@pytest.mark.parametrize("name", ["disabled", "withdrawn"])
def test_only_the_holder_of_the_signature_gets_the_receipt(name: str) -> None:
    market = Market()
    headers = market.payment()
    market.call(headers=headers)
    change(market, name)
    forged = read_header(Response(200, tuple(headers.items()), ""), "payment-signature")
    forged["payload"]["signature"] = "0x" + "12" * 65
    response = market.call(headers={"payment-signature": encode(forged)})
    assert isinstance(response, ProxyResponse) or response.status == 404
    assert "payment-response" not in dict(
        response.headers if isinstance(response, Response) else response.set_headers
    )


def test_a_failed_payment_is_released_to_the_free_api() -> None:
    market = Market(reply=FakeUpstreamResponse(500))
    headers = market.payment()
    market.call(headers=headers)
    change(market, "disabled")
    market.reply = FakeUpstreamResponse(200)
    response = market.call(headers=headers)
    assert isinstance(response, ProxyResponse)
    assert "payment-response" not in dict(response.set_headers)
    assert (market.states, market.chain.transfers) == (["failed"], [])


@pytest.mark.parametrize("value", ["payment", "!", "e30=", "x" * 100_000])
@pytest.mark.parametrize("database", [True, False])
def test_a_script_that_takes_payments_itself_gets_them(value: str, database: bool) -> None:
    market = Market(reply=FakeUpstreamResponse(header_names=["payment-response"]))
    headers = market.payment() if value == "payment" else {"payment-signature": value}
    if not database:
        market.start()
        market.environment.control_database = None
    response = market.call("/t/free/x", headers)
    assert isinstance(response, ProxyResponse)
    assert not {"payment-signature", "x-payment"} & set(market.namespace.sent[-1].remove_headers)
    assert "payment-response" not in response.remove_headers
    assert market.events[-1].outcome == SERVED_WITH_RECEIPT
    assert market.payments == []


def test_an_outage_of_the_ledger_does_not_affect_a_free_api() -> None:
    market = Market()
    headers = market.payment()
    market.database.failing = 1_000
    assert isinstance(market.call("/t/free/x", headers), ProxyResponse)
    error_body(market.call("/t/gone/x", headers), 500, "internal_error")
    assert market.events[-1].outcome != SERVED


def test_a_free_request_without_payment_asks_nothing_of_the_ledger() -> None:
    market = Market()
    market.database.failing = 1_000
    assert isinstance(market.call("/t/free/x"), ProxyResponse)
    error_body(market.call("/t/gone/x"), 404, "tenant_not_found")

"""Prices are shown as people say them, with what changes."""

from typing import Any

import pytest

from cli.publish.prices import PriceChange, dollars, price_changes, prices
from tenants.records import Tenant, parse_tenant

RECORD = {"slug": "a", "tenantId": "t", "workerName": "w"}


def tenant(**fields: Any) -> Tenant:
    return parse_tenant({**RECORD, **fields}, "record")


@pytest.mark.parametrize(
    ("micros", "text"),
    [(1_000, "$0.001"), (20_000, "$0.02"), (1_500_000, "$1.50"), (1, "$0.000001")],
)
def test_dollars_have_at_least_two_decimals(micros: int, text: str) -> None:
    assert dollars(micros) == text


def test_an_api_without_a_price_is_free() -> None:
    assert prices(tenant()) == {"price": "free"}
    assert "listed only" in prices(tenant(priceUsd="1"))["price"]


def test_routes_are_listed_if_their_price_differs() -> None:
    routes = [
        {"path": "/x", "priceUsd": "0.5"},
        {"method": "GET", "path": "/health", "priceUsd": 0},
        {"path": "/y", "mimeType": "text/plain"},
    ]
    assert prices(tenant(priceUsd="0.01", x402Enabled=True, routes=routes)) == {
        "price": "$0.01 a request",
        "price of /x": "$0.50 a request",
        "free": "GET /health",
    }


def test_ways_to_pay_with_their_own_prices_are_listed() -> None:
    accepts = [{"network": "base", "priceUsd": "0.02", "payTo": "0x" + "1" * 40}]
    shown = prices(tenant(priceUsd="0.01", x402Enabled=True, accepts=accepts))["price"]
    assert shown == "$0.02 on eip155:8453 a request"


def test_a_changed_price_is_shown_with_both_values() -> None:
    before = {**RECORD, "priceUsd": "0.01", "x402Enabled": True}
    after = tenant(priceUsd="0.02", x402Enabled=True)
    assert price_changes(before, after) == [
        PriceChange("price", "$0.01 a request", "$0.02 a request")
    ]
    assert price_changes(before, tenant()) == [PriceChange("price", "$0.01 a request", "free")]
    assert price_changes({}, after) == []
    assert price_changes({**before, "description": "x"}, tenant(**before)) == []

"""The field `accepts` of a record: which ways to pay are valid, and what they ask for."""

from __future__ import annotations

from typing import Any

import pytest

from tenants.pricing import token_units
from tenants.records import Tenant, parse_tenant
from tests.unit.tenants.test_records import REQUIRED, reasons

BASE_USDC = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
OTHER = "0x1111111111111111111111111111111111111111"


def tenant(*accepts: dict[str, Any], **fields: object) -> Tenant:
    record = {**REQUIRED, "priceUsd": "0.01", "x402Enabled": True, "accepts": [*accepts], **fields}
    return parse_tenant(record, "r")


def refused(*accepts: object, **fields: object) -> list[str]:
    return reasons(**{"priceUsd": "0.01", "accepts": [*accepts], **fields})


def test_without_accepts_the_only_option_is_the_deployments_token() -> None:
    (option,) = parse_tenant({**REQUIRED, "priceUsd": "0.01"}, "r").accepts
    assert (option.network, option.asset, option.amount) == ("", "", "")
    assert option.price_micros == 10_000


def test_a_known_network_needs_neither_token_nor_decimals() -> None:
    (option,) = tenant({"network": "base", "asset": BASE_USDC}).accepts
    assert (option.network, option.decimals) == ("eip155:8453", 6)
    assert option.extra == {"name": "USD Coin", "version": "2"}
    assert tenant({"network": "base"}).accepts[0].decimals == 6


def test_an_option_has_a_price_of_its_own_an_amount_or_the_price_of_the_record() -> None:
    unknown = {"network": "eip155:999", "asset": OTHER}
    found = tenant(
        {"network": "base"},
        {"network": "polygon", "priceUsd": "0.02"},
        {**unknown, "amount": "5000000000000000"},
        {**unknown, "decimals": 18},
    ).accepts
    assert [option.price_micros for option in found] == [10_000, 20_000, 10_000, 10_000]
    assert [option.amount for option in found] == ["", "", "5000000000000000", ""]
    assert [option.has_own_price for option in found] == [False, True, True, False]


def test_a_record_without_price_costs_what_its_first_option_does() -> None:
    record = {**REQUIRED, "x402Enabled": True}
    accepts = [{"network": "base", "priceUsd": "0.05"}, {"network": "polygon", "priceUsd": "0.06"}]
    assert parse_tenant({**record, "accepts": accepts}, "r").price_micros == 50_000


@pytest.mark.parametrize(
    ("micros", "decimals", "units"),
    [(10_000, 6, "10000"), (1, 18, "1000000000000"), (10_000, 2, "1"), (1, 2, None), (1, 0, None)],
)
def test_a_price_is_exact_in_the_tokens_smallest_unit(
    micros: int, decimals: int, units: str | None
) -> None:
    assert token_units(micros, decimals) == units


@pytest.mark.parametrize(
    ("option", "field"),
    [
        ({"network": "base", "price": "1"}, "accepts[0].price must be left out"),
        ({"network": "solana:x"}, "accepts[0].network must be"),
        ({"network": 8453}, "accepts[0].network must be"),
        ({"network": "eip155:999", "asset": OTHER}, "accepts[0].decimals must be"),
        ({"network": "eip155:999"}, "accepts[0].asset must be"),
        ({"asset": OTHER}, "accepts[0].network must be set together with asset"),
        ({"decimals": 18}, "accepts[0].network must be set together with decimals"),
        ({"payTo": OTHER[:-1]}, "accepts[0].payTo must be an address: 0x"),
        ({"network": "base", "asset": "USDC"}, "accepts[0].asset must be"),
        ({"network": "base", "decimals": 18}, "accepts[0].decimals must be 6"),
        ({"network": "base", "payTo": "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin"}, "payTo"),
        ({"network": "base", "payTo": OTHER[:-1]}, "accepts[0].payTo must be"),
        ({"network": "base", "scheme": "batch"}, "accepts[0].scheme must be"),
        ({"network": "base", "amount": "0"}, "accepts[0].amount must be"),
        ({"network": "base", "amount": "1.5"}, "accepts[0].amount must be"),
        ({"network": "base", "amount": 1.5}, "accepts[0].amount must be"),
        ({"network": "base", "amount": True}, "accepts[0].amount must be"),
        ({"network": "base", "amount": "5", "priceUsd": "1"}, "accepts[0].amount must be left out"),
        ({"network": "base", "priceUsd": 0}, "accepts[0].priceUsd must be above 0"),
        ({"network": "base", "priceUsd": "0.0000001"}, "accepts[0].priceUsd must be"),
        ({"network": "base", "maxTimeoutSeconds": 0}, "accepts[0].maxTimeoutSeconds must be"),
        ({"network": "base", "maxTimeoutSeconds": "60"}, "accepts[0].maxTimeoutSeconds must be"),
        ({"network": "base", "extra": []}, "accepts[0].extra must be"),
        ({"network": "base", "extra": {"name": ""}}, "accepts[0].extra must be"),
        (
            {"network": "eip155:999", "asset": OTHER, "decimals": 1},
            "accepts[0].priceUsd must be a price with at most 1 decimals",
        ),
        ("base", "accepts[0] must be an object"),
    ],
)
def test_an_unusable_option_is_refused_by_name(option: object, field: str) -> None:
    found = refused(option)
    assert any(field in reason for reason in found), found


def test_an_option_on_the_deployments_network_may_have_its_own_payee() -> None:
    (option,) = tenant({"payTo": OTHER}).accepts
    assert (option.network, option.pay_to) == ("", OTHER)


def test_options_that_cannot_be_distinguished_are_refused() -> None:
    (reason,) = refused({"network": "base"}, {"network": "eip155:8453"})
    assert reason.startswith("accepts[0] and accepts[1] ask for the same payment: network eip155")
    (reason,) = refused({}, {"extra": {"x": 1}})
    assert "the deployment's network, its token, price $0.010000" in reason
    assert len(tenant({"network": "base"}, {"network": "base", "priceUsd": "1"}).accepts) == 2


def test_alike_options_of_a_route_are_named_with_the_route() -> None:
    route = {"path": "/x", "accepts": [{"network": "base"}, 7, {"network": "base"}]}
    found = reasons(priceUsd="0.01", x402Enabled=True, routes=[route])
    assert "routes[0].accepts[1] must be an object" in found
    twin = "routes[0].accepts[0] and routes[0].accepts[2] ask for the same payment"
    assert any(reason.startswith(twin) for reason in found)


def test_only_valid_options_are_compared() -> None:
    assert len(refused({"network": "nowhere"}, {"network": "elsewhere"})) == 2


def test_an_amount_needs_a_price_as_which_its_revenue_is_counted() -> None:
    (reason,) = reasons(accepts=[{"network": "base", "amount": "5"}])
    assert "accepts[0].amount must be beside a priceUsd" in reason


@pytest.mark.parametrize("accepts", [{}, "base", [], [{"network": "base"}] * 9])
def test_accepts_is_a_list_of_at_most_eight(accepts: object) -> None:
    found = reasons(priceUsd=1, accepts=accepts)
    assert found[0].startswith("accepts must be")


def test_accepts_fits_a_header() -> None:
    (reason,) = refused({"network": "base", "extra": {"note": "x" * 2_400}})
    assert reason.startswith("accepts must be at most 2400 characters")

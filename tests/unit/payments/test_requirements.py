"""A 402 describes how to pay, and headers that do not meet it are rejected."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from core.ports import ProxyResponse, Response
from tests.support.fake_chain import NETWORK, PAYEE, PAYER, USDC
from tests.support.payment_scene import Market, encode, error_body, read_header


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_a_request_without_payment_gets_the_requirements_before_any_other_check(
    method: str,
) -> None:
    market = Market()
    response = market.call(method=method)
    body = error_body(response, 402, "payment_required")
    challenge = read_header(response, "payment-required")
    assert challenge["x402Version"] == 2
    assert challenge["resource"]["url"] == "http://h.example/t/paid/x"
    assert challenge["accepts"] == [
        {
            "scheme": "exact",
            "network": NETWORK,
            "amount": "10000",
            "asset": USDC,
            "payTo": PAYEE,
            "maxTimeoutSeconds": 300,
            "extra": {"name": "USDC", "version": "2"},
        }
    ]
    assert (body["x402Version"], body["accepts"][0]["network"]) == (1, "base-sepolia")
    assert not (market.facilitator.calls)
    assert not (market.namespace.sent)
    assert not (market.payments)
    assert [(event.outcome, event.counted) for event in market.events] == [
        ("payment_required", False)
    ]


def test_scripts_in_browsers_may_read_the_requirements() -> None:
    headers = dict(Market().challenge().headers)
    assert headers["access-control-allow-origin"] == "*"
    exposed = headers["access-control-expose-headers"].lower()
    assert "payment-required" in exposed
    assert "payment-response" in exposed


def test_a_preflight_gets_a_response_without_dispatch() -> None:
    market = Market()
    preflight = {
        "origin": "http://page.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "payment-signature, content-type",
    }
    response = market.call(headers=preflight, method="OPTIONS")
    assert isinstance(response, Response)
    headers = dict(response.headers)
    assert (response.status, response.body) == (204, "")
    assert headers["access-control-allow-methods"] == "POST"
    assert "content-type" in headers["access-control-allow-headers"]
    assert market.namespace.sent == []


def test_browsers_get_a_page_with_all_texts_escaped() -> None:
    market = Market()
    market.tenants[0] = {**market.tenants[0], "description": "<script>alert(1)</script>"}
    market.start()
    response = market.call(headers={"accept": "text/html,*/*", "user-agent": "Mozilla/5.0"})
    assert isinstance(response, Response)
    headers = dict(response.headers)
    assert response.status == 402
    assert headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "<script" not in response.body
    assert "$0.01" in response.body
    assert read_header(response, "payment-required")["accepts"]


@pytest.mark.parametrize(
    "setting",
    [
        "FACILITATOR_URL",
        "X402_NETWORK",
        "X402_ASSET",
        "X402_ASSET_NAME",
        "X402_ASSET_VERSION",
        "PAY_TO_ADDRESS",
    ],
)
def test_a_missing_setting_is_named_in_the_error(setting: str) -> None:
    market = Market()
    del market.settings[setting]
    assert error_body(market.call(), 500, "configuration_error")["setting"] == setting
    assert market.namespace.sent == []


def test_an_unknown_token_needs_configured_decimals() -> None:
    market = Market()
    market.settings["X402_ASSET"] = PAYER
    body = error_body(market.call(), 500, "configuration_error")
    assert body["setting"] == "X402_ASSET_DECIMALS"
    market.settings["X402_ASSET_DECIMALS"] = "18"
    accepted = read_header(market.challenge(), "payment-required")["accepts"][0]
    assert accepted["amount"] == "1" + "0" * 16


def test_without_a_ledger_no_priced_request_is_served() -> None:
    market = Market()
    headers = market.payment()
    market.start()
    market.environment.control_database = None
    assert error_body(market.call(headers=headers), 500, "dispatcher_binding_missing")[
        "binding"
    ] == ("CONTROL_DB")


def test_a_free_api_needs_neither_ledger_nor_facilitator() -> None:
    market = Market()
    before = market.database.transactions
    assert isinstance(market.call("/t/free"), ProxyResponse)
    assert market.database.transactions == before
    assert market.fetcher.sent == []


def broken(market: Market, **changes: Any) -> dict[str, str]:
    """A payment with changed top-level fields."""
    document = json.loads(base64.b64decode(market.payment()["payment-signature"]))
    return {"payment-signature": encode({**document, **changes})}


@pytest.mark.parametrize(
    ("header", "reason", "words"),
    [
        ("no base64!", "invalid_payload", "base64"),
        ("e30==", "invalid_payload", "base64"),
        ("e", "invalid_payload", "base64"),
        ("YWJj", "invalid_payload", "JSON"),
        ("W10=", "invalid_payload", "object"),
        ("e30=", "invalid_x402_version", "x402Version null"),
        (encode({"x402Version": 1}), "invalid_x402_version", "carries version 2"),
        (encode({"x402Version": 2}), "invalid_payload", "accepted"),
        ("A" * 100_000, "payment_too_long", "100000"),
        (encode(json.loads("[" * 50 + "]" * 50)), "invalid_payload", "object"),
    ],
)
def test_a_malformed_header_is_rejected_with_its_reason(
    header: str, reason: str, words: str
) -> None:
    market = Market()
    body = error_body(market.call(headers={"payment-signature": header}), 402, "payment_invalid")
    assert body["reason"] == reason
    assert words in body["message"]
    assert not (market.facilitator.calls)
    assert not (market.namespace.sent)
    assert not (market.payments)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", "1"),
        ("payTo", PAYER),
        ("network", "eip155:1"),
        ("asset", PAYER),
        ("scheme", "upto"),
    ],
)
def test_terms_that_differ_from_the_requirements_are_rejected(field: str, value: str) -> None:
    market = Market()
    challenge = read_header(market.challenge(), "payment-required")
    accepted = {**challenge["accepts"][0], field: value}
    body = error_body(
        market.call(headers=broken(market, accepted=accepted)), 402, "payment_invalid"
    )
    assert body["reason"] == "payment_mismatch"
    assert field in body["message"]
    assert not (market.facilitator.calls)
    assert not (market.payments)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"to": PAYER}, "payment_mismatch"),
        ({"value": "9999"}, "payment_mismatch"),
        ({"validBefore": "1"}, "invalid_exact_evm_payload_authorization_valid_before"),
        ({"nonce": "0x1"}, "invalid_payload"),
        ({"from": "me"}, "invalid_payload"),
        ({"value": "1e4"}, "invalid_payload"),
    ],
)
def test_an_authorization_for_something_else_is_rejected(
    changes: dict[str, Any], reason: str
) -> None:
    market = Market()
    headers = market.payment(**changes)
    assert error_body(market.call(headers=headers), 402, "payment_invalid")["reason"] == reason
    assert not (market.facilitator.calls)
    assert not (market.payments)


def test_a_payment_that_the_facilitator_rejects_is_not_claimed() -> None:
    market = Market()
    market.chain.balances.clear()
    body = error_body(market.call(headers=market.payment()), 402, "payment_invalid")
    assert body["reason"] == "invalid_exact_evm_insufficient_balance"
    assert not (market.payments)
    assert not (market.namespace.sent)

"""What is asked for, in what form, and what is refused as no payment."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from core.ports import ProxyResponse, Response
from tests.support.fake_chain import NETWORK, PAYEE, PAYER, USDC
from tests.support.payment_scene import Market, encode, read_header, refusal


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_without_a_payment_the_offer_comes_before_everything_else(method: str) -> None:
    market = Market()
    answer = market.ask(method=method)
    body = refusal(answer, 402, "payment_required")
    offer = read_header(answer, "payment-required")
    assert offer["x402Version"] == 2
    assert offer["resource"]["url"] == "http://h.example/t/paid/x"
    assert offer["accepts"] == [
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
    assert not (market.facilitator.asked)
    assert not (market.namespace.sent)
    assert not (market.payments)
    assert [(event.outcome, event.counted) for event in market.events] == [
        ("payment_required", False)
    ]


def test_browsers_agents_may_read_the_offer() -> None:
    headers = dict(Market().offer().headers)
    assert headers["access-control-allow-origin"] == "*"
    exposed = headers["access-control-expose-headers"].lower()
    assert "payment-required" in exposed
    assert "payment-response" in exposed


def test_a_browsers_leave_to_ask_is_given_at_the_edge_and_serves_nothing() -> None:
    market = Market()
    asked = {
        "origin": "http://page.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "payment-signature, content-type",
    }
    answer = market.ask(headers=asked, method="OPTIONS")
    assert isinstance(answer, Response)
    headers = dict(answer.headers)
    assert (answer.status, answer.body) == (204, "")
    assert headers["access-control-allow-methods"] == "POST"
    assert "content-type" in headers["access-control-allow-headers"]
    assert market.namespace.sent == []


def test_people_get_a_page_that_shows_every_text_as_text() -> None:
    market = Market()
    market.tenants[0] = {**market.tenants[0], "description": "<script>alert(1)</script>"}
    market.start()
    answer = market.ask(headers={"accept": "text/html,*/*"})
    assert isinstance(answer, Response)
    headers = dict(answer.headers)
    assert answer.status == 402
    assert headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "<script" not in answer.body
    assert "$0.01" in answer.body
    assert read_header(answer, "payment-required")["accepts"]


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
def test_a_missing_setting_is_named(setting: str) -> None:
    market = Market()
    del market.settings[setting]
    assert refusal(market.ask(), 500, "configuration_error")["setting"] == setting
    assert market.namespace.sent == []


def test_a_token_of_unknown_decimals_is_refused_until_they_are_configured() -> None:
    market = Market()
    market.settings["X402_ASSET"] = PAYER
    body = refusal(market.ask(), 500, "configuration_error")
    assert body["setting"] == "X402_ASSET_DECIMALS"
    market.settings["X402_ASSET_DECIMALS"] = "18"
    accepted = read_header(market.offer(), "payment-required")["accepts"][0]
    assert accepted["amount"] == "1" + "0" * 16


def test_without_a_ledger_nothing_is_served() -> None:
    market = Market()
    headers = market.payment()
    market.start()
    market.environment.control_database = None
    assert refusal(market.ask(headers=headers), 500, "dispatcher_binding_missing")["binding"] == (
        "CONTROL_DB"
    )


def test_a_free_api_asks_neither_ledger_nor_facilitator() -> None:
    market = Market()
    before = market.database.transactions
    assert isinstance(market.ask("/t/free"), ProxyResponse)
    assert market.database.transactions == before
    assert market.fetcher.sent == []


def broken(market: Market, **changes: Any) -> dict[str, str]:
    """A payment with other fields at its top."""
    document = json.loads(base64.b64decode(market.payment()["payment-signature"]))
    return {"payment-signature": encode({**document, **changes})}


@pytest.mark.parametrize(
    ("header", "reason", "words"),
    [
        ("no base64!", "invalid_payload", "base64"),
        ("YWJj", "invalid_payload", "JSON"),
        ("W10=", "invalid_payload", "object"),
        ("e30=", "invalid_x402_version", "x402Version null"),
        (encode({"x402Version": 1}), "invalid_x402_version", "carries version 2"),
        (encode({"x402Version": 2}), "invalid_payload", "accepted"),
        ("A" * 100_000, "payment_too_long", "100000"),
        (encode(json.loads("[" * 50 + "]" * 50)), "invalid_payload", "object"),
    ],
)
def test_a_header_that_is_no_payment_is_refused_with_its_reason(
    header: str, reason: str, words: str
) -> None:
    market = Market()
    body = refusal(market.ask(headers={"payment-signature": header}), 402, "payment_invalid")
    assert body["reason"] == reason
    assert words in body["message"]
    assert not (market.facilitator.asked)
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
def test_terms_that_were_not_offered_are_refused(field: str, value: str) -> None:
    market = Market()
    offer = read_header(market.offer(), "payment-required")
    accepted = {**offer["accepts"][0], field: value}
    body = refusal(market.ask(headers=broken(market, accepted=accepted)), 402, "payment_invalid")
    assert body["reason"] == "payment_mismatch"
    assert field in body["message"]
    assert not (market.facilitator.asked)
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
def test_an_authorization_for_something_else_is_refused(
    changes: dict[str, Any], reason: str
) -> None:
    market = Market()
    headers = market.payment(**changes)
    assert refusal(market.ask(headers=headers), 402, "payment_invalid")["reason"] == reason
    assert not (market.facilitator.asked)
    assert not (market.payments)


def test_what_the_facilitator_refuses_is_refused_with_its_reason_and_claims_nothing() -> None:
    market = Market()
    market.chain.balances.clear()
    body = refusal(market.ask(headers=market.payment()), 402, "payment_invalid")
    assert body["reason"] == "invalid_exact_evm_insufficient_balance"
    assert not (market.payments)
    assert not (market.namespace.sent)

"""Payments that are signed for Permit2: what is checked of them, and those by `exact`."""

from __future__ import annotations

from typing import Any

import pytest

from core.ports import ProxyResponse
from tests.support.fake_chain import FACILITATOR_ADDRESS, NETWORK, PAYEE
from tests.support.payment_scene import (
    asking,
    enable_chain,
    error_body,
    pay_permit2,
    read_header,
    upto_market,
    upto_payment,
)

OTHER = "0x1111111111111111111111111111111111111111"
PRICE = 10_000
PERMIT2 = [{"extra": {"assetTransferMethod": "permit2"}}]


PERMIT: dict[str, Any] = {
    "spender": OTHER,
    "permitted": {"token": OTHER, "amount": "10000"},
    "witness": {"to": OTHER, "facilitator": FACILITATOR_ADDRESS, "validAfter": "0"},
}


@pytest.mark.parametrize("name", PERMIT)
def test_a_permit_for_other_terms_is_rejected(name: str) -> None:
    market = upto_market()
    headers = upto_payment(market, **{name: PERMIT[name]})
    body = error_body(market.call(headers=headers), 402, "payment_invalid")
    assert body["reason"] == "payment_mismatch"
    assert market.facilitator.calls == []


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": 1},
        {"nonce": "0x1"},
        {"nonce": str(2**256)},
        {"deadline": str(2**256)},
        {"deadline": None},
        {"from": "payer"},
        {"permitted": []},
        {"witness": {"to": PAYEE, "validAfter": "0"}},
        {"witness": {"to": PAYEE, "facilitator": "me", "validAfter": "0"}},
        {"witness": {"to": PAYEE, "facilitator": FACILITATOR_ADDRESS, "validAfter": 0}},
    ],
)
def test_a_malformed_permit_is_rejected_before_a_facilitator_is_asked(
    change: dict[str, Any],
) -> None:
    market = upto_market()
    body = error_body(market.call(headers=upto_payment(market, **change)), 402, "payment_invalid")
    assert body["reason"] == "invalid_payload"
    assert market.facilitator.calls == []


def test_an_expired_permit_is_rejected_with_that_reason() -> None:
    market = upto_market()
    headers = upto_payment(market)
    market.clock.at_ms += 301_000
    body = error_body(market.call(headers=headers), 402, "payment_invalid")
    assert body["reason"] == "permit2_deadline_expired"


def test_a_permit_for_another_facilitator_is_refused_with_that_reason() -> None:
    market = upto_market()
    witness = {"to": PAYEE, "facilitator": OTHER, "validAfter": "0"}
    body = error_body(
        market.call(headers=upto_payment(market, witness=witness)), 402, "payment_invalid"
    )
    assert body["reason"] == "upto_facilitator_mismatch"


def test_nonces_are_of_permit2_for_all_tokens() -> None:
    other = {"scheme": "upto", "network": NETWORK, "asset": OTHER, "decimals": 6}
    market = upto_market(accepts=[{"scheme": "upto"}, other])
    found = read_header(market.challenge(), "payment-required")["accepts"]
    market.reply = asking('{"amount": "1"}')
    first, second = (pay_permit2(one, 1, now_ms=market.clock.at_ms) for one in found)
    assert isinstance(market.call(headers=first), ProxyResponse)
    error_body(market.call(headers=second), 402, "payment_invalid")
    assert len(market.payments) == 1


def test_exact_with_permit2_is_charged_in_full() -> None:
    market = upto_market(accepts=PERMIT2)
    headers = upto_payment(market)
    market.reply = asking('{"amount": "1"}')
    response = market.call(headers=headers)
    assert isinstance(response, ProxyResponse)
    assert "amount" not in read_header(response, "payment-response")
    assert market.moved_micros == PRICE
    assert [row["signed_amount"] for row in market.payments] == [None]


def test_an_authorization_for_the_token_does_not_pay_what_needs_permit2() -> None:
    market = upto_market(accepts=PERMIT2)
    body = error_body(market.call(headers=market.payment()), 402, "payment_invalid")
    assert "Permit2" in body["message"]


def test_a_lost_settlement_of_exact_with_permit2_is_proven() -> None:
    market = upto_market(accepts=PERMIT2)
    enable_chain(market)
    headers = upto_payment(market)
    market.facilitator.faults["settle"] = ["lost"]
    error_body(market.call(headers=headers), 503, "facilitator_unavailable")
    market.run_cron()
    assert (market.states, market.revenue_micros) == (["settled"], PRICE)


def test_an_unused_permit_fails_after_its_deadline() -> None:
    market = upto_market()
    enable_chain(market)
    headers = upto_payment(market)
    market.facilitator.faults["settle"] = ["down"]
    error_body(market.call(headers=headers), 503, "facilitator_unavailable")
    market.run_cron(10)
    assert (market.states, market.revenue_micros) == (["failed"], 0)

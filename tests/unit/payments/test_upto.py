"""A payment with the scheme `upto` is charged what the script asks for, at most what was signed."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from typing import Any

import pytest

from api.payment_health import PaymentHealth, Problem
from core import constants
from core.ports import ProxyResponse, Response
from payments.facilitator import Facilitators
from payments.reconciliation import compare_day
from payments.resolution import resolver_of
from tenants.records import parse_tenant
from tests.support.fake_chain import FACILITATOR_ADDRESS, NETWORK, PAYEE, PAYER
from tests.support.fakes import NOON_MS, FakeUpstreamResponse
from tests.support.payment_scene import (
    UPTO_KIND,
    Market,
    asking,
    enable_chain,
    error_body,
    read_header,
    upto_market,
    upto_payment,
)

OTHER = "0x1111111111111111111111111111111111111111"
PRICE = 10_000
HEADER = "settlement-overrides"


def buy(market: Market, header: str | None) -> Response | ProxyResponse:
    """Buy from a script that asks for an amount."""
    headers = upto_payment(market)
    market.reply = asking(header)
    return market.call(headers=headers)


def test_a_402_offers_the_scheme_with_the_facilitator_that_may_settle() -> None:
    found = read_header(upto_market().challenge(), "payment-required")["accepts"]
    assert [(one["scheme"], one["amount"], one["payTo"]) for one in found] == [
        ("upto", "10000", PAYEE)
    ]
    assert found[0]["extra"]["assetTransferMethod"] == "permit2"
    assert found[0]["extra"]["facilitatorAddress"] == FACILITATOR_ADDRESS


def test_without_a_facilitator_of_the_scheme_nothing_is_offered() -> None:
    market = upto_market()
    market.facilitator.kinds = [{**UPTO_KIND, "scheme": "exact"}]
    error_body(market.call(), 503, "facilitator_unavailable")


@pytest.mark.parametrize(
    ("header", "amount"),
    [
        (None, 10_000),
        ('{"amount": "10000"}', 10_000),
        ('{"amount": "1234"}', 1_234),
        ('{"amount": 1}', 1),
        ('{"amount": "$0.0025"}', 2_500),
        ('{"amount": "33.33%"}', 3_333),
        ('{"amount": "100%"}', 10_000),
        ('{"amount": "7%", "other": 1}', 700),
    ],
)
def test_the_asked_amount_is_charged_and_counted_everywhere(
    header: str | None, amount: int
) -> None:
    market = upto_market()
    response = buy(market, header)
    assert isinstance(response, ProxyResponse)
    assert HEADER not in dict(response.set_headers)
    if header is not None:
        assert HEADER in response.remove_headers
    receipt = read_header(response, "payment-response")
    assert (receipt["success"], receipt["amount"]) == (True, str(amount))
    (row,) = market.payments
    assert (row["amount"], row["amount_micros"], row["signed_amount"], row["state"]) == (
        str(amount),
        amount,
        "10000",
        "settled",
    )
    assert (market.moved_micros, market.entered_micros, market.revenue_micros) == (amount,) * 3
    assert [(one.amount, one.amount_micros) for one in market.settlements] == [
        (str(amount), amount)
    ]


def test_a_settled_payment_presented_again_gets_the_same_receipt() -> None:
    market = upto_market()
    headers = upto_payment(market)
    market.reply = asking('{"amount": "2500"}')
    first = market.call(headers=headers)
    market.reply = asking('{"amount": "9000"}')
    again = market.call(headers=headers)
    assert isinstance(again, Response)
    assert read_header(again, "payment-response") == read_header(first, "payment-response")
    assert json.loads(again.body)["payment"]["amount"] == "2500"
    assert market.moved_micros == 2_500


def test_an_amount_of_zero_settles_nothing_and_releases_the_payment() -> None:
    market = upto_market()
    headers = upto_payment(market)
    market.reply = asking('{"amount": "0"}')
    response = market.call(headers=headers)
    assert isinstance(response, ProxyResponse)
    assert "payment-response" not in dict(response.set_headers)
    assert market.states == ["failed"]
    assert market.facilitator.calls == ["verify"]
    # It may be presented again, and is then charged what is asked for.
    market.reply = asking('{"amount": "5"}')
    assert isinstance(market.call(headers=headers), ProxyResponse)
    assert (market.states, market.moved_micros) == (["settled"], 5)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "5000",
        "{}",
        "[]",
        '{"amount": ""}',
        '{"amount": null}',
        '{"amount": true}',
        '{"amount": 0.5}',
        '{"amount": NaN}',
        '{"amount": -1}',
        '{"amount": "-1"}',
        '{"amount": "+1"}',
        '{"amount": " 1"}',
        '{"amount": "1e3"}',
        '{"amount": "0x10"}',
        '{"amount": "NaN"}',
        '{"amount": "101%"}',
        '{"amount": "-1%"}',
        '{"amount": "1.234%"}',
        '{"amount": "$0.010001"}',
        '{"amount": "$-1"}',
        '{"amount": "$"}',
        '{"amount": "1000"}, {"amount": "2000"}',
        '{"amount": "' + "9" * 400 + '"}',
    ],
)
def test_an_unusable_amount_charges_nothing_and_serves_nothing(header: str) -> None:
    market = upto_market()
    body = error_body(buy(market, header), 502, "tenant_worker_failure")
    assert "amount" in body["message"]
    assert market.states == ["failed"]
    assert (market.moved_micros, market.revenue_micros) == (0, 0)
    assert market.facilitator.calls == ["verify"]
    assert isinstance(market.reply, FakeUpstreamResponse)
    assert market.reply.is_discarded


def test_more_than_was_signed_is_never_asked_for() -> None:
    market = upto_market()
    error_body(buy(market, '{"amount": "10001"}'), 502, "tenant_worker_failure")


def test_a_payment_by_exact_ignores_the_amount_and_is_charged_in_full() -> None:
    market = Market()
    headers = market.payment()
    market.reply = asking('{"amount": "1"}')
    response = market.call(headers=headers)
    assert isinstance(response, ProxyResponse)
    assert HEADER in response.remove_headers
    assert market.moved_micros == PRICE


def test_the_header_of_a_caller_does_not_reach_the_script() -> None:
    market = upto_market()
    headers = {**upto_payment(market), HEADER: '{"amount": "1"}'}
    assert isinstance(market.call(headers=headers), ProxyResponse)
    assert HEADER in market.namespace.sent[-1].remove_headers
    assert market.moved_micros == PRICE


def test_a_payment_is_told_what_is_wrong_with_it_by_the_way_that_it_names() -> None:
    market = upto_market(accepts=[{"scheme": "upto"}, {}])
    witness = {"to": OTHER, "facilitator": FACILITATOR_ADDRESS, "validAfter": "0"}
    headers = upto_payment(market, witness=witness)
    body = error_body(market.call(headers=headers), 402, "payment_invalid")
    assert "witness.to" in body["message"]


def test_a_lost_settlement_keeps_the_amount_that_was_asked_for() -> None:
    market = upto_market()
    enable_chain(market)
    headers = upto_payment(market)
    market.reply = asking('{"amount": "2500"}')
    market.facilitator.faults["settle"] = ["lost"]
    error_body(market.call(headers=headers), 503, "facilitator_unavailable")
    (row,) = market.payments
    assert (row["state"], row["amount"], row["signed_amount"]) == ("pending", "2500", "10000")
    market.run_cron()
    assert market.states == ["settled"]
    assert (market.moved_micros, market.entered_micros, market.revenue_micros) == (2_500,) * 3
    # Served once, whatever the script asks for now.
    market.reply = asking('{"amount": "9999"}')
    response = market.call(headers=headers)
    assert isinstance(response, ProxyResponse)
    assert read_header(response, "payment-response")["amount"] == "2500"
    assert market.moved_micros == 2_500


@pytest.mark.parametrize("later", ['{"amount": "9999"}', '{"amount": "0"}', "nonsense", None])
def test_what_was_asked_for_once_is_asked_for_again(later: str | None) -> None:
    market = upto_market()
    headers = upto_payment(market)
    market.reply = asking('{"amount": "2500"}')
    market.facilitator.faults["settle"] = ["down"]
    error_body(market.call(headers=headers), 503, "facilitator_unavailable")
    assert market.moved_micros == 0
    market.clock.at_ms += 60_000
    market.reply = asking(later)
    response = market.call(headers=headers)
    assert isinstance(response, ProxyResponse)
    assert read_header(response, "payment-response")["amount"] == "2500"
    assert (market.moved_micros, market.entered_micros, market.revenue_micros) == (2_500,) * 3


def test_nothing_is_settled_if_the_amount_cannot_be_recorded() -> None:
    market = upto_market()
    headers = upto_payment(market)
    market.reply = asking('{"amount": "2500"}')
    # The claim succeeds; what follows does not.
    market.database.failing_after(1, takes_effect_anyway=False)
    market.database.failing = 9
    error_body(market.call(headers=headers), 500, "internal_error")
    assert market.facilitator.calls == ["verify"]
    assert market.moved_micros == 0


def test_a_request_that_lost_its_payment_does_not_say_what_is_charged() -> None:
    market = upto_market()
    headers = upto_payment(market, deadline=str(market.clock.at_ms // 1000 + 3_600))

    async def scene() -> list[Response | ProxyResponse]:
        gates, requests = [asyncio.Event(), asyncio.Event()], []
        for gate in gates:
            market.namespace.reached.clear()
            market.namespace.gate = gate
            requests.append(asyncio.ensure_future(market.send(headers=headers)))
            await market.namespace.reached.wait()
            market.clock.at_ms += constants.CLAIM_LEASE_MS
        responses: list[Response | ProxyResponse] = []
        for gate, amount in zip(gates, ("9000", "2500"), strict=True):
            market.namespace.response = asking(json.dumps({"amount": amount}))
            gate.set()
            responses.append(await requests[len(responses)])
        return responses

    first, second = asyncio.run(scene())
    error_body(first, 409, "payment_in_progress")
    assert isinstance(second, ProxyResponse)
    assert (market.moved_micros, market.entered_micros, market.revenue_micros) == (2_500,) * 3


def test_a_cap_counts_what_is_charged() -> None:
    market = upto_market(spendLimit={"dailySpendUsd": "0.0125"})
    for number in (1, 2):
        headers = upto_payment(market, number)
        market.reply = asking('{"amount": "2500"}')
        assert isinstance(market.call(headers=headers), ProxyResponse)
    headers = upto_payment(market, 3)
    error_body(market.call(headers=headers), 402, "cap_exceeded")
    assert market.moved_micros == 5_000


def test_a_token_with_18_decimals_counts_in_proportion_to_the_price() -> None:
    units = 10**16
    market = upto_market(
        accepts=[{"scheme": "upto", "network": NETWORK, "asset": OTHER, "decimals": 18}]
    )
    market.chain.balances[PAYER.lower()] = 10**20
    response = buy(market, json.dumps({"amount": str(units // 3)}))
    assert isinstance(response, ProxyResponse)
    (row,) = market.payments
    assert (row["amount"], row["amount_micros"]) == (str(units // 3), 3_334)
    assert market.revenue_micros == 3_334


def test_reconciliation_compares_what_was_settled() -> None:
    market = upto_market()
    buy(market, '{"amount": "2500"}')
    resolver = resolver_of(market.environment, market.clock)
    day = NOON_MS // 86_400_000
    compared = compare_day(resolver.ledger, resolver.archive, market.shards, day)
    found: Any = asyncio.run(compared)
    assert found["agrees"]
    (tenant,) = found["tenants"]
    assert (tenant["inLedgerMicros"], tenant["settledAtEdgeMicros"]) == (2_500, 2_500)


def test_an_archived_payment_keeps_what_was_settled() -> None:
    market = upto_market()
    headers = upto_payment(market)
    market.reply = asking('{"amount": "2500"}')
    market.call(headers=headers)
    market.clock.at_ms += 3 * 86_400_000
    market.run_cron()
    assert market.payments == []
    again = market.call(headers=headers)
    assert isinstance(again, Response)
    assert read_header(again, "payment-response")["amount"] == "2500"


def _unsettled(market: Market, *, is_fixed: bool) -> None:
    """Leave a payment unsettled, after 2,500 was asked for, or before anything was."""
    headers = upto_payment(market)
    market.reply = asking('{"amount": "2500"}')
    if is_fixed:
        market.facilitator.faults["settle"] = ["down"]
    else:
        market.database.failing_after(1, takes_effect_anyway=False)
        market.database.failing = 9
    market.call(headers=headers)
    market.database.failing = 0
    (row,) = market.payments
    assert (row["signed_amount"] is not None) is is_fixed


@pytest.mark.parametrize(
    "change",
    [
        "amount = '1'",
        "amount_micros = 1",
        "signed_amount = '10000', amount = '10001'",
        "signed_amount = '10000', amount = '20'||amount",
        "signed_amount = '9999', amount = '1', amount_micros = 1",
        "signed_amount = '10000', amount = '0', amount_micros = 1",
        "signed_amount = '10000', amount = '1', amount_micros = 10001",
        "scheme = 'exact'",
    ],
)
@pytest.mark.parametrize("is_fixed", [True, False], ids=["fixed", "open"])
def test_the_database_refuses_an_amount_above_what_was_signed_or_a_second_one(
    change: str, is_fixed: bool
) -> None:
    market = upto_market()
    _unsettled(market, is_fixed=is_fixed)
    with pytest.raises(sqlite3.IntegrityError):
        market.database.rows(f"UPDATE payments SET {change}")  # noqa: S608


def test_the_database_refuses_a_second_amount() -> None:
    market = upto_market()
    _unsettled(market, is_fixed=False)
    fix = "UPDATE payments SET signed_amount = amount, amount = '9', amount_micros = 9"
    market.database.rows(fix)
    with pytest.raises(sqlite3.IntegrityError):
        market.database.rows(fix.replace("9", "8"))


@pytest.mark.parametrize(
    ("kind", "is_named"),
    [
        (UPTO_KIND, False),
        ({**UPTO_KIND, "scheme": "exact"}, True),
        ({**UPTO_KIND, "extra": {}}, True),
    ],
)
def test_health_names_a_facilitator_that_does_not_settle_the_scheme(
    kind: dict[str, Any], is_named: bool
) -> None:
    market = upto_market()
    market.facilitator.kinds = [kind]
    facilitators = Facilitators(market.environment, market.clock)
    problems: list[Problem] = []
    tenant = parse_tenant(market.tenants[0], "r")
    health = PaymentHealth(market.environment, market.clock, facilitators)
    asyncio.run(health.report([tenant], problems))
    named = [one["code"] for one in problems if "scheme upto" in one["message"]]
    assert named == (["facilitator_unsuitable"] if is_named else [])

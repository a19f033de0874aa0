"""Limits of priced APIs: no limit is used by who has not paid, and no cap is ever passed."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest

from core.ports import ProxyResponse, Response
from core.quotas import Usage
from tests.support.fakes import FakeUpstreamResponse
from tests.support.fault_injection import Died
from tests.support.payment_scene import PRICE_MICROS, Market, pay, refusal, use_chain

OPERATIONS_MAX = 60
COUNTER = "paid/t1"


def limited(**fields: object) -> Market:
    """A deployment whose priced API has these limits."""
    paid: dict[str, Any] = {
        "slug": "paid",
        "tenantId": "t1",
        "workerName": "p",
        "priceUsd": 0.01,
        "x402Enabled": True,
        **fields,
    }
    return Market(tenants=[paid])


def capped(payments: int) -> Market:
    """The same with a cap of so many payments a day."""
    return limited(spendLimit={"dailySpendUsd": f"0.{payments:02d}"})


def use(market: Market) -> Usage:
    return market.counters.usage.get(COUNTER, Usage())


def fields(answer: Response | ProxyResponse) -> dict[str, str]:
    if isinstance(answer, Response):
        return dict(answer.headers)
    return dict(answer.add_headers)


def buy(market: Market, number: int) -> Response | ProxyResponse:
    """Pay for a request of its own."""
    return market.ask(headers=market.payment(number))


def test_a_challenge_uses_neither_rate_nor_quota() -> None:
    market = limited(
        rateLimit={"requests": 1, "windowSeconds": 60}, usageLimit={"dailyRequests": 1}
    )
    for _ in range(5):
        market.offer()
    assert market.counters.calls == []
    assert all(one.calls == 0 for one in market.environment.rate_counters.values())
    assert isinstance(buy(market, 1), ProxyResponse)


def test_what_is_used_up_is_said_only_to_who_brings_a_payment() -> None:
    market = limited(usageLimit={"dailyRequests": 1})
    assert isinstance(buy(market, 1), ProxyResponse)
    market.offer()
    refusal(buy(market, 2), 429, "usage_quota_exceeded")


@pytest.mark.parametrize("name", ["dailySpendUsd", "monthlySpendUsd"])
def test_a_cap_is_never_passed_and_costs_nobody_what_it_refuses(name: str) -> None:
    market = limited(spendLimit={name: "0.025"})
    answers = [buy(market, number) for number in (1, 2, 3)]
    assert [isinstance(answer, ProxyResponse) for answer in answers] == [True, True, False]
    body = refusal(answers[2], 402, "cap_exceeded")
    assert (body["limit"], body["limitMicros"]) == (f"spendLimit.{name}", 25_000)
    shown = fields(answers[2])
    assert int(shown["retry-after"]) == body["retryAfterSeconds"] > 0
    assert "payment-required" not in shown
    assert market.moved_micros == 2 * PRICE_MICROS
    assert sorted(market.states) == ["failed", "settled", "settled"]
    assert market.payments[2]["reason"] == "cap_exceeded"
    assert market.counters.usage[COUNTER].daily_micros == 2 * PRICE_MICROS


def test_a_cap_is_told_in_requests_at_the_price() -> None:
    market = capped(3)
    shown = fields(buy(market, 1))
    assert shown["ratelimit-policy"] == '"day-spend";q=3;w=86400'
    assert shown["ratelimit"].startswith('"day-spend";r=2;t=')


def test_a_payment_that_a_limit_refused_is_good_another_day() -> None:
    market = limited(spendLimit={"dailySpendUsd": 0.01})
    assert isinstance(buy(market, 1), ProxyResponse)
    second = market.payment(2, validBefore=str(market.clock.at_ms // 1000 + 10**6))
    refusal(market.ask(headers=second), 402, "cap_exceeded")
    market.clock.at_ms += 86_400_000
    assert isinstance(market.ask(headers=second), ProxyResponse)
    assert market.moved_micros == 2 * PRICE_MICROS


def test_payers_have_rates_of_their_own_whatever_they_call_themselves() -> None:
    market = limited(rateLimit={"requests": 1, "windowSeconds": 60})
    assert isinstance(buy(market, 1), ProxyResponse)
    again = {**market.payment(2), "x-agent-id": "somebody else"}
    refusal(market.ask(headers=again), 429, "rate_limited")
    assert market.moved_micros == PRICE_MICROS


def test_of_many_payments_at_once_a_cap_takes_exactly_what_fits() -> None:
    market = capped(5)
    offer = market.offer()

    async def scene() -> list[Response | ProxyResponse]:
        sent = [
            market.send(headers=pay(offer, number, now_ms=market.clock.at_ms))
            for number in range(1, 33)
        ]
        return await asyncio.gather(*sent)

    answers = asyncio.run(scene())
    refused = [json.loads(one.body)["error"] for one in answers if isinstance(one, Response)]
    assert refused == ["cap_exceeded"] * 27
    assert market.moved_micros == 5 * PRICE_MICROS


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (500, 0)])
def test_what_is_not_charged_uses_no_cap(status: int, requests: int) -> None:
    market = capped(1)
    market.reply = FakeUpstreamResponse(status)
    buy(market, 1)
    assert use(market)[1:] == (requests, requests, 0, 0)
    market.reply = FakeUpstreamResponse()
    assert isinstance(buy(market, 2), ProxyResponse)


def test_a_settlement_that_fails_gives_all_back() -> None:
    market = capped(1)
    payment = market.payment(1)
    market.facilitator.faults["settle"] = ["reverted"]
    refusal(market.ask(headers=payment), 402, "payment_failed")
    assert use(market)[1:] == (0, 0, 0, 0)
    assert isinstance(buy(market, 2), ProxyResponse)
    assert market.moved_micros == PRICE_MICROS


def test_a_payment_that_may_yet_settle_stays_counted_and_is_counted_once() -> None:
    market = capped(1)
    use_chain(market)
    payment = market.payment(1)
    market.facilitator.faults["settle"] = ["lost"]
    refusal(market.ask(headers=payment), 503, "facilitator_unavailable")
    refusal(buy(market, 2), 402, "cap_exceeded")
    market.cron(2)
    assert isinstance(market.ask(headers=payment), ProxyResponse)
    assert market.moved_micros == use(market).daily_micros == PRICE_MICROS
    assert use(market).daily_requests == 1


def test_the_same_payment_again_gets_its_receipt_whatever_is_used_up() -> None:
    market = capped(1)
    payment = market.payment(1)
    assert isinstance(market.ask(headers=payment), ProxyResponse)
    again = market.ask(headers=payment)
    assert isinstance(again, Response)
    assert again.status == 200
    assert market.counters.calls == ["reserve"]


@pytest.mark.parametrize("fault", ["", "lost", "reverted", "pending"])
@pytest.mark.parametrize("status", [200, 500])
def test_a_request_may_die_at_every_step_and_no_limit_is_passed(fault: str, status: int) -> None:
    for operations in range(OPERATIONS_MAX):
        market = limited(spendLimit={"dailySpendUsd": "0.02"}, usageLimit={"dailyRequests": 2})
        use_chain(market)
        payment = market.payment(1)
        market.facilitator.faults["settle"] = [fault]
        market.reply = FakeUpstreamResponse(status)
        fuse = market.fuse(operations)
        with suppress(Died):
            market.ask(headers=payment)
        market.fuse(None)
        market.facilitator.faults.clear()
        market.reply = FakeUpstreamResponse()
        market.start()
        market.cron(10)
        for number in range(2, 6):
            buy(market, number)
        market.ask(headers=payment)
        market.cron(10)
        assert len(market.served) <= 2
        assert market.moved_micros <= 2 * PRICE_MICROS
        assert market.moved_micros <= use(market).daily_micros <= 2 * PRICE_MICROS
        # One reservation at the most is lost with the isolate.
        assert market.moved_micros >= PRICE_MICROS
        if fuse.burnt <= operations:
            return
    raise AssertionError("no number of operations was enough")

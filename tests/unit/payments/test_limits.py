"""Unpaid requests use up no limit of a priced API, and no spending cap is ever exceeded."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest

from core.ports import ProxyResponse, Response, Row, Statement
from core.quotas import Usage
from tests.support.fakes import FakeUpstreamResponse
from tests.support.fault_injection import IsolateDied
from tests.support.payment_scene import PRICE_MICROS, Market, enable_chain, error_body, pay

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
    """A deployment whose priced API has a cap of so many payments per day."""
    return limited(spendLimit={"dailySpendUsd": f"0.{payments:02d}"})


def usage(market: Market) -> Usage:
    return market.counters.usage.get(COUNTER, Usage())


def fields(response: Response | ProxyResponse) -> dict[str, str]:
    if isinstance(response, Response):
        return dict(response.headers)
    return dict(response.add_headers)


def buy(market: Market, number: int) -> Response | ProxyResponse:
    """Send a request with a new payment."""
    return market.call(headers=market.payment(number))


def test_a_request_without_payment_uses_neither_rate_nor_quota() -> None:
    market = limited(
        rateLimit={"requests": 1, "windowSeconds": 60}, usageLimit={"dailyRequests": 1}
    )
    for _ in range(5):
        market.challenge()
    assert market.counters.calls == []
    assert all(one.calls == 0 for one in market.environment.rate_counters.values())
    assert isinstance(buy(market, 1), ProxyResponse)


def test_an_exceeded_quota_is_reported_only_to_requests_with_a_payment() -> None:
    market = limited(usageLimit={"dailyRequests": 1})
    assert isinstance(buy(market, 1), ProxyResponse)
    market.challenge()
    error_body(buy(market, 2), 429, "usage_quota_exceeded")


@pytest.mark.parametrize("name", ["dailySpendUsd", "monthlySpendUsd"])
def test_a_cap_is_never_exceeded_and_rejected_payments_are_not_charged(name: str) -> None:
    market = limited(spendLimit={name: "0.025"})
    responses = [buy(market, number) for number in (1, 2, 3)]
    assert [isinstance(response, ProxyResponse) for response in responses] == [True, True, False]
    body = error_body(responses[2], 402, "cap_exceeded")
    assert (body["limit"], body["limitMicros"]) == (f"spendLimit.{name}", 25_000)
    shown = fields(responses[2])
    assert int(shown["retry-after"]) == body["retryAfterSeconds"] > 0
    assert "payment-required" not in shown
    assert market.moved_micros == 2 * PRICE_MICROS
    assert sorted(market.states) == ["failed", "settled", "settled"]
    assert market.payments[2]["reason"] == "cap_exceeded"
    assert market.counters.usage[COUNTER].daily_micros == 2 * PRICE_MICROS


def test_the_header_of_a_cap_counts_requests_at_the_price() -> None:
    market = capped(3)
    shown = fields(buy(market, 1))
    assert shown["ratelimit-policy"] == '"day-spend";q=3;w=86400'
    assert shown["ratelimit"].startswith('"day-spend";r=2;t=')


def test_a_payment_rejected_by_a_limit_may_be_presented_another_day() -> None:
    market = limited(spendLimit={"dailySpendUsd": 0.01})
    assert isinstance(buy(market, 1), ProxyResponse)
    second = market.payment(2, validBefore=str(market.clock.at_ms // 1000 + 10**6))
    error_body(market.call(headers=second), 402, "cap_exceeded")
    market.clock.at_ms += 86_400_000
    assert isinstance(market.call(headers=second), ProxyResponse)
    assert market.moved_micros == 2 * PRICE_MICROS


def test_a_payer_has_one_rate_for_all_its_agent_ids() -> None:
    market = limited(rateLimit={"requests": 1, "windowSeconds": 60})
    assert isinstance(buy(market, 1), ProxyResponse)
    again = {**market.payment(2), "x-agent-id": "another"}
    error_body(market.call(headers=again), 429, "rate_limited")
    assert market.moved_micros == PRICE_MICROS


def test_a_cap_admits_exactly_as_many_concurrent_payments_as_fit() -> None:
    market = capped(5)
    challenge = market.challenge()

    async def scene() -> list[Response | ProxyResponse]:
        sent = [
            market.send(headers=pay(challenge, number, now_ms=market.clock.at_ms))
            for number in range(1, 33)
        ]
        return await asyncio.gather(*sent)

    responses = asyncio.run(scene())
    refused = [json.loads(one.body)["error"] for one in responses if isinstance(one, Response)]
    assert refused == ["cap_exceeded"] * 27
    assert market.moved_micros == 5 * PRICE_MICROS


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (500, 0)])
def test_an_uncharged_request_uses_no_cap(status: int, requests: int) -> None:
    market = capped(1)
    market.reply = FakeUpstreamResponse(status)
    buy(market, 1)
    assert usage(market)[1:5] == (requests, requests, 0, 0)
    market.reply = FakeUpstreamResponse()
    assert isinstance(buy(market, 2), ProxyResponse)


def test_a_failed_settlement_releases_its_reservation() -> None:
    market = capped(1)
    payment = market.payment(1)
    market.facilitator.faults["settle"] = ["reverted"]
    error_body(market.call(headers=payment), 402, "payment_failed")
    assert usage(market)[1:5] == (0, 0, 0, 0)
    assert isinstance(buy(market, 2), ProxyResponse)
    assert market.moved_micros == PRICE_MICROS


def test_a_pending_payment_stays_reserved_and_is_counted_once() -> None:
    market = capped(1)
    enable_chain(market)
    payment = market.payment(1)
    market.facilitator.faults["settle"] = ["lost"]
    error_body(market.call(headers=payment), 503, "facilitator_unavailable")
    error_body(buy(market, 2), 402, "cap_exceeded")
    market.run_cron(2)
    assert isinstance(market.call(headers=payment), ProxyResponse)
    assert market.moved_micros == usage(market).daily_micros == PRICE_MICROS
    assert usage(market).daily_requests == 1


def test_a_payment_presented_again_gets_its_receipt_even_if_limits_are_exceeded() -> None:
    market = capped(1)
    payment = market.payment(1)
    assert isinstance(market.call(headers=payment), ProxyResponse)
    again = market.call(headers=payment)
    assert isinstance(again, Response)
    assert again.status == 200
    assert market.counters.calls == ["reserve", "hold", "release"]


@pytest.mark.parametrize("fault", ["", "lost", "reverted", "pending"])
@pytest.mark.parametrize("status", [200, 500])
def test_a_request_may_crash_at_every_step_and_no_limit_is_exceeded(
    fault: str, status: int
) -> None:
    for operations in range(OPERATIONS_MAX):
        market = limited(spendLimit={"dailySpendUsd": "0.02"}, usageLimit={"dailyRequests": 2})
        enable_chain(market)
        payment = market.payment(1)
        market.facilitator.faults["settle"] = [fault]
        market.reply = FakeUpstreamResponse(status)
        crash_point = market.crash_after(operations)
        with suppress(IsolateDied):
            market.call(headers=payment)
        # A response whose isolate died before it recorded that it was sent is sent again.
        again = crash_point.steps > operations and len(market.served)
        market.crash_after(None)
        market.facilitator.faults.clear()
        market.reply = FakeUpstreamResponse()
        market.start()
        market.run_cron(10)
        for number in range(2, 6):
            buy(market, number)
        market.call(headers=payment)
        market.run_cron(10)
        assert len(market.served) <= 2 + again
        assert market.moved_micros <= 2 * PRICE_MICROS
        assert market.moved_micros <= usage(market).daily_micros <= 2 * PRICE_MICROS
        # At most one reservation is lost with the isolate.
        assert market.moved_micros >= PRICE_MICROS
        if crash_point.steps <= operations:
            return
    raise AssertionError("no number of operations was enough")


def rejected(market: Market, number: int, **headers: str) -> Response | ProxyResponse:
    """Send a request with a payment of a payer of its own, which has no money."""
    payer = f"0x{number + 1:040x}"
    return market.call(headers={**market.payment(number, **{"from": payer}), **headers})


def verifications(market: Market) -> int:
    return market.facilitator.calls.count("verify")


def database_calls(market: Market, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Statement, ...]]:
    """Return a list to which every later call of the database is added."""
    calls: list[tuple[Statement, ...]] = []
    execute = market.database.execute

    async def counted(*statements: Statement) -> list[list[Row]]:
        calls.append(statements)
        return await execute(*statements)

    monkeypatch.setattr(market.database, "execute", counted)
    return calls


@pytest.mark.parametrize("requests", [1, 3])
def test_invalid_payments_count_against_the_rate_of_their_sender(
    monkeypatch: pytest.MonkeyPatch, requests: int
) -> None:
    market = limited(rateLimit={"requests": requests, "windowSeconds": 60})
    calls = database_calls(market, monkeypatch)
    responses = [rejected(market, number) for number in range(1, 41)]
    codes = [json.loads(one.body)["error"] for one in responses if isinstance(one, Response)]
    assert codes == ["payment_invalid"] * (requests + 1) + ["rate_limited"] * (39 - requests)
    assert verifications(market) == requests + 1
    assert len(calls) <= 2 * (requests + 1)
    assert market.payments == []


def test_a_sender_of_invalid_payments_is_heard_again_after_the_window() -> None:
    market = limited(rateLimit={"requests": 1, "windowSeconds": 60})
    for number in (1, 2, 3):
        rejected(market, number)
    # Another sender is not refused, and neither is this one after the window.
    error_body(rejected(market, 4, **{"x-agent-id": "another"}), 402, "payment_invalid")
    error_body(rejected(market, 5), 429, "rate_limited")
    market.clock.at_ms += 60_000
    error_body(rejected(market, 6), 402, "payment_invalid")


def test_an_honest_payer_is_served_while_another_sends_invalid_payments() -> None:
    market = limited(rateLimit={"requests": 1, "windowSeconds": 60})
    payment = market.payment(99)
    for number in range(1, 6):
        rejected(market, number, **{"x-agent-id": "flood"})
    assert isinstance(market.call(headers=payment), ProxyResponse)


def test_only_so_many_payments_of_one_sender_are_verified_at_once() -> None:
    market = limited(rateLimit={"requests": 1, "windowSeconds": 60})
    challenge = market.challenge()

    async def flood() -> None:
        await asyncio.gather(
            *(
                market.send(
                    headers=pay(
                        challenge, number, now_ms=market.clock.at_ms, **{"from": f"0x{number:040x}"}
                    )
                )
                for number in range(1, 41)
            )
        )

    asyncio.run(flood())
    assert 1 <= verifications(market) <= 4


def test_an_api_without_a_rate_verifies_every_payment() -> None:
    market = limited(usageLimit={"dailyRequests": 1})
    for number in range(1, 11):
        error_body(rejected(market, number), 402, "payment_invalid")
    assert verifications(market) == 10


async def claimed(market: Market, payments: int) -> None:
    """Wait until so many payments are claimed."""
    async with asyncio.timeout(10):
        while len(market.payments) < payments:  # noqa: ASYNC110 (a database has no event)
            await asyncio.sleep(0)


def test_authorizations_without_funds_hold_nothing_of_a_cap_while_scripts_run() -> None:
    """Twenty payments of a wallet that owns one cent, at once; then an honest buyer."""
    market = capped(5)
    poor = "0x" + "9" * 40
    market.chain.balances[poor] = PRICE_MICROS
    challenge = market.challenge()

    async def scene() -> tuple[Response | ProxyResponse, list[Response | ProxyResponse]]:
        market.namespace.gate = asyncio.Event()
        flood = [
            asyncio.create_task(
                market.send(
                    headers=pay(challenge, number, now_ms=market.clock.at_ms, **{"from": poor})
                )
            )
            for number in range(100, 120)
        ]
        await claimed(market, 20)
        assert usage(market).daily_micros == 0
        honest = asyncio.create_task(
            market.send(headers=pay(challenge, 1, now_ms=market.clock.at_ms))
        )
        await claimed(market, 21)
        market.namespace.gate.set()
        return await honest, await asyncio.gather(*flood)

    honest, flood = asyncio.run(scene())
    assert isinstance(honest, ProxyResponse), honest
    assert sum(isinstance(one, ProxyResponse) for one in flood) == 1
    assert market.moved_micros == usage(market).daily_micros == 2 * PRICE_MICROS
    assert usage(market).held_micros == 0


def test_a_cap_used_up_by_others_while_the_script_ran_releases_the_payment() -> None:
    market = capped(1)
    challenge = market.challenge()

    async def scene() -> list[Response | ProxyResponse]:
        market.namespace.gate = asyncio.Event()
        both = [
            asyncio.create_task(
                market.send(headers=pay(challenge, number, now_ms=market.clock.at_ms))
            )
            for number in (1, 2)
        ]
        await claimed(market, 2)
        market.namespace.gate.set()
        return await asyncio.gather(*both)

    (refused,) = [one for one in asyncio.run(scene()) if isinstance(one, Response)]
    body = error_body(refused, 402, "cap_exceeded")
    assert int(fields(refused)["retry-after"]) == body["retryAfterSeconds"] > 0
    assert sorted(market.states) == ["failed", "settled"]
    assert market.moved_micros == usage(market).daily_micros == PRICE_MICROS

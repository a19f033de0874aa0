"""A paid request, once and again: what it costs, and what is written down."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping

import pytest

from core.errors import TenantWorkerFailure
from core.ports import Fetched, Json, ProxyResponse, Response
from tests.support.fake_chain import NETWORK, PAYEE, PAYER
from tests.support.fakes import FakeUpstreamResponse, tenant_error
from tests.support.log_lines import log_lines
from tests.support.payment_scene import PRICE_MICROS, Market, encode, pay_v1, read_header, refusal


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_a_good_payment_is_served_settled_and_written_down_once(method: str) -> None:
    market = Market()
    headers = market.payment()
    answer = market.ask(headers=headers, method=method)
    assert isinstance(answer, ProxyResponse)
    receipt = read_header(answer, "payment-response")
    assert receipt == {
        "success": True,
        "transaction": f"0x{1:064x}",
        "network": NETWORK,
        "payer": PAYER.lower(),
    }
    assert market.moved_micros == market.entered_micros == market.revenue_micros == PRICE_MICROS
    (row,) = market.payments
    assert (row["state"], row["served"], row["proof"]) == ("settled", 1, None)
    paid = [event for event in market.events if event.revenue_micros]
    assert [(one.outcome, one.counted, one.status) for one in paid] == [("served", True, 200)]
    assert PAYER.lower() not in json.dumps([*market.store.values.values()]).lower()


def test_a_v1_client_pays_by_the_body_and_gets_its_own_receipt() -> None:
    market = Market()
    headers = pay_v1(market.offer(), now_ms=market.clock.at_ms)
    answer = market.ask(headers=headers)
    assert isinstance(answer, ProxyResponse)
    assert read_header(answer, "x-payment-response")["network"] == "base-sepolia"
    assert [asked["x402Version"] for _, _, asked in market.fetcher.sent] == [1, 1]
    assert market.moved_micros == market.revenue_micros == PRICE_MICROS


def test_the_script_sees_no_payment_and_writes_no_receipt_of_its_own() -> None:
    names = ["payment-response", "x-payment-response", "payment-required", "set-cookie"]
    market = Market(reply=FakeUpstreamResponse(200, names, {"payment-response": "forged"}))
    answer = market.ask(headers={**market.payment(), "x-payment": "another"})
    assert isinstance(answer, ProxyResponse)
    assert sorted(market.namespace.sent[0].remove_headers) == ["payment-signature", "x-payment"]
    assert sorted(answer.remove_headers) == sorted(names[:3])
    assert read_header(answer, "payment-response")["success"] is True


def test_the_facilitator_gets_our_terms_and_our_key_and_the_log_gets_neither(
    caplog: pytest.LogCaptureFixture,
) -> None:
    market = Market()
    market.facilitator.faults["settle"] = ["500"]
    market.ask(headers=market.payment())
    for _, headers, asked in market.fetcher.sent:
        assert headers["authorization"] == "Bearer facilitators-key"
        assert asked["paymentRequirements"]["payTo"] == PAYEE
    lines = log_lines(caplog)
    assert "facilitator_call_failed" in [line["event"] for line in lines]
    assert "facilitators-key" not in json.dumps(lines)


def test_callers_are_told_apart_by_who_paid() -> None:
    market = Market()
    callers = []
    for nonce, agent in ((1, "a"), (2, "b")):
        market.ask(headers={**market.payment(nonce), "x-agent-id": agent})
        callers.append([event.caller for event in market.events if event.revenue_micros])
    assert len(callers[1]) == 2
    assert len(set(callers[1])) == 1


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_a_script_that_does_not_serve_costs_nothing(status: int) -> None:
    market = Market(reply=FakeUpstreamResponse(status))
    headers = market.payment()
    answer = market.ask(headers=headers)
    assert isinstance(answer, ProxyResponse)
    assert "payment-response" not in dict(answer.set_headers)
    assert (market.moved_micros, market.states) == (0, ["failed"])
    # The authorization is still good, and pays for another try.
    market.reply = FakeUpstreamResponse(200)
    assert isinstance(market.ask(headers=headers), ProxyResponse)
    assert (market.moved_micros, market.states) == (PRICE_MICROS, ["settled"])
    assert market.revenue_micros == PRICE_MICROS


def test_a_script_that_throws_costs_nothing() -> None:
    market = Market(reply=tenant_error(TenantWorkerFailure))
    refusal_of = market.ask(headers=market.payment())
    assert isinstance(refusal_of, Response)
    assert refusal_of.status == 502
    assert (market.moved_micros, market.states) == (0, ["failed"])


def test_the_same_payment_again_gets_its_receipt_and_costs_nothing_more() -> None:
    market = Market()
    headers = market.payment()
    first = market.ask(headers=headers)
    again = market.ask(headers=headers)
    assert isinstance(again, Response)
    body = json.loads(again.body)
    assert (again.status, body["payment"]["state"]) == (200, "settled")
    assert read_header(again, "payment-response") == read_header(first, "payment-response")
    assert len(market.served) == len(market.chain.transfers) == 1
    assert sum(event.counted for event in market.events) == 1
    assert market.revenue_micros == PRICE_MICROS


@pytest.mark.parametrize(
    ("path", "method"), [("/t/paid/y", "GET"), ("/t/paid/x?a=1", "GET"), ("/t/paid/x", "POST")]
)
def test_the_same_payment_for_another_request_is_refused(path: str, method: str) -> None:
    market = Market()
    headers = market.payment()
    market.ask(headers=headers)
    refusal(market.ask(path, headers, method), 409, "payment_already_used")
    assert len(market.served) == len(market.chain.transfers) == 1


def test_the_same_payment_at_another_api_is_refused() -> None:
    market = Market(tenants=[])
    market.tenants = [
        {**one, "slug": slug}
        for slug, one in zip(("paid", "same-price"), [Market().tenants[0]] * 2, strict=True)
    ]
    market.start()
    headers = market.payment()
    market.ask(headers=headers)
    refusal(market.ask("/t/same-price/x", headers), 409, "payment_already_used")


def test_somebody_elses_signature_gets_no_receipt() -> None:
    market = Market()
    headers = market.payment()
    market.ask(headers=headers)
    document = json.loads(base64.b64decode(headers["payment-signature"]))
    document["payload"]["signature"] = "0x" + "11" * 65
    body = refusal(
        market.ask(headers={"payment-signature": encode(document)}), 402, "payment_invalid"
    )
    assert body["reason"] == "invalid_exact_evm_payload_signature"


def test_a_new_signature_under_the_same_identifier_is_the_same_payment() -> None:
    market = Market()
    name = "pay_0123456789abcdef"
    market.ask(headers=market.payment(1, identifier=name))
    again = market.ask(headers=market.payment(2, identifier=name))
    assert isinstance(again, Response)
    assert (again.status, len(market.chain.transfers)) == (200, 1)
    other = market.ask("/t/paid/y", market.payment(3, "/t/paid/y", identifier=name))
    refusal(other, 409, "payment_already_used")
    assert len(market.chain.transfers) == len(market.served) == 1


def test_an_identifier_whose_payment_failed_is_free_again() -> None:
    market = Market(reply=FakeUpstreamResponse(500))
    name = "pay_0123456789abcdef"
    market.ask(headers=market.payment(1, identifier=name))
    market.reply = FakeUpstreamResponse(200)
    assert isinstance(market.ask(headers=market.payment(2, identifier=name)), ProxyResponse)
    assert sorted(market.states) == ["failed", "settled"]
    # The first authorization is still good; its name is not.
    again = market.ask(headers=market.payment(1, identifier=name))
    assert isinstance(again, Response)
    assert again.status == 200


@pytest.mark.parametrize("round_number", range(20))
def test_two_at_once_cost_one_settlement_and_serve_once(round_number: int) -> None:
    market = Market()
    market.facilitator.latency_ms = round_number * 100
    headers = market.payment()

    async def scene() -> list[Response | ProxyResponse]:
        both = (market.send(headers=headers), market.send(headers=headers))
        return list(await asyncio.gather(*both))

    answers = asyncio.run(scene())
    served = [answer for answer in answers if isinstance(answer, ProxyResponse)]
    others = [answer for answer in answers if isinstance(answer, Response)]
    assert (len(served), len(others)) == (1, 1)
    assert others[0].status in (200, 409)
    assert len(market.chain.transfers) == 1
    assert market.revenue_micros == PRICE_MICROS
    assert sum(event.counted for event in market.events) == 1


def test_who_verifies_when_another_has_settled_the_same_payment_gets_its_receipt() -> None:
    market = Market()
    answers = asyncio.run(_second_verifies_last(market, market.payment(), "/t/paid/x"))
    assert isinstance(answers[0], ProxyResponse)
    assert isinstance(answers[1], Response)
    assert answers[1].status == 200
    assert json.loads(answers[1].body)["payment"]["state"] == "settled"
    assert market.moved_micros == market.revenue_micros == PRICE_MICROS


def test_who_verifies_it_for_another_request_is_told_that_it_is_used() -> None:
    market = Market()
    answers = asyncio.run(_second_verifies_last(market, market.payment(), "/t/paid/y"))
    assert isinstance(answers[0], ProxyResponse)
    refusal(answers[1], 409, "payment_already_used")
    assert market.moved_micros == market.revenue_micros == PRICE_MICROS


async def _second_verifies_last(
    market: Market, headers: Mapping[str, str], path: str
) -> tuple[Response | ProxyResponse, Response | ProxyResponse]:
    """Send a payment twice at once; the second is verified when the first is done."""
    first_done, verifies = asyncio.Event(), 0

    async def answer(url: str, asked: Json) -> Fetched:
        nonlocal verifies
        if url.endswith("/verify"):
            verifies += 1
            if verifies == 2:
                await first_done.wait()
        return await market.facilitator.answer(url, asked)

    market.fetcher.answer = answer
    first = asyncio.create_task(market.send(headers=headers))
    second = asyncio.create_task(market.send(path, headers))
    one = await first
    first_done.set()
    return one, await second

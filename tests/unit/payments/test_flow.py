"""A payment is charged, served and recorded once, however often it is presented."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping

import pytest

from core.errors import ClientClosedRequest, TenantWorkerFailure
from core.ports import Fetched, Json, ProxyResponse, Response
from tests.support.fake_chain import NETWORK, PAYEE, PAYER
from tests.support.fakes import FakeUpstreamResponse, tenant_error
from tests.support.log_lines import log_lines
from tests.support.payment_scene import (
    PRICE_MICROS,
    Market,
    encode,
    error_body,
    pay_v1,
    read_header,
)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_a_valid_payment_is_served_settled_and_recorded_once(method: str) -> None:
    market = Market()
    headers = market.payment()
    response = market.call(headers=headers, method=method)
    assert isinstance(response, ProxyResponse)
    receipt = read_header(response, "payment-response")
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


def test_a_monitor_that_pays_is_a_call() -> None:
    market = Market()
    market.call(headers={**market.payment(), "user-agent": "UptimeRobot/2.0"})
    (paid,) = (event for event in market.events if event.revenue_micros)
    assert (paid.counted, paid.revenue_micros) == (True, PRICE_MICROS)


def test_a_version_1_client_pays_from_the_body_and_gets_a_version_1_receipt() -> None:
    market = Market()
    headers = pay_v1(market.challenge(), now_ms=market.clock.at_ms)
    response = market.call(headers=headers)
    assert isinstance(response, ProxyResponse)
    assert read_header(response, "x-payment-response")["network"] == "base-sepolia"
    assert [body["x402Version"] for _, _, body in market.fetcher.sent] == [1, 1]
    assert market.moved_micros == market.revenue_micros == PRICE_MICROS


def test_a_priced_script_receives_no_payment_headers_and_cannot_send_a_receipt() -> None:
    names = ["payment-response", "x-payment-response", "payment-required", "set-cookie"]
    market = Market(reply=FakeUpstreamResponse(200, names, {"payment-response": "forged"}))
    response = market.call(headers={**market.payment(), "x-payment": "another"})
    assert isinstance(response, ProxyResponse)
    assert sorted(market.namespace.sent[0].remove_headers) == ["payment-signature", "x-payment"]
    assert sorted(response.remove_headers) == sorted(names[:3])
    assert read_header(response, "payment-response")["success"] is True


def test_the_facilitator_gets_our_requirements_and_our_key_which_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    market = Market()
    market.facilitator.faults["settle"] = ["500"]
    market.call(headers=market.payment())
    for _, headers, body in market.fetcher.sent:
        assert headers["authorization"] == "Bearer facilitators-key"
        assert body["paymentRequirements"]["payTo"] == PAYEE
    lines = log_lines(caplog)
    assert "facilitator_call_failed" in [line["event"] for line in lines]
    assert "facilitators-key" not in json.dumps(lines)


def test_a_paying_caller_is_identified_by_the_payer() -> None:
    market = Market()
    callers = []
    for nonce, agent in ((1, "a"), (2, "b")):
        market.call(headers={**market.payment(nonce), "x-agent-id": agent})
        callers.append([event.caller for event in market.events if event.revenue_micros])
    assert len(callers[1]) == 2
    assert len(set(callers[1])) == 1


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_an_error_of_the_script_is_not_charged(status: int) -> None:
    market = Market(reply=FakeUpstreamResponse(status))
    headers = market.payment()
    response = market.call(headers=headers)
    assert isinstance(response, ProxyResponse)
    assert "payment-response" not in dict(response.set_headers)
    assert (market.moved_micros, market.states) == (0, ["failed"])
    # The authorization is still valid and pays for another request.
    market.reply = FakeUpstreamResponse(200)
    assert isinstance(market.call(headers=headers), ProxyResponse)
    assert (market.moved_micros, market.states) == (PRICE_MICROS, ["settled"])
    assert market.revenue_micros == PRICE_MICROS


def test_an_exception_of_the_script_is_not_charged() -> None:
    market = Market(reply=tenant_error(TenantWorkerFailure))
    response = market.call(headers=market.payment())
    assert isinstance(response, Response)
    assert response.status == 502
    assert (market.moved_micros, market.states) == (0, ["failed"])


def test_an_upload_that_breaks_off_is_not_charged() -> None:
    market = Market(reply=ClientClosedRequest("gone"))
    market.call(headers=market.payment(), method="POST")
    assert (market.moved_micros, market.states) == (0, ["failed"])
    assert not any(event.counted for event in market.events)


def test_a_payer_that_is_gone_before_the_response_is_charged_once_and_gets_the_receipt() -> None:
    market = Market(reply=FakeUpstreamResponse(200, has_client=False))
    headers = market.payment()
    market.call(headers=headers)
    again = market.call(headers=headers)
    assert isinstance(again, Response)
    assert (again.status, json.loads(again.body)["payment"]["state"]) == (200, "settled")
    assert market.moved_micros == market.revenue_micros == PRICE_MICROS
    assert [event.revenue_micros for event in market.events if event.counted] == [PRICE_MICROS]


def test_a_payment_presented_again_gets_its_receipt_and_is_not_charged_again() -> None:
    market = Market()
    headers = market.payment()
    first = market.call(headers=headers)
    again = market.call(headers=headers)
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
def test_a_payment_for_another_request_is_rejected(path: str, method: str) -> None:
    market = Market()
    headers = market.payment()
    market.call(headers=headers)
    error_body(market.call(path, headers, method), 409, "payment_already_used")
    assert len(market.served) == len(market.chain.transfers) == 1


def test_a_payment_for_another_api_is_rejected() -> None:
    market = Market(tenants=[])
    market.tenants = [
        {**one, "slug": slug}
        for slug, one in zip(("paid", "same-price"), [Market().tenants[0]] * 2, strict=True)
    ]
    market.start()
    headers = market.payment()
    market.call(headers=headers)
    error_body(market.call("/t/same-price/x", headers), 409, "payment_already_used")


def test_another_signature_gets_no_receipt() -> None:
    market = Market()
    headers = market.payment()
    market.call(headers=headers)
    document = json.loads(base64.b64decode(headers["payment-signature"]))
    document["payload"]["signature"] = "0x" + "11" * 65
    body = error_body(
        market.call(headers={"payment-signature": encode(document)}), 402, "payment_invalid"
    )
    assert body["reason"] == "invalid_exact_evm_payload_signature"


def test_a_new_signature_under_the_same_identifier_is_the_same_payment() -> None:
    market = Market()
    name = "pay_0123456789abcdef"
    market.call(headers=market.payment(1, identifier=name))
    again = market.call(headers=market.payment(2, identifier=name))
    assert isinstance(again, Response)
    assert (again.status, len(market.chain.transfers)) == (200, 1)
    other = market.call("/t/paid/y", market.payment(3, "/t/paid/y", identifier=name))
    error_body(other, 409, "payment_already_used")
    assert len(market.chain.transfers) == len(market.served) == 1


def test_an_identifier_whose_payment_failed_may_be_used_again() -> None:
    market = Market(reply=FakeUpstreamResponse(500))
    name = "pay_0123456789abcdef"
    market.call(headers=market.payment(1, identifier=name))
    market.reply = FakeUpstreamResponse(200)
    assert isinstance(market.call(headers=market.payment(2, identifier=name)), ProxyResponse)
    assert sorted(market.states) == ["failed", "settled"]
    # The first authorization is still valid, but its identifier is used.
    again = market.call(headers=market.payment(1, identifier=name))
    assert isinstance(again, Response)
    assert again.status == 200


@pytest.mark.parametrize("round_number", range(20))
def test_two_concurrent_requests_with_one_payment_are_settled_and_served_once(
    round_number: int,
) -> None:
    market = Market()
    market.facilitator.latency_ms = round_number * 100
    headers = market.payment()

    async def scene() -> list[Response | ProxyResponse]:
        both = (market.send(headers=headers), market.send(headers=headers))
        return list(await asyncio.gather(*both))

    responses = asyncio.run(scene())
    served = [response for response in responses if isinstance(response, ProxyResponse)]
    others = [response for response in responses if isinstance(response, Response)]
    assert (len(served), len(others)) == (1, 1)
    assert others[0].status in (200, 409)
    assert len(market.chain.transfers) == 1
    assert market.revenue_micros == PRICE_MICROS
    assert sum(event.counted for event in market.events) == 1


def test_a_request_that_verifies_a_payment_settled_by_another_gets_its_receipt() -> None:
    market = Market()
    responses = asyncio.run(_second_verifies_last(market, market.payment(), "/t/paid/x"))
    assert isinstance(responses[0], ProxyResponse)
    assert isinstance(responses[1], Response)
    assert responses[1].status == 200
    assert json.loads(responses[1].body)["payment"]["state"] == "settled"
    assert market.moved_micros == market.revenue_micros == PRICE_MICROS


def test_a_request_that_verifies_a_payment_used_for_another_is_rejected() -> None:
    market = Market()
    responses = asyncio.run(_second_verifies_last(market, market.payment(), "/t/paid/y"))
    assert isinstance(responses[0], ProxyResponse)
    error_body(responses[1], 409, "payment_already_used")
    assert market.moved_micros == market.revenue_micros == PRICE_MICROS


async def _second_verifies_last(
    market: Market, headers: Mapping[str, str], path: str
) -> tuple[Response | ProxyResponse, Response | ProxyResponse]:
    """Send a payment twice concurrently; the second is verified when the first is done."""
    first_done, verifies = asyncio.Event(), 0

    async def respond(url: str, body: Json) -> Fetched:
        nonlocal verifies
        if url.endswith("/verify"):
            verifies += 1
            if verifies == 2:
                await first_done.wait()
        return await market.facilitator.respond(url, body)

    market.fetcher.respond = respond
    first = asyncio.create_task(market.send(headers=headers))
    second = asyncio.create_task(market.send(path, headers))
    one = await first
    first_done.set()
    return one, await second

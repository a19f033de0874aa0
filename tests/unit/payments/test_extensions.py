"""Extensions of x402: payment identifiers that are demanded, and what facilitators say."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from core import keys
from core.ports import Fetched, ProxyResponse
from payments.extensions.responses import ExtensionResponses
from tests.support.fakes import FakeBackground, FakeClock, FakeStore
from tests.support.payment_scene import Market, encode, error_body, pay_v1, read_header

REJECTED = {"bazaar": {"status": "rejected", "rejectedReason": "info failed schema validation"}}
SUCCESS = {"bazaar": {"status": "success"}}
KEY = keys.extension_responses("a")


def demanding() -> Market:
    market = Market()
    market.tenants = [{**market.tenants[0], "requirePaymentIdentifier": True}]
    market.start()
    return market


def test_a_payment_without_a_demanded_identifier_is_refused() -> None:
    market = demanding()
    required = read_header(market.challenge(), "payment-required")
    assert required["extensions"]["payment-identifier"]["info"] == {"required": True}
    for headers in (market.payment(), pay_v1(market.challenge(), now_ms=market.clock.at_ms)):
        body = error_body(market.call(headers=headers), 400, "payment_identifier_required")
        assert body["reason"] == "payment_identifier_required"
    refused = market.call(headers=market.payment())
    assert read_header(refused, "payment-required")["accepts"], "so that the client can pay"
    assert not market.payments
    named = market.payment(identifier="pay_0123456789abcdef")
    assert isinstance(market.call(headers=named), ProxyResponse)


def test_a_payment_that_was_accepted_before_needs_no_identifier() -> None:
    market = Market()
    headers = market.payment()
    market.call(headers=headers)
    market.tenants = [{**market.tenants[0], "requirePaymentIdentifier": True}]
    market.start()
    assert json.loads(market.call(headers=headers).body)["payment"]["state"] == "settled"  # type: ignore[union-attr]


@pytest.mark.parametrize("value", [None, 7, {"info": 1}, [[]], "x" * 999])
def test_unknown_extensions_are_ignored(value: object) -> None:
    market = Market()
    payload = json.loads(base64.b64decode(market.payment()["payment-signature"]))
    payload["extensions"] = {"unknown": value, "bazaar": value}
    headers = {"payment-signature": encode(payload)}
    assert isinstance(market.call(headers=headers), ProxyResponse)


def header(document: object) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def noted(responses: ExtensionResponses, *said: str, route: str = "") -> None:
    """Note headers, and store what changed."""
    background = FakeBackground()
    for one in said:
        responses.note("a", route, "https://f", one)
    responses.send(background)
    asyncio.run(background.finish())


def stored(store: FakeStore) -> Any:
    return json.loads(store.values[KEY][0])


def test_what_a_facilitator_says_is_stored_by_route_when_it_changes() -> None:
    store = FakeStore()
    responses = ExtensionResponses(store, FakeClock())
    noted(responses, header(REJECTED))
    assert stored(store)["*"]["extensions"] == REJECTED
    assert stored(store)["*"]["facilitator"] == "https://f"
    noted(responses, header(SUCCESS), route="GET /x")
    assert [*stored(store)] == ["*", "GET /x"]
    before = len(store.operations)
    noted(responses, header(REJECTED))
    noted(responses, header(SUCCESS), header(REJECTED))
    noted(responses, "")
    assert len(store.operations) == before, "neither read nor written"
    other = ExtensionResponses(store, FakeClock(1))
    noted(other, header(REJECTED))
    assert "put" not in store.operations[before:], "another isolate stored it"


@pytest.mark.parametrize(
    "said",
    ["%", header([]), header("x"), "eA==", "A" * 4_001, header({"a": 1}), header({"a": {"b": 1}})],
)
def test_a_malformed_header_is_not_an_error(said: str) -> None:
    store = FakeStore()
    noted(ExtensionResponses(store, FakeClock()), said)
    assert all(len(text) < 500 for text, _ in store.values.values())


def test_what_is_stored_is_bounded() -> None:
    store = FakeStore()
    responses = ExtensionResponses(store, FakeClock())
    long = {f"e{number}": {"status": "s\n" * 101, "other": "x"} for number in range(6)}
    for number in range(99):
        noted(responses, header(long), route=f"GET /{number}")
    assert len(stored(store)) == 60
    assert len(store.values[KEY][0]) < 80_000
    assert "\\n" not in store.values[KEY][0]


def test_a_store_that_fails_fails_no_payment(caplog: pytest.LogCaptureFixture) -> None:
    store = FakeStore(unavailable=True)
    responses = ExtensionResponses(store, FakeClock())
    noted(responses, header(SUCCESS))
    assert "extension_response_not_stored" in caplog.text
    store.unavailable = False
    noted(responses, header(SUCCESS))
    assert stored(store)["*"]["extensions"] == SUCCESS


@pytest.mark.parametrize("step", ["verify", "settle"])
def test_it_is_read_from_the_responses_to_a_payment(step: str) -> None:
    market = Market()
    store = FakeStore()
    market.environment.tenant_store = store
    respond = market.facilitator.respond

    async def responding(url: str, body: Any) -> Fetched:
        found = await respond(url, body)
        return found._replace(extensions=header(SUCCESS)) if url.endswith(step) else found

    market.fetcher.respond = responding
    response = market.call(headers=market.payment())
    assert isinstance(response, ProxyResponse)
    (text,) = (text for key, (text, _) in store.values.items() if key.startswith("extensions/"))
    assert json.loads(text)["*"]["extensions"] == SUCCESS
    assert "bazaar" not in json.dumps(read_header(response, "payment-response"))

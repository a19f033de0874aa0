"""Pages of any origin can read what they paid for and every error; nobody caches it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from core.errors import TenantWorkerFailure
from core.ports import ProxyResponse, Response
from tests.support.dispatcher_scene import Scene
from tests.support.fakes import FakeUpstreamResponse, tenant_error
from tests.support.payment_scene import Market, error_body, read_header

ORIGIN = "https://page.example"
ALLOW, EXPOSE = "access-control-allow-origin", "access-control-expose-headers"
OWN = (
    "payment-required",
    "payment-response",
    "x-payment-response",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "allow",
    "x-request-id",
    "x-tenant-id",
    "x-clawr-payment-id",
)
CACHED = {
    "cache-control": "public, max-age=3600, s-maxage=86400",
    "cdn-cache-control": "max-age=3600",
    "cloudflare-cdn-cache-control": "max-age=3600",
    "surrogate-control": "max-age=3600",
    "edge-control": "max-age=3600",
    "expires": "Fri, 31 Dec 2038 23:59:59 GMT",
    "pragma": "public",
    "x-accel-expires": "3600",
}


def script(status: int = 200, headers: Mapping[str, str] | None = None) -> FakeUpstreamResponse:
    values = {"content-type": "text/plain", **(headers or {})}
    return FakeUpstreamResponse(status, tuple(values), values)


def sent(response: Response | ProxyResponse) -> dict[str, list[str]]:
    """Return the values of each header as a client gets them."""
    found: dict[str, list[str]] = {}
    if isinstance(response, Response):
        for name, value in response.headers:
            found.setdefault(name, []).append(value)
        return found
    upstream = response.upstream
    assert isinstance(upstream, FakeUpstreamResponse)
    found = {
        name: [upstream.header(name) or ""]
        for name in upstream.header_names
        if name not in response.remove_headers
    }
    for name, value in response.set_headers:
        found[name] = [value]
    for name, value in response.add_headers:
        found.setdefault(name, []).append(value)
    return found


def exposed(response: Response | ProxyResponse) -> list[str]:
    return ", ".join(sent(response)[EXPOSE]).lower().split(", ")


def assert_readable(response: Response | ProxyResponse) -> None:
    assert sent(response)[ALLOW] == ["*"]
    assert set(OWN) <= set(exposed(response))


def bought(market: Market, **headers: str) -> Response | ProxyResponse:
    return market.call(headers={**market.payment(), **headers})


@pytest.mark.parametrize("status", [200, 304, 500])
def test_a_page_can_read_every_response_of_a_priced_apis_script(status: int) -> None:
    market = Market(reply=script(status))
    response = bought(market, origin=ORIGIN)
    assert isinstance(response, ProxyResponse)
    assert_readable(response)


@pytest.mark.parametrize("allowed", ["*", ORIGIN])
def test_what_a_script_says_itself_about_origins_is_left_alone(allowed: str) -> None:
    policy = {ALLOW: allowed, "access-control-allow-credentials": "true", EXPOSE: "x-own"}
    market = Market(reply=script(200, policy))
    response = bought(market, origin=ORIGIN)
    assert market.states == ["settled"]
    found = sent(response)
    assert found[ALLOW] == [allowed]
    assert found["access-control-allow-credentials"] == ["true"]
    assert {"x-own", "payment-response"} <= set(exposed(response))


@pytest.mark.parametrize("allowed", ["https://other.example", "null", f"{ORIGIN}, *"])
def test_a_page_that_may_not_read_the_response_is_not_charged(allowed: str) -> None:
    market = Market(reply=script(200, {ALLOW: allowed}))
    payment = market.payment()
    response = market.call(headers={**payment, "origin": ORIGIN})
    assert error_body(response, 402, "payment_failed")["reason"] == "origin_not_allowed"
    assert_readable(response)
    assert (market.states, market.moved_micros) == (["failed"], 0)
    # A program, or a page of the API's own host, may use the same payment.
    assert isinstance(market.call(headers={**payment, "origin": "http://h.example"}), ProxyResponse)
    assert market.states == ["settled"]


def test_a_program_sends_no_origin_and_is_charged() -> None:
    market = Market(reply=script(200, {ALLOW: "https://other.example"}))
    assert isinstance(bought(market), ProxyResponse)
    assert market.states == ["settled"]


def test_a_page_can_read_every_error_of_a_priced_api() -> None:
    market = Market()
    assert_readable(market.challenge())
    market.reply = tenant_error(TenantWorkerFailure)
    assert_readable(bought(market))
    del market.settings["X402_ASSET"]
    assert_readable(market.call())


def test_a_page_can_read_every_error_of_a_free_api_but_none_of_the_platform() -> None:
    scene = Scene()
    for path in ("/t/unknown", "/t", "/else", "/t/weather/" + "x" * 20_000):
        response = scene.request(path)
        assert isinstance(response, Response)
        assert response.status >= 400
        assert_readable(response)
    assert ALLOW not in sent(scene.request("/__platform/unknown"))
    served = scene.request("/t/weather")
    assert isinstance(served, ProxyResponse)
    assert ALLOW not in sent(served)


@pytest.mark.parametrize("status", [200, 304, 404, 500])
@pytest.mark.parametrize("headers", [{}, CACHED])
def test_no_response_of_a_priced_apis_script_may_be_stored(
    status: int, headers: dict[str, str]
) -> None:
    market = Market(reply=script(status, headers))
    response = bought(market)
    assert isinstance(response, ProxyResponse)
    found = sent(response)
    assert found["cache-control"] == ["no-store"]
    assert not set(found) & (set(CACHED) - {"cache-control"})


def test_a_free_api_may_be_stored() -> None:
    market = Market(reply=script(200, CACHED))
    found = sent(market.call("/t/free/x"))
    assert {name: found[name] for name in CACHED} == {name: [CACHED[name]] for name in CACHED}


def test_no_response_of_the_dispatcher_itself_may_be_stored() -> None:
    market = Market()
    preflight = {"origin": ORIGIN, "access-control-request-method": "GET"}
    payment = market.payment()
    page = {"accept": "text/html", "user-agent": "Mozilla/5.0"}
    responses = [
        market.call(method="OPTIONS", headers=preflight),
        market.call(headers=page),
        market.call(headers={"payment-signature": "x"}),
        market.call(headers=payment),
        market.call(headers=payment),
        market.call("/t/paid/other", headers=payment),
    ]
    assert [sent(one)["cache-control"] for one in responses] == [["no-store"]] * len(responses)


@pytest.mark.parametrize(
    "reply",
    [script(), script(500), tenant_error(TenantWorkerFailure)],
    ids=["served", "the script fails", "the script throws"],
)
def test_every_response_to_a_claimed_payment_has_its_id(reply: Any) -> None:
    market = Market(reply=reply)
    response = bought(market)
    (row,) = market.payments
    assert sent(response)["x-clawr-payment-id"] == [row["payment_id"]]


def test_a_claimed_payment_that_a_limit_refuses_has_its_id() -> None:
    market = Market()
    market.tenants[0] = {**market.tenants[0], "usageLimit": {"dailyRequests": 1}}
    market.start()
    market.call(headers=market.payment(1))
    refused = market.call(headers=market.payment(2))
    error_body(refused, 429, "usage_quota_exceeded")
    identifiers = {row["payment_id"] for row in market.payments if row["state"] == "failed"}
    assert set(sent(refused)["x-clawr-payment-id"]) == identifiers


def test_a_receipt_has_the_payments_id_and_is_readable() -> None:
    market = Market()
    payment = market.payment()
    market.call(headers=payment)
    again = market.call(headers=payment)
    assert read_header(again, "payment-response")["success"] is True
    assert sent(again)["x-clawr-payment-id"] == [market.payments[0]["payment_id"]]
    assert_readable(again)


def test_a_payment_that_failed_before_has_its_id() -> None:
    market = Market(reply=script(500))
    headers = market.payment()
    market.call(headers=headers)
    market.clock.at_ms += 10_000_000
    refused = market.call(headers=headers)
    error_body(refused, 402, "payment_invalid")
    assert market.states == ["failed"]
    assert sent(refused)["x-clawr-payment-id"] == [market.payments[0]["payment_id"]]


def test_a_page_about_a_payment_has_its_id_once() -> None:
    market = Market()
    market.facilitator.faults["settle"] = ["refused:insufficient_funds"]
    browser = {"accept": "text/html", "user-agent": "Mozilla/5.0"}
    failed = market.call(headers={**market.payment(), **browser})
    assert isinstance(failed, Response)
    assert failed.body.startswith("<!doctype html>")
    assert sent(failed)["x-clawr-payment-id"] == [market.payments[0]["payment_id"]]


def test_a_payment_that_another_request_used_has_its_id() -> None:
    market = Market()
    payment = market.payment()
    market.call(headers=payment)
    refused = market.call("/t/paid/other", headers=payment)
    error_body(refused, 409, "payment_already_used")
    assert sent(refused)["x-clawr-payment-id"] == [market.payments[0]["payment_id"]]

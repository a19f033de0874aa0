"""The dispatcher charges: official clients pay it, and every account says the same."""

import base64
import json
from collections.abc import Iterator

import httpx
import pytest

from dev.economy import Economy
from dev.launch import Server

from .caller import Caller, eventually
from .conftest import TOKEN, PayerOf, Starter
from .fault_proxy import FaultProxy
from .faults import drop_connection, fail_after_success

PRICE = 10_000
TENANTS = {
    "tenants": [
        {
            "slug": slug,
            "tenantId": f"ten_{slug}",
            "workerName": script,
            "priceUsd": 0.01,
            "x402Enabled": True,
        }
        for slug, script in (("cent", "mirror"), ("mishap", "mishap"))
    ]
}


@pytest.fixture(scope="module")
def priced(
    start: Starter,
    economy: Economy,
    shared_fault_proxy: FaultProxy,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """A dispatcher that is paid in the economy, through a facilitator that can fail."""
    variables = {**economy.settings(), "FACILITATOR_URL": shared_fault_proxy.url}
    with start(tmp_path_factory.mktemp("priced"), TENANTS, variables) as server:
        yield server


@pytest.fixture
def bookkeeper(priced: Server) -> Iterator[Caller]:
    """Who reads the platform's accounts."""
    with Caller(priced.url, TOKEN) as caller:
        yield caller


def cron(server: Server) -> None:
    """Let cron come once."""
    response = httpx.get(f"{server.url}/cdn-cgi/handler/scheduled", timeout=60)
    assert response.status_code == 200, response.text


def revenue(bookkeeper: Caller) -> int:
    micros: int = bookkeeper.snapshot("today")["heroStats"]["revenueMicros"]
    return micros


def agreed(bookkeeper: Caller) -> dict[str, object]:
    """The day's reconciliation, which must agree."""
    day: dict[str, object] = bookkeeper.platform("reconciliation")["day"]
    assert day["agrees"], day
    return day


@pytest.mark.parametrize("version", [2, 1])
@pytest.mark.parametrize("name", ["fetch", "httpx", "requests"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_official_client_pays_and_every_account_says_so(
    priced: Server,
    bookkeeper: Caller,
    economy: Economy,
    payer_of: PayerOf,
    name: str,
    version: int,
    method: str,
) -> None:
    before = economy.chain.balance(economy.buyer.address), revenue(bookkeeper)
    options = {"method": method, "version": version}
    if method == "POST":
        options["body"] = "hello"
    bought = payer_of(name).pay(economy.buyer, f"{priced.url}/t/cent/echo?a=1", **options)
    assert bought.status == 200, bought
    assert bought.receipt is not None
    assert bought.receipt["success"] is True
    assert bought.headers["x-tenant-id"] == "ten_cent"
    transaction = economy.chain.transaction(bought.receipt["transaction"])
    assert transaction is not None
    assert [transfer.amount for transfer in transaction.transfers] == [PRICE]
    assert economy.chain.balance(economy.buyer.address) == before[0] - PRICE
    # Written down before the answer left, so nothing is to be waited for.
    assert revenue(bookkeeper) == before[1] + PRICE
    newest = bookkeeper.platform("settlements", limit=1)["settlements"][0]
    assert newest["transaction"] == bought.receipt["transaction"]
    assert newest["amountMicros"] == PRICE
    agreed(bookkeeper)


def test_the_same_payment_again_gets_its_receipt(
    priced: Server, bookkeeper: Caller, economy: Economy, payer_of: PayerOf
) -> None:
    url = f"{priced.url}/t/cent/again"
    header, value = payer_of("fetch").sign(economy.buyer, url)
    first = httpx.get(url, headers={header: value}, timeout=60)
    money = economy.chain.balance(economy.buyer.address), revenue(bookkeeper)
    again = httpx.get(url, headers={header: value}, timeout=60)
    other = httpx.get(f"{url}?other", headers={header: value}, timeout=60)
    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 409)
    assert again.headers["payment-response"] == first.headers["payment-response"]
    assert again.json()["payment"]["state"] == "settled"
    assert (economy.chain.balance(economy.buyer.address), revenue(bookkeeper)) == money


def test_an_api_that_fails_costs_nothing(
    priced: Server, economy: Economy, payer_of: PayerOf
) -> None:
    before = economy.chain.balance(economy.buyer.address)
    bought = payer_of("fetch").pay(economy.buyer, f"{priced.url}/t/mishap/draw?fail=throw")
    assert bought.status == 502
    assert economy.chain.balance(economy.buyer.address) == before


@pytest.mark.parametrize("fault", [fail_after_success(500), drop_connection])
def test_a_settlement_whose_answer_was_lost_is_found_and_then_served_once(
    priced: Server,
    bookkeeper: Caller,
    economy: Economy,
    payer_of: PayerOf,
    fault_proxy: FaultProxy,
    fault: object,
) -> None:
    before = economy.chain.balance(economy.buyer.address), revenue(bookkeeper)
    url = f"{priced.url}/t/cent/lost"
    header, value = payer_of("fetch").sign(economy.buyer, url)
    fault_proxy.then("/settle", fault)  # type: ignore[arg-type]
    lost = httpx.get(url, headers={header: value}, timeout=60)
    assert (lost.status_code, lost.json()["error"]) == (503, "facilitator_unavailable")
    receipt = json.loads(base64.b64decode(lost.headers["payment-response"]))
    assert receipt["errorReason"] == "settlement_pending"

    def served() -> bool:
        cron(priced)
        return httpx.get(url, headers={header: value}, timeout=60).status_code == 200

    # Cron looks again when the first pause is over, half a minute later.
    eventually(served, "the proof of the settlement", 60)
    assert economy.chain.balance(economy.buyer.address) == before[0] - PRICE
    assert revenue(bookkeeper) == before[1] + PRICE
    agreed(bookkeeper)


def test_what_is_no_payment_is_refused_with_its_reason(priced: Server) -> None:
    for value, words in (("x" * 100_000, "100000"), ("!", "base64"), ("e30=", "x402Version")):
        response = httpx.get(f"{priced.url}/t/cent/", headers={"payment-signature": value})
        assert (response.status_code, response.json()["error"]) == (402, "payment_invalid")
        assert words in response.json()["message"]


def test_the_deployment_says_that_it_can_be_paid(bookkeeper: Caller) -> None:
    health = bookkeeper.platform("health")
    assert health["problems"] == []
    assert health["payments"]["pricedApis"] == len(TENANTS["tenants"])
    assert health["payments"]["facilitators"][0]["supports"] == ["eip155:84532"]

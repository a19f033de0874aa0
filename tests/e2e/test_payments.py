"""Official clients, unmodified, pay the dispatcher: exactly the price, on the real chain."""

import json
from collections.abc import Callable
from functools import partial
from statistics import median

import httpx
import pytest

from dev.economy import Transfer

from .books import OWN_PAYEE
from .conftest import PayerOf
from .market import PRICE, Market, is_served, receipt_of
from .payers import CLIENTS

ROUNDS = 20
Record = Callable[[str, object], None]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("version", [2, 1])
@pytest.mark.parametrize("client", CLIENTS)
def test_an_official_client_pays_the_price_and_is_served(
    market: Market,
    payer_of: PayerOf,
    client: str,
    version: int,
    method: str,
) -> None:
    wallet, chain = market.wallet(), market.economy.chain
    before = (chain.balance(wallet.address), chain.balance(OWN_PAYEE))
    sent = {} if method == "GET" else {"body": '{"grüße": 1}'}
    bought = payer_of(client).pay(
        wallet, market.url("sold/loaf?thick=1"), method=method, version=version, **sent
    )
    assert bought.status == 200, bought.body
    assert json.loads(bought.body) == {
        "goods": "bread",
        "method": method,
        "path": "/loaf",
        "body": sent.get("body", ""),
    }
    after = (chain.balance(wallet.address), chain.balance(OWN_PAYEE))
    assert after == (before[0] - PRICE, before[1] + PRICE)
    transaction = chain.transaction(bought.transaction)
    assert transaction is not None
    assert transaction.succeeded
    assert transaction.transfers == (Transfer(wallet.address.lower(), OWN_PAYEE.lower(), PRICE),)
    assert bought.receipt is not None
    assert bought.receipt["network"] == ("eip155:84532" if version == 2 else "base-sepolia")
    market.books.check(wallet, ["settled"])


def test_a_tenant_without_a_payee_sells_for_the_platform(market: Market, payer_of: PayerOf) -> None:
    wallet, chain = market.wallet(), market.economy.chain
    before = chain.balance(market.economy.payee)
    assert payer_of("fetch").pay(wallet, market.url("sold-by-platform/")).status == 200
    assert chain.balance(market.economy.payee) == before + PRICE


def test_a_priced_host_of_its_own_is_paid_like_a_path(market: Market) -> None:
    wallet = market.wallet()
    payment = market.signed(wallet, "sold-by-platform/")
    host = {"host": "sold.e2e.example"}
    unpaid = httpx.get(f"{market.server.url}/", headers=host)
    assert unpaid.status_code == 402
    answer = market.send(payment, "../", headers=host)
    assert is_served(answer), answer.text
    market.books.check(wallet, ["settled"])


def test_who_does_not_pay_is_not_served_and_nothing_is_claimed(market: Market) -> None:
    claims = len(market.books.rows())
    for method in ("GET", "POST", "DELETE"):
        answer = market.send(None, method=method)
        assert answer.status_code == 402
        assert answer.json()["error"] == "payment_required"
        assert "bread" not in answer.text
        assert answer.headers["cache-control"] == "no-store"
    assert market.send(None, "given/").status_code == 200
    assert len(market.books.rows()) == claims
    assert market.proxy.calls == []


def test_settlements_ledger_and_analytics_say_the_same(market: Market) -> None:
    before = _revenue(market)
    wallets = [market.wallet() for _ in range(5)]
    receipts = [receipt_of(market.send(market.signed(wallet))) for wallet in wallets]
    market.caller.settle()
    assert _revenue(market) - before == 5 * PRICE
    events = market.caller.platform("settlements", limit=1000)["settlements"]
    shown = {event["transaction"]: event for event in events}
    for receipt in receipts:
        event = shown[receipt["transaction"]]
        assert (event["amountMicros"], event["counted"]) == (PRICE, True)
    for wallet in wallets:
        market.books.check(wallet, ["settled"])
        assert wallet.address.lower() not in json.dumps(events).lower()


def test_payment_costs_what_is_measured_here(market: Market, record_property: Record) -> None:
    def milliseconds(send: Callable[[], httpx.Response]) -> float:
        answer = send()
        assert answer.status_code in {200, 402}
        return 1000 * answer.elapsed.total_seconds()

    wallet = market.wallet()
    required = market.offer()
    payments = [market.signed(wallet) for _ in range(ROUNDS)]
    assert required["accepts"][0]["amount"] == str(PRICE)
    market.proxy.reset()
    unpriced = median(milliseconds(lambda: market.send(None, "given/")) for _ in payments)
    challenge = median(milliseconds(lambda: market.send(None)) for _ in payments)
    paid = median(milliseconds(partial(market.send, payment)) for payment in payments)
    verify, settle = (
        1000 * median(call.upstream_seconds for call in market.proxy.calls_to(path))
        for path in ("/verify", "/settle")
    )
    market.books.check(wallet, ["settled"] * ROUNDS)
    for name, value in (
        ("the same script, not priced", unpriced),
        ("unpaid, answered 402", challenge),
        ("paid and served", paid),
        ("of that, the facilitator verifying", verify),
        ("of that, the facilitator settling", settle),
        ("added by the dispatcher itself", paid - verify - settle - unpriced),
    ):
        record_property("payment time", (name, f"{value:.1f} ms"))


def _revenue(market: Market) -> int:
    revenue: int = market.caller.snapshot("overall")["heroStats"]["revenueMicros"]
    return revenue

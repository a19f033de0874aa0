"""Whatever the facilitator does, a payment ends in one state, and the money is where it says.

A payment whose outcome nobody knows is answered 503 and not served. Later it is found out:
then the same payment, presented again, is served, or it never was charged.
"""

from pathlib import Path

import pytest

from dev.economy import Economy

from .caller import eventually
from .conftest import TOKEN, Starter
from .fault_proxy import FaultProxy, address_of_nobody
from .faults import (
    NONSENSE,
    Fault,
    after_it_worked,
    cut,
    cut_after_it_worked,
    slow,
    slow_answer,
    status,
)
from .market import (
    PRICE,
    Market,
    assert_pending,
    assert_served_once,
    is_served,
    open_market,
    priced_directory,
)

UNANSWERED: dict[str, Fault] = {
    "cut": cut,
    "500": status(500),
    "503": status(503),
    **NONSENSE,
}
"""Ways not to say whether a payment is good, or whether it was settled, and do nothing."""

WORKED_UNHEARD: dict[str, Fault] = {
    "500 after it worked": after_it_worked(500),
    "cut after it worked": cut_after_it_worked,
}
"""Ways to settle a payment and not to say so."""


@pytest.mark.parametrize("fault", UNANSWERED)
def test_without_a_verdict_nothing_is_claimed_and_the_payment_stays_good(
    market: Market, fault: str
) -> None:
    wallet = market.wallet()
    payment = market.signed(wallet)
    market.proxy.then("/verify", UNANSWERED[fault])
    answer = market.send(payment)
    assert (answer.status_code, answer.json()["error"]) == (503, "facilitator_unavailable")
    assert answer.headers["retry-after"]
    assert "bread" not in answer.text
    market.books.check(wallet, [])
    assert is_served(market.send(payment))
    market.books.check(wallet, ["settled"])


def test_with_the_facilitator_down_nothing_is_claimed_and_the_payment_stays_good(
    market: Market,
) -> None:
    wallet = market.wallet()
    payment = market.signed(wallet)
    with market.proxy.down():
        assert market.send(payment).status_code == 503
        assert market.send(None).status_code == 402
        assert market.send(None, "given/").status_code == 200
    market.books.check(wallet, [])
    assert is_served(market.send(payment))


def test_a_facilitator_that_goes_down_before_settlement_leaves_it_pending(market: Market) -> None:
    wallet = market.wallet()
    path = "sold/?wait_ms=1500"
    payment = market.signed(wallet, path)
    answer = market.begin(lambda: market.send(payment, path))
    eventually(lambda: market.books.states(wallet) == ["claimed"], "a claim")
    with market.proxy.down():
        assert_pending(answer.result())
    market.resolve()
    assert_served_once(market, payment, path)
    market.books.check(wallet, ["settled"])


def test_a_verdict_that_takes_too_long_is_none(market: Market) -> None:
    wallet = market.wallet()
    payment = market.signed(wallet)
    market.proxy.then("/verify", slow_answer(12))
    assert market.send(payment).status_code == 503
    market.books.check(wallet, [])


def test_a_slow_facilitator_is_waited_for(market: Market) -> None:
    wallet = market.wallet()
    market.proxy.then("/verify", slow(1))
    market.proxy.then("/settle", slow_answer(3))
    assert is_served(market.send(market.signed(wallet)))
    market.books.check(wallet, ["settled"])


@pytest.mark.parametrize("fault", UNANSWERED)
def test_a_settlement_not_begun_is_pending_and_made_later(market: Market, fault: str) -> None:
    wallet = market.wallet()
    payment = market.signed(wallet)
    market.proxy.always("/settle", UNANSWERED[fault])
    assert_pending(market.send(payment))
    market.books.check(wallet, ["pending"])
    market.proxy.reset()
    assert_pending(market.send(payment))
    market.resolve()
    market.books.check(wallet, ["settled"])
    assert_served_once(market, payment)
    market.books.check(wallet, ["settled"])


@pytest.mark.parametrize("fault", WORKED_UNHEARD)
def test_a_settlement_unheard_of_is_found_on_the_chain(market: Market, fault: str) -> None:
    wallet = market.wallet()
    payment = market.signed(wallet)
    market.proxy.then("/settle", WORKED_UNHEARD[fault])
    assert_pending(market.send(payment))
    market.resolve()
    market.books.check(wallet, ["settled"])
    assert_served_once(market, payment)
    market.books.check(wallet, ["settled"])
    assert market.economy.chain.balance(wallet.address) == 99 * PRICE


def test_a_settlement_that_takes_too_long_is_found_on_the_chain(market: Market) -> None:
    wallet = market.wallet()
    payment = market.signed(wallet)
    market.proxy.then("/settle", slow_answer(22))
    assert_pending(market.send(payment))
    market.resolve()
    market.books.check(wallet, ["settled"])
    assert_served_once(market, payment)


def test_the_next_facilitator_is_asked_when_the_first_is_down(
    start: Starter, economy: Economy, fault_proxy: FaultProxy, tmp_path: Path
) -> None:
    urls = f"{address_of_nobody()}, {fault_proxy.url}/"
    settings = {**economy.settings(), "FACILITATOR_URL": urls, "FACILITATOR_API_KEY": "a key"}
    with (
        start(tmp_path, priced_directory(), settings) as server,
        open_market(server, economy, fault_proxy, tmp_path, TOKEN) as market,
    ):
        wallet = market.wallet()
        assert is_served(market.send(market.signed(wallet)))
        market.books.check(wallet, ["settled"])
    assert (fault_proxy.count("/verify"), fault_proxy.count("/settle")) == (1, 1)
    assert {call.headers["authorization"] for call in fault_proxy.calls} == {"Bearer a key"}

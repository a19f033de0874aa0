"""Whatever becomes of a transfer, a script or a client: ledger and chain end up saying the same."""

import time

import httpx
import pytest

from .caller import eventually
from .conftest import PayerOf
from .faults import Answer, Call, pass_on, reply, slow_answer
from .market import (
    FOR_EVER_SECONDS,
    Market,
    assert_pending,
    assert_served_once,
    is_served,
    receipt_of,
)

STARTED = time.time()
SOMEBODY = "0x000000000000000000000000000000000000dEaD"


def test_a_late_block_is_pending_and_then_settled(market: Market) -> None:
    wallet = market.wallet()
    payment = market.signed(wallet)
    with market.economy.chain.paused_blocks():
        pending = market.send(payment)
        assert_pending(pending)
        (waiting,) = market.economy.chain.pending()
        assert receipt_of(pending)["transaction"] == waiting
    market.resolve()
    market.books.check(wallet, ["settled"])
    assert market.books.rows(wallet)[0]["transaction_id"] == waiting
    assert_served_once(market, payment)


def test_a_late_block_is_as_pending_for_a_payment_of_version_1(
    market: Market, payer_of: PayerOf
) -> None:
    wallet = market.wallet()
    with market.economy.chain.paused_blocks():
        bought = payer_of("fetch").pay(wallet, market.url(), version=1)
        assert bought.status == 503, bought.body
    market.resolve()
    market.books.check(wallet, ["settled"])


def test_a_transfer_that_is_reverted_is_pending_and_then_failed(market: Market) -> None:
    wallet, chain = market.wallet(), market.economy.chain
    payment = market.signed(wallet)
    everything = chain.balance(wallet.address)
    with chain.paused_blocks():
        answer = market.begin(lambda: market.send(payment))
        eventually(chain.pending, "a settlement that waits for its block")
        chain.transfer(wallet.address, SOMEBODY, everything, gasPrice=hex(10**12))
        assert_pending(answer.result())
    reverted = chain.transaction(receipt_of(answer.result())["transaction"])
    assert reverted is not None
    assert reverted.succeeded is False
    market.resolve()
    market.resolve(FOR_EVER_SECONDS)
    market.books.check(wallet, ["failed"])


def test_a_refused_settlement_is_not_charged_and_not_served(market: Market) -> None:
    wallet = market.wallet()
    payment = market.signed(wallet)
    refusal = {
        "success": False,
        "errorReason": "invalid_exact_evm_insufficient_balance",
        "transaction": "",
        "network": "eip155:84532",
    }
    market.proxy.then("/settle", reply(refusal))
    answer = market.send(payment)
    assert (answer.status_code, answer.json()["error"]) == (402, "payment_failed")
    assert "bread" not in answer.text
    market.books.check(wallet, ["failed"])


def test_spent_between_verification_and_settlement_is_not_served(market: Market) -> None:
    wallet = market.wallet()
    payment = market.signed(wallet)

    def block_first(call: Call) -> Answer:
        market.economy.chain.block(wallet.address)
        return pass_on(call)

    market.proxy.then("/settle", block_first)
    answer = market.send(payment)
    assert answer.status_code in {402, 503}
    assert not is_served(answer)
    market.resolve(FOR_EVER_SECONDS)
    market.books.check(wallet, ["failed"])


@pytest.mark.parametrize("failure", ["sold/?status=500", "sold/?status=404", "sold/?throw=1"])
def test_a_script_that_fails_is_not_paid_for(market: Market, failure: str) -> None:
    wallet = market.wallet()
    payment = market.signed(wallet, failure)
    answer = market.send(payment, failure)
    assert answer.status_code in {500, 404, 502}
    assert "payment-response" not in answer.headers
    assert market.proxy.count("/settle") == 0
    market.books.check(wallet, ["failed"])


def test_a_client_that_leaves_during_settlement_is_charged_once(market: Market) -> None:
    wallet = market.wallet()
    payment = market.signed(wallet)
    market.proxy.then("/settle", slow_answer(2))
    with pytest.raises(httpx.ReadTimeout):
        market.send(payment, seconds=1)
    eventually(lambda: market.books.states(wallet) == ["settled"], "a settled payment")
    again = market.send(payment)
    assert again.status_code == 200
    assert market.proxy.count("/settle") == 1
    market.books.check(wallet, ["settled"])


def test_a_client_that_leaves_while_the_script_works_is_charged_once_or_not(
    market: Market,
) -> None:
    wallet = market.wallet()
    path = "sold/?wait_ms=1500"
    payment = market.signed(wallet, path)
    with pytest.raises(httpx.ReadTimeout):
        market.send(payment, path, seconds=0.8)
    eventually(
        lambda: market.books.states(wallet) in (["settled"], ["failed"]), "a payment at its end"
    )
    market.books.check(wallet, market.books.states(wallet))


def test_all_that_happened_here_agrees_in_ledger_chain_and_log(market: Market) -> None:
    market.resolve(FOR_EVER_SECONDS)
    settled = market.books.check_all()
    assert settled > 0
    assert {row["state"] for row in market.books.rows()} <= {"settled", "failed"}
    in_ledger = 0
    # Midnight UTC may have passed on the way.
    for day in {time.strftime("%Y-%m-%d", time.gmtime(at)) for at in (STARTED, time.time())}:
        compared = market.caller.platform("reconciliation", day=day)["day"]
        assert compared["agrees"] is True, compared
        in_ledger += sum(tenant["inLedgerMicros"] for tenant in compared["tenants"])
    assert in_ledger == settled
    assert market.caller.snapshot("overall")["heroStats"]["revenueMicros"] == settled

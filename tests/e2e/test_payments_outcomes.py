"""Ledger and chain agree after failures of transfers, scripts and clients."""

import time

import httpx
import pytest

from .caller import eventually
from .conftest import PayerOf
from .faults import Call, Response, json_body, pass_on, slow_response
from .paid_dispatcher import (
    BEYOND_VALIDITY_SECONDS,
    PaidDispatcher,
    assert_all_accounts_agree,
    assert_pending,
    assert_served_once,
    is_served,
    receipt_of,
)

STARTED = time.time()
OTHER_ADDRESS = "0x000000000000000000000000000000000000dEaD"


def test_a_settlement_with_a_late_block_is_pending_and_later_settled(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet = paid_dispatcher.wallet()
    payment = paid_dispatcher.signed(wallet)
    with paid_dispatcher.economy.chain.paused_blocks():
        pending = paid_dispatcher.send(payment)
        assert_pending(pending)
        (waiting,) = paid_dispatcher.economy.chain.pending()
        assert receipt_of(pending)["transaction"] == waiting
    paid_dispatcher.resolve()
    paid_dispatcher.records.check(wallet, ["settled"])
    assert paid_dispatcher.records.rows(wallet)[0]["transaction_id"] == waiting
    assert_served_once(paid_dispatcher, payment)


def test_a_version_1_settlement_with_a_late_block_is_pending_and_later_settled(
    paid_dispatcher: PaidDispatcher, payer_of: PayerOf
) -> None:
    wallet = paid_dispatcher.wallet()
    with paid_dispatcher.economy.chain.paused_blocks():
        bought = payer_of("fetch").pay(wallet, paid_dispatcher.url(), version=1)
        assert bought.status == 503, bought.body
    paid_dispatcher.resolve()
    paid_dispatcher.records.check(wallet, ["settled"])


def test_a_reverted_transfer_is_pending_and_later_failed(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet, chain = paid_dispatcher.wallet(), paid_dispatcher.economy.chain
    payment = paid_dispatcher.signed(wallet)
    everything = chain.balance(wallet.address)
    with chain.paused_blocks():
        response = paid_dispatcher.begin(lambda: paid_dispatcher.send(payment))
        eventually(chain.pending, "a settlement that waits for its block")
        chain.transfer(wallet.address, OTHER_ADDRESS, everything, gasPrice=hex(10**12))
        assert_pending(response.result())
    reverted = chain.transaction(receipt_of(response.result())["transaction"])
    assert reverted is not None
    assert reverted.succeeded is False
    paid_dispatcher.resolve()
    paid_dispatcher.resolve(BEYOND_VALIDITY_SECONDS)
    paid_dispatcher.records.check(wallet, ["failed"])


def test_a_refused_settlement_is_not_charged_and_not_served(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet = paid_dispatcher.wallet()
    payment = paid_dispatcher.signed(wallet)
    refusal = {
        "success": False,
        "errorReason": "invalid_exact_evm_insufficient_balance",
        "transaction": "",
        "network": "eip155:84532",
    }
    paid_dispatcher.proxy.then("/settle", json_body(refusal))
    response = paid_dispatcher.send(payment)
    assert (response.status_code, response.json()["error"]) == (402, "payment_failed")
    assert "bread" not in response.text
    paid_dispatcher.records.check(wallet, ["failed"])


def test_a_payer_blocked_between_verification_and_settlement_is_not_served(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet = paid_dispatcher.wallet()
    payment = paid_dispatcher.signed(wallet)

    def block_first(call: Call) -> Response:
        paid_dispatcher.economy.chain.block(wallet.address)
        return pass_on(call)

    paid_dispatcher.proxy.then("/settle", block_first)
    response = paid_dispatcher.send(payment)
    assert response.status_code in {402, 503}
    assert not is_served(response)
    paid_dispatcher.resolve(BEYOND_VALIDITY_SECONDS)
    paid_dispatcher.records.check(wallet, ["failed"])


@pytest.mark.parametrize("failure", ["sold/?status=500", "sold/?status=404", "sold/?throw=1"])
def test_a_failed_script_is_not_charged(paid_dispatcher: PaidDispatcher, failure: str) -> None:
    wallet = paid_dispatcher.wallet()
    payment = paid_dispatcher.signed(wallet, failure)
    response = paid_dispatcher.send(payment, failure)
    assert response.status_code in {500, 404, 502}
    assert "payment-response" not in response.headers
    assert paid_dispatcher.proxy.count("/settle") == 0
    paid_dispatcher.records.check(wallet, ["failed"])


def test_a_client_that_disconnects_during_settlement_is_charged_once(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet = paid_dispatcher.wallet()
    payment = paid_dispatcher.signed(wallet)
    paid_dispatcher.proxy.then("/settle", slow_response(2))
    with pytest.raises(httpx.ReadTimeout):
        paid_dispatcher.send(payment, seconds=1)
    eventually(lambda: paid_dispatcher.records.states(wallet) == ["settled"], "a settled payment")
    again = paid_dispatcher.send(payment)
    assert again.status_code == 200
    assert paid_dispatcher.proxy.count("/settle") == 1
    paid_dispatcher.records.check(wallet, ["settled"])


def test_a_client_that_disconnects_during_the_script_is_charged_at_most_once(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet = paid_dispatcher.wallet()
    path = "sold/?wait_ms=1500"
    payment = paid_dispatcher.signed(wallet, path)
    with pytest.raises(httpx.ReadTimeout):
        paid_dispatcher.send(payment, path, seconds=0.8)
    eventually(
        lambda: paid_dispatcher.records.states(wallet) in (["settled"], ["failed"]),
        "a resolved payment",
    )
    paid_dispatcher.records.check(wallet, paid_dispatcher.records.states(wallet))


def test_ledger_chain_and_log_agree_at_the_end(
    paid_dispatcher: PaidDispatcher,
) -> None:
    paid_dispatcher.resolve(BEYOND_VALIDITY_SECONDS)
    assert {row["state"] for row in paid_dispatcher.records.rows()} <= {"settled", "failed"}
    assert assert_all_accounts_agree(paid_dispatcher, STARTED) > 0

"""The local economy without the dispatcher: payments between official clients and servers."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dev.economy import Economy, Transfer, running_economy
from dev.layout import HERE
from dev.setup.node import find_node

from .caller import eventually
from .conftest import PayerOf, Shops
from .facilitator_client import FacilitatorClient
from .payers import CLIENTS
from .shops import PRICE


def test_the_compiled_contracts_match_their_sources() -> None:
    compiler = [str(find_node(HERE)), str(HERE.economy / "compile.js"), "--check"]
    checked = subprocess.run(compiler, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_newest_block_is_recent_even_if_there_are_no_transactions() -> None:
    # Some clients sign payments that are valid since a minute ago; the newest block decides.
    with running_economy() as idle:
        first = idle.chain.rpc.number("eth_blockNumber")
        eventually(
            lambda: idle.chain.rpc.number("eth_blockNumber") >= first + 2,
            "two blocks without transactions",
        )


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("version", [2, 1])
@pytest.mark.parametrize("client", CLIENTS)
def test_an_official_client_pays_exactly_the_price(
    economy: Economy, payer_of: PayerOf, shops: Shops, client: str, version: int, method: str
) -> None:
    buyer, payee = economy.buyer.address, economy.payee
    before = (economy.chain.balance(buyer), economy.chain.balance(payee))
    sent = {} if method == "GET" else {"body": '{"grüße": 1}'}
    bought = payer_of(client).pay(
        economy.buyer,
        shops.v2 if version == 2 else shops.v1,
        method=method,
        version=version,
        **sent,
    )
    assert bought.status == 200
    assert json.loads(bought.body) == {"method": method, "body": sent.get("body", "")}
    after = (economy.chain.balance(buyer), economy.chain.balance(payee))
    assert after == (before[0] - PRICE, before[1] + PRICE)
    transaction = economy.chain.transaction(bought.transaction)
    assert transaction is not None
    assert transaction.succeeded
    assert transaction.transfers == (Transfer(buyer.lower(), payee.lower(), PRICE),)
    assert economy.chain.transactions_to_token()[-1] == transaction


def test_verifying_reserves_and_moves_no_money(facilitator: FacilitatorClient) -> None:
    call = facilitator.signed(facilitator.economy.buyer)
    before = facilitator.economy.chain.transactions_to_token()
    assert facilitator.post("/verify", call)["isValid"] is True
    assert facilitator.post("/verify", call)["isValid"] is True
    assert facilitator.economy.chain.transactions_to_token() == before


def test_a_payment_settles_once(facilitator: FacilitatorClient) -> None:
    call = facilitator.signed(facilitator.economy.buyer)
    assert facilitator.post("/settle", call)["success"] is True
    again = facilitator.post("/settle", call)
    assert again["errorReason"] == "invalid_exact_evm_nonce_already_used"
    assert facilitator.post("/verify", call)["invalidReason"] == again["errorReason"]


def test_two_concurrent_settlements_of_a_payment_move_money_once(
    facilitator: FacilitatorClient,
) -> None:
    economy = facilitator.economy
    call = facilitator.signed(economy.buyer)
    before = economy.chain.balance(economy.payee)
    with ThreadPoolExecutor(2) as pool:
        responses = list(pool.map(lambda _: facilitator.post("/settle", call), range(2)))
    assert sorted(response["success"] for response in responses) == [False, True]
    assert economy.chain.balance(economy.payee) == before + PRICE


def test_a_payer_without_balance_is_refused_with_that_reason(
    facilitator: FacilitatorClient,
) -> None:
    refused = facilitator.post("/verify", facilitator.signed(facilitator.economy.pauper))
    assert refused["invalidReason"] == "invalid_exact_evm_insufficient_balance"


def test_a_payer_blocked_after_verification_pays_nothing(facilitator: FacilitatorClient) -> None:
    economy = facilitator.economy
    call = facilitator.signed(economy.second_buyer)
    assert facilitator.post("/verify", call)["isValid"] is True
    economy.chain.block(economy.second_buyer.address)
    try:
        settled = facilitator.post("/settle", call)
    finally:
        economy.chain.unblock(economy.second_buyer.address)
    assert (settled["success"], settled["transaction"]) == (False, "")
    assert not facilitator.is_settled(call)


def test_a_settlement_without_a_block_is_pending_and_later_succeeds(
    facilitator: FacilitatorClient,
) -> None:
    call = facilitator.signed(facilitator.economy.buyer)
    with facilitator.economy.chain.paused_blocks():
        pending = facilitator.post("/settle", call)
        assert pending["errorReason"] == "settlement_pending"
        waiting = facilitator.economy.chain.transaction(pending["transaction"])
        assert waiting is not None
        assert waiting.succeeded is None
    settled = facilitator.post("/settle", call)
    assert (settled["success"], settled["transaction"]) == (True, pending["transaction"])


def test_in_version_1_a_settlement_without_a_block_is_an_error_without_a_transaction(
    facilitator: FacilitatorClient, shops: Shops
) -> None:
    call = facilitator.signed_v1(facilitator.economy.buyer, shops.v1)
    with facilitator.economy.chain.paused_blocks():
        failed = facilitator.post("/settle", call)
        assert (failed["success"], failed["transaction"]) == (False, "")
        assert len(facilitator.economy.chain.pending()) == 1
    assert facilitator.is_settled(call)
    again = facilitator.post("/settle", call)
    assert (again["success"], again["transaction"]) == (False, "")


def test_a_settlement_overtaken_by_another_transfer_is_pending_and_later_fails(
    facilitator: FacilitatorClient,
) -> None:
    economy = facilitator.economy
    call = facilitator.signed(economy.second_buyer)
    whole_balance = economy.chain.balance(economy.second_buyer.address)
    with economy.chain.paused_blocks():
        pending = facilitator.post("/settle", call)
        assert pending["errorReason"] == "settlement_pending"
        overtaking = {"gasPrice": hex(10**12)}
        economy.chain.transfer(
            economy.second_buyer.address, economy.payee, whole_balance, **overtaking
        )
    try:
        failed = facilitator.post("/settle", call)
        assert (failed["success"], failed["transaction"]) == (False, pending["transaction"])
        reverted = economy.chain.transaction(pending["transaction"])
        assert reverted is not None
        assert reverted.succeeded is False
        assert not facilitator.is_settled(call)
    finally:
        economy.chain.fund(economy.second_buyer.address, whole_balance)


def test_a_failed_settlement_does_not_affect_the_next(facilitator: FacilitatorClient) -> None:
    used = facilitator.signed(facilitator.economy.buyer)
    facilitator.post("/settle", used)
    fresh = [facilitator.signed(facilitator.economy.buyer) for _ in range(3)]
    with ThreadPoolExecutor(6) as pool:
        responses = list(
            pool.map(lambda call: facilitator.post("/settle", call), [used, *fresh, used, used])
        )
    assert [response["success"] for response in responses] == [
        False,
        True,
        True,
        True,
        False,
        False,
    ]


PARENT = """
import sys, time
from dev.economy import running_economy
with running_economy() as economy:
    print(economy.rpc_url, economy.facilitator_url, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_economy_ends_with_the_process_that_started_it(
    number: signal.Signals, tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(HERE.root)}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        urls = parent.stdout.readline().split()
        assert len(urls) == 2
        parent.send_signal(number)
        parent.wait(20)
    deadline = time.monotonic() + 15
    while any(_listens(url) for url in urls):
        assert time.monotonic() < deadline, urls
        time.sleep(0.05)


def _listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0

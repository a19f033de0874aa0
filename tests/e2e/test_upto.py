"""Payments with Permit2 through the official facilitator: exact ones, and up to an amount."""

import html
import json
import os
import re
import subprocess
import sys
from urllib.parse import quote

import pytest

from dev.economy import Wallet
from dev.economy.chain import PLAIN_TOKEN, TOKEN
from dev.economy.signing import new_wallet
from dev.economy.smart_wallets import new_smart_wallets
from dev.layout import HERE
from dev.setup.node import find_node

from .conftest import PayerOf
from .faults import drop_connection, drop_connection_after_success
from .paid_dispatcher import (
    PRICE,
    PaidDispatcher,
    assert_pending,
    assert_served_once,
    is_served,
    receipt_of,
)
from .payers import CLIENTS
from .payment_records import PLAIN_UNITS

PATH = "sold-up-to/"


def _charging(header: str | None, **query: object) -> str:
    """Return a path of the API whose script asks for an amount."""
    given = {**({} if header is None else {"charge": header}), **query}
    return f"{PATH}?" + "&".join(f"{name}={quote(str(value))}" for name, value in given.items())


def _amount(amount: object) -> str:
    return json.dumps({"amount": amount})


def _wallet(paid_dispatcher: PaidDispatcher, allowance: int = 10 * PRICE) -> Wallet:
    """Return a new wallet with the price of ten requests, of which Permit2 may move some."""
    chain = paid_dispatcher.economy.chain
    wallet = paid_dispatcher.wallet(10 * PRICE)
    chain.approve_permit2(wallet.address, allowance)
    return wallet


def _paid(paid_dispatcher: PaidDispatcher, wallet: Wallet) -> int:
    return 10 * PRICE - paid_dispatcher.economy.chain.balance(wallet.address)


@pytest.mark.parametrize(
    ("header", "amount"),
    [
        (None, PRICE),
        (_amount(str(PRICE)), PRICE),
        (_amount("1234"), 1_234),
        (_amount("$0.0025"), 2_500),
        (_amount("12.5%"), 1_250),
    ],
)
def test_the_official_client_is_charged_what_the_script_asks_for(
    paid_dispatcher: PaidDispatcher, payer_of: PayerOf, header: str | None, amount: int
) -> None:
    wallet = _wallet(paid_dispatcher)
    bought = payer_of("fetch").pay(wallet, paid_dispatcher.url(_charging(header)))
    assert (bought.status, "bread" in bought.body) == (200, True)
    assert "settlement-overrides" not in bought.headers
    assert bought.receipt is not None
    assert (bought.receipt["success"], bought.receipt["amount"]) == (True, str(amount))
    assert _paid(paid_dispatcher, wallet) == amount
    paid_dispatcher.records.check(wallet, ["settled"])
    (row,) = paid_dispatcher.records.rows(wallet)
    assert (row["amount"], row["signed_amount"]) == (str(amount), str(PRICE))


@pytest.mark.parametrize("client", CLIENTS)
def test_every_official_client_pays_up_to_an_amount(
    paid_dispatcher: PaidDispatcher, payer_of: PayerOf, client: str
) -> None:
    wallet = _wallet(paid_dispatcher)
    bought = payer_of(client).pay(wallet, paid_dispatcher.url(_charging(_amount("1234"))))
    assert (bought.status, "bread" in bought.body) == (200, True)
    assert _paid(paid_dispatcher, wallet) == 1_234
    paid_dispatcher.records.check(wallet, ["settled"])


def test_a_settled_payment_presented_again_gets_its_receipt(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet, path = _wallet(paid_dispatcher), _charging(_amount("77"))
    payment = paid_dispatcher.signed(wallet, path)
    first = paid_dispatcher.send(payment, path)
    assert is_served(first), first.text
    again = paid_dispatcher.send(payment, path)
    assert (again.status_code, is_served(again)) == (200, False)
    assert receipt_of(again) == receipt_of(first)
    assert _paid(paid_dispatcher, wallet) == 77


def test_nothing_is_charged_if_the_script_asks_for_nothing(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet, path = _wallet(paid_dispatcher), _charging(_amount("0"))
    response = paid_dispatcher.send(paid_dispatcher.signed(wallet, path), path)
    assert is_served(response)
    assert "payment-response" not in response.headers
    assert _paid(paid_dispatcher, wallet) == 0
    paid_dispatcher.records.check(wallet, ["failed"])


@pytest.mark.parametrize(
    "header", [_amount(str(PRICE + 1)), _amount("-1"), _amount("NaN"), "half", "{}", ""]
)
def test_an_unusable_amount_charges_nothing_and_is_the_api_s_error(
    paid_dispatcher: PaidDispatcher, header: str
) -> None:
    wallet, path = _wallet(paid_dispatcher), _charging(header)
    payment = paid_dispatcher.signed(wallet, path)
    response = paid_dispatcher.send(payment, path)
    assert (response.status_code, response.json()["error"]) == (502, "tenant_worker_failure")
    assert "bread" not in response.text
    assert paid_dispatcher.proxy.count("/settle") == 0
    assert _paid(paid_dispatcher, wallet) == 0
    paid_dispatcher.records.check(wallet, ["failed"])


def test_a_lost_settlement_is_proven_with_the_amount_that_was_asked_for(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet, path = _wallet(paid_dispatcher), _charging(_amount("2500"))
    payment = paid_dispatcher.signed(wallet, path)
    paid_dispatcher.proxy.then("/settle", drop_connection_after_success)
    assert_pending(paid_dispatcher.send(payment, path))
    paid_dispatcher.resolve()
    paid_dispatcher.records.check(wallet, ["settled"])
    assert_served_once(paid_dispatcher, payment, path)
    assert _paid(paid_dispatcher, wallet) == 2_500


def test_a_settlement_that_never_arrived_is_asked_for_again_with_its_amount(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet, path = _wallet(paid_dispatcher), _charging(_amount("2500"))
    payment = paid_dispatcher.signed(wallet, path)
    paid_dispatcher.proxy.then("/settle", drop_connection)
    assert_pending(paid_dispatcher.send(payment, path))
    assert _paid(paid_dispatcher, wallet) == 0
    paid_dispatcher.resolve()
    paid_dispatcher.records.check(wallet, ["pending"])
    response = paid_dispatcher.send(payment, path)
    assert is_served(response), response.text
    assert receipt_of(response)["amount"] == "2500"
    paid_dispatcher.records.check(wallet, ["settled"])
    assert _paid(paid_dispatcher, wallet) == 2_500


def test_a_late_block_settles_the_amount_that_was_asked_for(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet, path = _wallet(paid_dispatcher), _charging(_amount("2500"))
    payment = paid_dispatcher.signed(wallet, path)
    with paid_dispatcher.economy.chain.paused_blocks():
        assert_pending(paid_dispatcher.send(payment, path))
    paid_dispatcher.resolve()
    paid_dispatcher.records.check(wallet, ["settled"])
    assert_served_once(paid_dispatcher, payment, path)
    assert _paid(paid_dispatcher, wallet) == 2_500


def test_concurrent_requests_with_one_payment_charge_once(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet, path = _wallet(paid_dispatcher), _charging(_amount("2500"), wait_ms=1_500)
    payment = paid_dispatcher.signed(wallet, path)
    sent = [paid_dispatcher.begin(lambda: paid_dispatcher.send(payment, path)) for _ in range(4)]
    responses = [one.result() for one in sent]
    assert [is_served(response) for response in responses].count(True) == 1
    assert _paid(paid_dispatcher, wallet) == 2_500
    paid_dispatcher.records.check(wallet, ["settled"])


def test_an_allowance_below_what_is_signed_is_refused_with_that_reason(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet, path = _wallet(paid_dispatcher, allowance=PRICE - 1), _charging(_amount("1"))
    refused = paid_dispatcher.send(paid_dispatcher.signed(wallet, path), path)
    assert refused.status_code == 402
    assert refused.json()["reason"] == "permit2_allowance_required"
    paid_dispatcher.records.check(wallet, [])


def test_a_payer_who_uses_up_the_nonce_meanwhile_is_not_served(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet, path = _wallet(paid_dispatcher), _charging(_amount("2500"), wait_ms=1_500)
    payment = paid_dispatcher.signed(wallet, path)
    sent = paid_dispatcher.begin(lambda: paid_dispatcher.send(payment, path))
    while paid_dispatcher.proxy.count("/verify") == 0 or not paid_dispatcher.records.rows(wallet):
        assert not sent.done()
    nonce = payment["payload"]["permit2Authorization"]["nonce"]
    paid_dispatcher.economy.chain.cancel_permit2(wallet.address, int(nonce))
    refused = sent.result()
    assert (refused.status_code, refused.json()["error"]) == (402, "payment_failed")
    assert _paid(paid_dispatcher, wallet) == 0
    paid_dispatcher.records.check(wallet, ["failed"])


def test_a_smart_wallet_pays_up_to_an_amount(paid_dispatcher: PaidDispatcher) -> None:
    economy = paid_dispatcher.economy
    owners = (new_wallet(economy, 0), new_wallet(economy, 0))
    wallet, _ = new_smart_wallets(economy.chain, *owners)
    economy.chain.fund(wallet.address, PRICE)
    economy.chain.approve_permit2(wallet.address, PRICE)
    path = _charging(_amount("2500"))
    assert is_served(paid_dispatcher.send(paid_dispatcher.signed(wallet, path), path))
    assert economy.chain.balance(wallet.address) == PRICE - 2_500
    paid_dispatcher.records.check(wallet, ["settled"])


def test_the_official_client_pays_a_token_without_eip_3009(
    paid_dispatcher: PaidDispatcher, payer_of: PayerOf
) -> None:
    chain = paid_dispatcher.economy.chain
    wallet = paid_dispatcher.wallet(0)
    chain.fund(wallet.address, PRICE * PLAIN_UNITS, PLAIN_TOKEN)
    chain.approve_permit2(wallet.address, PRICE * PLAIN_UNITS, PLAIN_TOKEN)
    # It is charged in full: the scheme is `exact`.
    path = f"sold-plain/?charge={quote(_amount('1'))}"
    # By default, clients pay in the tokens that they know only.
    bought = payer_of("fetch").pay(wallet, paid_dispatcher.url(path), anyToken=True)
    assert (bought.status, "settlement-overrides" in bought.headers) == (200, False)
    assert chain.balance(wallet.address, PLAIN_TOKEN) == 0
    paid_dispatcher.records.check(wallet, ["settled"])


def test_a_lost_settlement_in_a_token_without_eip_3009_is_proven(
    paid_dispatcher: PaidDispatcher,
) -> None:
    chain = paid_dispatcher.economy.chain
    wallet = paid_dispatcher.wallet(0)
    chain.fund(wallet.address, PRICE * PLAIN_UNITS, PLAIN_TOKEN)
    chain.approve_permit2(wallet.address, PRICE * PLAIN_UNITS, PLAIN_TOKEN)
    payment = paid_dispatcher.signed(wallet, "sold-plain/")
    paid_dispatcher.proxy.then("/settle", drop_connection_after_success)
    assert_pending(paid_dispatcher.send(payment, "sold-plain/"))
    paid_dispatcher.resolve()
    paid_dispatcher.records.check(wallet, ["settled"])
    assert_served_once(paid_dispatcher, payment, "sold-plain/")


def test_health_has_no_problem_with_these_ways_to_pay(paid_dispatcher: PaidDispatcher) -> None:
    health = paid_dispatcher.caller.platform("health")
    assert [one for one in health["problems"] if TOKEN in one["message"]] == []
    assert [one for one in health["problems"] if "scheme" in one["message"]] == []
    assert [one for one in health["problems"] if PLAIN_TOKEN in one["message"]] == []


def test_the_code_on_the_page_for_people_works_as_written(paid_dispatcher: PaidDispatcher) -> None:
    browser = {"accept": "text/html", "user-agent": "Mozilla/5.0"}
    page = paid_dispatcher.send(None, PATH, headers=browser).text
    assert "at most $0.01" in page
    assert "approved for Permit2" in page
    code = {
        name: html.unescape(text)
        for name, text in re.findall(r'<code class="(\w+)">(.*?)</code>', page, re.DOTALL)
    }
    wallet = _wallet(paid_dispatcher)
    commands = (
        (sys.executable, "-W", "ignore", "-c", code["python"]),
        (find_node(HERE), "--input-type=module", "-e", code["javascript"]),
    )
    for command in commands:
        environment = {**os.environ, "PRIVATE_KEY": wallet.private_key}
        ran = subprocess.run(
            command, cwd=HERE.economy, env=environment, capture_output=True, text=True, check=True
        )
        assert "bread" in ran.stdout
    assert _paid(paid_dispatcher, wallet) == 2 * PRICE

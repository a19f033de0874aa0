"""Payments on Solana, with the official client and facilitator, on a chain in LiteSVM.

Each payment ends in one state, and the chain agrees with it.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from dev.economy import Economy, Wallet
from dev.economy.announcement import announced
from dev.economy.signing import decoded, encoded
from dev.economy.solana import SOLANA_NETWORK, SolanaChain
from dev.economy.wallets import SOLANA_PAYEE
from dev.layout import HERE
from dev.setup.node import find_node
from tenants.addresses import encode_base58
from tests.support.fake_solana import key as address_bytes

from .caller import eventually
from .conftest import TOKEN, PayerOf, Starter
from .fault_proxy import FaultProxy
from .faults import (
    Call,
    Response,
    drop_connection,
    drop_connection_after_success,
    json_body,
    pass_on,
    settlement_pending,
)
from .marketplace import tenant
from .paid_dispatcher import (
    PRICE,
    PaidDispatcher,
    assert_pending,
    is_served,
    open_paid_dispatcher,
    receipt_of,
)
from .test_pay import pay

PRICED: dict[str, Any] = {"priceUsd": "0.01", "x402Enabled": True}
SOLANA = {"network": "solana-devnet", "payTo": SOLANA_PAYEE}
SOLD = {**tenant("sold", "till", **PRICED), "accepts": [SOLANA]}
SOLD_ON_BOTH = {**tenant("sold-on-both", "till", **PRICED), "accepts": [{}, SOLANA]}
BEYOND_BLOCKHASH_SECONDS = 200
"""Longer than a blockhash is valid, and than the node must be ahead of the claim."""


@pytest.fixture(scope="module")
def running(
    start: Starter,
    economy: Economy,
    shared_fault_proxy: FaultProxy,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PaidDispatcher]:
    """A dispatcher with one API that accepts Solana only, and one that also accepts EVM."""
    state = tmp_path_factory.mktemp("solana")
    tenants = [SOLD, SOLD_ON_BOTH, tenant("given", "till")]
    settings = {**economy.settings(), "FACILITATOR_URL": shared_fault_proxy.url}
    with (
        start(state, {"tenants": tenants}, settings) as server,
        open_paid_dispatcher(server, economy, shared_fault_proxy, state, TOKEN) as dispatcher,
    ):
        yield dispatcher


@dataclass(frozen=True, slots=True)
class Market:
    """The dispatcher, and the chain since the test began.

    Args:
        dispatcher: The dispatcher.
        payer_of: Returns an official client.
        paid_before: What the payee had.
        rows_before: How many payments the ledger had.
    """

    dispatcher: PaidDispatcher
    payer_of: PayerOf
    paid_before: int
    rows_before: int

    @property
    def chain(self) -> SolanaChain:
        """The Solana chain."""
        return self.dispatcher.economy.solana

    @property
    def paid(self) -> int:
        """What the payee got since the test began."""
        return self.chain.balance(SOLANA_PAYEE) - self.paid_before

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The payments of the test in the ledger."""
        return self.dispatcher.records.rows()[self.rows_before :]

    @property
    def states(self) -> list[str]:
        """Their states."""
        return [row["state"] for row in self.rows]

    def fields(self) -> dict[str, str]:
        """Return what `Payer.pay` needs to pay on Solana."""
        return {"solanaRpcUrl": self.dispatcher.economy.solana_rpc_url}

    def signed(self, wallet: Wallet | None = None, path: str = "sold/") -> str:
        """Return the header that the official client signs."""
        wallet = wallet or self.dispatcher.economy.solana_buyer
        client = self.payer_of("fetch")
        _, value = client.sign(wallet, self.dispatcher.url(path), **self.fields())
        return value

    def resolve(self) -> None:
        """Let the leases of payments end, then run cron."""
        self.dispatcher.resolve()


@pytest.fixture
def market(running: PaidDispatcher, payer_of: PayerOf) -> Market:
    """The market, without faults."""
    running.proxy.reset()
    paid = running.economy.solana.balance(SOLANA_PAYEE)
    return Market(running, payer_of, paid, len(running.records.rows()))


@pytest.mark.parametrize("version", [2, 1])
@pytest.mark.parametrize("path", ["sold/loaf", "sold-on-both/loaf"])
def test_the_official_client_pays_the_price_and_is_served(
    market: Market, version: int, path: str
) -> None:
    buyer, chain = market.dispatcher.economy.solana_buyer, market.chain
    before = chain.balance(buyer.address)
    bought = market.payer_of("fetch").pay(
        buyer, market.dispatcher.url(path), version=version, **market.fields()
    )
    assert bought.status == 200, bought.body
    assert '"goods":"bread"' in bought.body
    assert bought.receipt is not None
    assert bought.receipt["network"] == (SOLANA_NETWORK if version == 2 else "solana-devnet")
    assert bought.receipt["payer"] == buyer.address
    assert bought.transaction == chain.signatures()[-1]
    assert (chain.balance(buyer.address), market.paid) == (before - PRICE, PRICE)
    (row,) = market.rows
    assert (row["state"], row["transaction_id"]) == ("settled", bought.transaction)
    assert (row["payer"], row["pay_to"]) == (buyer.address, SOLANA_PAYEE)


def test_the_same_api_is_paid_on_evm(market: Market) -> None:
    wallet = market.dispatcher.wallet()
    payment = market.dispatcher.signed(wallet, "sold-on-both/")
    assert is_served(market.dispatcher.send(payment, "sold-on-both/"))
    assert market.dispatcher.records.states(wallet) == ["settled"]
    assert market.paid == 0


def test_a_payment_is_served_once_and_then_gets_its_receipt(market: Market) -> None:
    payment = market.signed()
    first = market.dispatcher.send(payment)
    assert is_served(first), first.text
    again = market.dispatcher.send(payment)
    assert again.status_code == 200
    assert not is_served(again)
    assert receipt_of(again) == receipt_of(first)
    other = market.dispatcher.send(payment, "sold/other")
    assert (other.status_code, other.json()["error"]) == (409, "payment_already_used")
    assert (market.states, market.paid) == (["settled"], PRICE)


def test_another_spelling_of_a_transaction_is_the_same_payment(market: Market) -> None:
    document = decoded(market.signed())
    assert is_served(market.dispatcher.send(document))
    text = document["payload"]["transaction"]
    # The place of the fee payer's signature, which is not checked yet.
    document["payload"]["transaction"] = text[:4] + "B" * 80 + text[84:]
    again = market.dispatcher.send(document, "sold/other")
    assert again.status_code == 409, again.text
    assert (market.states, market.paid) == (["settled"], PRICE)


def test_of_eight_requests_with_one_payment_one_is_served(market: Market) -> None:
    payment = market.signed(path="sold/?wait_ms=200")
    sent = [
        market.dispatcher.begin(lambda: market.dispatcher.send(payment, "sold/?wait_ms=200"))
        for _ in range(8)
    ]
    responses = [each.result() for each in sent]
    assert [is_served(each) for each in responses].count(True) == 1
    assert {each.status_code for each in responses} <= {200, 409}
    assert (market.states, market.paid) == (["settled"], PRICE)


def test_a_settlement_without_response_is_found_by_its_message(market: Market) -> None:
    others = [market.signed() for _ in range(3)]
    payment = market.signed()
    assert is_served(market.dispatcher.send(others[0]))
    market.dispatcher.proxy.then("/settle", drop_connection_after_success)
    assert_pending(market.dispatcher.send(payment))
    signature = market.chain.signatures()[-1]
    for other in others[1:]:
        assert is_served(market.dispatcher.send(other))
    market.resolve()
    assert market.states == ["settled"] * 4
    assert market.rows[1]["transaction_id"] == signature
    first = market.dispatcher.send(payment)
    assert is_served(first)
    assert receipt_of(first)["transaction"] == signature
    assert market.paid == 4 * PRICE


def test_a_settlement_that_is_pending_is_resolved_by_the_status_of_its_signature(
    market: Market,
) -> None:
    payment = market.signed()
    buyer = market.dispatcher.economy.solana_buyer.address

    def unconfirmed(call: Call) -> Response:
        signature = pass_on(call).json()["transaction"]
        return settlement_pending(signature, SOLANA_NETWORK, buyer)(call)

    market.dispatcher.proxy.then("/settle", unconfirmed)
    assert_pending(market.dispatcher.send(payment))
    assert market.rows[0]["transaction_id"] == market.chain.signatures()[-1]
    market.resolve()
    assert market.states == ["settled"]
    assert is_served(market.dispatcher.send(payment))
    assert market.paid == PRICE


def test_a_payment_that_was_never_sent_fails_once_its_blockhash_has_expired(
    market: Market,
) -> None:
    payment = market.signed()
    market.dispatcher.proxy.always("/settle", drop_connection)
    assert_pending(market.dispatcher.send(payment))
    market.resolve()
    assert market.states == ["pending"]
    market.chain.pass_time(BEYOND_BLOCKHASH_SECONDS)
    market.resolve()
    assert (market.states, market.paid) == (["failed"], 0)
    assert market.rows[0]["reason"] == "expired"
    market.dispatcher.proxy.reset()
    again = market.dispatcher.send(payment)
    assert again.status_code == 402
    assert not is_served(again)
    assert market.paid == 0


def test_a_settlement_that_the_facilitator_refuses_is_not_charged(market: Market) -> None:
    payment = market.signed()

    def refused(call: Call) -> Response:
        with market.chain.frozen(market.dispatcher.economy.solana_buyer.address):
            return pass_on(call)

    market.dispatcher.proxy.then("/settle", refused)
    response = market.dispatcher.send(payment)
    assert (response.status_code, response.json()["error"]) == (402, "payment_failed")
    assert response.json()["reason"] == "invalid_exact_svm_transaction_simulation_failed"
    assert (market.states, market.paid) == (["failed"], 0)
    # Nothing was sent, so the payment may be presented again.
    assert is_served(market.dispatcher.send(payment))
    assert (market.states, market.paid) == (["settled"], PRICE)


def test_a_buyer_without_tokens_is_refused_before_the_claim(market: Market) -> None:
    payment = market.signed(market.dispatcher.economy.solana_pauper)
    response = market.dispatcher.send(payment)
    assert (response.status_code, response.json()["error"]) == (402, "payment_invalid")
    assert market.rows == []
    assert decoded(response.headers["payment-required"])["accepts"][0]["extra"]["feePayer"]


def test_a_payment_of_another_payees_token_account_is_refused_by_name(market: Market) -> None:
    document = decoded(market.signed())
    document["accepted"]["payTo"] = market.dispatcher.economy.solana_buyer.address
    response = market.dispatcher.send(encoded(document))
    assert response.status_code == 402
    assert "payTo" in response.json()["message"]
    assert market.rows == []


def test_without_a_facilitator_for_solana_only_evm_is_offered(
    start: Starter, economy: Economy, fault_proxy: FaultProxy, tmp_path: Path
) -> None:
    kind = {"x402Version": 2, "scheme": "exact", "network": economy.network}
    fault_proxy.always("/supported", json_body({"kinds": [kind]}))
    tenants = [SOLD, SOLD_ON_BOTH]
    settings = {**economy.settings(), "FACILITATOR_URL": fault_proxy.url}
    with (
        start(tmp_path, {"tenants": tenants}, settings) as server,
        open_paid_dispatcher(server, economy, fault_proxy, tmp_path, TOKEN) as dispatcher,
    ):
        offered = dispatcher.payment_required("sold-on-both/")["accepts"]
        assert [one["network"] for one in offered] == [economy.network]
        response = dispatcher.send(None)
        assert (response.status_code, response.json()["error"]) == (503, "facilitator_unavailable")
        assert SOLANA_NETWORK in response.json()["message"]
        health = dispatcher.caller.platform("health")
        assert any(SOLANA_NETWORK in problem["message"] for problem in health["problems"])


def test_make_pay_pays_on_both_chains(market: Market, tmp_path: Path) -> None:
    economy = market.dispatcher.economy
    url, nodes = market.dispatcher.server.url, (economy.rpc_url, economy.solana_rpc_url)
    evm_paid = economy.chain.balance(economy.payee)
    with announced(tmp_path, url, *nodes):
        shown = pay(tmp_path, API="sold-on-both/", COUNT="2")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "on base-sepolia, payable to 0x" in shown.stdout
    assert f"on solana-devnet, payable to {SOLANA_PAYEE}." in shown.stdout
    assert re.search(r"Solana buyer +\$[\d,.]+ +\$[\d,.]+ +-\$0\.020000", shown.stdout)
    assert economy.chain.balance(economy.payee) == evm_paid + 2 * PRICE
    assert (market.states, market.paid) == (["settled"] * 4, 2 * PRICE)
    with announced(tmp_path, url, *nodes):
        shown = pay(tmp_path, API="sold-on-both/", NETWORK="solana-devnet")
    assert (shown.returncode, "base-sepolia" in shown.stdout) == (0, False)
    assert market.paid == 3 * PRICE


def test_the_code_on_the_page_pays(market: Market) -> None:
    buyer = market.dispatcher.economy.solana_buyer
    headers = {"accept": "text/html", "user-agent": "Mozilla/5.0"}
    page = market.dispatcher.send(None, headers=headers).text
    assert 'class="javascript"' not in page, "this API is not paid on EVM networks"
    found = re.search(r'<code class="solana">(.*?)</code>', page, re.DOTALL)
    assert found is not None
    key = encode_base58(bytes.fromhex(buyer.private_key) + address_bytes(buyer.address))
    local = json.dumps(market.dispatcher.economy.solana_rpc_url)
    # Without network access, the local node stands for the public one.
    redirected = f"""const {{ fetch: original }} = globalThis;
globalThis.fetch = (input, init) =>
	original(String(input) === "https://api.devnet.solana.com" ? {local} : input, init);
"""
    ran = subprocess.run(
        [find_node(HERE), "--input-type=module", "-e", redirected + unescape(found[1])],
        cwd=HERE.economy,
        env={**os.environ, "PRIVATE_KEY": key},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert '"goods":"bread"' in ran.stdout, ran.stderr
    assert market.paid == PRICE


def test_ledger_log_and_health_agree(market: Market) -> None:
    assert is_served(market.dispatcher.send(market.signed()))
    caller = market.dispatcher.caller
    day = eventually(
        lambda: (found := caller.platform("reconciliation")["day"])["agrees"] and found,
        "all settlements in the log",
    )
    tokens = [token for each in day["tenants"] for token in each["tokens"]]
    assert (SOLANA_NETWORK, "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU") in {
        (token["network"], token["asset"]) for token in tokens
    }
    assert caller.platform("health")["problems"] == []
    assert json.dumps(caller.platform("settlements", limit=10)).find(SOLANA_NETWORK) > 0

"""A payment on Solana stays open unless finalized blocks prove what became of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from core.ports import Fetched, Json
from payments.chain.node import RPC_SETTING, Node
from payments.chain.outcome import NO_PROOF, AuthorizationState, ChainProof
from payments.chain.queries import Chain
from payments.chain.svm.token import token_differences
from payments.models import PaymentRow
from tests.support.builders import PAYMENT_ROW
from tests.support.fake_network import FakeFetcher
from tests.support.fake_solana import (
    BUYER,
    NETWORK,
    PAYEE,
    RPC_URL,
    USDC,
    Payment,
    SolanaNode,
    signature_of,
)
from tests.support.fakes import NOON_MS, FakeClock, FakeEnvironment
from tests.unit.payments.test_solana_payload import REQUIREMENTS, read

CLAIMED_MS = NOON_MS
MOVED, VOID = AuthorizationState.MOVED, AuthorizationState.VOID
LATER = NOON_MS // 1000 + 120
"""The time of a block after which the payment's blockhash is known to be old."""


def row(payment: Payment = Payment(), **changes: Any) -> PaymentRow:  # noqa: B008 (frozen)
    document = {"paymentPayload": {"payload": {"transaction": payment.text}}}
    return PAYMENT_ROW._replace(
        payer=BUYER,
        pay_to=PAYEE,
        network=NETWORK,
        asset=USDC,
        nonce=read(payment.text).authorization.nonce,
        proof=json.dumps(document),
        transaction_id="",
        claimed_at_ms=CLAIMED_MS,
        **changes,
    )


def environment(node: Any) -> FakeEnvironment:
    async def respond(url: str, body: Json) -> Fetched:
        assert url == RPC_URL
        result = node(body["method"], body["params"])
        return Fetched(200, json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}))

    setting = json.dumps({"solana-devnet": RPC_URL})
    return FakeEnvironment(settings={RPC_SETTING: setting}, fetcher=FakeFetcher(respond))


def query(node: Any, payment: PaymentRow | None = None) -> ChainProof:
    """Query a payment's outcome; `node` returns the result of a method with parameters."""
    wanted = row() if payment is None else payment
    return asyncio.run(Chain(environment(node), FakeClock()).query(wanted))


def expired_node() -> SolanaNode:
    """A node on which the payment was not executed, and never will be."""
    return SolanaNode(has_expired=True, finalized_seconds=LATER)


def test_a_transaction_that_the_facilitator_named_is_proof() -> None:
    node = SolanaNode()
    name = node.execute(Payment().text)
    asked: list[str] = []

    def respond(method: str, parameters: Any) -> Json:
        asked.append(method)
        return node.rpc(method, parameters)

    assert query(respond, row()._replace(transaction_id=name)) == ChainProof(MOVED, name)
    assert asked == ["getGenesisHash", "getSignatureStatuses", "getTransaction"]


def test_a_transaction_that_nobody_named_is_found_by_its_message() -> None:
    node = SolanaNode()
    node.execute(Payment(2).text)
    name = node.execute(Payment(1).text)
    node.execute(Payment(3).text)
    assert query(node.rpc) == ChainProof(MOVED, name)


def test_another_transaction_that_the_facilitator_named_proves_nothing() -> None:
    node = SolanaNode()
    other = node.execute(Payment(2).text)
    assert query(node.rpc, row()._replace(transaction_id=other)) == NO_PROOF
    name = node.execute(Payment(1).text)
    assert query(node.rpc, row()._replace(transaction_id=other)) == ChainProof(MOVED, name)


def test_a_transaction_that_failed_is_void() -> None:
    node = SolanaNode()
    name = node.execute(Payment().text, error={"InstructionError": [2, {"Custom": 1}]})
    assert query(node.rpc) == ChainProof(VOID, name)


@pytest.mark.parametrize("received", [0, 9_999])
def test_a_payee_that_did_not_get_the_amount_was_not_paid(received: int) -> None:
    node = SolanaNode()
    name = node.execute(Payment().text, received=received)
    assert query(node.rpc) == ChainProof(VOID, name)


@pytest.mark.parametrize("field", ["owner", "mint"])
def test_what_others_got_or_in_another_token_does_not_count(field: str) -> None:
    node = SolanaNode()
    name = node.execute(Payment().text)
    for balances in ("preTokenBalances", "postTokenBalances"):
        node.executed[name]["meta"][balances][1][field] = "another"
    assert query(node.rpc) == ChainProof(VOID, name)


def test_a_payment_is_open_as_long_as_its_blockhash_is_valid() -> None:
    node = expired_node()
    assert query(node.rpc) == ChainProof(VOID)
    node.has_expired = False
    assert query(node.rpc) == NO_PROOF


def test_a_blockhash_that_may_be_newer_than_the_newest_block_has_not_expired() -> None:
    node = expired_node()
    node.finalized_seconds = LATER - 1
    assert query(node.rpc) == NO_PROOF


def test_a_block_from_the_future_proves_no_expiry() -> None:
    node = expired_node()
    # A node that counts milliseconds.
    node.finalized_seconds *= 1000
    assert query(node.rpc) == NO_PROOF


def test_a_node_that_has_forgotten_the_time_of_the_claim_proves_no_absence() -> None:
    node = expired_node()
    node.first_seconds = NOON_MS // 1000 - 200
    assert query(node.rpc) == NO_PROOF


def test_a_list_that_does_not_reach_back_to_the_claim_proves_no_absence() -> None:
    node = expired_node()
    for number in range(2, 1_002):
        node.execute(Payment(number).text, at_seconds=LATER)
    assert query(node.rpc) == NO_PROOF
    first = signature_of(Payment(2).text)
    node.executed[first]["blockTime"] = NOON_MS // 1000 - 301
    assert query(node.rpc) == ChainProof(VOID)


def test_a_transaction_long_after_the_claim_is_found() -> None:
    """A blockhash ages with the chain, which may have stood still."""
    node = expired_node()
    name = node.execute(Payment().text, at_seconds=NOON_MS // 1000 + 7_200)
    assert query(node.rpc) == ChainProof(MOVED, name)


def test_at_most_twenty_transactions_are_read() -> None:
    node = expired_node()
    for number in range(2, 23):
        node.execute(Payment(number).text, memo_shown=None)
    assert query(node.rpc) == NO_PROOF, "one of the others may be the payment"
    node.executed.pop(signature_of(Payment(2).text))
    assert query(node.rpc) == ChainProof(VOID)


def test_a_memo_distinguishes_a_payment_among_many() -> None:
    node = expired_node()
    name = node.execute(Payment(1).text)
    for number in range(2, 100):
        node.execute(Payment(number).text)
    assert query(node.rpc) == ChainProof(MOVED, name)


@pytest.mark.parametrize(
    "genesis_hash", ["5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d", "", None, 1]
)
def test_a_node_of_another_chain_proves_nothing(genesis_hash: Json) -> None:
    node = SolanaNode(genesis_hash=genesis_hash)
    node.execute(Payment().text)
    assert query(node.rpc) == NO_PROOF


@pytest.mark.parametrize("result", [None, 1, True, "x", [], {}, [None], {"value": None}, [[]]])
@pytest.mark.parametrize(
    "method",
    [
        *("getSignatureStatuses", "getTransaction", "isBlockhashValid", "getBlockTime"),
        *("getSignaturesForAddress", "getFirstAvailableBlock"),
    ],
)
def test_a_malformed_result_proves_nothing(method: str, result: Json) -> None:
    node = expired_node()
    node.execute(Payment(2).text, memo_shown=None)

    def respond(called: str, parameters: Any) -> Json:
        return result if called == method else node.rpc(called, parameters)

    proof = query(respond, row()._replace(transaction_id=signature_of(Payment().text)))
    # A list without transactions is a result of nodes.
    is_possible = (method, result) == ("getSignaturesForAddress", [])
    assert proof == (ChainProof(VOID) if is_possible else NO_PROOF)


def differences(mint: Json, decimals: int = 6) -> list[str]:
    node = SolanaNode(mint=mint) if mint != "as it is" else SolanaNode()
    terms = REQUIREMENTS.__class__(
        **{name: getattr(REQUIREMENTS, name) for name in REQUIREMENTS.__slots__}
        | {"decimals": decimals}
    )
    asked = Node(environment(node.rpc), FakeClock(), RPC_URL)
    labels = ("asset", "decimals", "name", "version")
    return [*asyncio.run(token_differences(asked, terms, labels))]


def test_a_mint_is_compared_with_the_settings() -> None:
    assert differences("as it is") == []
    assert differences("as it is", decimals=9) == ["decimals: the token has 6, not 9."]
    (missing,) = differences(None)
    assert missing.startswith(f"asset: the account {USDC} on {NETWORK} is no token")
    assert differences({"owner": PAYEE, "data": ["", "base64"]}) == [missing]


@pytest.mark.parametrize("mint", [1, [], {}, {"data": None}, {"data": [1]}, {"data": ["%"]}])
def test_a_malformed_account_is_no_difference(mint: Json) -> None:
    assert differences(mint) in ([], differences(None))

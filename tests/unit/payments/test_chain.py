"""What a node's answers prove of an authorization, and what they do not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from core.errors import FetchFailed
from core.ports import Fetched, Json
from payments.chain import NO_PROOF, RPC_SETTING, AuthorizationState, Chain, ChainProof
from tests.support import fake_chain as economy
from tests.support.fake_chain import PAYEE, PAYER, RPC_URL
from tests.support.fake_network import FakeFetcher
from tests.support.fakes import FakeClock, FakeEnvironment
from tests.support.payment_builders import ROW

AUTHORIZATION = {"from": PAYER, "to": PAYEE, "value": "10000", "nonce": ROW.nonce}


def query(node: Any, later_ms: int = 0) -> ChainProof:
    """Ask a node about the row; `node` answers a method and its parameters."""

    async def answer(url: str, asked: Json) -> Fetched:
        assert url == RPC_URL
        result = node(asked["method"], asked["params"])
        if isinstance(result, Fetched):
            return result
        return Fetched(200, json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}))

    environment = FakeEnvironment(settings={RPC_SETTING: RPC_URL}, fetcher=FakeFetcher(answer))
    clock = FakeClock()
    clock.at_ms += later_ms
    return asyncio.run(Chain(environment, clock).query(ROW))


def test_without_a_node_nothing_is_proved_and_nobody_is_asked() -> None:
    environment = FakeEnvironment()
    assert asyncio.run(Chain(environment, FakeClock()).query(ROW)) == NO_PROOF
    assert environment.fetcher.sent == []


def test_a_transfer_as_it_was_signed_is_proof() -> None:
    ledger = economy.Chain()
    transaction = ledger.transfer(AUTHORIZATION)
    assert query(ledger.rpc) == ChainProof(AuthorizationState.MOVED, transaction or "")


def test_a_cancelled_authorization_is_void() -> None:
    ledger = economy.Chain()
    ledger.cancel(PAYER, ROW.nonce)
    assert query(ledger.rpc).state is AuthorizationState.VOID


@pytest.mark.parametrize("other", [{"to": PAYER}, {"value": "9999"}])
def test_a_nonce_that_moved_something_else_is_void(other: dict[str, str]) -> None:
    ledger = economy.Chain()
    ledger.transfer({**AUTHORIZATION, **other})
    assert query(ledger.rpc).state is AuthorizationState.VOID


def test_an_unused_authorization_is_open_until_a_block_was_made_after_its_end() -> None:
    ledger = economy.Chain()
    end_seconds = ROW.valid_before_ms // 1000
    assert query(ledger.rpc) == NO_PROOF
    ledger.block_seconds = end_seconds + 60
    assert query(ledger.rpc, 10**9) == NO_PROOF, "the chain's time counts, not ours"
    ledger.block_seconds = end_seconds + 120
    assert query(ledger.rpc) == ChainProof(AuthorizationState.VOID)


USED = f"0x{1:064x}"
BLOCK = {"number": hex(1_000_000), "timestamp": hex(ROW.claimed_at_ms // 1000)}


@pytest.mark.parametrize(
    "answers",
    [
        {"eth_getBlockByNumber": FetchFailed("timed out")},
        {"eth_getBlockByNumber": None},
        {"eth_getBlockByNumber": {"number": "0x10"}},
        {"eth_call": FetchFailed("timed out")},
        {"eth_call": Fetched(200, "nonsense")},
        {"eth_call": Fetched(429, '{"error": "too many"}')},
        {"eth_call": "0x"},
        {"eth_call": None},
        {"eth_call": USED, "eth_getLogs": []},
        {"eth_call": USED, "eth_getLogs": None},
        {
            "eth_call": USED,
            "eth_getLogs": [{"topics": [], "transactionHash": "0x1"}],
            "eth_getTransactionReceipt": None,
        },
    ],
)
def test_an_answer_that_proves_nothing_leaves_it_open(answers: dict[str, Any]) -> None:
    def node(method: str, _: Any) -> Any:
        answer = {"eth_getBlockByNumber": BLOCK, **answers}[method]
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert query(node) == NO_PROOF


def test_the_search_for_the_transaction_has_bounds() -> None:
    asked: list[Any] = []

    def node(method: str, parameters: Any) -> Any:
        if method == "eth_getLogs":
            asked.append(parameters[0])
            return []
        return {"eth_call": USED, "eth_getBlockByNumber": BLOCK}[method]

    query(node, 60_000)
    query(node, 10**9)
    assert [1_000_000 - int(one["fromBlock"], 16) for one in asked] == [660, 9_000]

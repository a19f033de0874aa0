"""An authorization's state is open unless a node's responses prove another one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from core.errors import FetchFailed
from core.ports import Fetched, Json
from payments.chain import NO_PROOF, RPC_SETTING, AuthorizationState, Chain, ChainProof
from tests.support import fake_chain
from tests.support.builders import PAYMENT_ROW
from tests.support.fake_chain import PAYEE, PAYER, RPC_URL
from tests.support.fake_network import FakeFetcher
from tests.support.fakes import FakeClock, FakeEnvironment

AUTHORIZATION = {"from": PAYER, "to": PAYEE, "value": "10000", "nonce": PAYMENT_ROW.nonce}


def query(node: Any, later_ms: int = 0) -> ChainProof:
    """Query the row's authorization; `node` returns the result of a method with parameters."""

    async def respond(url: str, body: Json) -> Fetched:
        assert url == RPC_URL
        result = node(body["method"], body["params"])
        if isinstance(result, Fetched):
            return result
        return Fetched(200, json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}))

    environment = FakeEnvironment(settings={RPC_SETTING: RPC_URL}, fetcher=FakeFetcher(respond))
    clock = FakeClock()
    clock.at_ms += later_ms
    return asyncio.run(Chain(environment, clock).query(PAYMENT_ROW))


def test_without_a_node_there_is_no_query_and_no_proof() -> None:
    environment = FakeEnvironment()
    assert asyncio.run(Chain(environment, FakeClock()).query(PAYMENT_ROW)) == NO_PROOF
    assert environment.fetcher.sent == []


def test_a_transfer_of_the_signed_amount_to_the_signed_payee_proves_a_settlement() -> None:
    chain = fake_chain.Chain()
    transaction = chain.transfer(AUTHORIZATION)
    assert query(chain.rpc) == ChainProof(AuthorizationState.MOVED, transaction or "")


def test_a_canceled_authorization_is_void() -> None:
    chain = fake_chain.Chain()
    chain.cancel(PAYER, PAYMENT_ROW.nonce)
    assert query(chain.rpc).state is AuthorizationState.VOID


@pytest.mark.parametrize("other", [{"to": PAYER}, {"value": "9999"}])
def test_an_authorization_whose_nonce_was_used_for_another_transfer_is_void(
    other: dict[str, str],
) -> None:
    chain = fake_chain.Chain()
    chain.transfer({**AUTHORIZATION, **other})
    assert query(chain.rpc).state is AuthorizationState.VOID


def test_an_unused_authorization_is_open_until_a_block_is_later_than_its_expiry() -> None:
    chain = fake_chain.Chain()
    end_seconds = PAYMENT_ROW.valid_before_ms // 1000
    assert query(chain.rpc) == NO_PROOF
    chain.block_seconds = end_seconds + 60
    assert query(chain.rpc, 10**9) == NO_PROOF, "the block's time counts, not our clock"
    chain.block_seconds = end_seconds + 120
    assert query(chain.rpc) == ChainProof(AuthorizationState.VOID)


USED = f"0x{1:064x}"
BLOCK = {"number": hex(1_000_000), "timestamp": hex(PAYMENT_ROW.claimed_at_ms // 1000)}


@pytest.mark.parametrize(
    "responses",
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
def test_responses_that_prove_nothing_leave_an_authorization_open(
    responses: dict[str, Any],
) -> None:
    def node(method: str, _: Any) -> Any:
        response = {"eth_getBlockByNumber": BLOCK, **responses}[method]
        if isinstance(response, Exception):
            raise response
        return response

    assert query(node) == NO_PROOF


def test_the_search_for_the_transaction_is_limited_to_a_range_of_blocks() -> None:
    filters: list[Any] = []

    def node(method: str, parameters: Any) -> Any:
        if method == "eth_getLogs":
            filters.append(parameters[0])
            return []
        return {"eth_call": USED, "eth_getBlockByNumber": BLOCK}[method]

    query(node, 60_000)
    query(node, 10**9)
    assert [1_000_000 - int(one["fromBlock"], 16) for one in filters] == [660, 9_000]

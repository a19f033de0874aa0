"""An authorization's state is open unless a node's responses prove another one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from core.errors import ConfigurationError, FetchFailed
from core.ports import Fetched, Json
from payments.chain.node import RPC_SETTING, check_node_networks, node_url
from payments.chain.outcome import NO_PROOF, AuthorizationState, ChainProof
from payments.chain.queries import Chain
from tests.support import fake_chain
from tests.support.builders import PAYMENT_ROW
from tests.support.fake_chain import PAYEE, PAYER, RPC_URL, USDC
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


def test_a_block_from_the_future_does_not_prove_an_expiry() -> None:
    chain = fake_chain.Chain()
    # A node that counts milliseconds.
    chain.block_seconds *= 1000
    assert query(chain.rpc) == NO_PROOF


@pytest.mark.parametrize("chain_id", ["0x1", "0x14a35", "84532", 84532, None, "0x", "", [], {}])
@pytest.mark.parametrize("outcome", ["moved", "canceled", "expired"])
def test_a_node_of_another_chain_proves_nothing(outcome: str, chain_id: object) -> None:
    chain = fake_chain.Chain()
    if outcome == "moved":
        chain.transfer(AUTHORIZATION)
    elif outcome == "canceled":
        chain.cancel(PAYER, PAYMENT_ROW.nonce)
    else:
        chain.block_seconds = PAYMENT_ROW.valid_before_ms // 1000 + 120
    assert query(chain.rpc) != NO_PROOF

    def node(method: str, parameters: Any) -> Any:
        return chain_id if method == "eth_chainId" else chain.rpc(method, parameters)

    assert query(node) == NO_PROOF


def test_the_chain_of_a_node_is_checked_again_after_ten_minutes() -> None:
    chain = fake_chain.Chain()
    chain.transfer(AUTHORIZATION)
    asked: list[str] = []
    chain_ids = ["0x14a34", "0x1"]

    async def respond(_: str, body: Json) -> Fetched:
        asked.append(body["method"])
        result = chain.rpc(body["method"], body["params"])
        if body["method"] == "eth_chainId":
            result = chain_ids.pop(0)
        return Fetched(200, json.dumps({"result": result}))

    environment = FakeEnvironment(settings={RPC_SETTING: RPC_URL}, fetcher=FakeFetcher(respond))
    clock = FakeClock()
    client = Chain(environment, clock)
    states = []
    for _ in range(3):
        states.append(asyncio.run(client.query(PAYMENT_ROW)).state)
        clock.at_ms += 300_000
    assert asked.count("eth_chainId") == 2
    assert states == [AuthorizationState.MOVED] * 2 + [AuthorizationState.OPEN]


TRANSACTION = f"0x{1:064x}"
NAME = (PAYER, PAYMENT_ROW.nonce)
USE = fake_chain.use_log(USDC, NAME, TRANSACTION)
TRANSFER = fake_chain.transfer_log(USDC, PAYER, PAYEE, 10_000, TRANSACTION)
CANCELLATION = fake_chain.use_log(USDC, NAME, TRANSACTION, is_canceled=True)
OTHER_USE = fake_chain.use_log(USDC, (PAYER, "0x" + "02" * 32), TRANSACTION)
OTHER_TRANSFER = fake_chain.transfer_log(USDC, PAYER, PAYER, 1, TRANSACTION)
RECEIPT = fake_chain.receipt(TRANSACTION, USE, TRANSFER)
USED = f"0x{1:064x}"
BLOCK = {"number": hex(1_000_000), "timestamp": hex(PAYMENT_ROW.claimed_at_ms // 1000)}
NODE: dict[str, Any] = {
    "eth_chainId": "0x14a34",
    "eth_getBlockByNumber": BLOCK,
    "eth_call": USED,
    "eth_getLogs": [USE],
    "eth_getTransactionReceipt": RECEIPT,
}
"""The results of a node that proves that the money moved."""


def query_with(**results: Any) -> ChainProof:
    """Query a node with some other results."""

    def node(method: str, _: Any) -> Any:
        response = {**NODE, **results}[method]
        if isinstance(response, Exception):
            raise response
        return response

    return query(node)


def with_receipt(*logs: Any, **changes: Any) -> ChainProof:
    """Query a node whose receipt has these events."""
    return query_with(
        eth_getTransactionReceipt={**fake_chain.receipt(TRANSACTION, *logs), **changes}
    )


def test_the_node_of_these_tests_proves_a_settlement() -> None:
    assert query_with() == ChainProof(AuthorizationState.MOVED, TRANSACTION)
    checksummed = {**TRANSFER, "topics": [one.upper() for one in TRANSFER["topics"]]}
    checksummed["topics"] = [one.replace("0X", "0x") for one in checksummed["topics"]]
    assert with_receipt(USE, checksummed).state is AuthorizationState.MOVED


NONSENSE: list[Any] = [None, 1, 1.5, True, "", "x", "0x", [], {}, ["x"], [None], {"x": 1}]


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize("method", [*NODE])
def test_a_result_of_another_type_proves_nothing(method: str, value: object) -> None:
    assert query_with(**{method: value}) == NO_PROOF


@pytest.mark.parametrize("value", [*NONSENSE, 10**30, "1e3", "-0x1", "0x-1", "0x1g", "٣", "NaN"])
@pytest.mark.parametrize("field", ["number", "timestamp"])
def test_a_block_with_another_number_proves_nothing(field: str, value: object) -> None:
    assert query_with(eth_getBlockByNumber={**BLOCK, field: value}) == NO_PROOF


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize("field", [*USE])
def test_an_event_with_a_malformed_field_proves_nothing(field: str, value: object) -> None:
    assert with_receipt(USE, {**TRANSFER, field: value}) == NO_PROOF
    # The use itself has no data.
    if value != USE[field]:
        assert query_with(eth_getLogs=[{**USE, field: value}]) == NO_PROOF
        assert with_receipt({**USE, field: value}, TRANSFER) == NO_PROOF
        assert with_receipt({**CANCELLATION, field: value}) == NO_PROOF


@pytest.mark.parametrize(
    "changes",
    [
        *({"status": status} for status in ("0x0", "0x", 1, True, None, "1", "0x01")),
        *({"transactionHash": other} for other in ("0x" + "2" * 64, None, 1, "")),
        *({"logs": value} for value in NONSENSE),
    ],
)
def test_a_receipt_of_another_or_a_failed_transaction_proves_nothing(
    changes: dict[str, Any],
) -> None:
    assert with_receipt(USE, TRANSFER, **changes) == NO_PROOF
    assert with_receipt(USE, OTHER_TRANSFER, **changes) == NO_PROOF
    assert with_receipt(CANCELLATION, **changes) == NO_PROOF


def test_a_transfer_of_another_token_proves_nothing() -> None:
    assert with_receipt(USE, {**TRANSFER, "address": PAYEE}) == NO_PROOF


@pytest.mark.parametrize(
    ("transfer", "state"),
    [
        (fake_chain.transfer_log(USDC, PAYEE, PAYEE, 10_000, TRANSACTION), "open"),
        (fake_chain.transfer_log(USDC, PAYER, PAYEE, 10_000, "0x" + "2" * 64), "open"),
        (fake_chain.transfer_log(USDC, PAYER, PAYER, 10_000, TRANSACTION), "void"),
        (fake_chain.transfer_log(USDC, PAYER, PAYEE, 9_999, TRANSACTION), "void"),
        (fake_chain.transfer_log(USDC, PAYER, PAYEE, 10_001, TRANSACTION), "void"),
        (fake_chain.transfer_log(USDC, PAYER, PAYEE, 100_000, TRANSACTION), "void"),
        (fake_chain.transfer_log(USDC, PAYER, PAYEE, 2**256 - 1, TRANSACTION), "void"),
    ],
)
def test_only_the_signed_transfer_of_the_asset_proves_a_settlement(
    transfer: dict[str, Any], state: str
) -> None:
    assert with_receipt(USE, transfer).state is AuthorizationState(state)


def test_a_use_without_its_event_or_a_transfer_in_the_receipt_proves_nothing() -> None:
    assert with_receipt(TRANSFER) == NO_PROOF
    assert with_receipt(USE) == NO_PROOF
    assert with_receipt(OTHER_USE, TRANSFER) == NO_PROOF
    assert with_receipt(USE, USE, TRANSFER) == NO_PROOF
    other_token = fake_chain.use_log(PAYER, NAME, TRANSACTION)
    assert with_receipt(other_token, TRANSFER) == NO_PROOF
    assert query_with(eth_getLogs=[other_token]) == NO_PROOF
    assert query_with(eth_getLogs=[OTHER_USE]) == NO_PROOF


def test_a_transfer_proves_one_of_several_uses_in_a_transaction() -> None:
    # A payer cannot have one transfer count for two payments.
    assert with_receipt(USE, OTHER_TRANSFER, OTHER_USE, TRANSFER).state is AuthorizationState.VOID
    assert with_receipt(OTHER_USE, TRANSFER, USE, OTHER_TRANSFER).state is AuthorizationState.VOID
    assert with_receipt(USE, TRANSFER, OTHER_USE, TRANSFER).state is AuthorizationState.MOVED


def test_malformed_events_beside_the_proof_are_skipped() -> None:
    noise: list[Any] = ["x", None, {}, {**TRANSFER, "topics": None}, {**USE, "topics": []}]
    found = query_with(
        eth_getLogs=[*noise, USE],
        eth_getTransactionReceipt=fake_chain.receipt(TRANSACTION, *noise, USE, *noise, TRANSFER),
    )
    assert found == ChainProof(AuthorizationState.MOVED, TRANSACTION)


@pytest.mark.parametrize("failure", [FetchFailed("timed out"), Fetched(200, "nonsense")])
@pytest.mark.parametrize("method", [*NODE])
def test_a_call_that_fails_proves_nothing(method: str, failure: object) -> None:
    assert query_with(**{method: failure}) == NO_PROOF


@pytest.mark.parametrize(
    "response",
    [
        Fetched(429, '{"error": "too many"}'),
        Fetched(500, json.dumps({"result": USED})),
        Fetched(200, json.dumps({"error": {"code": -32000}})),
        Fetched(200, "[" * 100_000),
        Fetched(200, '{"result": NaN}'),
    ],
)
def test_a_response_that_is_no_result_proves_nothing(response: Fetched) -> None:
    assert query_with(eth_call=response) == NO_PROOF


@pytest.mark.parametrize("url", ["ftp://node.example", "node.example", "wss://node.example"])
def test_a_setting_that_is_no_url_proves_nothing(url: str) -> None:
    environment = FakeEnvironment(settings={RPC_SETTING: url})
    assert asyncio.run(Chain(environment, FakeClock()).query(PAYMENT_ROW)) == NO_PROOF
    assert environment.fetcher.sent == []


def test_a_setting_with_an_unknown_network_is_named_and_proves_for_the_others() -> None:
    nodes = {"base": RPC_URL, "bsae": "https://node.example/KEY", "8453": RPC_URL}
    with pytest.raises(ConfigurationError) as raised:
        check_node_networks(json.dumps(nodes))
    assert "'bsae', '8453'" in raised.value.message
    assert "KEY" not in raised.value.message
    environment = FakeEnvironment(settings={RPC_SETTING: json.dumps(nodes)})
    assert node_url(environment, "eip155:8453") == RPC_URL
    for text in (RPC_URL, "", '{"base": "https://node.example"}'):
        check_node_networks(text)
    with pytest.raises(ConfigurationError, match="URLs by network"):
        check_node_networks("{")


def test_all_calls_together_are_limited_in_time() -> None:
    timeouts: list[int] = []
    clock = FakeClock()

    class SlowFetcher(FakeFetcher):
        async def fetch(self, url: str, **options: Any) -> Fetched:
            timeouts.append(options["timeout_ms"])
            clock.at_ms += 4_000
            return await super().fetch(url, **options)

    async def respond(_: str, body: Json) -> Fetched:
        return Fetched(200, json.dumps({"result": NODE[body["method"]]}))

    environment = FakeEnvironment(settings={RPC_SETTING: RPC_URL}, fetcher=SlowFetcher(respond))
    assert asyncio.run(Chain(environment, clock).query(PAYMENT_ROW)) == NO_PROOF
    assert timeouts == [5_000, 5_000, 2_000]


def test_the_search_for_the_transaction_is_limited_to_a_range_of_blocks() -> None:
    filters: list[Any] = []

    def node(method: str, parameters: Any) -> Any:
        if method == "eth_getLogs":
            filters.append(parameters[0])
            return []
        return NODE[method]

    query(node, 60_000)
    query(node, 10**9)
    assert [1_000_000 - int(one["fromBlock"], 16) for one in filters] == [660, 9_000]

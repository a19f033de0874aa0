"""A 402 offers Solana only with a fee payer, and what makes a way to pay unusable is named."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from core.errors import FetchFailed
from core.ports import Fetched, Json
from tests.support.fake_chain import NETWORK as EVM_NETWORK
from tests.support.fake_chain import PAYEE as EVM_PAYEE
from tests.support.fake_solana import (
    FEE_PAYER,
    NETWORK,
    OFFICIAL,
    PAYEE,
    RPC_URL,
    USDC,
    SolanaNode,
)
from tests.support.fakes import FakeUpstreamResponse
from tests.support.log_lines import log_lines
from tests.support.payment_scene import Market, encode, error_body
from tests.unit.payments.test_reconciliation import problems
from tests.unit.payments.test_ways_to_pay import RECORD, accepts_of, pay

SOLANA = {"network": "solana-devnet", "payTo": PAYEE}
EVM_KIND = {"x402Version": 2, "scheme": "exact", "network": EVM_NETWORK}
KIND = {**EVM_KIND, "network": NETWORK, "extra": {"feePayer": FEE_PAYER}}
FREE = {"slug": "free", "tenantId": "t3", "workerName": "f"}


def market_of(*accepts: Any, kinds: Any = (EVM_KIND, KIND), **fields: Any) -> Market:
    market = Market(tenants=[{**RECORD, "accepts": [*accepts], **fields}, FREE])
    market.facilitator.kinds = None if kinds is None else [*kinds]
    return market


def test_a_402_has_the_fee_payer_that_the_facilitator_names() -> None:
    evm, solana = accepts_of(market_of({}, SOLANA).challenge())
    assert evm["network"] == EVM_NETWORK
    assert solana == {
        "scheme": "exact",
        "network": NETWORK,
        "amount": "10000",
        "asset": USDC,
        "payTo": PAYEE,
        "maxTimeoutSeconds": 300,
        "extra": {"feePayer": FEE_PAYER},
    }


def test_the_body_has_it_for_clients_of_version_1() -> None:
    accepts = json.loads(market_of({}, SOLANA).challenge().body)["accepts"]
    assert [one["network"] for one in accepts] == ["base-sepolia", "solana-devnet"]
    assert accepts[1]["extra"] == {"feePayer": FEE_PAYER}


@pytest.mark.parametrize(
    "kinds",
    [
        None,
        [],
        [EVM_KIND],
        [{**KIND, "extra": {}}],
        [{**KIND, "extra": None}],
        [{**KIND, "extra": {"feePayer": EVM_PAYEE}}],
        [{**KIND, "scheme": "upto"}],
        [{**KIND, "network": "solana-devnet"}],
        [None, 1, "x"],
    ],
)
def test_what_no_facilitator_settles_is_not_offered(
    kinds: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        (offered,) = accepts_of(market_of({}, SOLANA, kinds=kinds).challenge())
    assert offered["network"] == EVM_NETWORK
    (line,) = (line for line in log_lines(caplog) if line["event"] == "no_fee_payer")
    assert line["network"] == NETWORK
    assert "http://facilitator.example" in line["cause"]


def test_an_api_that_cannot_be_paid_at_all_says_so_and_others_are_unaffected() -> None:
    market = market_of(SOLANA, kinds=[EVM_KIND])
    body = error_body(market.call(), 503, "facilitator_unavailable")
    assert NETWORK in body["message"]
    market.reply = FakeUpstreamResponse()
    assert market.call("/t/free/x").upstream.status == 200  # type: ignore[union-attr]
    (problem,) = problems(market)
    assert f"does not settle the scheme exact on {NETWORK}, or names no feePayer" in problem


def test_evm_is_paid_while_no_facilitator_settles_solana() -> None:
    market = market_of({}, SOLANA, kinds=[EVM_KIND])
    (offered,) = accepts_of(market.challenge())
    market.call(headers=pay(offered, market))
    assert market.states == ["settled"]


def test_the_fee_payer_is_asked_for_once_in_ten_minutes() -> None:
    market = market_of({}, SOLANA)
    for _ in range(3):
        market.challenge()
    assert len(market.fetcher.sent) == 1
    market.clock.at_ms += 600_001
    market.challenge()
    assert len(market.fetcher.sent) == 2


def test_the_last_fee_payer_is_offered_while_the_facilitator_is_silent() -> None:
    market = market_of({}, SOLANA)
    market.challenge()
    market.facilitator.kinds = None
    market.clock.at_ms += 600_001
    assert len(accepts_of(market.challenge())) == 2
    # It responds again, and does not settle there any more.
    market.facilitator.kinds = [EVM_KIND]
    market.clock.at_ms += 10_001
    assert len(accepts_of(market.challenge())) == 1


def test_the_facilitator_that_settles_there_names_it() -> None:
    market = market_of({}, SOLANA)
    market.settings["FACILITATOR_URL"] = "http://evm.example,http://solana.example"
    kinds = {"http://evm.example": [EVM_KIND], "http://solana.example": [KIND]}

    async def respond(url: str, _: Json) -> Fetched:
        return Fetched(200, json.dumps({"kinds": kinds[url.removesuffix("/supported")]}))

    market.fetcher.respond = respond
    assert len(accepts_of(market.challenge())) == 2
    assert problems(market) == []


def test_eight_ways_to_pay_on_solana_fit_a_header() -> None:
    ways = [{**SOLANA, "amount": str(number)} for number in range(1, 9)]
    market = market_of(*ways, description="ä" * 2_000)
    value = dict(market.challenge("/t/paid/" + "y" * 2_000).headers)["payment-required"]
    assert len(accepts_of(market.challenge())) == 8
    assert len(value) <= 6_000


def test_a_payment_does_not_need_the_offer_again() -> None:
    """A new isolate that cannot ask for the fee payer says so, and does not blame the payer."""
    market = market_of({}, SOLANA)
    accepted = accepts_of(market.challenge())[1]
    paid = encode({"x402Version": 2, "accepted": accepted, "payload": {"transaction": OFFICIAL}})

    async def respond(_url: str, _body: Json) -> Fetched:
        raise FetchFailed("timed out")

    market.fetcher.respond = respond
    market.start()
    response = market.call(headers={"payment-signature": paid})
    error_body(response, 503, "facilitator_unavailable")


UNUSABLE: list[tuple[list[Any], dict[str, Any], str]] = [
    ([SOLANA, SOLANA], {}, "accepts[0] and accepts[1] ask for the same payment: network solana:"),
    (
        [SOLANA, {**SOLANA, "asset": USDC, "amount": "10000"}],
        {},
        "accepts[0] and accepts[1] ask for the same payment: network solana:",
    ),
    (
        [{"network": "solana:" + "1" * 32, "asset": USDC, "payTo": PAYEE}],
        {},
        "accepts[0].decimals must be",
    ),
    ([{"network": "solana:mainnet", "payTo": PAYEE}], {}, "accepts[0].network must be"),
    ([{**SOLANA, "asset": EVM_PAYEE}], {}, "accepts[0].asset must be an address on solana:"),
    ([{**SOLANA, "payTo": EVM_PAYEE}], {}, "accepts[0].payTo must be an address on solana:"),
    ([{**SOLANA, "payTo": PAYEE[:-4]}], {}, "accepts[0].payTo must be an address on solana:"),
    (
        [{"network": "base", "payTo": PAYEE}],
        {},
        "accepts[0].payTo must be an address on eip155:8453",
    ),
    (
        [{"network": "solana-devnet"}],
        {"payTo": EVM_PAYEE},
        f"the record's payTo {EVM_PAYEE} is none",
    ),
    ([{"network": "base"}], {"payTo": PAYEE}, f"the record's payTo {PAYEE} is none"),
    (
        [{**SOLANA, "asset": PAYEE, "decimals": 1}],
        {},
        "accepts[0].priceUsd must be a price with at most 1 decimals",
    ),
    (
        [{**SOLANA, "extra": {"feePayer": FEE_PAYER}}],
        {},
        "accepts[0].extra must be without feePayer",
    ),
]


@pytest.mark.parametrize(("accepts", "fields", "message"), UNUSABLE)
def test_an_unusable_way_is_named_at_health_and_in_the_log_and_others_are_unaffected(
    accepts: list[Any], fields: dict[str, Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    market = market_of(*accepts, **fields)
    with caplog.at_level(logging.WARNING):
        assert market.call("/t/free/x").upstream.status == 200  # type: ignore[union-attr]
    assert any(message in text for text in problems(market)), problems(market)
    lines = [line for line in log_lines(caplog) if line["event"] == "directory_record_refused"]
    assert any(message in line["cause"] for line in lines)
    error_body(market.call(), 404, "tenant_not_found")


def test_a_payee_of_the_deployment_on_another_chain_is_named() -> None:
    market = market_of({"network": "solana-devnet"})
    body = error_body(market.call(), 500, "configuration_error")
    assert "PAY_TO_ADDRESS" in body["message"]
    assert "need payTo" in body["message"]
    assert any("PAY_TO_ADDRESS" in text for text in problems(market))


def test_a_deployment_can_settle_on_solana() -> None:
    market = market_of(kinds=[KIND])
    market.tenants[0].pop("accepts")
    market.settings |= {"X402_NETWORK": "solana-devnet", "X402_ASSET": USDC}
    market.settings |= {"PAY_TO_ADDRESS": PAYEE}
    for name in ("X402_ASSET_NAME", "X402_ASSET_VERSION"):
        del market.settings[name]
    market.start()
    (offered,) = accepts_of(market.challenge())
    assert (offered["network"], offered["payTo"], offered["asset"]) == (NETWORK, PAYEE, USDC)
    assert problems(market) == []


def test_health_compares_the_mint_with_the_record() -> None:
    node = SolanaNode()
    market = market_of({**SOLANA, "asset": PAYEE, "decimals": 9})
    market.settings["X402_RPC_URL"] = json.dumps({"solana-devnet": RPC_URL})
    others = market.fetcher.respond

    async def respond(url: str, body: Json) -> Fetched:
        if url != RPC_URL:
            assert others is not None
            return await others(url, body)
        result = node.rpc(body["method"], body["params"])
        return Fetched(200, json.dumps({"result": result}))

    market.fetcher.respond = respond
    assert problems(market) == ["accepts: decimals: the token has 6, not 9."]
    node.genesis_hash = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"
    (problem,) = problems(market)
    assert "is a node of solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp" in problem

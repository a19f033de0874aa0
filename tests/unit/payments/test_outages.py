"""If a facilitator or a store fails, nothing is charged twice and nothing is lost."""

from __future__ import annotations

import pytest

from core.ports import Fetched, Json, ProxyResponse, Response
from tests.support.fake_chain import PAYER
from tests.support.fakes import FakeUpstreamResponse
from tests.support.payment_scene import PRICE_MICROS, Market, enable_chain, error_body, read_header


def test_without_a_verify_result_nothing_is_claimed() -> None:
    market = Market()
    market.facilitator.faults["verify"] = ["down"]
    headers = market.payment()
    response = market.call(headers=headers)
    error_body(response, 503, "facilitator_unavailable")
    assert isinstance(response, Response)
    assert "retry-after" in dict(response.headers)
    assert not (market.payments)
    assert not (market.namespace.sent)
    assert isinstance(market.call(headers=headers), ProxyResponse)


@pytest.mark.parametrize("fault", ["500", "nonsense"])
def test_an_unreadable_response_is_not_a_verify_result(fault: str) -> None:
    market = Market()
    market.facilitator.faults["verify"] = [fault]
    error_body(market.call(headers=market.payment()), 503, "facilitator_unavailable")
    assert market.payments == []


def test_the_next_facilitator_verifies_if_the_first_does_not_respond() -> None:
    market = Market()
    market.settings["FACILITATOR_URL"] = "http://down.example, http://facilitator.example/"
    market.facilitator.faults["verify"] = ["down"]
    assert isinstance(market.call(headers=market.payment()), ProxyResponse)
    assert [url for url, _, _ in market.fetcher.sent] == [
        "http://down.example/verify",
        "http://facilitator.example/verify",
        "http://facilitator.example/settle",
    ]


@pytest.mark.parametrize(
    "reason", ["invalid_exact_evm_insufficient_balance", "invalid_exact_evm_nonce_already_used"]
)
def test_a_refused_settlement_is_neither_served_nor_charged(reason: str) -> None:
    market = Market()
    market.facilitator.faults["settle"] = [f"refused:{reason}"]
    response = market.call(headers=market.payment())
    assert error_body(response, 402, "payment_failed")["reason"] == reason
    receipt = read_header(response, "payment-response")
    assert (receipt["success"], receipt["errorReason"]) == (False, reason)
    assert read_header(response, "payment-required")["accepts"]
    assert isinstance(market.reply, FakeUpstreamResponse)
    assert market.reply.is_discarded
    assert (market.states, market.entered_micros) == (["failed"], 0)
    assert [event.counted for event in market.events] == [False, False]


def test_a_transfer_that_reverted_is_refused() -> None:
    market = Market()
    market.facilitator.faults["settle"] = ["reverted"]
    error_body(market.call(headers=market.payment()), 402, "payment_failed")
    assert (market.states, market.moved_micros) == (["failed"], 0)


UNCERTAIN = ["down", "lost", "500", "nonsense", "success without transaction"]


@pytest.mark.parametrize("fault", UNCERTAIN)
def test_a_settlement_with_unknown_outcome_is_pending_and_not_served(
    fault: str,
) -> None:
    market = Market()
    market.facilitator.faults["settle"] = [fault]
    headers = market.payment()
    response = market.call(headers=headers)
    error_body(response, 503, "facilitator_unavailable")
    assert read_header(response, "payment-response")["errorReason"] == "settlement_pending"
    assert market.states == ["pending"]
    assert market.served == []
    # An immediate retry makes no settle call and changes nothing.
    error_body(market.call(headers=headers), 503, "facilitator_unavailable")
    assert market.facilitator.calls.count("settle") == 1


@pytest.mark.parametrize("fault", UNCERTAIN[1:])
def test_a_pending_payment_is_settled_by_proof_and_then_served_once(fault: str) -> None:
    market = Market()
    enable_chain(market)
    market.facilitator.faults["settle"] = [fault]
    headers = market.payment()
    market.call(headers=headers)
    market.run_cron(3)
    assert (market.states, len(market.chain.transfers)) == (["settled"], 1)
    assert market.revenue_micros == market.entered_micros == PRICE_MICROS
    assert isinstance(market.call(headers=headers), ProxyResponse)
    assert isinstance(market.call(headers=headers), Response)
    assert (len(market.served), len(market.chain.transfers)) == (1, 1)
    assert sum(event.counted for event in market.events) == 1
    assert market.revenue_micros == PRICE_MICROS


@pytest.mark.parametrize("has_node", [True, False])
def test_what_no_facilitator_settled_is_settled_only_if_its_payer_returns(has_node: bool) -> None:
    market = Market()
    if has_node:
        enable_chain(market)
    market.facilitator.faults["settle"] = ["down"]
    headers = market.payment()
    error_body(market.call(headers=headers), 503, "facilitator_unavailable")
    market.run_cron(3)
    assert (market.states, market.facilitator.calls) == (["pending"], ["verify", "settle"])
    market.clock.at_ms += 60_000
    assert isinstance(market.call(headers=headers), ProxyResponse)
    assert (market.states, len(market.chain.transfers)) == (["settled"], 1)
    assert market.revenue_micros == market.entered_micros == PRICE_MICROS


def test_what_no_facilitator_settled_and_nobody_presents_again_expires() -> None:
    market = Market()
    enable_chain(market)
    market.facilitator.faults["settle"] = ["down"]
    market.call(headers=market.payment())
    market.run_cron(12)
    assert [(row["state"], row["reason"]) for row in market.payments] == [("failed", "expired")]
    assert (market.chain.transfers, market.facilitator.calls.count("settle")) == ([], 1)


@pytest.mark.parametrize("fault", UNCERTAIN)
def test_a_pending_payment_is_resolved_and_served_when_its_payer_retries(fault: str) -> None:
    market = Market()
    enable_chain(market)
    market.facilitator.faults["settle"] = [fault]
    headers = market.payment()
    market.call(headers=headers)
    market.clock.at_ms += 30_000
    assert isinstance(market.call(headers=headers), ProxyResponse)
    market.run_cron(3)
    assert (market.states, len(market.served), len(market.chain.transfers)) == (["settled"], 1, 1)
    assert market.revenue_micros == market.entered_micros == PRICE_MICROS


def test_settlement_pending_is_followed_by_a_second_settle_call() -> None:
    market = Market()
    market.facilitator.faults["settle"] = ["pending"]
    assert isinstance(market.call(headers=market.payment()), ProxyResponse)
    assert market.facilitator.calls == ["verify", "settle", "settle"]
    assert (market.states, len(market.chain.transfers)) == (["settled"], 1)


def test_a_refusal_after_settlement_pending_leaves_the_payment_pending() -> None:
    market = Market()
    enable_chain(market)
    market.facilitator.faults["settle"] = [
        "pending",
        "refused:invalid_exact_evm_nonce_already_used",
    ]
    response = market.call(headers=market.payment())
    error_body(response, 503, "facilitator_unavailable")
    assert read_header(response, "payment-response")["transaction"] == f"0x{1:064x}"
    assert (market.states, len(market.chain.transfers)) == (["pending"], 1)
    market.run_cron(2)
    assert (market.states, market.revenue_micros) == (["settled"], PRICE_MICROS)


def test_without_a_node_a_used_authorization_stays_pending() -> None:
    market = Market()
    market.facilitator.faults["settle"] = ["lost"]
    market.call(headers=market.payment())
    market.run_cron(60)
    assert (market.states, market.revenue_micros) == (["pending"], 0)
    # With a node, the proof is found.
    enable_chain(market)
    market.run_cron(70)
    assert (market.states, market.revenue_micros) == (["settled"], PRICE_MICROS)


def test_an_authorization_that_its_payer_canceled_fails() -> None:
    market = Market()
    enable_chain(market)
    market.facilitator.faults["settle"] = ["down"]
    market.call(headers=market.payment())
    market.chain.cancel(PAYER, f"0x{1:064x}")
    market.run_cron(2)
    assert (market.states, market.entered_micros, market.revenue_micros) == (["failed"], 0, 0)


def test_an_authorization_that_expired_unused_fails() -> None:
    market = Market()
    enable_chain(market)
    market.facilitator.faults["settle"] = ["down"] * 20
    market.call(headers=market.payment())
    market.run_cron(4)
    assert market.states == ["pending"]
    market.run_cron(6)
    assert market.states == ["failed"]
    assert (market.moved_micros, market.entered_micros) == (0, 0)


def test_if_the_ledger_fails_nothing_is_charged() -> None:
    market = Market()
    headers = market.payment()
    market.database.failing = 3
    error_body(market.call(headers=headers), 500, "internal_error")
    assert not (market.chain.transfers)
    assert not (market.namespace.sent)
    assert isinstance(market.call(headers=headers), ProxyResponse)


@pytest.mark.parametrize("works", [False, True])
@pytest.mark.parametrize("skip", range(3))
def test_a_transaction_whose_confirmation_is_lost_once_changes_nothing(
    skip: int, works: bool
) -> None:
    market = Market()
    headers = market.payment()
    market.database.failing_after(skip, takes_effect_anyway=works)
    assert isinstance(market.call(headers=headers), ProxyResponse)
    assert (market.states, len(market.chain.transfers)) == (["settled"], 1)
    assert market.entered_micros == market.revenue_micros == PRICE_MICROS


@pytest.mark.parametrize("fault", ["silent", "response lost"])
def test_a_payment_that_its_shard_did_not_acknowledge_is_sent_by_cron_and_counted_once(
    fault: str,
) -> None:
    market = Market()
    headers = market.payment()
    if fault == "silent":
        market.shards.unavailable = {0}
    else:
        market.shards.lost_responses = 9
    assert isinstance(market.call(headers=headers), ProxyResponse)
    assert market.states == ["settled"]
    assert [row["reconciled_at_ms"] for row in market.payments] == [None]
    market.shards.unavailable, market.shards.lost_responses = set(), 0
    market.start()
    market.run_cron(2)
    assert market.revenue_micros == market.entered_micros == PRICE_MICROS
    assert [row["reconciled_at_ms"] is not None for row in market.payments] == [True]


def test_a_payment_that_no_shard_has_acknowledged_is_not_reconciled() -> None:
    market = Market()
    market.shards.unavailable = {0}
    assert isinstance(market.call(headers=market.payment()), ProxyResponse)
    market.run_cron(3)
    assert [row["reason"] for row in market.payments] == ["not_in_usage_log"]
    assert [row["reconciled_at_ms"] for row in market.payments] == [None]


def test_a_settlement_that_the_ledger_rejected_is_in_the_log_and_then_in_the_ledger() -> None:
    market = Market()
    headers = market.payment()
    # After the claim.
    market.database.failing_after(1, takes_effect_anyway=False)
    market.database.failing = 3
    error_body(market.call(headers=headers), 503, "facilitator_unavailable")
    assert (market.states, market.revenue_micros) == (["claimed"], PRICE_MICROS)
    market.run_cron(3)
    assert (market.states, market.facilitator.calls.count("settle")) == (["settled"], 1)
    assert market.entered_micros == market.revenue_micros == PRICE_MICROS
    assert market.payments[0]["usage_batch"] is not None
    assert isinstance(market.call(headers=headers), ProxyResponse)
    assert sum(event.counted for event in market.events) == 1


def test_a_payment_is_not_resolved_while_its_shard_cannot_say_what_it_knows() -> None:
    market = Market()
    enable_chain(market)
    market.facilitator.faults["settle"] = ["lost"]
    market.call(headers=market.payment())
    market.shards.unavailable = {0}
    market.run_cron(3)
    assert [(row["state"], row["reason"]) for row in market.payments] == [
        ("pending", "usage_log_unavailable")
    ]
    market.shards.unavailable = set()
    market.run_cron(2)
    assert (market.states, market.revenue_micros) == (["settled"], PRICE_MICROS)


def test_a_payment_stays_in_its_shard_when_shards_are_added() -> None:
    market = Market()
    market.shards.unavailable = {0}
    market.call(headers=market.payment())
    market.shards.unavailable = set()
    market.shards.count = 8
    market.start()
    market.run_cron(2)
    assert [row["shard"] for row in market.payments] == [0]
    assert market.shards.calls[-1] == (0, "append")
    assert market.revenue_micros == PRICE_MICROS


def test_a_refusal_that_another_settle_call_may_have_caused_is_not_a_failure() -> None:
    market = Market()
    enable_chain(market)

    async def respond(url: str, body: Json) -> Fetched:
        market.fetcher.respond = market.facilitator.respond
        if url.endswith("/settle"):
            # The request takes so long that its payer returns, and is served.
            market.clock.at_ms += 301_000
            assert isinstance(await market.send(headers=headers), ProxyResponse)
        elif url.endswith("/verify"):
            market.fetcher.respond = respond
        return await market.facilitator.respond(url, body)

    headers = market.payment(validBefore=str(market.clock.at_ms // 1000 + 900))
    market.fetcher.respond = respond
    assert isinstance(market.call(headers=headers), Response)
    assert (market.states, len(market.chain.transfers)) == (["settled"], 1)
    assert (market.revenue_micros, len(market.served)) == (PRICE_MICROS, 1)


def test_a_refusal_that_could_not_be_recorded_is_reported_as_pending() -> None:
    market = Market()
    market.facilitator.faults["settle"] = ["refused:invalid_exact_evm_insufficient_balance"]
    headers = market.payment()
    # After the claim.
    market.database.failing_after(1, takes_effect_anyway=False)
    market.database.failing = 3
    error_body(market.call(headers=headers), 503, "facilitator_unavailable")
    assert market.states == ["claimed"]
    market.run_cron(3)
    assert market.states == ["pending"]

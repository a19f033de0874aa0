"""What a facilitator or a store that fails costs, and whom."""

from __future__ import annotations

import pytest

from core.ports import Fetched, Json, ProxyResponse, Response
from payments.reconciliation import run
from payments.resolution import resolver_of
from tests.support.fake_chain import PAYER
from tests.support.fakes import FakeUpstreamResponse
from tests.support.payment_scene import PRICE_MICROS, Market, read_header, refusal, use_chain


def test_a_facilitator_that_does_not_verify_claims_nothing() -> None:
    market = Market()
    market.facilitator.faults["verify"] = ["down"]
    headers = market.payment()
    answer = market.ask(headers=headers)
    refusal(answer, 503, "facilitator_unavailable")
    assert isinstance(answer, Response)
    assert "retry-after" in dict(answer.headers)
    assert not (market.payments)
    assert not (market.namespace.sent)
    assert isinstance(market.ask(headers=headers), ProxyResponse)


@pytest.mark.parametrize("fault", ["500", "nonsense"])
def test_rubbish_is_no_verdict(fault: str) -> None:
    market = Market()
    market.facilitator.faults["verify"] = [fault]
    refusal(market.ask(headers=market.payment()), 503, "facilitator_unavailable")
    assert market.payments == []


def test_the_next_facilitator_is_asked_when_the_first_gives_no_verdict() -> None:
    market = Market()
    market.settings["FACILITATOR_URL"] = "http://down.example, http://facilitator.example/"
    market.facilitator.faults["verify"] = ["down"]
    assert isinstance(market.ask(headers=market.payment()), ProxyResponse)
    assert [url for url, _, _ in market.fetcher.sent] == [
        "http://down.example/verify",
        "http://facilitator.example/verify",
        "http://facilitator.example/settle",
    ]


@pytest.mark.parametrize(
    "reason", ["invalid_exact_evm_insufficient_balance", "invalid_exact_evm_nonce_already_used"]
)
def test_a_settlement_that_is_refused_hands_nothing_out_and_charges_nothing(reason: str) -> None:
    market = Market()
    market.facilitator.faults["settle"] = [f"refused:{reason}"]
    answer = market.ask(headers=market.payment())
    assert refusal(answer, 402, "payment_failed")["reason"] == reason
    receipt = read_header(answer, "payment-response")
    assert (receipt["success"], receipt["errorReason"]) == (False, reason)
    assert read_header(answer, "payment-required")["accepts"]
    assert isinstance(market.reply, FakeUpstreamResponse)
    assert market.reply.is_discarded
    assert (market.states, market.entered_micros) == (["failed"], 0)
    assert [event.counted for event in market.events] == [False, False]


def test_a_transfer_that_reverted_is_refused() -> None:
    market = Market()
    market.facilitator.faults["settle"] = ["reverted"]
    refusal(market.ask(headers=market.payment()), 402, "payment_failed")
    assert (market.states, market.moved_micros) == (["failed"], 0)


UNCERTAIN = ["down", "lost", "500", "nonsense", "success without transaction"]


@pytest.mark.parametrize("fault", UNCERTAIN)
def test_a_settlement_of_which_nothing_is_known_is_pending_and_hands_nothing_out(
    fault: str,
) -> None:
    market = Market()
    market.facilitator.faults["settle"] = [fault]
    headers = market.payment()
    answer = market.ask(headers=headers)
    refusal(answer, 503, "facilitator_unavailable")
    assert read_header(answer, "payment-response")["errorReason"] == "settlement_pending"
    assert market.states == ["pending"]
    assert market.served == []
    # At once again: nobody asks twice in a row, and nothing changes.
    refusal(market.ask(headers=headers), 503, "facilitator_unavailable")
    assert market.facilitator.asked.count("settle") == 1


@pytest.mark.parametrize("fault", UNCERTAIN)
def test_what_is_pending_is_settled_by_proof_and_then_served_once(fault: str) -> None:
    market = Market()
    use_chain(market)
    market.facilitator.faults["settle"] = [fault]
    headers = market.payment()
    market.ask(headers=headers)
    market.cron(3)
    assert (market.states, len(market.chain.transfers)) == (["settled"], 1)
    assert market.revenue_micros == market.entered_micros == PRICE_MICROS
    assert isinstance(market.ask(headers=headers), ProxyResponse)
    assert isinstance(market.ask(headers=headers), Response)
    assert (len(market.served), len(market.chain.transfers)) == (1, 1)
    assert sum(event.counted for event in market.events) == 1
    assert market.revenue_micros == PRICE_MICROS


@pytest.mark.parametrize("fault", UNCERTAIN)
def test_what_is_pending_is_served_when_its_payer_comes_again(fault: str) -> None:
    market = Market()
    use_chain(market)
    market.facilitator.faults["settle"] = [fault]
    headers = market.payment()
    market.ask(headers=headers)
    market.clock.at_ms += 30_000
    assert isinstance(market.ask(headers=headers), ProxyResponse)
    market.cron(3)
    assert (market.states, len(market.served), len(market.chain.transfers)) == (["settled"], 1, 1)
    assert market.revenue_micros == market.entered_micros == PRICE_MICROS


def test_a_facilitator_that_says_pending_is_asked_again_at_once() -> None:
    market = Market()
    market.facilitator.faults["settle"] = ["pending"]
    assert isinstance(market.ask(headers=market.payment()), ProxyResponse)
    assert market.facilitator.asked == ["verify", "settle", "settle"]
    assert (market.states, len(market.chain.transfers)) == (["settled"], 1)


def test_a_refusal_after_pending_does_not_tell_what_became_of_the_first_transaction() -> None:
    market = Market()
    market.facilitator.faults["settle"] = [
        "pending",
        "refused:invalid_exact_evm_nonce_already_used",
    ]
    answer = market.ask(headers=market.payment())
    refusal(answer, 503, "facilitator_unavailable")
    assert read_header(answer, "payment-response")["transaction"] == f"0x{1:064x}"
    assert (market.states, len(market.chain.transfers)) == (["pending"], 1)
    market.cron(2)
    assert (market.states, market.revenue_micros) == (["settled"], PRICE_MICROS)


def test_without_a_node_a_used_authorization_stays_pending_and_is_not_guessed_at() -> None:
    market = Market()
    market.facilitator.faults["settle"] = ["lost"]
    market.ask(headers=market.payment())
    market.cron(60)
    assert (market.states, market.revenue_micros) == (["pending"], 0)
    # Once there is one, the proof is found.
    use_chain(market)
    market.cron(70)
    assert (market.states, market.revenue_micros) == (["settled"], PRICE_MICROS)


def test_an_authorization_that_its_payer_cancelled_meanwhile_is_no_settlement() -> None:
    market = Market()
    use_chain(market)
    market.facilitator.faults["settle"] = ["down"]
    market.ask(headers=market.payment())
    market.chain.cancel(PAYER, f"0x{1:064x}")
    market.cron(2)
    assert (market.states, market.entered_micros, market.revenue_micros) == (["failed"], 0, 0)


def test_an_authorization_that_expired_unused_is_given_up() -> None:
    market = Market()
    use_chain(market)
    market.facilitator.faults["settle"] = ["down"] * 20
    market.ask(headers=market.payment())
    market.cron(4)
    assert market.states == ["pending"]
    market.cron(6)
    assert market.states == ["failed"]
    assert (market.moved_micros, market.entered_micros) == (0, 0)


def test_a_ledger_that_does_not_answer_charges_nothing() -> None:
    market = Market()
    headers = market.payment()
    market.database.failing = 3
    refusal(market.ask(headers=headers), 500, "internal_error")
    assert not (market.chain.transfers)
    assert not (market.namespace.sent)
    assert isinstance(market.ask(headers=headers), ProxyResponse)


@pytest.mark.parametrize("works", [False, True])
@pytest.mark.parametrize("skip", range(4))
def test_a_transaction_whose_confirmation_is_lost_once_changes_nothing(
    skip: int, works: bool
) -> None:
    market = Market()
    headers = market.payment()
    market.database.failing_after(skip, takes_effect_anyway=works)
    assert isinstance(market.ask(headers=headers), ProxyResponse)
    assert (market.states, len(market.chain.transfers)) == (["settled"], 1)
    assert market.entered_micros == market.revenue_micros == PRICE_MICROS


def test_what_kv_refuses_is_written_by_cron_and_counted_once() -> None:
    market = Market()
    headers = market.payment()
    market.store.unavailable = True
    assert isinstance(market.ask(headers=headers), ProxyResponse)
    assert market.states == ["settled"]
    market.store.unavailable = False
    market.start()
    market.cron(12)
    assert market.revenue_micros == market.entered_micros == PRICE_MICROS
    assert [row["reconciled_at_ms"] is not None for row in market.payments] == [True]


def test_a_scripts_own_receipt_is_kept_and_never_counted() -> None:
    receipt = FakeUpstreamResponse(200, ["payment-response"], {"payment-response": "abc"})
    market = Market(reply=receipt)
    answer = market.ask("/t/free")
    assert isinstance(answer, ProxyResponse)
    assert "payment-response" not in answer.remove_headers
    kept = [value for key, (value, _) in market.store.values.items() if "settlement/" in key]
    assert len(kept) == 1
    assert "abc" in kept[0]
    assert market.revenue_micros == 0


def test_a_refusal_that_somebody_elses_question_may_have_caused_is_no_failure() -> None:
    market = Market()
    use_chain(market)
    # The request's question is refused only after cron, whose clock is ahead, has asked too.
    answers = iter(("meanwhile", ""))
    settle = market.facilitator.answer

    async def answer(url: str, asked: Json) -> Fetched:
        if url.endswith("/settle") and next(answers, "") == "meanwhile":
            market.facilitator.faults["settle"] = ["lost"]
            market.clock.at_ms += 60_000
            await run(resolver_of(market.environment, market.clock), "cron-ahead")
        return await settle(url, asked)

    market.fetcher.answer = answer
    refusal(market.ask(headers=market.payment()), 503, "facilitator_unavailable")
    assert (market.states, len(market.chain.transfers)) == (["pending"], 1)
    market.cron(3)
    assert (market.states, market.revenue_micros) == (["settled"], PRICE_MICROS)


def test_a_refusal_that_the_ledger_did_not_take_is_not_told_as_one() -> None:
    market = Market()
    market.facilitator.faults["settle"] = ["refused:invalid_exact_evm_insufficient_balance"]
    headers = market.payment()
    # After the look-up, the claim and the move to pending.
    market.database.failing_after(3, takes_effect_anyway=False)
    market.database.failing = 3
    refusal(market.ask(headers=headers), 503, "facilitator_unavailable")
    assert market.states == ["pending"]

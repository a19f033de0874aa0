"""What each answer of a facilitator means, and that nothing unknown is taken for a failure."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from core.errors import FetchFailed
from core.ports import Fetched, Json
from payments.facilitator import Facilitators, NoFacilitator, Outcome, SettleResult, VerifyResult
from tests.support.fake_chain import NETWORK, PAYER
from tests.support.fake_network import FakeFetcher
from tests.support.fakes import FakeClock, FakeEnvironment

TRANSACTION = "0x" + "ab" * 32
PROOF: dict[str, Any] = {
    "x402Version": 2,
    "paymentPayload": {},
    "paymentRequirements": {"scheme": "exact", "network": NETWORK, "amount": "10000"},
}
ONE, TWO = "http://one.example", "http://two.example"


def facilitators(*answers: Fetched | Exception) -> tuple[Facilitators, FakeFetcher]:
    """Facilitators that give these answers, one for each question."""
    queue = list(answers)

    async def answer(_url: str, _asked: Json) -> Fetched:
        given = queue.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    fetcher = FakeFetcher(answer)
    environment = FakeEnvironment(settings={"FACILITATOR_URL": f"{ONE}/, {TWO}"}, fetcher=fetcher)
    return Facilitators(environment, FakeClock()), fetcher


def says(status: int = 200, **body: object) -> Fetched:
    return Fetched(status, json.dumps(body))


def settle(answer: Fetched | Exception) -> SettleResult:
    asked, _ = facilitators(answer)
    return asyncio.run(asked.settle(PROOF, ONE))


def verify(*answers: Fetched | Exception) -> VerifyResult:
    asked, _ = facilitators(*answers)
    return asyncio.run(asked.verify(PROOF, PAYER.lower()))


SETTLED: dict[str, Any] = {"success": True, "transaction": TRANSACTION, "network": NETWORK}


@pytest.mark.parametrize(
    "answer",
    [
        says(**SETTLED),
        says(**SETTLED, payer=PAYER, amount="10000", unknown=1),
        says(**{**SETTLED, "network": "base-sepolia"}),
    ],
)
def test_a_success_with_its_transaction_is_settled(answer: Fetched) -> None:
    assert settle(answer) == SettleResult(Outcome.SETTLED, TRANSACTION, "", ONE)


@pytest.mark.parametrize(
    "answer",
    [
        FetchFailed("timed out"),
        Fetched(200, ""),
        Fetched(200, "<html>"),
        Fetched(200, "[" * 100_000),
        Fetched(200, "[]"),
        says(),
        says(success="yes"),
        says(success=True),
        says(success=True, transaction="", network=NETWORK),
        says(success=True, transaction=TRANSACTION),
        says(success=True, transaction=TRANSACTION, network="eip155:1"),
        says(**SETTLED, amount="9999"),
        says(500, **SETTLED),
        says(502, success=False, errorReason="insufficient_funds"),
        says(401, error="unauthorized"),
        says(success=False),
        says(success=False, errorReason=""),
        says(success=False, errorReason="Timed out while waiting for the transaction."),
        says(success=False, errorReason="some_new_reason"),
        says(success=False, errorReason="settlement_pending", transaction=TRANSACTION),
        says(success=False, errorReason="unexpected_settle_error"),
        says(success=False, errorReason="transaction_failed", transaction=""),
        says(success=False, errorReason="invalid_exact_evm_transaction_failed"),
    ],
)
def test_whatever_leaves_it_open_is_unknown(answer: Fetched | Exception) -> None:
    assert settle(answer).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("reason", "transaction"),
    [
        ("insufficient_funds", ""),
        ("invalid_exact_evm_insufficient_balance", ""),
        ("invalid_exact_evm_nonce_already_used", ""),
        ("invalid_exact_evm_transaction_failed", TRANSACTION),
        ("invalid_transaction_state", TRANSACTION),
    ],
)
def test_a_reason_that_leaves_nothing_open_is_a_refusal(reason: str, transaction: str) -> None:
    found = settle(says(success=False, errorReason=reason, transaction=transaction))
    assert (found.outcome, found.reason) == (Outcome.REFUSED, reason)


def test_a_transaction_that_waits_is_remembered() -> None:
    found = settle(says(success=False, errorReason="settlement_pending", transaction=TRANSACTION))
    assert (found.transaction, found.reason) == (TRANSACTION, "settlement_pending")


def test_a_verdict_is_taken_from_the_first_who_gives_one() -> None:
    assert verify(says(isValid=True, payer=PAYER)) == VerifyResult(True, "", "", ONE)
    refused = says(400, isValid=False, invalidReason="insufficient_funds", invalidMessage="poor")
    assert verify(refused) == VerifyResult(False, "insufficient_funds", "poor", ONE)


@pytest.mark.parametrize(
    "answer",
    [
        FetchFailed("timed out"),
        Fetched(503, '{"isValid": true}'),
        Fetched(200, "nonsense"),
        says(valid=True),
        says(isValid="true"),
        says(isValid=True, payer="0x" + "00" * 20),
    ],
)
def test_whoever_gives_no_verdict_is_passed_over(answer: Fetched | Exception) -> None:
    assert verify(answer, says(isValid=True)).facilitator == TWO
    with pytest.raises(NoFacilitator, match=r"one\.example.*two\.example"):
        verify(answer, answer)


def test_a_refusal_without_a_reason_is_one_all_the_same() -> None:
    assert verify(says(isValid=False)).reason == "unexplained"


def test_what_is_supported_is_asked_once_and_then_believed_for_a_while() -> None:
    kinds = [{"x402Version": 2, "scheme": "exact", "network": "eip155:1"}]
    asked, fetcher = facilitators(says(kinds=kinds), says(isValid=True))
    assert isinstance(asked.clock, FakeClock)
    assert asyncio.run(asked.supported(ONE)) == asyncio.run(asked.supported(ONE)) == kinds
    # Who says that it does not settle on this network is not asked to.
    assert asyncio.run(asked.verify(PROOF, PAYER.lower())).facilitator == TWO
    assert [url for url, _, _ in fetcher.sent] == [f"{ONE}/supported", f"{TWO}/verify"]
    asked.clock.at_ms += 600_000
    with pytest.raises(IndexError):
        asyncio.run(asked.supported(ONE))


@pytest.mark.parametrize("answer", [says(kinds=1), says(404, kinds=[]), Fetched(200, "x")])
def test_an_answer_that_names_no_kinds_is_none(answer: Fetched) -> None:
    asked, _ = facilitators(answer)
    with pytest.raises(FetchFailed):
        asyncio.run(asked.supported(ONE))

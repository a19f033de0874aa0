"""A facilitator's response never makes an unknown outcome a failure."""

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


def facilitators(*responses: Fetched | Exception) -> tuple[Facilitators, FakeFetcher]:
    """Facilitators that return these responses, one per call."""
    queue = list(responses)

    async def respond(_url: str, _body: Json) -> Fetched:
        response = queue.pop(0)
        if isinstance(response, Exception):
            raise response
        return response

    fetcher = FakeFetcher(respond)
    environment = FakeEnvironment(settings={"FACILITATOR_URL": f"{ONE}/, {TWO}"}, fetcher=fetcher)
    return Facilitators(environment, FakeClock()), fetcher


def json_result(status: int = 200, **body: object) -> Fetched:
    return Fetched(status, json.dumps(body))


def settle(response: Fetched | Exception) -> SettleResult:
    client, _ = facilitators(response)
    return asyncio.run(client.settle(PROOF, ONE))


def verify(*responses: Fetched | Exception) -> VerifyResult:
    client, _ = facilitators(*responses)
    return asyncio.run(client.verify(PROOF, PAYER.lower()))


SETTLED: dict[str, Any] = {"success": True, "transaction": TRANSACTION, "network": NETWORK}


@pytest.mark.parametrize(
    "response",
    [
        json_result(**SETTLED),
        json_result(**SETTLED, payer=PAYER, amount="10000", unknown=1),
        json_result(**{**SETTLED, "network": "base-sepolia"}),
    ],
)
def test_a_success_with_its_transaction_is_settled(response: Fetched) -> None:
    assert settle(response) == SettleResult(Outcome.SETTLED, TRANSACTION, "", ONE)


@pytest.mark.parametrize(
    "response",
    [
        FetchFailed("timed out"),
        Fetched(200, ""),
        Fetched(200, "<html>"),
        Fetched(200, "[" * 100_000),
        Fetched(200, "[]"),
        json_result(),
        json_result(success="yes"),
        json_result(success=True),
        json_result(success=True, transaction="", network=NETWORK),
        json_result(success=True, transaction=TRANSACTION),
        json_result(success=True, transaction=TRANSACTION, network="eip155:1"),
        json_result(**SETTLED, amount="9999"),
        json_result(500, **SETTLED),
        json_result(502, success=False, errorReason="insufficient_funds"),
        json_result(401, error="unauthorized"),
        json_result(success=False),
        json_result(success=False, errorReason=""),
        json_result(success=False, errorReason="Timed out while waiting for the transaction."),
        json_result(success=False, errorReason="some_new_reason"),
        json_result(success=False, errorReason="settlement_pending", transaction=TRANSACTION),
        json_result(success=False, errorReason="unexpected_settle_error"),
        json_result(success=False, errorReason="transaction_failed", transaction=""),
        json_result(success=False, errorReason="invalid_exact_evm_transaction_failed"),
    ],
)
def test_a_response_that_is_not_certain_is_an_unknown_outcome(
    response: Fetched | Exception,
) -> None:
    assert settle(response).outcome is Outcome.UNKNOWN


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
def test_a_certain_reason_is_a_refusal(reason: str, transaction: str) -> None:
    found = settle(json_result(success=False, errorReason=reason, transaction=transaction))
    assert (found.outcome, found.reason) == (Outcome.REFUSED, reason)


def test_a_pending_transaction_is_part_of_the_result() -> None:
    found = settle(
        json_result(success=False, errorReason="settlement_pending", transaction=TRANSACTION)
    )
    assert (found.transaction, found.reason) == (TRANSACTION, "settlement_pending")


def test_the_first_verify_result_counts() -> None:
    assert verify(json_result(isValid=True, payer=PAYER)) == VerifyResult(True, "", "", ONE)
    refused = json_result(
        400, isValid=False, invalidReason="insufficient_funds", invalidMessage="poor"
    )
    assert verify(refused) == VerifyResult(False, "insufficient_funds", "poor", ONE)


@pytest.mark.parametrize(
    "response",
    [
        FetchFailed("timed out"),
        Fetched(503, '{"isValid": true}'),
        Fetched(200, "nonsense"),
        json_result(valid=True),
        json_result(isValid="true"),
        json_result(isValid=True, payer="0x" + "00" * 20),
    ],
)
def test_a_facilitator_without_a_verify_result_is_skipped(response: Fetched | Exception) -> None:
    assert verify(response, json_result(isValid=True)).facilitator == TWO
    with pytest.raises(NoFacilitator, match=r"one\.example.*two\.example"):
        verify(response, response)


def test_a_rejection_without_a_reason_is_a_rejection() -> None:
    assert verify(json_result(isValid=False)).reason == "unexplained"


def test_the_supported_kinds_are_cached_for_ten_minutes() -> None:
    kinds = [{"x402Version": 2, "scheme": "exact", "network": "eip155:1"}]
    client, fetcher = facilitators(json_result(kinds=kinds), json_result(isValid=True))
    assert isinstance(client.clock, FakeClock)
    assert asyncio.run(client.supported(ONE)) == asyncio.run(client.supported(ONE)) == kinds
    # A facilitator that does not support the network is not called.
    assert asyncio.run(client.verify(PROOF, PAYER.lower())).facilitator == TWO
    assert [url for url, _, _ in fetcher.sent] == [f"{ONE}/supported", f"{TWO}/verify"]
    client.clock.at_ms += 600_000
    with pytest.raises(IndexError):
        asyncio.run(client.supported(ONE))


@pytest.mark.parametrize(
    "response", [json_result(kinds=1), json_result(404, kinds=[]), Fetched(200, "x")]
)
def test_a_response_without_kinds_is_a_failed_call(response: Fetched) -> None:
    client, _ = facilitators(response)
    with pytest.raises(FetchFailed):
        asyncio.run(client.supported(ONE))

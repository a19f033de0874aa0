"""What a facilitator says of a payment on Solana never makes an unknown outcome a failure."""

from __future__ import annotations

import asyncio
import json

import pytest

from core.errors import FetchFailed
from payments.facilitator import NoFacilitator, Outcome
from payments.payload import Proof
from tests.support import fake_solana
from tests.unit.payments.test_facilitator import (
    BODY,
    ONE,
    REQUIREMENTS,
    TRANSACTION,
    TWO,
    facilitators,
    json_result,
)

PROOF = Proof(
    json.dumps({**BODY, "paymentRequirements": {**REQUIREMENTS, "network": fake_solana.NETWORK}}),
    fake_solana.BUYER,
    fake_solana.NETWORK,
    fake_solana.USDC,
    "10000",
)
SIGNATURE = fake_solana.signature_of(fake_solana.OFFICIAL)
FOREIGN = "invalid_exact_svm_fee_payer_not_managed_by_facilitator"


@pytest.mark.parametrize(
    ("transaction", "outcome"),
    [
        (SIGNATURE, Outcome.SETTLED),
        (TRANSACTION, Outcome.UNKNOWN),
        (SIGNATURE[:-4], Outcome.UNKNOWN),
        (SIGNATURE + "l", Outcome.UNKNOWN),
        ("", Outcome.UNKNOWN),
    ],
)
def test_a_settlement_on_solana_needs_a_signature(transaction: str, outcome: Outcome) -> None:
    response = json_result(success=True, transaction=transaction, network=fake_solana.NETWORK)
    client, _ = facilitators(response)
    result = asyncio.run(client.settle(PROOF, ONE))
    assert result.outcome is outcome
    assert result.transaction == (SIGNATURE if outcome is Outcome.SETTLED else "")


@pytest.mark.parametrize(
    ("reason", "transaction", "outcome"),
    [
        ("invalid_exact_svm_transaction_failed", "", Outcome.UNKNOWN),
        ("invalid_exact_svm_transaction_failed", SIGNATURE, Outcome.REFUSED),
        ("invalid_exact_svm_transaction_simulation_failed", "", Outcome.REFUSED),
        ("duplicate_settlement", "", Outcome.UNKNOWN),
        ("settlement_pending", SIGNATURE, Outcome.UNKNOWN),
    ],
)
def test_a_failure_on_solana_is_a_refusal_only_if_that_is_certain(
    reason: str, transaction: str, outcome: Outcome
) -> None:
    response = json_result(
        success=False,
        errorReason=reason,
        transaction=transaction,
        payer="",
        network=fake_solana.NETWORK,
    )
    client, _ = facilitators(response)
    result = asyncio.run(client.settle(PROOF, ONE))
    assert (result.outcome, result.transaction, result.reason) == (outcome, transaction, reason)


def test_letter_case_distinguishes_payers_on_solana() -> None:
    payer = fake_solana.BUYER.swapcase()
    client, _ = facilitators(json_result(isValid=True, payer=payer), FetchFailed("timed out"))
    with pytest.raises(NoFacilitator, match="another payer"):
        asyncio.run(client.verify(PROOF))


def test_the_fee_payer_of_another_facilitator_is_no_reason_to_refuse() -> None:
    foreign = json_result(isValid=False, invalidReason=FOREIGN, payer="")
    client, _ = facilitators(foreign, json_result(isValid=True, payer=fake_solana.BUYER))
    assert asyncio.run(client.verify(PROOF)).facilitator == TWO
    client, _ = facilitators(foreign, foreign)
    refused = asyncio.run(client.verify(PROOF))
    assert (refused.is_valid, refused.reason) == (False, FOREIGN)
    client, _ = facilitators(foreign, FetchFailed("timed out"))
    with pytest.raises(NoFacilitator):
        asyncio.run(client.verify(PROOF))

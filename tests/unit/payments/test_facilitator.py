"""A facilitator's response never makes an unknown outcome a failure."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from core.errors import FetchFailed
from core.ports import Fetched, Json
from payments.facilitator import Facilitators, NoFacilitator, Outcome, SettleResult, VerifyResult
from payments.payload import Proof
from tests.support.fake_chain import NETWORK, PAYEE, PAYER, USDC
from tests.support.fake_network import FakeFetcher
from tests.support.fakes import FakeClock, FakeEnvironment

TRANSACTION = "0x" + "ab" * 32
REQUIREMENTS = {"scheme": "exact", "network": NETWORK, "asset": USDC, "amount": "10000"}
BODY = {"x402Version": 2, "paymentPayload": {}, "paymentRequirements": REQUIREMENTS}
PROOF = Proof(json.dumps(BODY), PAYER.lower(), NETWORK, USDC, "10000")
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
    return asyncio.run(client.verify(PROOF))


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


OWN_REASONS: list[Any] = [
    *("unexpected_verify_error", "unexpected_error", "invalid_network", "unsupported_scheme"),
    *("unsupported_network", "invalid_scheme", "network_mismatch", "invalid_x402_version"),
    *("invalid_exact_evm_network_mismatch", "rpc_unavailable", "internal_server_error"),
    *("unauthorized", "rate_limited", "timeout"),
    *(None, "", "  ", "Failed to fetch", "fetch failed: connect ECONNREFUSED", 7, True, {}),
]
"""What a facilitator says that cannot do its work, or that put an exception in place of a code."""


@pytest.mark.parametrize("reason", OWN_REASONS)
@pytest.mark.parametrize("status", [200, 400])
def test_the_next_facilitator_is_asked_if_one_refuses_for_itself(
    status: int, reason: object
) -> None:
    refused = json_result(status, isValid=False, invalidReason=reason)
    assert verify(refused, json_result(isValid=True)).facilitator == TWO
    with pytest.raises(NoFacilitator):
        verify(refused, refused)


@pytest.mark.parametrize(
    "reason",
    [
        *("insufficient_funds", "invalid_exact_evm_insufficient_balance", "payer_blocked"),
        *("invalid_exact_evm_signature", "invalid_exact_evm_nonce_already_used", "invalid_payload"),
        "invalid_exact_evm_payload_authorization_valid_before",
    ],
)
def test_a_refusal_of_the_payment_is_final(reason: str) -> None:
    found = verify(json_result(isValid=False, invalidReason=reason))
    assert (found.is_valid, found.reason, found.facilitator) == (False, reason, ONE)


@pytest.mark.parametrize("status", [401, 403, 429, 404, 500, 503])
def test_the_next_facilitator_is_asked_after_a_status_without_a_result(status: int) -> None:
    for body in ({}, {"isValid": True}, {"error": "unauthorized"}):
        assert verify(json_result(status, **body), json_result(isValid=True)).facilitator == TWO
    refused = json_result(status, isValid=False, invalidReason="insufficient_funds")
    if status != 404:
        assert verify(refused, json_result(isValid=True)).facilitator == TWO


def test_a_facilitator_that_failed_is_asked_last_for_a_while() -> None:
    valid = json_result(isValid=True)
    client, fetcher = facilitators(
        *(FetchFailed("timed out"), valid),  # both are asked
        valid,  # only the second
        *(FetchFailed("timed out"), valid),  # the second fails: the first is still asked
        *(valid, valid),  # after half a minute the first is asked again
    )
    clock = client.clock
    assert isinstance(clock, FakeClock)

    def asked() -> list[str]:
        fetcher.sent.clear()
        asyncio.run(client.verify(PROOF))
        return [url.removesuffix("/verify") for url, _, _ in fetcher.sent]

    assert asked() == [ONE, TWO]
    assert (client.circuit(ONE).failures, client.circuit(ONE).cause) == (1, "timed out")
    assert asked() == [TWO]
    assert asked() == [TWO, ONE]
    assert client.circuit(ONE).failures == 0
    assert asked() == [ONE]
    clock.at_ms += 30_000
    assert asked() == [ONE]


def test_a_refused_payment_does_not_open_the_circuit() -> None:
    # Otherwise anybody could make the deployment avoid a facilitator.
    client, _ = facilitators(
        json_result(isValid=False, invalidReason="unexpected_verify_error"),
        json_result(isValid=False, invalidReason="insufficient_funds"),
    )
    asyncio.run(client.verify(PROOF))
    assert (client.circuit(ONE).failures, client.circuit(TWO).failures) == (0, 0)


def test_an_open_circuit_closes_after_at_most_five_minutes() -> None:
    client, _ = facilitators(*[FetchFailed("timed out")] * 40)
    for _ in range(20):
        with pytest.raises(NoFacilitator):
            asyncio.run(client.verify(PROOF))
    assert client.circuit(ONE).open_until_ms == client.clock.now_ms() + 300_000


class SlowFetcher(FakeFetcher):
    """A network on which every request takes its whole time."""

    clock: FakeClock
    timeouts: list[int]

    async def fetch(self, _url: str, **options: Any) -> Fetched:  # type: ignore[override]
        self.clock.at_ms += options["timeout_ms"]
        self.timeouts.append(options["timeout_ms"])
        raise FetchFailed("timed out")


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_all_facilitators_together_are_limited_in_time(count: int) -> None:
    fetcher = SlowFetcher()
    fetcher.clock, fetcher.timeouts = FakeClock(), []
    urls = ", ".join(f"http://{number}.example" for number in range(count))
    environment = FakeEnvironment(settings={"FACILITATOR_URL": urls}, fetcher=fetcher)
    client = Facilitators(environment, fetcher.clock)
    with pytest.raises(NoFacilitator):
        asyncio.run(client.verify(PROOF))
    assert sum(fetcher.timeouts) <= 14_000
    assert fetcher.timeouts[0] == (10_000 if count == 1 else 4_000)


@pytest.mark.parametrize(
    "field",
    [
        {"payer": PAYEE},
        {"payer": 7},
        {"asset": PAYEE},
        {"network": "eip155:1"},
        {"network": "base"},
        {"network": 84532},
        {"network": None},
        {"network": ""},
        {"amount": "9999"},
        {"amount": "100000"},
        {"amount": 10000.0},
        {"amount": True},
        {"amount": "1e4"},
        {"amount": "010000"},
        {"amount": -1},
    ],
)
def test_a_success_of_another_payment_is_unknown_and_its_transaction_is_kept(
    field: dict[str, Any],
) -> None:
    found = settle(json_result(**{**SETTLED, **field}))
    assert (found.outcome, found.transaction) == (Outcome.UNKNOWN, TRANSACTION)


@pytest.mark.parametrize("payer", [PAYEE, 7, [], {}])
def test_a_refusal_of_another_payment_is_unknown(payer: object) -> None:
    refusal = json_result(success=False, errorReason="insufficient_funds", payer=payer)
    assert settle(refusal).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "transaction",
    [
        *("0x", "0x12", TRANSACTION + "0", TRANSACTION[2:], "0x" + "g" * 64, "0x" + "٣" * 64),
        *(7, None, True, [TRANSACTION], {}),
    ],
)
def test_a_success_without_a_transactions_hash_is_unknown(transaction: object) -> None:
    found = settle(json_result(**{**SETTLED, "transaction": transaction}))
    assert (found.outcome, found.transaction) == (Outcome.UNKNOWN, "")


@pytest.mark.parametrize(
    "response",
    [
        json_result(success=True, transaction=TRANSACTION),
        json_result(success="yes", transaction=TRANSACTION),
        json_result(transaction=TRANSACTION),
        json_result(500, **SETTLED),
        json_result(401, **SETTLED),
        json_result(202, **SETTLED),
        json_result(success=False, errorReason="Timed out", transaction=TRANSACTION),
    ],
)
def test_a_transaction_is_kept_whatever_else_the_response_lacks(response: Fetched) -> None:
    found = settle(response)
    assert (found.outcome, found.transaction) == (Outcome.UNKNOWN, TRANSACTION)


def test_the_supported_kinds_are_cached_for_ten_minutes() -> None:
    kinds = [{"x402Version": 2, "scheme": "exact", "network": "eip155:1"}]
    client, fetcher = facilitators(json_result(kinds=kinds), json_result(isValid=True))
    assert isinstance(client.clock, FakeClock)
    assert asyncio.run(client.supported(ONE)) == asyncio.run(client.supported(ONE)) == kinds
    # A facilitator that does not support the network is not called.
    assert asyncio.run(client.verify(PROOF)).facilitator == TWO
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

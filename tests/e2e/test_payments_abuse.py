"""Repeated, changed, late or misdirected payments are never served unpaid or charged twice."""

import copy
import secrets
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest

from dev.economy.signing import Document, encoded

from .caller import eventually
from .paid_dispatcher import PRICE, PaidDispatcher, is_served, receipt_of

ROUNDS = 100


def test_a_repeated_payment_gets_the_receipt_without_charge_or_service(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet = paid_dispatcher.wallet()
    payment = paid_dispatcher.signed(wallet)
    first = paid_dispatcher.send(payment)
    assert is_served(first), first.text
    again = [paid_dispatcher.send(payment) for _ in range(3)]
    assert [response.status_code for response in again] == [200] * 3
    assert not any(is_served(response) for response in again)
    assert {receipt_of(response)["transaction"] for response in again} == {
        receipt_of(first)["transaction"]
    }
    paid_dispatcher.records.check(wallet, ["settled"])


@pytest.mark.parametrize("elsewhere", ["sold/other", "sold/?other=1", "sold-beside/"])
def test_a_payment_for_one_request_does_not_pay_for_another(
    paid_dispatcher: PaidDispatcher, elsewhere: str
) -> None:
    wallet = paid_dispatcher.wallet()
    payment = paid_dispatcher.signed(wallet)
    assert is_served(paid_dispatcher.send(payment))
    refused = paid_dispatcher.send(payment, elsewhere)
    assert (refused.status_code, refused.json()["error"]) == (409, "payment_already_used")
    paid_dispatcher.records.check(wallet, ["settled"])


def test_a_payment_for_one_method_does_not_pay_for_another(paid_dispatcher: PaidDispatcher) -> None:
    wallet = paid_dispatcher.wallet()
    payment = paid_dispatcher.signed(wallet)
    assert is_served(paid_dispatcher.send(payment))
    assert paid_dispatcher.send(payment, method="POST").status_code == 409
    paid_dispatcher.records.check(wallet, ["settled"])


RACE = (*[("GET", "sold/")] * 9, *[("GET", "sold/other")] * 3, *[("POST", "sold/")] * 3)
"""Fifteen requests with one payment: most of them the same, some for something else."""


def test_fifteen_concurrent_requests_with_one_payment_are_charged_and_served_once(
    paid_dispatcher: PaidDispatcher, record_property: Any
) -> None:
    wallet = paid_dispatcher.wallet(2 * ROUNDS * PRICE)
    before = paid_dispatcher.economy.chain.balance(wallet.address)
    statuses: Counter[int] = Counter()
    with ThreadPoolExecutor(len(RACE)) as pool:
        for _ in range(ROUNDS):
            payment = paid_dispatcher.signed(wallet)
            sent = [
                pool.submit(paid_dispatcher.send, payment, path, method) for method, path in RACE
            ]
            responses = [one.result() for one in sent]
            served = [response for response in responses if is_served(response)]
            assert len(served) == 1, [response.text for response in responses]
            # Only requests like the served one get its receipt; the others are refused.
            winner = (served[0].request.method, served[0].request.url.path)
            for response in responses:
                statuses[response.status_code] += 1
                request = (response.request.method, response.request.url.path)
                assert response.status_code in ({200, 409} if request == winner else {409})
                if response.status_code == 200:
                    receipt = receipt_of(response)
                    assert receipt["transaction"] == receipt_of(served[0])["transaction"]
    found = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
    record_property(
        "payment at once", (str(ROUNDS), found, str(paid_dispatcher.proxy.count("/settle")))
    )
    assert paid_dispatcher.economy.chain.balance(wallet.address) == before - ROUNDS * PRICE
    assert paid_dispatcher.proxy.count("/settle") == ROUNDS
    paid_dispatcher.records.check(wallet, ["settled"] * ROUNDS)


TAMPERED: dict[str, dict[str, Any]] = {
    "a lower amount": {"accepted": {"amount": "1"}},
    "another payee": {"accepted": {"payTo": "0x000000000000000000000000000000000000dEaD"}},
    "another network": {"accepted": {"network": "eip155:8453"}},
    "another asset": {"accepted": {"asset": "0x000000000000000000000000000000000000dEaD"}},
    "another scheme": {"accepted": {"scheme": "upto"}},
    "a lower value": {"authorization": {"value": "1"}},
    "another recipient": {"authorization": {"to": "0x000000000000000000000000000000000000dEaD"}},
    "another nonce": {"authorization": {"nonce": f"0x{'11' * 32}"}},
    "a longer time": {"authorization": {"validBefore": "99999999999"}},
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_payment_changed_after_signing_is_refused_and_claims_nothing(
    paid_dispatcher: PaidDispatcher, name: str
) -> None:
    wallet = paid_dispatcher.wallet()
    payment = paid_dispatcher.signed(wallet)
    changes = TAMPERED[name]
    payment["accepted"] = {**payment["accepted"], **changes.get("accepted", {})}
    payment["payload"]["authorization"] |= changes.get("authorization", {})
    _is_refused(paid_dispatcher, payment)
    paid_dispatcher.records.check(wallet, [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"value": "9999"}, "payment_mismatch"),
        ({"value": "10001"}, "payment_mismatch"),
        ({"to": "0x000000000000000000000000000000000000dEaD"}, "payment_mismatch"),
        ({"validBefore": "1700000000"}, "invalid_exact_evm_payload_authorization_valid_before"),
        ({"validAfter": "99999999999", "validBefore": "999999999999"}, None),
    ],
)
def test_a_payment_signed_for_other_terms_is_refused_and_claims_nothing(
    paid_dispatcher: PaidDispatcher, changes: dict[str, str], reason: str | None
) -> None:
    wallet = paid_dispatcher.wallet()
    refused = _is_refused(paid_dispatcher, paid_dispatcher.signed(wallet, changes=changes))
    assert reason is None or refused["reason"] == reason
    paid_dispatcher.records.check(wallet, [])


def test_a_payment_signed_by_another_payer_is_refused(paid_dispatcher: PaidDispatcher) -> None:
    victim, thief = paid_dispatcher.wallet(), paid_dispatcher.wallet(0)
    payment = paid_dispatcher.signed(thief)
    payment["payload"]["authorization"]["from"] = victim.address
    _is_refused(paid_dispatcher, payment)
    paid_dispatcher.records.check(victim, [])


def test_a_payer_without_balance_is_refused_with_that_reason_and_claims_nothing(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet = paid_dispatcher.wallet(PRICE - 1)
    refused = _is_refused(paid_dispatcher, paid_dispatcher.signed(wallet))
    assert refused["reason"] == "invalid_exact_evm_insufficient_balance"
    paid_dispatcher.records.check(wallet, [])


def test_payments_with_bad_signatures_cost_a_bounded_number_of_calls(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet = paid_dispatcher.wallet()
    payments = [paid_dispatcher.signed(wallet, "sold-rated/") for _ in range(40)]
    for payment in payments:
        # The authorization is another one than was signed.
        payment["payload"]["authorization"]["nonce"] = f"0x{secrets.token_hex(32)}"
    with ThreadPoolExecutor(10) as pool:
        refused = list(
            pool.map(lambda payment: paid_dispatcher.send(payment, "sold-rated/"), payments)
        )
    assert {response.status_code for response in refused} == {402, 429}
    assert paid_dispatcher.proxy.count("/verify") <= 5
    paid_dispatcher.records.check(wallet, [])


def test_a_wallet_with_one_cent_holds_no_cap_while_scripts_run(
    paid_dispatcher: PaidDispatcher,
) -> None:
    poor, honest = paid_dispatcher.wallet(PRICE), paid_dispatcher.wallet(PRICE)
    path = "sold-capped/?wait_ms=3000"
    payments = [paid_dispatcher.signed(poor, path) for _ in range(20)]
    own = paid_dispatcher.signed(honest, path)
    flood = [paid_dispatcher.begin(partial(paid_dispatcher.send, one, path)) for one in payments]
    eventually(lambda: paid_dispatcher.proxy.count("/verify") == 20, "20 payments are verified")
    bought = paid_dispatcher.send(own, path)
    assert is_served(bought), bought.text
    outcomes = [one.result() for one in flood]
    assert sum(map(is_served, outcomes)) == 1
    assert {one.status_code for one in outcomes if not is_served(one)} <= {402, 503}
    chain = paid_dispatcher.economy.chain
    assert (chain.balance(poor.address), chain.balance(honest.address)) == (0, 0)


UNREADABLE: dict[str, Any] = {
    "no base64": "%%%",
    "base64url": "eyJ4NDAyVmVyc2lvbiI6Mn0_-",
    "no JSON": encoded("x")[:-4] + "////",
    "a list": encoded([1]),
    "nothing": "",
    "100 KB": "A" * 100_000,
    "deep nesting": encoded(None)[:0] + "W1tb" * 3_000,
    "version 3": encoded({"x402Version": 3}),
    "no version": encoded({}),
    "no payload": encoded({"x402Version": 2, "accepted": {}}),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_invalid_payment_header_is_refused_with_a_reason(
    paid_dispatcher: PaidDispatcher, name: str
) -> None:
    claims = len(paid_dispatcher.records.rows())
    response = paid_dispatcher.send(UNREADABLE[name])
    # A header of 100 KB may already be refused by the server in front of the dispatcher.
    assert response.status_code == (402 if name != "100 KB" else response.status_code)
    assert response.status_code in {402, 400, 431}
    assert response.status_code != 402 or response.json()["message"]
    assert len(paid_dispatcher.records.rows()) == claims


def _is_refused(paid_dispatcher: PaidDispatcher, payment: Document) -> dict[str, Any]:
    response: httpx.Response = paid_dispatcher.send(copy.deepcopy(payment))
    assert response.status_code == 402, response.text
    assert "bread" not in response.text
    assert response.headers["payment-required"]
    refused: dict[str, Any] = response.json()
    assert refused["message"]
    return refused

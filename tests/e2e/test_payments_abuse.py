"""Payments presented twice, elsewhere, changed or late: never served unpaid or charged twice."""

import copy
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from dev.economy.signing import Document, encoded

from .market import PRICE, Market, is_served, receipt_of

ROUNDS = 100


def test_a_replay_gets_the_receipt_and_is_neither_charged_nor_served_again(
    market: Market,
) -> None:
    wallet = market.wallet()
    payment = market.signed(wallet)
    first = market.send(payment)
    assert is_served(first), first.text
    again = [market.send(payment) for _ in range(3)]
    assert [answer.status_code for answer in again] == [200] * 3
    assert not any(is_served(answer) for answer in again)
    assert {receipt_of(answer)["transaction"] for answer in again} == {
        receipt_of(first)["transaction"]
    }
    market.books.check(wallet, ["settled"])


@pytest.mark.parametrize("elsewhere", ["sold/other", "sold/?other=1", "sold-beside/"])
def test_a_payment_for_one_request_does_not_pay_for_another(market: Market, elsewhere: str) -> None:
    wallet = market.wallet()
    payment = market.signed(wallet)
    assert is_served(market.send(payment))
    refused = market.send(payment, elsewhere)
    assert (refused.status_code, refused.json()["error"]) == (409, "payment_already_used")
    market.books.check(wallet, ["settled"])


def test_a_payment_for_one_method_does_not_pay_for_another(market: Market) -> None:
    wallet = market.wallet()
    payment = market.signed(wallet)
    assert is_served(market.send(payment))
    assert market.send(payment, method="POST").status_code == 409
    market.books.check(wallet, ["settled"])


def test_two_at_once_cost_one_settlement_and_serve_one_request(
    market: Market, record_property: Any
) -> None:
    wallet = market.wallet(2 * ROUNDS * PRICE)
    before = market.economy.chain.balance(wallet.address)
    payments = [market.signed(wallet) for _ in range(ROUNDS)]
    pairs: Counter[tuple[int, ...]] = Counter()
    with ThreadPoolExecutor(2) as pool:
        for payment in payments:
            both = list(pool.map(market.send, [payment, payment]))
            assert [is_served(answer) for answer in both].count(True) == 1, [
                answer.text for answer in both
            ]
            pairs[tuple(sorted(answer.status_code for answer in both))] += 1
    answers = ", ".join(f"{both}: {times}" for both, times in sorted(pairs.items()))
    record_property("payment at once", (str(ROUNDS), answers, str(market.proxy.count("/settle"))))
    assert set(pairs) <= {(200, 200), (200, 409)}
    assert market.economy.chain.balance(wallet.address) == before - ROUNDS * PRICE
    assert market.proxy.count("/settle") == ROUNDS
    market.books.check(wallet, ["settled"] * ROUNDS)


def test_ten_at_once_for_two_paths_cost_one_settlement(market: Market) -> None:
    wallet = market.wallet()
    payment = market.signed(wallet)
    paths = ["sold/", "sold/other"] * 5
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda path: market.send(payment, path), paths))
    assert [is_served(answer) for answer in answers].count(True) == 1
    assert {answer.status_code for answer in answers} <= {200, 409}
    market.books.check(wallet, ["settled"])


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
    market: Market, name: str
) -> None:
    wallet = market.wallet()
    payment = market.signed(wallet)
    changes = TAMPERED[name]
    payment["accepted"] = {**payment["accepted"], **changes.get("accepted", {})}
    payment["payload"]["authorization"] |= changes.get("authorization", {})
    _is_refused(market, payment)
    market.books.check(wallet, [])


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
def test_a_payment_signed_over_other_terms_is_refused_and_claims_nothing(
    market: Market, changes: dict[str, str], reason: str | None
) -> None:
    wallet = market.wallet()
    refused = _is_refused(market, market.signed(wallet, changes=changes))
    assert reason is None or refused["reason"] == reason
    market.books.check(wallet, [])


def test_a_payment_signed_by_somebody_else_is_refused(market: Market) -> None:
    victim, thief = market.wallet(), market.wallet(0)
    payment = market.signed(thief)
    payment["payload"]["authorization"]["from"] = victim.address
    _is_refused(market, payment)
    market.books.check(victim, [])


def test_who_is_broke_is_told_so_and_claims_nothing(market: Market) -> None:
    wallet = market.wallet(PRICE - 1)
    refused = _is_refused(market, market.signed(wallet))
    assert refused["reason"] == "invalid_exact_evm_insufficient_balance"
    market.books.check(wallet, [])


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
def test_a_header_that_is_no_payment_is_refused_with_a_reason(market: Market, name: str) -> None:
    claims = len(market.books.rows())
    answer = market.send(UNREADABLE[name])
    # A header of 100 KB may be too much for what stands before the dispatcher.
    assert answer.status_code == (402 if name != "100 KB" else answer.status_code)
    assert answer.status_code in {402, 400, 431}
    assert answer.status_code != 402 or answer.json()["message"]
    assert len(market.books.rows()) == claims


def _is_refused(market: Market, payment: Document) -> dict[str, Any]:
    answer: httpx.Response = market.send(copy.deepcopy(payment))
    assert answer.status_code == 402, answer.text
    assert "bread" not in answer.text
    assert answer.headers["payment-required"]
    refused: dict[str, Any] = answer.json()
    assert refused["message"]
    return refused

"""Unmodified official clients pay the dispatcher exactly the price, on the local chain."""

import json
from collections.abc import Callable
from functools import partial
from statistics import median

import httpx
import pytest

from dev.economy import Transfer

from .caller import eventually
from .conftest import PayerOf
from .paid_dispatcher import PRICE, PaidDispatcher, is_served, receipt_of
from .payers import CLIENTS
from .payment_records import OWN_PAYEE

ROUNDS = 20
Record = Callable[[str, object], None]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("version", [2, 1])
@pytest.mark.parametrize("client", CLIENTS)
def test_an_official_client_pays_the_price_and_is_served(
    paid_dispatcher: PaidDispatcher,
    payer_of: PayerOf,
    client: str,
    version: int,
    method: str,
) -> None:
    wallet, chain = paid_dispatcher.wallet(), paid_dispatcher.economy.chain
    before = (chain.balance(wallet.address), chain.balance(OWN_PAYEE))
    sent = {} if method in {"GET", "DELETE"} else {"body": '{"grüße": 1}'}
    bought = payer_of(client).pay(
        wallet, paid_dispatcher.url("sold/loaf?thick=1"), method=method, version=version, **sent
    )
    assert bought.status == 200, bought.body
    assert json.loads(bought.body) == {
        "goods": "bread",
        "method": method,
        "path": "/loaf",
        "body": sent.get("body", ""),
    }
    after = (chain.balance(wallet.address), chain.balance(OWN_PAYEE))
    assert after == (before[0] - PRICE, before[1] + PRICE)
    transaction = chain.transaction(bought.transaction)
    assert transaction is not None
    assert transaction.succeeded
    assert transaction.transfers == (Transfer(wallet.address.lower(), OWN_PAYEE.lower(), PRICE),)
    assert bought.receipt is not None
    assert bought.receipt["network"] == ("eip155:84532" if version == 2 else "base-sepolia")
    paid_dispatcher.records.check(wallet, ["settled"])


def test_without_a_payee_the_platform_is_paid(
    paid_dispatcher: PaidDispatcher, payer_of: PayerOf
) -> None:
    wallet, chain = paid_dispatcher.wallet(), paid_dispatcher.economy.chain
    before = chain.balance(paid_dispatcher.economy.payee)
    assert payer_of("fetch").pay(wallet, paid_dispatcher.url("sold-by-platform/")).status == 200
    assert chain.balance(paid_dispatcher.economy.payee) == before + PRICE


def test_a_priced_api_is_paid_at_its_host_too(paid_dispatcher: PaidDispatcher) -> None:
    wallet = paid_dispatcher.wallet()
    payment = paid_dispatcher.signed(wallet, "sold-by-platform/")
    host = {"host": "sold.e2e.example"}
    unpaid = httpx.get(f"{paid_dispatcher.server.url}/", headers=host)
    assert unpaid.status_code == 402
    response = paid_dispatcher.send(payment, "../", headers=host)
    assert is_served(response), response.text
    paid_dispatcher.records.check(wallet, ["settled"])


def test_an_unpaid_request_is_not_served_and_claims_nothing(
    paid_dispatcher: PaidDispatcher,
) -> None:
    claims = len(paid_dispatcher.records.rows())
    for method in ("GET", "POST", "DELETE"):
        response = paid_dispatcher.send(None, method=method)
        assert response.status_code == 402
        assert response.json()["error"] == "payment_required"
        assert "bread" not in response.text
        assert response.headers["cache-control"] == "no-store"
    assert paid_dispatcher.send(None, "given/").status_code == 200
    assert len(paid_dispatcher.records.rows()) == claims
    assert paid_dispatcher.proxy.calls == []


def test_settlements_ledger_and_analytics_agree(paid_dispatcher: PaidDispatcher) -> None:
    # Earlier payments may be on their way to the usage log.
    eventually(lambda: _agrees(paid_dispatcher), "all settlements in the log")
    before = _revenue(paid_dispatcher)
    wallets = [paid_dispatcher.wallet() for _ in range(5)]
    receipts = [
        receipt_of(paid_dispatcher.send(paid_dispatcher.signed(wallet))) for wallet in wallets
    ]
    eventually(lambda: _agrees(paid_dispatcher), "the new settlements in the log")
    assert _revenue(paid_dispatcher) - before == 5 * PRICE
    events = paid_dispatcher.caller.platform("settlements", limit=1000)["settlements"]
    shown = {event["transaction"]: event for event in events}
    for receipt in receipts:
        event = shown[receipt["transaction"]]
        assert (event["amountMicros"], event["counted"]) == (PRICE, True)
    for wallet in wallets:
        paid_dispatcher.records.check(wallet, ["settled"])
        assert wallet.address.lower() not in json.dumps(events).lower()


def test_the_latency_of_payments_is_measured(
    paid_dispatcher: PaidDispatcher, record_property: Record
) -> None:
    def milliseconds(send: Callable[[], httpx.Response]) -> float:
        response = send()
        assert response.status_code in {200, 402}
        return 1000 * response.elapsed.total_seconds()

    wallet = paid_dispatcher.wallet()
    required = paid_dispatcher.payment_required()
    payments = [paid_dispatcher.signed(wallet) for _ in range(ROUNDS)]
    assert required["accepts"][0]["amount"] == str(PRICE)
    paid_dispatcher.proxy.reset()
    unpriced = median(milliseconds(lambda: paid_dispatcher.send(None, "given/")) for _ in payments)
    challenge = median(milliseconds(lambda: paid_dispatcher.send(None)) for _ in payments)
    paid = median(milliseconds(partial(paid_dispatcher.send, payment)) for payment in payments)
    verify, settle = (
        1000 * median(call.upstream_seconds for call in paid_dispatcher.proxy.calls_to(path))
        for path in ("/verify", "/settle")
    )
    paid_dispatcher.records.check(wallet, ["settled"] * ROUNDS)
    for name, value in (
        ("the same script, not priced", unpriced),
        ("unpaid, answered 402", challenge),
        ("paid and served", paid),
        ("of that, the facilitator verifying", verify),
        ("of that, the facilitator settling", settle),
        ("added by the dispatcher itself", paid - verify - settle - unpriced),
    ):
        record_property("payment time", (name, f"{value:.1f} ms"))


def _agrees(paid_dispatcher: PaidDispatcher) -> bool:
    """Tell whether the log has every settlement of today that the ledger has."""
    return bool(paid_dispatcher.caller.platform("reconciliation")["day"]["agrees"])


def _revenue(paid_dispatcher: PaidDispatcher) -> int:
    revenue: int = paid_dispatcher.caller.snapshot("overall")["heroStats"]["revenueMicros"]
    return revenue

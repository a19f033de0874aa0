"""Every official client gets the expected outcome for every fault, in both versions."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import product

import pytest

from dev.economy import Wallet
from dev.economy.payer import PayerError, Purchase

from .conftest import PayerOf
from .faults import (
    INVALID_RESPONSES,
    Fault,
    drop_connection,
    drop_connection_after_success,
    fail_after_success,
    json_body,
    status,
)
from .paid_dispatcher import PRICE, PaidDispatcher, is_served
from .payers import CLIENTS

Record = Callable[[str, object], None]

ROUTES = [*product(CLIENTS, (2, 1), ("GET", "POST"))]
"""Client, version, method."""

REFUSAL = {
    "success": False,
    "errorReason": "invalid_exact_evm_insufficient_balance",
    "transaction": "",
    "network": "eip155:84532",
}


@dataclass(frozen=True, slots=True)
class Case:
    """A fault and the expected outcome for every client.

    Args:
        status: The response status.
        state: The payment's state in the ledger at the response, empty without a payment.
        finally_settled: Whether the payment is settled in the end.
        path: The requested path.
        faults: The facilitator's faults, by path.
        balance: The buyer's balance in micro-dollars.
        are_blocks_paused: Whether the chain makes no blocks during the request.
    """

    status: int
    state: str
    finally_settled: bool
    path: str = "sold/"
    faults: Mapping[str, Fault] | None = None
    balance: int = 5 * PRICE
    are_blocks_paused: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a purchase.

    Args:
        status: The response status.
        is_served: Whether the response is the script's.
        state: The payment's state in the ledger at the response, empty without a payment.
        then: Status and whether it was served, for the same payment presented again at the
            end; `None` if that was not needed.
        paid: How many micro-dollars the buyer paid in the end.
    """

    status: int
    is_served: bool
    state: str
    then: tuple[int, bool] | None
    paid: int

    def __str__(self) -> str:
        words = [f"{self.status} {'served' if self.is_served else 'not served'}"]
        words.append(f"ledger {self.state or 'empty'}")
        if self.then:
            words.append(f"later {self.then[0]} {'served' if self.then[1] else 'not served'}")
        words.append(f"charged {self.paid / 1_000_000:.2f}")
        return ", ".join(words)


CASES = {
    "nothing": Case(200, "settled", finally_settled=True),
    "verify responds 500": Case(503, "", finally_settled=False, faults={"/verify": status(500)}),
    "verify is dropped": Case(503, "", finally_settled=False, faults={"/verify": drop_connection}),
    "settle responds 500": Case(
        503, "pending", finally_settled=True, faults={"/settle": status(500)}
    ),
    "settle is dropped": Case(
        503, "pending", finally_settled=True, faults={"/settle": drop_connection}
    ),
    "settle works, responds 500": Case(
        503, "pending", finally_settled=True, faults={"/settle": fail_after_success(500)}
    ),
    "settle works, is dropped": Case(
        503, "pending", finally_settled=True, faults={"/settle": drop_connection_after_success}
    ),
    "settle refuses": Case(
        402, "failed", finally_settled=False, faults={"/settle": json_body(REFUSAL)}
    ),
    "the block is late": Case(503, "pending", finally_settled=True, are_blocks_paused=True),
    "the buyer is broke": Case(402, "", finally_settled=False, balance=PRICE - 1),
    "verify responds with a page": Case(
        503, "", finally_settled=False, faults={"/verify": INVALID_RESPONSES["a page"]}
    ),
    "verify responds with no fields": Case(
        503, "", finally_settled=False, faults={"/verify": INVALID_RESPONSES["no fields"]}
    ),
    "the script refuses": Case(404, "failed", finally_settled=False, path="sold/?status=404"),
    "the script fails": Case(500, "failed", finally_settled=False, path="sold/?status=500"),
    "the script throws": Case(502, "failed", finally_settled=False, path="sold/?throw=1"),
}


@pytest.mark.parametrize("name", CASES)
def test_every_client_gets_the_expected_outcome(
    paid_dispatcher: PaidDispatcher, payer_of: PayerOf, record_property: Record, name: str
) -> None:
    case = CASES[name]
    wallets = [paid_dispatcher.wallet(case.balance) for _ in ROUTES]
    for path, fault in (case.faults or {}).items():
        paid_dispatcher.proxy.always(path, fault)
    blocks: AbstractContextManager[None] = (
        paid_dispatcher.economy.chain.paused_blocks() if case.are_blocks_paused else nullcontext()
    )
    with blocks:
        bought = _buy(paid_dispatcher, payer_of, wallets, case.path)
    seen = [paid_dispatcher.records.states(wallet) for wallet in wallets]
    payments = {
        call.json()["paymentPayload"]["payload"]["authorization"]["from"]: call.json()
        for call in paid_dispatcher.proxy.calls_to("/verify")
    }
    paid_dispatcher.proxy.reset()
    paid_dispatcher.resolve()
    wanted = Outcome(
        status=case.status,
        is_served=case.status == 200,
        state=case.state,
        then=(200, True) if case.state == "pending" else None,
        paid=PRICE if case.finally_settled else 0,
    )
    outcomes = []
    for wallet, purchase, states, route in zip(wallets, bought, seen, ROUTES, strict=True):
        then = None
        if states == ["pending"]:
            payment = payments[wallet.address]["paymentPayload"]
            again = paid_dispatcher.send(payment, case.path, route[2])
            then = (again.status_code, is_served(again))
        paid = case.balance - paid_dispatcher.economy.chain.balance(wallet.address)
        state = states[0] if states else ""
        is_bread = '"bread"' in purchase.body
        outcomes.append(Outcome(purchase.status, is_bread, state, then, paid))
        record_property("payment", (route[0], f"v{route[1]}", route[2], name, str(outcomes[-1])))
    assert outcomes == [wanted] * len(ROUTES)
    for wallet in wallets:
        final = "settled" if case.finally_settled else "failed"
        paid_dispatcher.records.check(wallet, [final] if case.state else [])


def _buy(
    paid_dispatcher: PaidDispatcher, payer_of: PayerOf, wallets: Sequence[Wallet], path: str
) -> list[Purchase]:
    """Let each route's client buy with its own wallet, concurrently."""
    clients = {client: payer_of(client) for client in CLIENTS}

    def buy(wallet: Wallet, route: tuple[str, int, str]) -> Purchase:
        client, version, method = route
        sent = {"body": "{}"} if method == "POST" else {}
        try:
            return clients[client].pay(
                wallet, paid_dispatcher.url(path), method=method, version=version, **sent
            )
        except PayerError as error:
            pytest.fail(f"{route}: {error}")

    with ThreadPoolExecutor(len(ROUTES)) as pool:
        return list(pool.map(buy, wallets, ROUTES))

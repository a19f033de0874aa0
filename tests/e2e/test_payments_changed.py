"""A payment keeps its terms if its API is changed, disabled or withdrawn before its payer returns.

Each kind of change has three payments: one that was served, one whose settlement's response was
lost, and one that no facilitator has settled. Then the dispatcher starts again with the change.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dev.economy import Economy, Wallet
from dev.economy.signing import Document

from .conftest import TOKEN, Starter
from .fault_proxy import FaultProxy
from .faults import drop_connection, drop_connection_after_success
from .marketplace import tenant
from .paid_dispatcher import (
    PRICE,
    PaidDispatcher,
    assert_pending,
    assert_served_once,
    is_served,
    open_paid_dispatcher,
    receipt_of,
)
from .payment_records import OWN_PAYEE

OTHER = "0x000000000000000000000000000000000000dead"
RECORD_CHANGES: dict[str, dict[str, Any] | None] = {
    "price": {"priceUsd": "0.02"},
    "payee": {"payTo": OTHER},
    "disabled": {"x402Enabled": False},
    "free": {"priceUsd": 0},
    "withdrawn": None,
}
"""The changed fields of a record; None if it is removed."""

SETTING_CHANGES = {
    "asset": {"X402_ASSET": OTHER, "X402_ASSET_DECIMALS": "6"},
    "network": {"X402_NETWORK": "eip155:8453", "X402_ASSET_DECIMALS": "6"},
    "unusable": {"X402_NETWORK": "none"},
}
VALID_SECONDS = 86_400
FAULTS = {"lost": drop_connection_after_success, "unsettled": drop_connection}


@dataclass(frozen=True, slots=True)
class Accepted:
    """Payments that were accepted before a change, and their payer."""

    wallet: Wallet
    payments: dict[str, Document]
    receipt: Document
    """The receipt of the one that was served."""


@dataclass(frozen=True, slots=True)
class Before:
    """Where the payments of each change were accepted."""

    start: Starter
    economy: Economy
    proxy: FaultProxy
    state: Path
    accepted: dict[str, Accepted]

    @contextmanager
    def started(
        self, *, is_changed: bool = True, settings: dict[str, str] | None = None
    ) -> Iterator[PaidDispatcher]:
        """Start the dispatcher, and after the first time let the leases end."""
        self.proxy.reset()
        variables = {
            **self.economy.settings(),
            "FACILITATOR_URL": self.proxy.url,
            **(settings or {}),
        }
        with (
            self.start(self.state, directory(is_changed=is_changed), variables) as server,
            open_paid_dispatcher(
                server, self.economy, self.proxy, self.state, TOKEN
            ) as paid_dispatcher,
        ):
            if is_changed:
                paid_dispatcher.resolve()
            yield paid_dispatcher


def directory(*, is_changed: bool) -> dict[str, Any]:
    """Return an API for each change of a record, and one that stays as it is."""
    records = {
        name: tenant(name, "till", priceUsd="0.01", x402Enabled=True, payTo=OWN_PAYEE)
        for name in (*RECORD_CHANGES, "steady")
    }
    for name, change in RECORD_CHANGES.items() if is_changed else ():
        if change is None:
            del records[name]
        else:
            records[name] |= change
    return {"tenants": [*records.values()]}


def path_of(change: str) -> str:
    return f"{change if change in RECORD_CHANGES else 'steady'}/"


def accept(paid_dispatcher: PaidDispatcher, change: str) -> Accepted:
    """Present the three payments of a change."""
    wallet, path = paid_dispatcher.wallet(5 * PRICE), path_of(change)
    changes = {"validBefore": str(int(time.time()) + VALID_SECONDS)}
    payments = {name: paid_dispatcher.signed(wallet, path, changes) for name in ("served", *FAULTS)}
    served = paid_dispatcher.send(payments["served"], path)
    assert is_served(served), served.text
    for name, fault in FAULTS.items():
        paid_dispatcher.proxy.then("/settle", fault)
        assert_pending(paid_dispatcher.send(payments[name], path))
    return Accepted(wallet, payments, receipt_of(served))


@pytest.fixture(scope="module")
def before(
    start: Starter,
    economy: Economy,
    shared_fault_proxy: FaultProxy,
    tmp_path_factory: pytest.TempPathFactory,
) -> Before:
    """The payments of all changes, accepted by a dispatcher that has ended."""
    before = Before(start, economy, shared_fault_proxy, tmp_path_factory.mktemp("changed"), {})
    with before.started(is_changed=False) as paid_dispatcher:
        for change in (*RECORD_CHANGES, *SETTING_CHANGES):
            before.accepted[change] = accept(paid_dispatcher, change)
    return before


@pytest.fixture(scope="module")
def changed(before: Before) -> Iterator[PaidDispatcher]:
    """The dispatcher after the changes of records."""
    with before.started() as paid_dispatcher:
        yield paid_dispatcher


def assert_terms_are_kept(
    paid_dispatcher: PaidDispatcher, accepted: Accepted, change: str, payee_before: int
) -> None:
    """Present all payments again: each is served once, at the signed amount and payee."""
    path, chain = path_of(change), paid_dispatcher.economy.chain
    again = paid_dispatcher.send(accepted.payments["served"], path)
    assert (again.status_code, is_served(again)) == (200, False), again.text
    assert receipt_of(again) == accepted.receipt
    assert again.json()["payment"]["amountMicros"] == PRICE
    assert_served_once(paid_dispatcher, accepted.payments["lost"], path)
    assert_served_once(paid_dispatcher, accepted.payments["unsettled"], path)
    assert chain.balance(accepted.wallet.address) == 2 * PRICE
    assert chain.balance(OWN_PAYEE) == payee_before + PRICE, "only one was not settled before"
    paid_dispatcher.records.check(accepted.wallet, ["settled"] * 3)


@pytest.mark.parametrize("change", [name for name in RECORD_CHANGES if name != "withdrawn"])
def test_a_changed_record_changes_neither_receipt_nor_what_is_owed(
    before: Before, changed: PaidDispatcher, change: str
) -> None:
    payee_before = before.economy.chain.balance(OWN_PAYEE)
    assert_terms_are_kept(changed, before.accepted[change], change, payee_before)


def test_a_withdrawn_api_gives_receipts_and_settles_nothing(
    before: Before, changed: PaidDispatcher
) -> None:
    accepted, path = before.accepted["withdrawn"], path_of("withdrawn")
    again = changed.send(accepted.payments["served"], path)
    assert (again.status_code, receipt_of(again)) == (200, accepted.receipt)
    lost = changed.send(accepted.payments["lost"], path)
    assert (lost.status_code, is_served(lost)) == (200, False)
    assert lost.json()["payment"]["amountMicros"] == PRICE
    assert_pending(changed.send(accepted.payments["unsettled"], path))
    assert changed.send(None, path).status_code == 404
    assert before.economy.chain.balance(accepted.wallet.address) == 3 * PRICE
    changed.records.check(accepted.wallet, ["settled", "settled", "pending"])


@pytest.mark.parametrize("change", SETTING_CHANGES)
def test_a_changed_setting_changes_neither_receipt_nor_what_is_owed(
    before: Before, change: str
) -> None:
    payee_before = before.economy.chain.balance(OWN_PAYEE)
    with before.started(settings=SETTING_CHANGES[change]) as paid_dispatcher:
        assert_terms_are_kept(paid_dispatcher, before.accepted[change], change, payee_before)

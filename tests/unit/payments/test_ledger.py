"""Each payment has one claim at a time, and each change of its state is made once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from core.errors import DatabaseUnavailable
from payments.ledger import Ledger, SettlementRecord
from payments.models import PaymentRow, PaymentState
from tests.support.builders import payment_row
from tests.support.fake_network import FakeDatabase
from tests.support.fakes import NOON_MS, FakeClock

SETTLED = SettlementRecord("0xabc", "http://f", NOON_MS + 1, "{}", served=True)


class Books:
    """A ledger on SQLite."""

    def __init__(self) -> None:
        self.database = FakeDatabase()
        self.clock = FakeClock()
        self.ledger = Ledger(self.database, self.clock)

    def claim(self, row: PaymentRow) -> PaymentRow:
        return asyncio.run(self.ledger.claim(row))

    def pending(self, **changes: Any) -> PaymentRow:
        row = self.claim(payment_row(**changes))
        assert asyncio.run(self.ledger.begin_settling(row, "begin"))
        return replace(row, state=PaymentState.PENDING)

    def find(self, name: str = "id-1") -> PaymentRow:
        row = asyncio.run(self.ledger.find(name))
        assert row is not None
        return row


def test_a_claim_is_stored_as_given() -> None:
    books = Books()
    row = payment_row(identifier="pay_0123456789abcdef")
    assert books.claim(row) == row == books.find()
    assert asyncio.run(books.ledger.find("nope")) is None


def test_a_second_claim_returns_the_row_of_the_first() -> None:
    books = Books()
    first = books.claim(payment_row(changed_by="one"))
    assert books.claim(payment_row(changed_by="two", request_id="r-2")) == first


def test_a_failed_payment_is_claimed_again_as_another_attempt() -> None:
    books = Books()
    row = books.claim(payment_row(changed_by="one"))
    assert asyncio.run(books.ledger.mark_failed(row, "fail", "tenant_error"))
    again = books.claim(payment_row(changed_by="two", claimed_at_ms=NOON_MS + 5))
    assert (again.changed_by, again.attempt, again.state) == ("two", 2, PaymentState.CLAIMED)
    assert again.claimed_at_ms == NOON_MS + 5
    # The first attempt can no longer change it.
    assert not asyncio.run(books.ledger.begin_settling(row, "late"))


def test_an_identifier_belongs_to_one_payment_of_its_payer() -> None:
    books = Books()
    name = "pay_0123456789abcdef"
    first = books.claim(payment_row(identifier=name))
    second = payment_row(payment_id="id-2", nonce="n2", identifier=name, changed_by="two")
    assert books.claim(second) == first
    other = replace(second, payer="0xother")
    assert books.claim(other) == other


@pytest.mark.parametrize("end", ["settled", "failed"])
def test_a_payment_becomes_final_once(end: str) -> None:
    books = Books()
    row = books.pending()
    settle = books.ledger.mark_settled
    if end == "settled":
        assert asyncio.run(settle(row, "settle", SETTLED))
        assert not asyncio.run(books.ledger.mark_failed(row, "fail", "x"))
    else:
        assert asyncio.run(books.ledger.mark_failed(row, "fail", "x"))
        assert not asyncio.run(settle(row, "settle", SETTLED))
    assert not asyncio.run(settle(row, "again", SETTLED))
    found = books.find()
    assert (found.state.value, found.proof) == (end, None)
    kinds = books.database.rows("SELECT kind, amount_micros AS micros FROM entries")
    expected = {"settled": ("settlement", 10_000), "failed": ("refusal", 0)}[end]
    assert [tuple(entry.values()) for entry in kinds] == [expected]


def test_a_claim_must_be_pending_before_it_is_settled() -> None:
    books = Books()
    row = books.claim(payment_row())
    assert not asyncio.run(books.ledger.mark_settled(row, "settle", SETTLED))
    assert books.find() == row


@pytest.mark.parametrize("works", [False, True])
def test_a_change_whose_confirmation_is_lost_is_recognized(works: bool) -> None:
    books = Books()
    row = books.pending()
    books.database.failing_after(0, takes_effect_anyway=works)
    assert asyncio.run(books.ledger.mark_settled(row, "settle", SETTLED))
    assert len(books.database.rows("SELECT * FROM entries")) == 1


@pytest.mark.parametrize("works", [False, True])
def test_a_claim_whose_confirmation_is_lost_is_recognized(works: bool) -> None:
    books = Books()
    books.database.failing_after(0, takes_effect_anyway=works)
    row = payment_row()
    assert books.claim(row) == row


def test_a_database_that_keeps_failing_raises() -> None:
    books = Books()
    books.database.failing = 9
    with pytest.raises(DatabaseUnavailable):
        books.claim(payment_row())


def test_a_pending_payment_has_one_lease_at_a_time() -> None:
    books = Books()
    row = books.pending()
    take_over = books.ledger.take_over
    assert not asyncio.run(take_over(row, "early"))
    books.clock.at_ms += 60_000
    assert asyncio.run(take_over(row, "one"))
    assert not asyncio.run(take_over(row, "two"))
    assert asyncio.run(books.ledger.defer(row, "rest", "why", "0x1", 5_000))
    found = books.find()
    assert (found.asked, found.reason, found.transaction_id) == (2, "why", "0x1")
    books.clock.at_ms += 5_000
    assert asyncio.run(take_over(row, "three"))


def test_a_settled_payment_is_served_once() -> None:
    books = Books()
    row = books.pending()
    asyncio.run(books.ledger.mark_settled(row, "settle", replace(SETTLED, served=False)))
    settled = books.find()
    assert asyncio.run(books.ledger.mark_served(settled, "one", served=True))
    assert not asyncio.run(books.ledger.mark_served(settled, "two", served=True))
    assert asyncio.run(books.ledger.mark_served(settled, "back", served=False))
    assert asyncio.run(books.ledger.mark_served(settled, "three", served=True))


def test_lists_have_exactly_the_unresolved_and_the_unreconciled_payments() -> None:
    books = Books()
    books.claim(payment_row("claimed", nonce="1"))
    books.pending(payment_id="pending", nonce="2", claimed_at_ms=NOON_MS - 5)
    done = books.pending(payment_id="settled", nonce="3", claimed_at_ms=NOON_MS - 9)
    asyncio.run(books.ledger.mark_settled(done, "s", SETTLED))
    ledger = books.ledger
    assert asyncio.run(ledger.unresolved(9)) == []
    books.clock.at_ms += 1_000_000
    found = asyncio.run(ledger.unresolved(9))
    assert {row.payment_id for row in found} == {"claimed", "pending"}
    assert len(asyncio.run(ledger.unresolved(1))) == 1
    (unreconciled,) = asyncio.run(ledger.unreconciled(NOON_MS + 2, 9))
    assert unreconciled.payment_id == "settled"
    assert asyncio.run(ledger.unreconciled(NOON_MS + 1, 9)) == []
    assert asyncio.run(ledger.oldest_unresolved_ms()) == (NOON_MS - 9, 1)
    asyncio.run(ledger.mark_reconciled(["settled"]))
    assert asyncio.run(ledger.unreconciled(NOON_MS + 2, 9)) == []
    assert asyncio.run(ledger.oldest_unresolved_ms()) == (NOON_MS - 5, 1)


def test_the_totals_of_a_day_separate_settlements_and_corrections() -> None:
    books = Books()
    row = books.pending()
    asyncio.run(books.ledger.mark_settled(row, "s", SETTLED))
    books.database.connection.execute(
        "INSERT INTO entries (kind, payment_id, attempt, tenant_id, debit, credit, amount_micros,"
        " at_ms, note) VALUES ('correction', 'id-1', 1, 't1', 'a', 'b', -300, 5, 'refunded')"
    )
    day = NOON_MS // 86_400_000
    (total,) = asyncio.run(books.ledger.totals_on(day))
    assert (total.settled_micros, total.corrected_micros) == (10_000, -300)
    assert asyncio.run(books.ledger.totals_on(day - 1)) == []

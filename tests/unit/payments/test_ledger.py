"""Each payment has one holder at a time, and each change of its state is made once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from core import constants
from core.errors import DatabaseUnavailable
from payments.ledger import NOT_SENT, UNKNOWN, Ledger
from payments.ledger_reports import open_payments, totals_on
from payments.models import PaymentRow, PaymentState
from tests.support.builders import payment_row
from tests.support.fake_network import FakeDatabase
from tests.support.fakes import NOON_MS, FakeClock

DAY_MS = 86_400_000
NAME = "pay_0123456789abcdef"


class Books:
    """A ledger on SQLite."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.database = FakeDatabase(self.clock)
        self.ledger = Ledger(self.database, self.clock)

    def claim(self, row: PaymentRow) -> PaymentRow:
        found = asyncio.run(self.ledger.claim(row))
        assert found is not None
        return found

    def take_over(self, row: PaymentRow, request_id: str) -> bool:
        found = asyncio.run(self.ledger.take_over(row, request_id, "http://g"))
        return found.holder == request_id

    def settled(self, **changes: Any) -> PaymentRow:
        final = final_row(self.claim(payment_row(**changes)))
        assert asyncio.run(self.ledger.record_settlement(final))
        return self.find(final.payment_id)

    def find(self, name: str = "id-1") -> PaymentRow:
        row = asyncio.run(self.ledger.find(name))
        assert row is not None
        return row


def final_row(row: PaymentRow, batch: str = "{}") -> PaymentRow:
    return row._replace(
        state=PaymentState.SETTLED,
        transaction_id="0xabc",
        settled_at_ms=NOON_MS + 1,
        usage_batch=batch,
    )


def test_a_claim_is_stored_as_given_and_belongs_to_its_request() -> None:
    books = Books()
    row = payment_row(identifier=NAME)
    assert books.claim(row) == row
    until_ms = NOON_MS + constants.CLAIM_LEASE_MS
    assert books.find() == row._replace(due_ms=until_ms, is_due=False)
    books.clock.at_ms = until_ms
    assert books.find() == row._replace(due_ms=until_ms, is_due=True)
    assert asyncio.run(books.ledger.find("nope")) is None


def test_a_second_claim_returns_the_row_of_the_first() -> None:
    books = Books()
    books.claim(payment_row(holder="one"))
    assert books.claim(payment_row(holder="two", request_id="r-2")) == books.find()
    assert books.find().holder == "one"


def test_a_failed_payment_is_claimed_again_as_another_attempt() -> None:
    books = Books()
    row = books.claim(payment_row(holder="one"))
    assert asyncio.run(books.ledger.mark_failed(row, "response_not_charged"))
    again = books.claim(payment_row(holder="two", claimed_at_ms=NOON_MS + 5))
    assert (again.holder, again.attempt, again.state) == ("two", 2, PaymentState.CLAIMED)
    assert again.claimed_at_ms == books.find().claimed_at_ms == NOON_MS + 5
    # The first attempt can no longer change it.
    assert not asyncio.run(books.ledger.record_settlement(final_row(row)))
    assert not asyncio.run(books.ledger.mark_failed(row, "late"))


def test_a_claim_that_takes_effect_late_does_not_revive_what_was_released() -> None:
    books = Books()
    row = books.claim(payment_row(holder="one"))
    assert asyncio.run(books.ledger.mark_failed(row, "response_not_charged"))
    assert books.claim(payment_row(holder="one")).state is PaymentState.FAILED
    assert books.find().state is PaymentState.FAILED


def test_an_identifier_belongs_to_one_payment_of_its_payer() -> None:
    books = Books()
    books.claim(payment_row(identifier=NAME))
    second = payment_row(payment_id="id-2", nonce="n2", identifier=NAME, holder="two")
    assert books.claim(second) == books.find()
    other = second._replace(payer="0xother")
    assert books.claim(other) == other


def test_an_identifier_of_a_failed_payment_may_be_given_to_another() -> None:
    books = Books()
    row = books.claim(payment_row(identifier=NAME))
    assert asyncio.run(books.ledger.mark_failed(row, "response_not_charged"))
    second = payment_row(payment_id="id-2", nonce="n2", identifier=NAME, holder="two")
    assert books.claim(second) == second
    assert books.find().identifier is None
    # The first authorization with the identifier is now the second payment.
    assert books.claim(row._replace(holder="three")).payment_id == "id-2"


@pytest.mark.parametrize("end", ["settled", "failed"])
def test_a_payment_becomes_final_once(end: str) -> None:
    books = Books()
    row = books.claim(payment_row())
    settle = books.ledger.record_settlement
    if end == "settled":
        assert asyncio.run(settle(final_row(row)))
        assert not asyncio.run(books.ledger.mark_failed(row, "x"))
        assert not asyncio.run(books.ledger.mark_void(row, "x"))
    else:
        assert asyncio.run(books.ledger.mark_failed(row, "x"))
        assert not asyncio.run(settle(final_row(row)))
    assert not asyncio.run(settle(final_row(row, "another")))
    assert not asyncio.run(books.ledger.record_proof(final_row(row, "another")))
    found = books.find()
    assert (found.state.value, found.proof) == (end, None)
    kinds = books.database.rows("SELECT kind, amount_micros AS micros FROM entries")
    expected = {"settled": ("settlement", 10_000), "failed": ("refusal", 0)}[end]
    assert [tuple(entry.values()) for entry in kinds] == [expected]


@pytest.mark.parametrize("works", [False, True])
def test_a_change_whose_confirmation_is_lost_is_recognized(works: bool) -> None:
    books = Books()
    row = books.claim(payment_row())
    books.database.failing_after(0, takes_effect_anyway=works)
    assert asyncio.run(books.ledger.record_settlement(final_row(row)))
    assert len(books.database.rows("SELECT * FROM entries")) == 1


@pytest.mark.parametrize("works", [False, True])
def test_a_claim_whose_confirmation_is_lost_is_recognized(works: bool) -> None:
    books = Books()
    books.database.failing_after(0, takes_effect_anyway=works)
    assert books.claim(payment_row()).holder == "r-1"
    assert books.find().attempt == 1


def test_a_database_that_keeps_failing_raises() -> None:
    books = Books()
    books.database.failing = 9
    with pytest.raises(DatabaseUnavailable):
        books.claim(payment_row())


@pytest.mark.parametrize("is_settled", [False, True])
def test_a_payment_is_taken_over_by_one_request_and_only_when_its_lease_ends(
    is_settled: bool,
) -> None:
    books = Books()
    row = books.settled() if is_settled else books.claim(payment_row())
    lease_ms = constants.SERVE_LEASE_MS if is_settled else constants.CLAIM_LEASE_MS
    books.clock.at_ms += lease_ms - 1
    assert not books.take_over(row, "early")
    books.clock.at_ms += 1
    assert books.take_over(row, "two")
    assert not books.take_over(row, "three")
    found = books.find()
    assert found.state is (PaymentState.SETTLED if is_settled else PaymentState.PENDING)
    assert found.due_ms == books.clock.at_ms + constants.CLAIM_LEASE_MS
    # The first holder neither settles, fails nor serves it any more.
    assert not asyncio.run(books.ledger.record_settlement(final_row(row, "another")))
    assert not asyncio.run(books.ledger.mark_failed(row, "late"))
    assert not asyncio.run(books.ledger.keep(row))
    asyncio.run(books.ledger.mark_served([row], ()))
    assert not books.find().served


def test_a_served_payment_is_not_taken_over() -> None:
    books = Books()
    row = books.settled()
    asyncio.run(books.ledger.mark_served([row], ()))
    books.clock.at_ms += DAY_MS
    assert not books.take_over(row, "two")
    assert books.find().served


def test_a_holder_may_serve_a_settled_payment_as_long_as_nobody_took_it_over() -> None:
    books = Books()
    row = books.settled()
    books.clock.at_ms += 10 * constants.SERVE_LEASE_MS
    assert asyncio.run(books.ledger.keep(row))
    assert not books.take_over(row, "two")


def test_a_released_settled_payment_is_free_at_once() -> None:
    books = Books()
    books.settled()
    books.clock.at_ms += constants.SERVE_LEASE_MS
    assert books.take_over(books.find(), "two")
    asyncio.run(books.ledger.release(books.find(), UNKNOWN, "", 0, was_asked=False))
    assert books.take_over(books.find(), "three")


def test_after_a_settle_call_without_a_result_a_payment_rests_until_its_time() -> None:
    books = Books()
    row = books.claim(payment_row())
    asyncio.run(books.ledger.release(row, "down", "0x1", 5_000, was_asked=True))
    found = books.find()
    assert (found.state, found.asked, found.reason) == (PaymentState.PENDING, 1, "down")
    assert (found.transaction_id, found.is_due) == ("0x1", False)
    assert not books.take_over(found, "two")
    books.clock.at_ms += 5_000
    assert books.take_over(found, "two")


def test_what_cron_has_looked_at_in_vain_is_free_for_its_payer() -> None:
    books = Books()
    row = books.claim(payment_row())
    asyncio.run(books.ledger.defer(row, UNKNOWN, 60_000))
    assert books.find().state is PaymentState.CLAIMED, "its lease has not ended"
    books.clock.at_ms += constants.CLAIM_LEASE_MS
    asyncio.run(books.ledger.defer(row, UNKNOWN, 60_000))
    assert asyncio.run(books.ledger.due(9)) == []
    assert books.find().state is PaymentState.PENDING
    assert books.take_over(books.find(), "two")


def test_only_unfinished_payments_are_due() -> None:
    books = Books()
    books.claim(payment_row("claimed", nonce="1"))
    books.settled(payment_id="unsent", nonce="2")
    served = books.settled(payment_id="served", nonce="3")
    asyncio.run(books.ledger.mark_served([served], [served.payment_id]))
    failed = books.claim(payment_row("failed", nonce="4"))
    asyncio.run(books.ledger.mark_failed(failed, "x"))
    assert asyncio.run(books.ledger.due(9)) == []
    books.clock.at_ms += constants.CLAIM_LEASE_MS
    found = asyncio.run(books.ledger.due(9))
    assert [row.payment_id for row in found] == ["unsent", "claimed"]
    assert len(asyncio.run(books.ledger.due(1))) == 1
    asyncio.run(books.ledger.mark_reconciled(["unsent"]))
    assert [row.payment_id for row in asyncio.run(books.ledger.due(9))] == ["claimed"]
    assert books.take_over(books.find("unsent"), "two")
    books.clock.at_ms += constants.CLAIM_LEASE_MS
    asyncio.run(books.ledger.free_unserved(books.find("unsent")))
    assert books.find("unsent").due_ms is None
    assert books.take_over(books.find("unsent"), "three")


def test_open_payments_are_counted_and_those_with_problems_named() -> None:
    books = Books()
    assert asyncio.run(open_payments(books.ledger, 9)).since_ms is None
    row = books.claim(payment_row(claimed_at_ms=NOON_MS - 9))
    books.settled(payment_id="unsent", nonce="2")
    books.clock.at_ms += constants.CLAIM_LEASE_MS
    asyncio.run(books.ledger.defer(row, "problem: ValueError: x", 60_000))
    asyncio.run(books.ledger.defer(books.find("unsent"), NOT_SENT, 60_000))
    found = asyncio.run(open_payments(books.ledger, 9))
    assert (found.since_ms, found.pending) == (NOON_MS - 9, 1)
    assert found.problems == {"id-1": "ValueError: x"}
    asyncio.run(books.ledger.mark_void(row, "expired"))
    asyncio.run(books.ledger.mark_reconciled(["unsent"]))
    assert asyncio.run(open_payments(books.ledger, 9)).since_ms is None


def test_the_totals_of_a_day_separate_settlements_and_corrections() -> None:
    books = Books()
    books.settled()
    books.database.connection.execute(
        "INSERT INTO entries (kind, payment_id, number, attempt, tenant_id, debit, credit,"
        " amount_micros, at_ms, note)"
        " VALUES ('correction', 'id-1', 1, 1, 't1', 'a', 'b', -300, 5, 'refunded')"
    )
    day = NOON_MS // DAY_MS
    (total,) = asyncio.run(totals_on(books.ledger, day))
    assert (total.settled_micros, total.corrected_micros) == (10_000, -300)
    assert asyncio.run(totals_on(books.ledger, day - 1)) == []

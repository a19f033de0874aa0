"""A settled payment is one batch of the usage log, without the payer's address."""

from __future__ import annotations

import json

from metering.batches import decode_batch
from metering.settlements import shown_settlement
from payments.models import PaymentState
from payments.settlement import encode_payment, late_revenue_event, settlement_event
from tests.support.builders import PAYMENT_ROW
from tests.support.fakes import NOON_MS

SETTLED = PAYMENT_ROW._replace(
    state=PaymentState.SETTLED,
    transaction_id="0xabc",
    settled_at_ms=NOON_MS + 1_234,
)


def test_a_payments_batch_has_its_settlement_event_and_one_event_with_its_revenue() -> None:
    batch = decode_batch(encode_payment(SETTLED, late_revenue_event(SETTLED)))
    assert (batch.writer, batch.sequence, batch.dropped) == ("", 0, 0)
    assert batch.settlement == settlement_event(SETTLED)
    assert batch.settlement.payment_id == "id-1"
    (event,) = batch.events
    assert (event.revenue_micros, event.counted, event.at_ms) == (10_000, False, NOON_MS + 1_234)


def test_a_payments_batch_has_no_address_of_the_payer() -> None:
    text = encode_payment(SETTLED, late_revenue_event(SETTLED))
    assert PAYMENT_ROW.payer not in text.lower()
    assert PAYMENT_ROW.payer not in json.dumps(shown_settlement(settlement_event(SETTLED))).lower()


def test_a_payments_batch_depends_on_its_row_alone() -> None:
    once = encode_payment(SETTLED, late_revenue_event(SETTLED))
    assert once == encode_payment(SETTLED, late_revenue_event(SETTLED))
    other = SETTLED._replace(payment_id="id-2")
    assert once != encode_payment(other, late_revenue_event(other))

"""A settled payment has one settlement event and one usage batch, each with its own key."""

from __future__ import annotations

import json
from dataclasses import replace

from core import keys
from core.calendar import MINUTE_MS
from metering.settlements import encode_settlement, shown_settlement
from payments.models import PaymentState
from payments.settlement import (
    decode_revenue_batch,
    encode_revenue_batch,
    late_revenue_event,
    revenue_key,
    settlement_event,
)
from tests.support.builders import PAYMENT_ROW
from tests.support.fakes import NOON_MS

SETTLED = replace(
    PAYMENT_ROW,
    state=PaymentState.SETTLED,
    transaction_id="0xabc",
    settled_at_ms=NOON_MS + 1_234,
    usage_batch=encode_revenue_batch(late_revenue_event(PAYMENT_ROW, NOON_MS + 1_234)),
)


def test_no_event_has_the_payers_address() -> None:
    event = settlement_event(SETTLED)
    assert PAYMENT_ROW.payer not in encode_settlement(event).lower()
    assert PAYMENT_ROW.payer not in json.dumps(shown_settlement(event)).lower()


def test_the_revenue_is_one_batch_of_the_minute_of_settlement() -> None:
    (event,) = decode_revenue_batch(SETTLED).events
    assert (event.revenue_micros, event.counted, event.at_ms) == (10_000, False, NOON_MS + 1_234)
    key = keys.parse_usage_batch(revenue_key(SETTLED))
    assert (key.minute, key.writer) == (event.at_ms // MINUTE_MS, "payment-id-1")


def test_no_two_payments_share_a_key() -> None:
    other = replace(SETTLED, payment_id="id-2")
    assert revenue_key(SETTLED) != revenue_key(other)
    assert settlement_event(SETTLED).key != settlement_event(other).key

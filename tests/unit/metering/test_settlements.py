"""Settlement events are decoded as they were encoded, and invalid ones are refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import keys
from core.calendar import DAY_MS, MINUTE_MS
from core.errors import SettlementUnreadable
from metering.settlements import (
    SettlementEvent,
    decode_settlement,
    encode_settlement,
    shown_settlement,
)
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
times = st.integers(0, 4_000_000_000_000)


def test_an_event_is_decoded_as_it_was_encoded() -> None:
    event = settlement_event(SETTLED)
    assert decode_settlement(encode_settlement(event)) == event


@pytest.mark.parametrize(
    "value", ["", "[]", "{}", "null", "[1]", "[2, 3]", "[9" + ', ""' * 15 + "]", "[" * 9_999]
)
def test_an_invalid_encoding_is_refused(value: str) -> None:
    with pytest.raises(SettlementUnreadable):
        decode_settlement(value)


@pytest.mark.parametrize("position", range(1, 16))
def test_a_field_of_another_type_is_refused(position: int) -> None:
    fields = json.loads(encode_settlement(settlement_event(SETTLED)))
    fields[position] = None
    with pytest.raises(SettlementUnreadable):
        decode_settlement(json.dumps(fields))


def test_no_event_has_the_payers_address() -> None:
    assert PAYMENT_ROW.payer not in encode_settlement(settlement_event(SETTLED)).lower()
    assert PAYMENT_ROW.payer not in json.dumps(shown_settlement(settlement_event(SETTLED))).lower()


@given(times, times)
def test_a_newer_payment_sorts_before_an_older_one(one: int, other: int) -> None:
    first, second = keys.settlement(one, "id"), keys.settlement(other, "id")
    assert (first < second) == (one > other)
    assert first.startswith(keys.settlement_day(one // DAY_MS))


def test_the_revenue_is_one_batch_of_the_minute_of_settlement() -> None:
    (event,) = decode_revenue_batch(SETTLED).events
    assert (event.revenue_micros, event.counted, event.at_ms) == (10_000, False, NOON_MS + 1_234)
    key = keys.parse_usage_batch(revenue_key(SETTLED))
    assert (key.minute, key.writer) == (event.at_ms // MINUTE_MS, "payment-id-1")


def test_no_two_payments_share_a_key() -> None:
    other = replace(SETTLED, payment_id="id-2")
    assert revenue_key(SETTLED) != revenue_key(other)
    assert settlement_event(SETTLED).key != settlement_event(other).key


def test_a_scripts_receipt_is_shown_as_not_counted() -> None:
    event: SettlementEvent = settlement_event(SETTLED)._replace(source="script", receipt="abc")
    shown = shown_settlement(event)
    assert (shown["counted"], shown["receipt"]) == (False, "abc")
    assert shown_settlement(settlement_event(SETTLED))["counted"] is True

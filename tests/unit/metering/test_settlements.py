"""Settlement events are decoded as they were encoded, and invalid ones are rejected."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import keys
from core.calendar import DAY_MS
from core.errors import SettlementUnreadable
from metering.settlements import (
    BY_SCRIPT,
    decode_settlement,
    encode_settlement,
    shown_settlement,
)
from tests.support.builders import SETTLEMENT

times = st.integers(0, 4_000_000_000_000)


def test_an_event_is_decoded_as_it_was_encoded() -> None:
    assert decode_settlement(encode_settlement(SETTLEMENT)) == SETTLEMENT


@pytest.mark.parametrize(
    "value", ["", "[]", "{}", "null", "[1]", "[2, 3]", "[9" + ', ""' * 15 + "]", "[" * 9_999]
)
def test_an_invalid_encoding_is_rejected(value: str) -> None:
    with pytest.raises(SettlementUnreadable):
        decode_settlement(value)


@pytest.mark.parametrize("position", range(1, 16))
def test_a_field_of_another_type_is_rejected(position: int) -> None:
    fields = json.loads(encode_settlement(SETTLEMENT))
    fields[position] = None
    with pytest.raises(SettlementUnreadable):
        decode_settlement(json.dumps(fields))


@given(times, times)
def test_a_newer_payment_sorts_before_an_older_one(one: int, other: int) -> None:
    first, second = keys.settlement(one, "id"), keys.settlement(other, "id")
    assert (first < second) == (one > other)
    assert first.startswith(keys.settlement_day(one // DAY_MS))


def test_a_scripts_receipt_is_shown_as_not_counted() -> None:
    shown = shown_settlement(SETTLEMENT._replace(source=BY_SCRIPT, receipt="abc"))
    assert (shown["counted"], shown["receipt"]) == (False, "abc")
    assert shown_settlement(SETTLEMENT)["counted"] is True

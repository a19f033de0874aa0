"""Settlement events are decoded as they were encoded, and invalid ones are rejected."""

from __future__ import annotations

import json

import pytest

from core.errors import SettlementUnreadable
from core.ports import Json
from metering.settlements import (
    settlement_fields,
    settlement_from,
    shown_settlement,
)
from tests.support.builders import SETTLEMENT


def test_an_event_is_decoded_as_it_was_encoded() -> None:
    fields = json.loads(json.dumps(settlement_fields(SETTLEMENT)))
    assert settlement_from(fields) == SETTLEMENT


@pytest.mark.parametrize("value", [None, "", [], {}, 5, [1], [2, 3], [9, *[""] * 13]])
def test_an_invalid_form_is_rejected(value: Json) -> None:
    with pytest.raises(SettlementUnreadable):
        settlement_from(value)


@pytest.mark.parametrize("position", range(1, 14))
def test_a_field_of_another_type_is_rejected(position: int) -> None:
    fields = settlement_fields(SETTLEMENT)
    fields[position] = None
    with pytest.raises(SettlementUnreadable):
        settlement_from(fields)


def test_every_event_is_shown_as_counted_and_settled_at_the_edge() -> None:
    shown = shown_settlement(SETTLEMENT)
    assert (shown["source"], shown["counted"], shown["receipt"]) == ("edge", True, None)

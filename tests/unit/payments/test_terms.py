"""What identifies a payment, and what it must agree with; each test detects a mutation."""

from __future__ import annotations

import pytest

from payments.chain.authorization import InvalidPayload
from payments.payload import PaymentPayload, read_payment
from tenants.pricing import token_units
from tests.support.builders import REQUIREMENTS
from tests.support.fake_chain import PAYEE, USDC
from tests.unit.payments.test_payload import ACCEPTED, DOCUMENT, header


def accepting(**accepted: str) -> PaymentPayload:
    """Return a payment that accepts other terms."""
    payment = read_payment(header({**DOCUMENT, "accepted": {**ACCEPTED, **accepted}}))
    assert payment is not None
    return payment


def payment_id(**accepted: str) -> str:
    return accepting(**accepted).payment_id(USDC)


def test_the_network_is_part_of_a_payments_id() -> None:
    assert payment_id(network="eip155:8453") != payment_id()


def test_the_asset_is_part_of_a_payments_id() -> None:
    assert payment_id(asset=PAYEE) != payment_id()


def test_the_letter_case_of_the_asset_is_not_part_of_a_payments_id() -> None:
    assert payment_id(asset=USDC.lower()) == payment_id(asset=USDC) == payment_id()


def test_an_amount_that_only_begins_like_the_price_is_rejected() -> None:
    for amount in ("100000", "1000", "10000.0", "10000 ", "010000"):
        with pytest.raises(InvalidPayload, match="amount"):
            accepting(amount=amount).match([REQUIREMENTS])


def test_a_price_with_more_decimals_than_the_token_is_never_rounded() -> None:
    assert token_units(10_000, 2) == "1"
    assert [token_units(micros, 2) for micros in (1, 9_999, 10_001, 15_000)] == [None] * 4

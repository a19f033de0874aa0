"""Money of old events is read in any unit, and never lost or guessed."""

from typing import Any

import pytest

from cli.legacy.fields import read_naming

from .test_events import USUAL, read, the_event, without


@pytest.mark.parametrize(
    ("changes", "micros"),
    [
        ({"billedUsd": "0.25"}, 250_000),
        ({"billedUsd": 0.25}, 250_000),
        ({"billedUsd": "$0.25"}, 250_000),
        ({"billedUsd": "0.25 USD"}, 250_000),
        ({"billedCents": 25}, 250_000),
        ({"billedCents": "2.5"}, 25_000),
        ({"billedMicros": 250_000}, 250_000),
        ({"amountUsd": 0.25, "billedMicros": 250_000}, 250_000),
    ],
)
def test_revenue_is_read_in_any_unit(changes: dict[str, Any], micros: int) -> None:
    assert the_event(without("revenueUsd", **changes)).revenue_micros == micros


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"chargedAmount": 0.05}, "may be money, under a name that is not known: chargedAmount"),
        ({"feeUsd": "0.05"}, "feeUsd (0.05)"),
        ({"payment": {"amount": 5}}, "payment.amount (5)"),
        ({"charges": [{"usd": 0.05}]}, "charges.usd (0.05)"),
        ({"billedUsd": 0, "settledUsd": 0.05}, "the revenue is given several times, and differs"),
        ({"billedUsd": 0.05, "revenueMicros": 5}, "the revenue is given several times"),
        ({"currency": "EUR"}, "currency is 'EUR': only dollars can be imported"),
        ({"lifecycle": "payment_settled", "revenueUsd": 0}, "no revenue above 0 is given"),
        ({"lifecycle": "payment_settled", "revenueUsd": None}, "no revenue above 0 is given"),
        ({"revenueUsd": None}, "revenueUsd is missing, and the API has a price"),
        ({"countable": False}, "a request that is not counted as a call has no revenue"),
        ({"lifecycle": "payment_pending"}, "payment_pending is not final, so its amount may not"),
    ],
)
def test_money_that_would_be_lost_is_unclear(changes: dict[str, Any], told: str) -> None:
    old = read({**USUAL, **changes}).old
    assert (old.events, old.invalid.count) == (0, 0)
    (refused,) = old.unclear.first
    assert told in "; ".join(refused.reasons)


@pytest.mark.parametrize(
    "changes",
    [
        {"feeUsd": 0},
        {"fee": None},
        {"billable": True},
        {"paymentNetwork": "base"},
        {"paymentId": "123456"},
        {"totalRequests": 7},
        {"chargeAttempts": 2},
        {"currency": "usd"},
        {"amountUsd": "0.010"},
    ],
)
def test_what_is_no_other_money_is_left_alone(changes: dict[str, Any]) -> None:
    assert the_event({**USUAL, **changes}).revenue_micros == 10_000


def test_an_unknown_amount_can_be_mapped_or_ignored() -> None:
    value = without("revenueUsd", chargedCents=25, feeUsd=0.01)
    naming = read_naming(["chargedCents=revenueCents"], ["feeUsd"])
    assert the_event(value, naming).revenue_micros == 250_000


def test_a_mapped_amount_takes_precedence_over_those_in_other_units() -> None:
    value = without("revenueUsd", billedMicros=7, paid={"usd": "0.25"})
    assert the_event(value, read_naming(["paid.usd=revenueUsd"])).revenue_micros == 250_000

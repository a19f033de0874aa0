"""The view of a day's reconciliation, from a real dispatcher's response."""

import copy
import io
from typing import Any

import pytest
from rich.console import Console

from cli.analytics.reconciliation_view import read_reconciliation
from cli.errors import CommandError
from tests.cli.loopback import recorded


def _document(**day: Any) -> dict[str, Any]:
    document = copy.deepcopy(recorded("reconciliation"))
    document["day"] |= day
    return document


def _drawn(document: dict[str, Any]) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(read_reconciliation(document))
    return out.getvalue()


def test_a_day_that_agrees_says_so() -> None:
    tenant = recorded("reconciliation")["day"]["tenants"][0]
    same = {"settledAtEdgeMicros": 20_000, "inLedgerMicros": 20_000, "differenceMicros": 0}
    document = _document(tenants=[tenant | same])
    shown = _drawn(document)
    assert read_reconciliation(document).problem == ""
    assert "ten_northbank_rates" in shown
    assert "$0.02" in shown
    assert "Both sides agree." in shown


def test_differences_are_listed() -> None:
    tenant = recorded("reconciliation")["day"]["tenants"][0]
    document = _document(
        agrees=False,
        tenants=[tenant | {"inLedgerMicros": 0, "differenceMicros": 20_000}],
        differing={"onlyAtEdge": ["pay-1", "pay-2"], "onlyInLedger": [], "unequal": ["pay-3"]},
    )
    shown = _drawn(document)
    assert "differ in 3 payments" in read_reconciliation(document).problem
    assert "2 settled at the edge, not in the ledger:\n  pay-1\n  pay-2\n" in shown
    assert "pay-3" in shown
    assert "Both sides agree." not in shown


def test_unreadable_events_are_a_problem() -> None:
    document = _document(unreadable=["settlement/x: no JSON"])
    assert "1 settlement events of" in read_reconciliation(document).problem
    assert "settlement/x: no JSON" in _drawn(document)


def test_pending_payments_are_listed_and_not_a_problem() -> None:
    document = _document(pending=[{"paymentId": "pay-9"}])
    assert read_reconciliation(document).problem == ""
    assert "pay-9" in _drawn(document)


def test_a_day_without_payments_says_so() -> None:
    assert "None." in _drawn(_document(tenants=[]))


@pytest.mark.parametrize("document", [{}, {"day": {}}, {"day": []}])
def test_an_unreadable_reconciliation_is_explained(document: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        read_reconciliation(document)

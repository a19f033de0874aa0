"""Finished payments leave the ledger, and are still known."""

from __future__ import annotations

import asyncio
import json

import pytest

from core.calendar import DAY_MS
from core.errors import DatabaseUnavailable
from core.ports import ProxyResponse, Response, Row, Statement
from payments import archive
from payments.ledger import FAILED_DAYS_MAX
from payments.reconciliation import compare_day
from payments.resolution import resolver_of
from tests.support.fakes import FakeUpstreamResponse
from tests.support.payment_scene import PRICE_MICROS, Market, enable_chain, error_body, read_header

NAME = "pay_0123456789abcdef"


def archived(market: Market) -> int:
    return len(market.database.rows("SELECT * FROM archived"))


def move(market: Market) -> None:
    """Let the day after next begin, and cron run."""
    market.clock.at_ms += 2 * DAY_MS
    market.run_cron()


def test_an_archived_payment_gets_its_receipt_and_is_not_charged_again() -> None:
    market = Market()
    headers = market.payment(identifier=NAME)
    first = market.call(headers=headers)
    day = market.clock.at_ms // DAY_MS
    move(market)
    assert (market.payments, market.entered_micros, archived(market)) == ([], 0, 1)
    again = market.call(headers=headers)
    assert isinstance(again, Response)
    assert again.status == 200
    assert read_header(again, "payment-response") == read_header(first, "payment-response")
    error_body(market.call("/t/paid/y", headers), 409, "payment_already_used")
    by_name = market.call(headers=market.payment(2, identifier=NAME))
    assert isinstance(by_name, Response)
    assert by_name.status == 200
    assert (len(market.chain.transfers), market.payments) == (1, [])
    resolver = resolver_of(market.environment, market.clock)
    compared = asyncio.run(compare_day(resolver.ledger, resolver.archive, market.shards, day))
    assert (compared["agrees"], compared["tenants"][0]["inLedgerMicros"]) == (True, PRICE_MICROS)


def test_only_finished_payments_are_archived() -> None:
    market = Market()
    market.call(headers=market.payment(1))
    market.facilitator.faults["settle"] = ["lost"]
    market.call(headers=market.payment(2))
    market.reply = FakeUpstreamResponse(500)
    market.call(headers=market.payment(3))
    month = str(market.clock.at_ms // 1000 + 30 * 86_400)
    market.call(headers=market.payment(4, validBefore=month))
    market.run_cron()
    assert archived(market) == 0
    move(market)
    assert (market.states, archived(market)) == (["pending", "failed"], 2)


def test_a_settled_payment_that_was_not_served_is_kept_and_served() -> None:
    market = Market()
    enable_chain(market)
    market.facilitator.faults["settle"] = ["lost"]
    headers = market.payment()
    market.call(headers=headers)
    market.run_cron(3)
    move(market)
    assert (market.states, archived(market)) == (["settled"], 0)
    assert isinstance(market.call(headers=headers), ProxyResponse)
    move(market)
    assert (market.states, archived(market)) == ([], 1)


def test_an_archived_payment_that_failed_is_not_claimed_again() -> None:
    market = Market(reply=FakeUpstreamResponse(500))
    headers = market.payment(validBefore=str(2**47))
    market.call(headers=headers)
    market.clock.at_ms += (FAILED_DAYS_MAX + 2) * DAY_MS
    market.run_cron()
    assert archived(market) == 1
    body = error_body(market.call(headers=headers), 402, "payment_invalid")
    assert body["reason"] == "payment_expired"


def test_an_archive_has_payments_of_one_day_and_at_most_so_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(archive, "ROWS_MAX", 2)
    market = Market()
    for number in range(1, 6):
        market.call(headers=market.payment(number))
    market.clock.at_ms += DAY_MS
    market.call(headers=market.payment(6))
    move(market)
    found = market.database.rows("SELECT day, payments FROM archives ORDER BY archive")
    assert [row["payments"] for row in found] == [2, 2, 1, 1]
    assert len({row["day"] for row in found}) == 2


@pytest.mark.parametrize("text", ["", "{}"])
def test_a_damaged_archive_is_not_believed(text: str) -> None:
    market = Market()
    headers = market.payment()
    market.call(headers=headers)
    move(market)
    (row,) = market.database.rows("SELECT key FROM archives")
    value, *rest = market.store.values[row["key"]]
    assert json.loads(value)["payments"]
    market.store.values[row["key"]] = (text, *rest)
    error_body(market.call(headers=headers), 500, "internal_error")
    assert len(market.chain.transfers) == 1


def test_an_archive_that_takes_effect_late_does_not_count_a_payment_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    market = Market()
    day = market.clock.at_ms // DAY_MS
    for number in (1, 2):
        market.call(headers=market.payment(number))
    market.clock.at_ms += 2 * DAY_MS
    execute, delayed = market.database.execute, []

    async def execute_later(*statements: Statement) -> list[list[Row]]:
        if statements[0].sql.startswith("INSERT INTO archives"):
            delayed.append(statements)
            raise DatabaseUnavailable("D1_ERROR: Network connection lost.")
        return await execute(*statements)

    monkeypatch.setattr(market.database, "execute", execute_later)
    with pytest.raises(DatabaseUnavailable):
        market.run_cron()
    monkeypatch.setattr(market.database, "execute", execute)
    monkeypatch.setattr(archive, "ROWS_MAX", 1)
    resolver = resolver_of(market.environment, market.clock)
    assert asyncio.run(resolver.archive.move()) == 1
    with pytest.raises(DatabaseUnavailable):
        asyncio.run(execute(*delayed[0]))
    market.run_cron()
    compared = asyncio.run(compare_day(resolver.ledger, resolver.archive, market.shards, day))
    assert compared["agrees"]
    assert archived(market) == 2

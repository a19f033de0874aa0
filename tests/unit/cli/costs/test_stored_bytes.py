"""What a payment and a segment are estimated to take in stores is what they take."""

from __future__ import annotations

import sqlite3

import pytest

from cli.costs import prices
from cli.costs.estimate import (
    ARCHIVE_BYTES,
    ARCHIVED_BYTES,
    LEDGER_BYTES,
    SEGMENT_BYTES,
    SETTLEMENT_BYTES,
    STORED_DAYS,
    Estimate,
    Traffic,
    estimate,
)
from cli.costs.prices import Price
from core import keys
from core.calendar import DAY_MS
from metering.tables import SegmentRow, Tables
from tests.support.fake_sql import FakeSql
from tests.support.fakes import NOON_MS
from tests.support.payment_scene import Market

PAYMENTS = 100
ROWS = 10_000


def length(connection: sqlite3.Connection) -> int:
    connection.execute("VACUUM")
    ((pages,),) = connection.execute("PRAGMA page_count")
    ((page,),) = connection.execute("PRAGMA page_size")
    return int(pages) * int(page)


def test_a_payment_in_the_ledger_and_in_the_archive() -> None:
    market = Market()
    ledger = market.database.connection
    empty = length(ledger)
    for number in range(PAYMENTS):
        market.call(headers=market.payment(number))
    assert (length(ledger) - empty) / PAYMENTS == pytest.approx(LEDGER_BYTES, rel=0.15)
    market.clock.at_ms += 2 * DAY_MS
    market.run_cron()
    assert market.payments == []
    # With few rows, the pages of indexes are mostly empty.
    assert (length(ledger) - empty) / PAYMENTS < 2 * ARCHIVED_BYTES
    values = market.store.values
    archived = [len(values[key][0]) for key in values if key.startswith(keys.ARCHIVE_PREFIX)]
    assert sum(archived) / PAYMENTS == pytest.approx(ARCHIVE_BYTES, rel=0.15)


def test_a_settlement_and_a_segment_in_a_shard() -> None:
    market = Market()
    market.call(headers=market.payment())
    shard = market.shards.databases[0]
    ((payment_id, event),) = shard.execute("SELECT payment_id, event FROM settlements")
    sql = FakeSql()
    Tables(sql).create()
    empty = length(sql.connection)
    for number in range(ROWS):
        # As evenly distributed as hashes.
        name = f"{number * 0x9E3779B97F4A7C15 % 2**128:032x}"
        text = str(event).replace(str(payment_id), name)
        sql.execute("INSERT INTO settlements VALUES (?, ?, ?)", name, NOON_MS + number, text)
    filled = length(sql.connection)
    assert (filled - empty) / ROWS == pytest.approx(SETTLEMENT_BYTES, rel=0.15)
    for number in range(ROWS):
        row = SegmentRow(100 * number, 100 * number + 99, 2_000, NOON_MS + 10_000 * number)
        Tables(sql).add_segment(row, [20_000 + number // 8_640])
    assert (length(sql.connection) - filled) / ROWS == pytest.approx(SEGMENT_BYTES, rel=0.15)


def quantity(found: Estimate, price: Price) -> float:
    return next(one.quantity for one in found.items if one.price == price)


def test_payments_are_stored_in_three_places() -> None:
    free, paid = estimate(Traffic(1)), estimate(Traffic(1, paid_share=0.1))
    payments = 0.1 * STORED_DAYS * 86_400

    def more(price: Price) -> float:
        return (quantity(paid, price) - quantity(free, price)) * 1e9

    assert more(prices.D1_STORAGE) == pytest.approx(payments * (45 + 5_000 * 2 / STORED_DAYS))
    assert more(prices.OBJECT_STORAGE) == pytest.approx(payments * SETTLEMENT_BYTES, rel=0.01)
    assert more(prices.KV_STORAGE) > payments * ARCHIVE_BYTES


def test_what_no_database_can_store_is_said() -> None:
    assert not estimate(Traffic(20, paid_share=0.03)).notes
    (note,) = estimate(Traffic(20, paid_share=0.1)).notes
    assert note == (
        "A shard would store 27 GB after 400 days, and can store 10. Set USAGE_SHARDS to about 3."
    )
    _, note = estimate(Traffic(200, paid_share=0.1)).notes
    assert note.startswith("The ledger would have 48 GB after 400 days; a database of D1 has at")

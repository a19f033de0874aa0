"""A payment writes at most 12 rows of D1 in its life, and cron reads only what is due.

The statements of a payment are recorded on the fake database and repeated on D1 in workerd,
which counts the rows that Cloudflare bills.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.ports import Row, Statement
from payments.reconciliation import run
from payments.resolution import resolver_of
from tests.support.fake_network import MIGRATIONS
from tests.support.fakes import FakeClock
from tests.support.payment_scene import TENANTS, UPTO_KIND, Market, asking, upto_payment

SCRIPT = Path(__file__).with_name("payment_costs.js")
ROOT = Path(__file__).parents[2]
DAYS_AGO_MS = 10 * 86_400_000
ROWS_WRITTEN_MAX = 12
FINISHED = 3_000
Batch = list[dict[str, object]]


class Recorded(Market):
    """A deployment that records its transactions."""

    def record(self) -> list[Batch]:
        batches: list[Batch] = []
        execute = self.database.execute

        async def recorded(*statements: Statement) -> Sequence[Sequence[Row]]:
            batches.append([{"sql": sql, "values": [*values]} for sql, values in statements])
            return await execute(*statements)

        setattr(self.database, "execute", recorded)  # noqa: B010 (a method)
        return batches


def schema() -> list[Batch]:
    """Return the migrations as transactions, with a statement each."""
    found: list[Batch] = []
    for migration in sorted(MIGRATIONS.glob("*.sql")):
        text = ""
        for line in migration.read_text(encoding="utf-8").splitlines(keepends=True):
            text += "" if line.lstrip().startswith("--") else line
            if sqlite3.complete_statement(text):
                found.append([{"sql": text, "values": []}])
                text = ""
    return found


def billed(batches: Sequence[Batch]) -> list[list[tuple[int, int]]]:
    """Return the rows written and read by each statement on D1."""
    done = subprocess.run(
        ["node", str(SCRIPT)],  # noqa: S607
        input=json.dumps([*schema(), *batches]),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    found = json.loads(done.stdout)[len(schema()) :]
    return [[(written, read) for written, read in batch] for batch in found]


def market_of_long_ago() -> Recorded:
    # D1 has its own clock, and archives only what is old.
    return Recorded(clock=FakeClock(int(time.time() * 1000) - DAYS_AGO_MS))


@pytest.mark.parametrize(
    ("scheme", "rows"), [("exact", [3, 3, 2]), ("upto", [3, 1, 3, 2])], ids=["exact", "upto"]
)
def test_a_payment_writes_at_most_twelve_rows_in_its_life(scheme: str, rows: list[int]) -> None:
    market = market_of_long_ago()
    if scheme == "upto":
        market.tenants = [{**TENANTS[0], "accepts": [{"scheme": scheme}]}]
        market.facilitator.kinds = [UPTO_KIND]
        market.start()
    headers = market.payment() if scheme == "exact" else upto_payment(market)
    market.reply = asking('{"amount": "2500"}')
    batches = market.record()
    market.call(headers=headers)
    # The claim, with `upto` its amount, the settlement, and served and acknowledged.
    assert len(batches) == len(rows)
    market.clock.at_ms += DAYS_AGO_MS
    asyncio.run(run(resolver_of(market.environment, market.clock)))
    assert (market.payments, market.database.rows("SELECT * FROM entries")) == ([], [])
    written = [sum(count for count, _ in batch) for batch in billed(batches)]
    # What one object of the archive costs, which has up to 500 payments.
    of_the_object = 3
    assert written[: len(rows)] == rows
    assert sum(written) - of_the_object <= ROWS_WRITTEN_MAX


def test_a_run_of_cron_reads_no_finished_payments() -> None:
    market = market_of_long_ago()
    headers = market.payment()
    batches = market.record()
    market.call(headers=headers)
    copies = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " INSERT INTO payments ({names}, payment_id, nonce)"
        " SELECT {names}, 'copy-' || i, 'copy-' || i FROM n, payments"
    )
    columns = [
        row["name"]
        for row in market.database.rows("SELECT name FROM pragma_table_info('payments')")
    ]
    names = ", ".join(name for name in columns if name not in ("payment_id", "nonce"))
    triggers: Batch = [
        {"sql": f"DROP TRIGGER {row['name']}", "values": []}
        for row in market.database.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    ]
    later = 2**50
    fill: Batch = [
        *triggers,
        {"sql": copies.format(names=names), "values": [FINISHED]},
        {"sql": "UPDATE payments SET due_ms = ?", "values": [later]},
    ]
    before = len(batches)
    asyncio.run(run(resolver_of(market.environment, market.clock)))
    cron = batches[before:]
    assert cron
    found = billed([*batches[:before], fill, *cron])
    assert max(read for batch in found[-len(cron) :] for _, read in batch) <= 1

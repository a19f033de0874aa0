"""The database refuses to change or replace what must not change, whoever writes."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from payments.reconciliation import run
from payments.resolution import resolver_of
from tests.support.fake_network import MIGRATIONS
from tests.support.fakes import FakeUpstreamResponse
from tests.support.payment_scene import Market

NAME = "pay_0123456789abcdef"


def filled() -> Market:
    """A deployment with archived, settled, failed and claimed payments."""
    market = Market()
    market.call(headers=market.payment(1, identifier=f"{NAME}1"))
    market.clock.at_ms += 3 * 86_400_000
    asyncio.run(run(resolver_of(market.environment, market.clock)))
    market.call(headers=market.payment(2, identifier=NAME))
    market.reply = FakeUpstreamResponse(500)
    market.call(headers=market.payment(3))
    market.reply = FakeUpstreamResponse()
    market.database.failing_after(1, takes_effect_anyway=False)
    market.database.failing = 9
    market.call(headers=market.payment(4))
    market.database.failing = 0
    assert market.states == ["settled", "failed", "claimed"]
    assert len(market.database.rows("SELECT * FROM archived")) == 1
    return market


def contents(market: Market) -> list[object]:
    tables = ("payments", "entries", "archives", "archived")
    return [market.database.rows(f"SELECT * FROM {table}") for table in tables]  # noqa: S608


SETTLED = "state = 'settled'"
TERMS = (
    "payment_id = 'x'",
    "payer = 'x'",
    "nonce = 'x'",
    "network = 'x'",
    "asset = 'x'",
    "amount = '1'",
    "amount_micros = 1",
    "pay_to = 'x'",
    "valid_before_ms = 1",
    "claimed_at_ms = 1",
    "fingerprint = 'x'",
    "proof_digest = 'x'",
    "identifier = 'x'",
    "tenant_id = 'x'",
    "slug = 'x'",
    "method = 'x'",
    "shard = 9",
    "attempt = 2",
)
SETTLEMENT = (
    "state = 'failed'",
    "state = 'pending'",
    "transaction_id = 'x'",
    "facilitator = 'x'",
    "settled_at_ms = 1",
    "settled_at_ms = NULL",
    "usage_batch = 'x'",
    "request_id = 'x'",
    "served = 0",
    "reconciled_at_ms = 1",
    "reconciled_at_ms = NULL",
)
STATEMENTS = (
    *(f"UPDATE payments SET {one}" for one in TERMS),  # noqa: S608
    *(f"UPDATE OR REPLACE payments SET {one} WHERE {SETTLED}" for one in (*TERMS, *SETTLEMENT)),  # noqa: S608
    *(f"UPDATE payments SET {one} WHERE state = 'failed'" for one in TERMS[:13]),  # noqa: S608
    "DELETE FROM payments",
    f"DELETE FROM payments WHERE {SETTLED}",  # noqa: S608
    (
        "INSERT OR REPLACE INTO payments (payment_id, attempt, state, reason, holder, due_ms,"
        " changed_at_ms, request_id, fingerprint, proof_digest, proof, identifier, payer, pay_to,"
        " network, asset, nonce, amount, amount_micros, valid_before_ms, claimed_at_ms, tenant_id,"
        " slug, owner, directory, method, caller, shard, asked, facilitator, transaction_id,"
        " served) SELECT {id}, 1, 'claimed', reason, holder, due_ms, changed_at_ms, request_id,"
        " fingerprint,"
        " proof_digest, '{{}}', {identifier}, payer, pay_to, network, asset, nonce, amount, 1,"
        " valid_before_ms, claimed_at_ms, tenant_id, slug, owner, directory, method, caller, shard,"
        " asked, facilitator, '', 0 FROM payments WHERE state = 'settled'"
    ),
    "UPDATE entries SET amount_micros = 1",
    "UPDATE OR REPLACE entries SET number = 0, kind = 'settlement'",
    "DELETE FROM entries",
    (
        "INSERT OR REPLACE INTO entries SELECT payment_id, number, kind, attempt, tenant_id,"
        " request_id, debit, credit, 1, at_ms, note FROM entries WHERE kind = 'settlement'"
    ),
    (
        "INSERT INTO entries SELECT payment_id, 7, kind, attempt, tenant_id, request_id, debit,"
        " credit, amount_micros, at_ms, note FROM entries WHERE kind = 'settlement'"
    ),
    (
        "INSERT INTO entries SELECT payment_id, 0, 'settlement', attempt, tenant_id, request_id,"
        " debit, credit, 1, at_ms, note FROM entries WHERE kind = 'refusal'"
    ),
    "INSERT INTO entries VALUES ('nope', 1, 'correction', 1, 't', '', 'a', 'b', 1, 1, '')",
    "UPDATE archives SET key = 'x'",
    "DELETE FROM archives",
    "INSERT OR REPLACE INTO archives SELECT archive, day, 'x', 1 FROM archives",
    "INSERT OR REPLACE INTO archives (day, key, payments) SELECT day, key, 1 FROM archives",
    "UPDATE archived SET archive = 9",
    "DELETE FROM archived",
    "INSERT OR REPLACE INTO archived SELECT payment_id, 9, NULL FROM archived",
    "INSERT INTO archived SELECT payment_id, 1, NULL FROM payments WHERE state = 'claimed'",
    "INSERT INTO archived SELECT payment_id, 1, NULL FROM payments WHERE state = 'settled'",
)


@pytest.fixture(scope="module")
def market() -> Market:
    return filled()


@pytest.mark.parametrize("statement", STATEMENTS)
def test_what_must_not_change_is_not_changed(market: Market, statement: str) -> None:
    before = contents(market)
    variants = (("payment_id", "NULL"), ("'new'", "identifier"))
    for name, identifier in variants if "{id}" in statement else variants[:1]:
        sql = statement.format(id=name, identifier=identifier)
        with pytest.raises(sqlite3.IntegrityError):
            market.database.connection.execute(sql)
        assert contents(market) == before


def test_an_archived_authorization_is_not_claimed_again(market: Market) -> None:
    (row,) = market.database.rows("SELECT * FROM archived")
    columns = "SELECT * FROM payments WHERE state = 'claimed'"
    (claimed,) = market.database.rows(columns)
    claimed |= {"payment_id": row["payment_id"]}
    del claimed["is_done"]
    names, marks = ", ".join(claimed), ", ".join("?" for _ in claimed)
    with pytest.raises(sqlite3.IntegrityError, match="the payment exists"):
        market.database.connection.execute(
            f"INSERT OR REPLACE INTO payments ({names}) VALUES ({marks})",  # noqa: S608
            tuple(claimed.values()),
        )


def test_the_schema_cannot_be_created_twice(market: Market) -> None:
    before = contents(market)
    for migration in sorted(MIGRATIONS.glob("*.sql")):
        with pytest.raises(sqlite3.OperationalError, match=r"already exists|duplicate column"):
            market.database.connection.executescript(migration.read_text(encoding="utf-8"))
    assert contents(market) == before


def test_a_correction_is_added_and_stays(market: Market) -> None:
    connection = market.database.connection
    for table in ("payments", "archived"):
        connection.execute(
            "INSERT INTO entries (payment_id, number, kind, attempt, tenant_id, debit, credit,"  # noqa: S608
            " amount_micros, at_ms, note) SELECT payment_id, 5, 'correction', 1, 't1', 'a', 'b',"
            f" -1, 5, 'by hand' FROM {table} LIMIT 1"
        )
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("DELETE FROM entries WHERE kind = 'correction'")

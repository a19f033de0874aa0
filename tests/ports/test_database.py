"""What every `Database` promises: the fake on the host, and D1.

This file also runs inside workerd, where `tests/runtime/inside` links to it. There it
cannot import from the tests, and all tests share a database, so each uses its own rows.
"""

from __future__ import annotations

import asyncio

import pytest

from core.errors import DatabaseUnavailable
from core.ports import Database, Statement

INSERT = """
INSERT INTO payments (payment_id, attempt, state, reason, holder, due_ms, changed_at_ms,
    request_id, fingerprint, proof_digest, proof, payer, pay_to, network, asset, nonce, amount,
    amount_micros, valid_before_ms, claimed_at_ms, tenant_id, shard, slug, owner, directory,
    method, caller, asked, facilitator, transaction_id, served)
SELECT ?1, 1, 'claimed', '', 'me', 10, 5, 'r', 'f', 'd', '{}', 'p', 't', 'n', 'a', ?1, '10000',
    10000, 20, 5, 'ten', 0, 'slug', '', '', 'GET', '', 0, '', '', 0
WHERE NOT EXISTS (SELECT 1 FROM payments WHERE payment_id = ?1) RETURNING payment_id
"""
MOVE = "UPDATE payments SET state = ?, changed_at_ms = 6 WHERE payment_id = ? AND state = ?"
STATE = "SELECT state FROM payments WHERE payment_id = ?"


def claim(name: str) -> Statement:
    return Statement(INSERT, (name,))


async def test_a_row_is_returned_by_column_with_its_types(database: Database) -> None:
    (rows,) = await database.execute(
        Statement("SELECT ? AS a, ? AS b, ? AS c", ("ä \U0001f600", 2**52, None))
    )
    assert list(rows) == [{"a": "ä \U0001f600", "b": 2**52, "c": None}]


async def test_each_statement_has_its_own_rows(database: Database) -> None:
    found = await database.execute(
        Statement("SELECT 1 AS a WHERE 0"), Statement("SELECT 1 AS a UNION SELECT 2")
    )
    assert [list(rows) for rows in found] == [[], [{"a": 1}, {"a": 2}]]


async def test_a_primary_key_is_claimed_once(database: Database) -> None:
    assert [len(rows) for rows in await database.execute(claim("once"))] == [1]
    assert [len(rows) for rows in await database.execute(claim("once"))] == [0]


async def test_one_of_many_concurrent_claims_wins(database: Database) -> None:
    found = await asyncio.gather(*(database.execute(claim("race")) for _ in range(10)))
    assert sum(len(rows) for (rows,) in found) == 1


async def test_statements_take_effect_together_or_not_at_all(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        await database.execute(claim("together"), Statement("SELECT no_such_column"))
    assert [len(rows) for rows in await database.execute(Statement(STATE, ("together",)))] == [0]


async def test_a_change_of_state_returns_whether_it_was_made(database: Database) -> None:
    await database.execute(claim("move"))
    move = Statement(f"{MOVE} RETURNING attempt", ("failed", "move", "claimed"))
    first, second = await database.execute(move, move)
    assert (list(first), list(second)) == ([{"attempt": 1}], [])


async def test_triggers_write_the_entries(database: Database) -> None:
    move = Statement(MOVE, ("pending", "entries", "claimed"))
    end = Statement(MOVE, ("failed", "entries", "pending"))
    await database.execute(claim("entries"), move, end)
    (entries,) = await database.execute(
        Statement("SELECT number, kind, amount_micros FROM entries WHERE payment_id = 'entries'")
    )
    found = [tuple(row.values()) for row in entries]
    assert found == [(1, "pending", 0), (2, "refusal", 0)]


async def test_the_database_has_its_own_clock(database: Database) -> None:
    now = "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now_ms"
    ((row,),) = await database.execute(Statement(now))
    assert type(row["now_ms"]) is int


@pytest.mark.parametrize("change", ["shard = 1", "tenant_id = 'other'", "amount_micros = 1"])
async def test_the_terms_of_a_claimed_payment_do_not_change(
    database: Database, change: str
) -> None:
    await database.execute(claim("terms"))
    with pytest.raises(DatabaseUnavailable):
        await database.execute(
            Statement(f"UPDATE payments SET {change} WHERE payment_id = 'terms'")  # noqa: S608
        )


@pytest.mark.parametrize(
    "forbidden",
    [
        "UPDATE entries SET amount_micros = 1 WHERE payment_id = 'rules'",
        "DELETE FROM entries WHERE payment_id = 'rules'",
        "INSERT OR REPLACE INTO entries SELECT * FROM entries WHERE payment_id = 'rules'",
        "DELETE FROM payments WHERE payment_id = 'rules'",
        "UPDATE payments SET state = 'settled' WHERE payment_id = 'rules'",
        "UPDATE payments SET state = 'pending' WHERE payment_id = 'rules'",
    ],
)
async def test_forbidden_changes_are_rejected(database: Database, forbidden: str) -> None:
    await database.execute(claim("rules"), Statement(MOVE, ("failed", "rules", "claimed")))
    with pytest.raises(DatabaseUnavailable):
        await database.execute(Statement(forbidden))

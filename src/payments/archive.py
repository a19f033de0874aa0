"""The archive: finished payments, in objects of `USAGE_KV` that never change.

Each object has payments claimed on one UTC day, and is named by a hash of its value. The ledger
keeps 16 bytes of each archived payment and the object it is in, so that its authorization is
still known, and its receipt can be found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core import keys
from core.calendar import DAY_MS
from core.errors import StoreUnavailable
from core.ports import Clock, Database, Json, KeyValueStore, Row, Statement
from payments.ledger import NOW
from payments.models import COLUMNS, PaymentRow, read_row
from tenants.pricing import EXACT

ROWS_MAX = 500
"""Payments in an object: about half a megabyte."""

OBJECTS_PER_RUN_MAX = 10
"""Objects that one cron run writes: enough for 80 payments per second."""

_READ_AT_ONCE = 20
"""Objects that are read together; KV returns at most 25 MiB."""

_LEFT_OUT = ("proof", "usage_batch", "due_ms", "is_done")
"""Columns that are not archived: they are for work that is done."""


class ArchiveDamaged(StoreUnavailable):
    """An object of the archive is missing, or is not what was written."""


@dataclass(frozen=True, slots=True)
class Archive:
    """The archive of one deployment.

    Every method raises `DatabaseUnavailable` if D1 fails, and `StoreUnavailable` if KV does.
    """

    database: Database
    store: KeyValueStore
    clock: Clock

    async def move(self) -> int:
        """Move some payments that are due to the archive; return how many.

        They are first written to KV and then removed from the ledger in one transaction, which
        fails if one of them has changed in the meantime.
        """
        sql = (
            f"SELECT * FROM payments WHERE is_done = 1 AND due_ms <= {NOW}"  # noqa: S608
            " ORDER BY due_ms LIMIT ?"
        )
        (rows,) = await self.database.execute(Statement(sql, (ROWS_MAX,)))
        if not rows:
            return 0
        day = _day(rows[0])
        rows = [row for row in rows if _day(row) == day]
        names = json.dumps([row["payment_id"] for row in rows])
        of_them = "payment_id IN (SELECT value FROM json_each(?))"
        sql = f"SELECT * FROM entries WHERE {of_them} AND kind <> 'correction'"  # noqa: S608
        (entries,) = await self.database.execute(Statement(sql, (names,)))
        text = json.dumps({"payments": [*map(_kept, rows)], "entries": [*map(dict, entries)]})
        key = keys.payment_archive(day, _digest(text))
        await self.store.put(key, text, {})
        await self.database.execute(
            Statement(
                # Without all of them, the number is 0, which the table refuses.
                "INSERT INTO archives (day, key, payments) SELECT ?, ?, IIF(COUNT(*) = ?,"  # noqa: S608
                f" COUNT(*), 0) FROM payments WHERE {of_them} AND is_done = 1",
                (day, key, len(rows), names),
            ),
            Statement(
                "INSERT INTO archived SELECT payment_id, (SELECT archive FROM archives"  # noqa: S608
                f" WHERE key = ?), payer || '/' || identifier FROM payments WHERE {of_them}",
                (key, names),
            ),
            Statement(
                f"DELETE FROM entries WHERE {of_them} AND kind <> 'correction'",  # noqa: S608
                (names,),
            ),
            Statement(f"DELETE FROM payments WHERE {of_them}", (names,)),  # noqa: S608
        )
        return len(rows)

    async def find(self, payment_id: str, payer: str, identifier: str | None) -> PaymentRow | None:
        """Return an archived payment by its id, or by its payer's name for it; None if unknown."""
        sql = (
            "SELECT payment_id, key FROM archived JOIN archives USING (archive)"
            " WHERE payment_id = ?1 OR identifier = ?2 || '/' || ?3 LIMIT 1"
        )
        values = (payment_id, payer, identifier)
        (found,) = await self.database.execute(Statement(sql, values))
        if not found:
            return None
        (document,) = await self._read([str(found[0]["key"])])
        name = found[0]["payment_id"]
        return next(_row(kept) for kept in document["payments"] if kept["payment_id"] == name)

    async def payments_on(self, day: int) -> Sequence[PaymentRow]:
        """Return the archived payments claimed on a UTC day, in days since 1970."""
        statement = Statement("SELECT key FROM archives WHERE day = ? ORDER BY archive", (day,))
        (found,) = await self.database.execute(statement)
        names = [str(row["key"]) for row in found]
        return [_row(kept) for document in await self._read(names) for kept in document["payments"]]

    async def _read(self, names: Sequence[str]) -> Sequence[Json]:
        documents = []
        for start in range(0, len(names), _READ_AT_ONCE):
            group = names[start : start + _READ_AT_ONCE]
            for key, text in (await self.store.get_many(group)).items():
                if text is None or not key.endswith(_digest(text)):
                    raise ArchiveDamaged(f"{key} is missing or damaged")
                documents.append(json.loads(text))
        return documents


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _day(row: Row) -> int:
    return int(row["claimed_at_ms"] or 0) // DAY_MS


def _kept(row: Row) -> Mapping[str, Json]:
    return {name: value for name, value in row.items() if name not in _LEFT_OUT}


def _row(kept: Mapping[str, Json]) -> PaymentRow:
    # Those that were archived before there were other schemes have none.
    return read_row({**dict.fromkeys(COLUMNS), "scheme": EXACT, **kept})

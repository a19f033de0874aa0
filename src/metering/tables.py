"""The SQLite tables of a shard (docs/reference/storage.md), and every statement on them.

`usage.tables` has the statements on usage by day.

Statements between two `await`s are one transaction, so each caller changes related tables
without an `await` in between.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from core import constants
from core.ports import Json, Sql
from metering.segments import Commit
from metering.settlements import SettlementEvent

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS commits (
        position INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, batches TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS segments (
        first INTEGER PRIMARY KEY, last INTEGER NOT NULL, events INTEGER NOT NULL,
        at_ms INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS segment_days (
        day INTEGER, first INTEGER, PRIMARY KEY (day, first)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS segment_days_by_first ON segment_days (first)",
    """CREATE TABLE IF NOT EXISTS settlements (
        payment_id TEXT PRIMARY KEY, claimed_at_ms INTEGER NOT NULL, event TEXT NOT NULL)
        WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS settlements_by_claim ON settlements (claimed_at_ms, payment_id)",
    "CREATE TABLE IF NOT EXISTS imported (id TEXT PRIMARY KEY) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS imports (
        name TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS undoable (
        import TEXT, id TEXT, PRIMARY KEY (import, id)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS rollups (
        day INTEGER PRIMARY KEY, key TEXT NOT NULL, pieces INTEGER NOT NULL,
        until INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS usage_sums (
        day INTEGER, tenant_id TEXT, slug TEXT, calls INTEGER NOT NULL, errors INTEGER NOT NULL,
        revenue_micros INTEGER NOT NULL, latencies INTEGER NOT NULL, latency_ms INTEGER NOT NULL,
        callers INTEGER NOT NULL, dropped INTEGER NOT NULL,
        PRIMARY KEY (day, tenant_id, slug)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS usage_details (
        day INTEGER, tenant_id TEXT, slug TEXT, detail TEXT NOT NULL,
        PRIMARY KEY (day, tenant_id, slug)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS apis (slug TEXT, tenant_id TEXT, PRIMARY KEY (slug, tenant_id))
        WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS obsolete (
        key TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS checkpoint (
        name TEXT, number INTEGER, text TEXT NOT NULL, PRIMARY KEY (name, number))
        WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)
_BOUND_VALUES_MAX = 100
"""Values of one statement (Cloudflare)."""

SETTLEMENTS_SEARCHED = 2_000
"""The newest settlement events of a shard, among which those of one slug are looked for."""

_TENANT_FIELD = 1 + SettlementEvent._fields.index("tenant_id")
"""The place of the tenant in `settlement_fields`, after the version."""

_COMMITS_PER_READ = 10
"""A commit may have 1.5 MB."""

_SEGMENTS_PER_DELETE = 100


class SegmentRow(NamedTuple):
    """One segment: its positions, its number of events, and when it was written."""

    first: int
    last: int
    events: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one shard."""

    sql: Sql

    def create(self) -> None:
        """Create the tables that are missing."""
        for statement in _SCHEMA:
            self.sql.execute(statement)

    def value(self, name: str, default: Json = None) -> Json:
        """Return a value of the shard's state."""
        rows = self.sql.execute("SELECT value FROM state WHERE name = ?", name)
        return json.loads(str(rows[0][0])) if rows else default

    def set_value(self, name: str, value: Json) -> None:
        """Set a value of the shard's state."""
        text = json.dumps(value, separators=(",", ":"))
        self.sql.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", name, text)

    def add_commit(self, commit: Commit) -> None:
        """Append to the write-ahead log."""
        self.sql.execute("INSERT INTO commits VALUES (?, ?, ?)", *commit)

    def commits(
        self, after: int, until: int = constants.INTEGER_MAX, *, newest_first: bool = False
    ) -> Iterator[Commit]:
        """Yield the commits after a position, to `until` inclusively, oldest first by default."""
        while True:
            rows = self.sql.execute(
                "SELECT * FROM commits WHERE position > ? AND position <= ?"  # noqa: S608
                f" ORDER BY position {'DESC' if newest_first else 'ASC'} LIMIT ?",
                after,
                until,
                _COMMITS_PER_READ,
            )
            for position, at_ms, batches in rows:
                yield Commit(int(position or 0), int(at_ms or 0), str(batches))
            if len(rows) < _COMMITS_PER_READ:
                return
            last = int(rows[-1][0] or 0)
            after, until = (after, last - 1) if newest_first else (last, until)

    def commits_length(self, after: int, until: int) -> tuple[int, int | None]:
        """Return the length of the commits after a position, to `until`, and the time of the first.

        The time is None if there are none.
        """
        ((length, at_ms),) = self.sql.execute(
            "SELECT SUM(LENGTH(batches)), MIN(at_ms) FROM commits"
            " WHERE position > ? AND position <= ?",
            after,
            until,
        )
        return int(length or 0), None if at_ms is None else int(at_ms)

    def delete_commits(self, until: int) -> None:
        """Delete the commits up to a position."""
        self.sql.execute("DELETE FROM commits WHERE position <= ?", until)

    def add_segment(self, row: SegmentRow, days: Iterable[int]) -> None:
        """Note a segment that is in KV, and of which UTC days it has something."""
        self.sql.execute("INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?)", *row)
        for day in days:
            self.sql.execute("INSERT OR REPLACE INTO segment_days VALUES (?, ?)", day, row.first)

    def segment_before(self, position: int) -> SegmentRow | None:
        """Return the newest segment with events that starts at or before a position."""
        rows = self._segments("first <= ? AND events > 0 ORDER BY first DESC LIMIT 1", position)
        return rows[0] if rows else None

    def segments_of(self, day: int, after: int, limit: int) -> Sequence[int]:
        """Return where segments start that have something of a UTC day, oldest first.

        Args:
            day: The day.
            after: Only segments that start after this position.
            limit: How many.
        """
        rows = self.sql.execute(
            "SELECT first FROM segment_days WHERE day = ? AND first > ? ORDER BY first LIMIT ?",
            day,
            after,
            limit,
        )
        return [int(row[0] or 0) for row in rows]

    def delete_segments(self, before_ms: int) -> None:
        """Forget the oldest segments that were written before a time: KV no longer has them."""
        for row in self._segments("1 ORDER BY first LIMIT ?", _SEGMENTS_PER_DELETE):
            if row.at_ms >= before_ms:
                return
            self.sql.execute("DELETE FROM segments WHERE first = ?", row.first)
            self.sql.execute("DELETE FROM segment_days WHERE first = ?", row.first)

    def oldest_segment(self) -> SegmentRow | None:
        """Return the oldest segment that KV has."""
        rows = self._segments("1 ORDER BY first LIMIT 1")
        return rows[0] if rows else None

    def add_settlement(self, payment_id: str, claimed_at_ms: int, event: str) -> None:
        """Note a settlement event, unless the payment is known."""
        statement = "INSERT OR IGNORE INTO settlements VALUES (?, ?, ?)"
        self.sql.execute(statement, payment_id, claimed_at_ms, event)

    def has_settlement(self, payment_id: str) -> bool:
        """Tell whether a payment is known."""
        statement = "SELECT 1 FROM settlements WHERE payment_id = ?"
        return bool(self.sql.execute(statement, payment_id))

    def settlements(
        self,
        before: tuple[int, str],
        since_ms: int,
        limit: int,
        tenants: Sequence[str] | None = None,
        slug: str | None = None,
    ) -> Sequence[tuple[int, str, str]]:
        """Return settlement events, the newest claim first.

        Args:
            before: The claim's time and the payment's id; only events before that.
            since_ms: Only payments claimed at or after this time.
            limit: How many.
            tenants: Only those of these tenants, at most 50; None for all.
            slug: Only those of this slug, among the newest `SETTLEMENTS_SEARCHED`; None for all.

        Returns:
            For each: the claim's time, the payment's id, and the event as JSON.
        """
        source, own, values = "settlements", "", [*(tenants or ())]
        if tenants is not None:
            marks = ", ".join("?" * len(tenants))
            own = f" AND json_extract(event, '$[{_TENANT_FIELD}]') IN ({marks})"
        if slug is not None:
            # Otherwise all are read for an API that has few.
            newest = "ORDER BY claimed_at_ms DESC, payment_id DESC LIMIT"
            source = f"(SELECT * FROM settlements {newest} {SETTLEMENTS_SEARCHED})"  # noqa: S608
            own += f" AND json_extract(event, '$[{_TENANT_FIELD + 1}]') = ?"
            values.append(slug)
        rows = self.sql.execute(
            f"SELECT claimed_at_ms, payment_id, event FROM {source}"  # noqa: S608
            f" WHERE (claimed_at_ms, payment_id) < (?, ?) AND claimed_at_ms >= ?{own}"
            " ORDER BY claimed_at_ms DESC, payment_id DESC LIMIT ?",
            *before,
            since_ms,
            *values,
            limit,
        )
        return [(int(at_ms or 0), str(name), str(event)) for at_ms, name, event in rows]

    def imported(self, names: Sequence[str]) -> set[str]:
        """Return which of these ids of events were imported."""
        known: set[str] = set()
        for start in range(0, len(names), _BOUND_VALUES_MAX):
            group = names[start : start + _BOUND_VALUES_MAX]
            marks = ", ".join("?" * len(group))
            statement = f"SELECT id FROM imported WHERE id IN ({marks})"  # noqa: S608
            known.update(str(row[0]) for row in self.sql.execute(statement, *group))
        return known

    def add_imported(self, names: Sequence[str]) -> None:
        """Note ids of imported events."""
        for start in range(0, len(names), _BOUND_VALUES_MAX):
            group = names[start : start + _BOUND_VALUES_MAX]
            marks = ", ".join(["(?)"] * len(group))
            self.sql.execute(f"INSERT OR IGNORE INTO imported VALUES {marks}", *group)  # noqa: S608

    def imports(self) -> Sequence[tuple[str, str]]:
        """Return the name and the state of each import."""
        rows = self.sql.execute("SELECT name, state FROM imports")
        return [(str(name), str(state)) for name, state in rows]

    def set_import(self, name: str, state: str) -> None:
        """Set the state of an import."""
        self.sql.execute("INSERT OR REPLACE INTO imports VALUES (?, ?)", name, state)

    def add_undoable(self, name: str, events: Sequence[str]) -> None:
        """Note ids of events of an import that can be undone."""
        step = _BOUND_VALUES_MAX // 2
        for start in range(0, len(events), step):
            values = [value for one in events[start : start + step] for value in (name, one)]
            marks = ", ".join(["(?, ?)"] * (len(values) // 2))
            self.sql.execute(f"INSERT OR IGNORE INTO undoable VALUES {marks}", *values)  # noqa: S608

    def count_undoable(self, name: str) -> int:
        """Return how many events of an import can be undone."""
        rows = self.sql.execute("SELECT COUNT(*) FROM undoable WHERE import = ?", name)
        return int(rows[0][0] or 0)

    def undo_import(self, name: str) -> None:
        """Forget the events of an import, so that they may be imported again."""
        statement = "DELETE FROM imported WHERE id IN (SELECT id FROM undoable WHERE import = ?)"
        self.sql.execute(statement, name)
        self.forget_undoable(name)

    def forget_undoable(self, name: str) -> None:
        """Forget which events belong to an import."""
        self.sql.execute("DELETE FROM undoable WHERE import = ?", name)

    def rollups(self, first_day: int, end_day: int) -> Mapping[int, tuple[str, int]]:
        """Return key and pieces of the roll-ups from `first_day` to before `end_day`, by day."""
        rows = self.sql.execute(
            "SELECT day, key, pieces FROM rollups WHERE day >= ? AND day < ? ORDER BY day",
            first_day,
            end_day,
        )
        return {int(day or 0): (str(key), int(pieces or 0)) for day, key, pieces in rows}

    def rollup_until(self, day: int) -> int:
        """Return the position up to which the roll-up of a day has its events; 0 without one."""
        rows = self.sql.execute("SELECT until FROM rollups WHERE day = ?", day)
        return int(rows[0][0] or 0) if rows else 0

    def set_rollup(self, day: int, key: str, pieces: int, until: int) -> None:
        """Set the roll-up of a day, which has its events up to a position."""
        statement = "INSERT OR REPLACE INTO rollups VALUES (?, ?, ?, ?)"
        self.sql.execute(statement, day, key, pieces, until)

    def add_obsolete(self, names: Sequence[str], at_ms: int) -> None:
        """Note keys that will be deleted from KV."""
        for name in names:
            self.sql.execute("INSERT OR REPLACE INTO obsolete VALUES (?, ?)", name, at_ms)

    def obsolete(self, before_ms: int, limit: int) -> Sequence[str]:
        """Return keys that became obsolete before a time."""
        rows = self.sql.execute(
            "SELECT key FROM obsolete WHERE at_ms < ? LIMIT ?", before_ms, limit
        )
        return [str(row[0]) for row in rows]

    def delete_obsolete(self, name: str) -> None:
        """Note that an obsolete key is deleted."""
        self.sql.execute("DELETE FROM obsolete WHERE key = ?", name)

    def set_checkpoint(self, texts: Mapping[str, Sequence[str]]) -> None:
        """Replace the checkpoint by named texts, each in pieces."""
        self.sql.execute("DELETE FROM checkpoint")
        for name, pieces in texts.items():
            for number, piece in enumerate(pieces):
                self.sql.execute("INSERT INTO checkpoint VALUES (?, ?, ?)", name, number, piece)

    def checkpoint(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield the named texts of the checkpoint, each in pieces."""
        names = self.sql.execute("SELECT DISTINCT name FROM checkpoint ORDER BY name")
        for (name,) in names:
            rows = self.sql.execute(
                "SELECT text FROM checkpoint WHERE name = ? ORDER BY number", name
            )
            yield str(name), [str(row[0]) for row in rows]

    def _segments(self, condition: str, *values: int) -> Sequence[SegmentRow]:
        rows = self.sql.execute(f"SELECT * FROM segments WHERE {condition}", *values)  # noqa: S608
        return [SegmentRow(*(int(value or 0) for value in row)) for row in rows]

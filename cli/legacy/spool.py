"""Keeps the valid events of a list in temporary files, so that a list of any length fits in memory.

The files have no names, so they disappear with the process. Events are read back by time: a shard
then has few days open at once, whatever the order of the list.
"""

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from cli.errors import CommandError

_CACHE_KIB: Final = 16_384
_SCHEMA: Final = """
    PRAGMA cache_size = -{cache};
    PRAGMA temp_store = FILE;
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    CREATE TABLE events (
        id BLOB PRIMARY KEY, content BLOB, entry INTEGER, at_ms INTEGER, start INTEGER,
        length INTEGER
    ) WITHOUT ROWID;
    CREATE TABLE alike (content BLOB PRIMARY KEY, count INTEGER) WITHOUT ROWID;
    CREATE TABLE unfinished (
        entry INTEGER PRIMARY KEY, line INTEGER, id BLOB, lifecycle TEXT, has_money INTEGER
    );
    BEGIN;
"""
_COUNT: Final = """
    INSERT INTO alike VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count
"""


class EventSpool:
    """The events of a list, each id once; a context manager.

    Args:
        keeps_lines: Whether the events are read back, and not only checked.

    Raises:
        CommandError: The temporary folder is full or cannot be written; so do all methods.
    """

    def __init__(self, *, keeps_lines: bool) -> None:
        """Create the files."""
        self._keeps_lines = keeps_lines
        self._length = 0
        with _disk_errors():
            self._lines = tempfile.TemporaryFile()  # noqa: SIM115
            # An empty name is a temporary file, which SQLite deletes when it is closed.
            self._sql = sqlite3.connect("", isolation_level=None)
            self._sql.executescript(_SCHEMA.format(cache=_CACHE_KIB))

    def __enter__(self) -> Self:
        """Return the spool."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Delete the files."""
        self._sql.close()
        self._lines.close()

    def count_alike(self, content: bytes) -> int:
        """Return how many events without id had this content so far, including this one."""
        with _disk_errors():
            (count,) = self._sql.execute(_COUNT, (content,)).fetchone()
        return int(count)

    def known(self, name: bytes) -> tuple[bytes, int] | None:
        """Return the content and the entry of the event with this id; `None` if there is none."""
        with _disk_errors():
            statement = "SELECT content, entry FROM events WHERE id = ?"
            found: tuple[bytes, int] | None = self._sql.execute(statement, (name,)).fetchone()
        return found

    def add(self, name: bytes, content: bytes, entry: int, at_ms: int, line: bytes) -> None:
        """Add an event.

        Args:
            name: Its id, or a digest of it.
            content: A digest of its content.
            entry: Its index in the list.
            at_ms: Its time.
            line: The event for the dispatcher, as one line.
        """
        with _disk_errors():
            if self._keeps_lines:
                self._lines.write(line)
            row = (name, content, entry, at_ms, self._length, len(line))
            self._sql.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", row)
        self._length += len(line)

    def add_unfinished(
        self, name: bytes, entry: int, line: int, lifecycle: str, *, has_money: bool
    ) -> None:
        """Add an entry that was written before its request ended.

        Args:
            name: A digest of its id; empty if it has none.
            entry: Its index in the list.
            line: Its line.
            lifecycle: What it says about its request.
            has_money: Whether it has an amount other than 0.
        """
        row = (entry, line, name, lifecycle, has_money)
        with _disk_errors():
            self._sql.execute("INSERT INTO unfinished VALUES (?, ?, ?, ?, ?)", row)

    def unfinished(self) -> Iterator[tuple[int, int, str, bool, bool]]:
        """Yield entry, line, lifecycle and `has_money` of these, and whether an event has its id.

        They are in the order of the list.
        """
        with _disk_errors():
            yield from self._sql.execute(
                "SELECT entry, line, lifecycle, has_money, id IN (SELECT id FROM events)"
                " FROM unfinished ORDER BY entry"
            )

    def digest(self) -> bytes:
        """Return a digest of the ids of all events, whatever their order in the list."""
        digest = hashlib.blake2b(digest_size=8)
        with _disk_errors():
            for (name,) in self._sql.execute("SELECT id FROM events ORDER BY id"):
                digest.update(name)
        return digest.digest()

    def lines(self) -> Iterator[bytes]:
        """Yield the events by time, and those of the same time in the order of the list."""
        assert self._keeps_lines
        with _disk_errors():
            rows = self._sql.execute("SELECT start, length FROM events ORDER BY at_ms, entry")
        while True:
            with _disk_errors():
                row = rows.fetchone()
                if row is None:
                    return
                start, length = row
                self._lines.seek(start)
                line = self._lines.read(length)
            yield line


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise CommandError(
            f"The temporary folder {tempfile.gettempdir()} cannot be used: {error}.",
            "An import needs as much space there as the file has. Set TMPDIR to another folder.",
        ) from error

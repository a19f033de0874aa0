"""The in-memory stores of the fake account: scripts, dispatch namespaces, KV and databases."""

import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any
from uuid import uuid4

from dev.cloudflare_api.ports import Database, Entry, KeyPage, Namespace, Rows
from dev.cloudflare_api.responses import DATABASE_QUERY, InvalidError
from dev.cloudflare_api.scripts.upload import Script


class MemoryScripts:
    """Scripts by name."""

    def __init__(self) -> None:
        """Start empty."""
        self._scripts: dict[str, Script] = {}

    def names(self) -> Sequence[str]:
        """Return all names."""
        return sorted(self._scripts)

    def read(self, name: str) -> Script | None:
        """Return a script."""
        return self._scripts.get(name)

    async def write(self, script: Script) -> None:
        """Store a script."""
        self._scripts[script.name] = script

    async def remove(self, name: str) -> None:
        """Remove a script."""
        del self._scripts[name]


class MemoryDispatchNamespaces:
    """Dispatch namespaces by name."""

    def __init__(self) -> None:
        """Start empty."""
        self._namespaces: dict[str, MemoryScripts] = {}

    def names(self) -> Sequence[str]:
        """Return all names."""
        return sorted(self._namespaces)

    def create(self, name: str) -> None:
        """Create a namespace."""
        self._namespaces[name] = MemoryScripts()

    def remove(self, name: str) -> None:
        """Remove one."""
        del self._namespaces[name]

    def scripts(self, name: str) -> MemoryScripts:
        """Return the scripts of one."""
        return self._namespaces[name]


class MemoryKv:
    """KV namespaces with immediate consistency."""

    def __init__(self) -> None:
        """Start empty."""
        self._titles: dict[str, str] = {}
        self._entries: dict[str, dict[str, Entry]] = {}

    async def namespaces(self) -> Sequence[Namespace]:
        """Return all of them."""
        return [Namespace(one, title) for one, title in self._titles.items()]

    async def create(self, title: str) -> Namespace:
        """Create a namespace."""
        namespace = Namespace(uuid4().hex, title)
        self._titles[namespace.id] = title
        self._entries[namespace.id] = {}
        return namespace

    async def rename(self, namespace_id: str, title: str) -> None:
        """Rename a namespace."""
        self._titles[namespace_id] = title

    async def remove(self, namespace_id: str) -> None:
        """Remove one."""
        del self._titles[namespace_id], self._entries[namespace_id]

    async def keys(self, namespace_id: str, prefix: str, limit: int, cursor: str) -> KeyPage:
        """Return a page; the cursor is the last key of the previous page."""
        names = sorted(key for key in self._live(namespace_id) if key.startswith(prefix))
        rest = [key for key in names if key > cursor]
        page = rest[:limit]
        entries = [self._entries[namespace_id][key] for key in page]
        return KeyPage(entries, page[-1] if len(rest) > limit else "")

    async def read(self, namespace_id: str, key: str) -> Entry | None:
        """Return an entry."""
        return self._live(namespace_id).get(key)

    async def values(self, namespace_id: str, keys: Sequence[str]) -> Mapping[str, bytes | None]:
        """Return values."""
        entries = self._live(namespace_id)
        return {key: entries[key].value if key in entries else None for key in keys}

    async def write(self, namespace_id: str, entries: Sequence[Entry]) -> None:
        """Store entries."""
        self._entries[namespace_id] |= {entry.key: entry for entry in entries}

    async def delete(self, namespace_id: str, keys: Sequence[str]) -> None:
        """Delete keys."""
        for key in keys:
            self._entries[namespace_id].pop(key, None)

    def _live(self, namespace_id: str) -> dict[str, Entry]:
        moment = time.time()
        return {
            key: entry
            for key, entry in self._entries[namespace_id].items()
            if entry.expiration is None or entry.expiration > moment
        }


class MemoryDatabases:
    """In-memory SQLite databases."""

    def __init__(self) -> None:
        """Start empty."""
        self._names: dict[str, str] = {}
        self._open: dict[str, sqlite3.Connection] = {}

    async def databases(self) -> Sequence[Database]:
        """Return all of them."""
        return [Database(one, name) for one, name in self._names.items()]

    async def create(self, name: str) -> Database:
        """Create a namespace."""
        database = Database(str(uuid4()), name)
        self._names[database.id] = name
        self._open[database.id] = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False
        )
        return database

    async def remove(self, database_id: str) -> None:
        """Remove one."""
        del self._names[database_id]
        self._open.pop(database_id).close()

    async def run(
        self, database_id: str, statements: Sequence[tuple[str, Sequence[Any]]]
    ) -> Sequence[Rows]:
        """Run SQL in one transaction."""
        connection = self._open[database_id]
        connection.execute("BEGIN")
        try:
            results = [
                _run(connection, sql, parameters)
                for text, parameters in statements
                for sql in split_sql(text)
            ]
        except sqlite3.Error as error:
            connection.execute("ROLLBACK")
            raise InvalidError(f"{error}: SQLITE_ERROR", code=DATABASE_QUERY) from error
        connection.execute("COMMIT")
        return results

    def close(self) -> None:
        """Close all databases."""
        for connection in self._open.values():
            connection.close()


def split_sql(text: str) -> list[str]:
    """Split a text into SQL statements, without those that consist of comments only."""
    statements, start = [], 0
    for match in re.finditer(";", text):
        part = text[start : match.end()]
        if sqlite3.complete_statement(part):
            statements.append(part.strip())
            start = match.end()
    return [one for one in [*statements, text[start:].strip()] if _is_statement(one)]


def _is_statement(statement: str) -> bool:
    lines = re.sub(r"/\*.*?\*/", "", statement, flags=re.DOTALL).splitlines()
    return any(line.strip(" ;") and not line.strip().startswith("--") for line in lines)


def _run(connection: sqlite3.Connection, sql: str, parameters: Sequence[Any]) -> Rows:
    before = connection.total_changes
    with closing(connection.execute(sql, tuple(parameters))) as cursor:
        rows = cursor.fetchall()
        columns = [one[0] for one in cursor.description or ()]
    changes = connection.total_changes - before
    meta = {
        "duration": 0.1,
        "changes": changes,
        "changed_db": changes > 0,
        "last_row_id": cursor.lastrowid or 0,
        "rows_read": len(rows),
        "rows_written": changes,
        "served_by_primary": True,
    }
    return Rows(columns, rows, meta)

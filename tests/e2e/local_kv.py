"""Reads, ages and damages the KV of a running `wrangler dev` in its files on disk."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def _namespaces(state: Path) -> Iterator[list[tuple[Path, sqlite3.Connection]]]:
    opened = []
    try:
        for file in state.rglob("*.sqlite"):
            database = sqlite3.connect(file, isolation_level=None, timeout=10)
            opened.append((file, database))
        yield [(file, database) for file, database in opened if _has_entries(database)]
    finally:
        for _, database in opened:
            database.close()


def _has_entries(database: sqlite3.Connection) -> bool:
    with closing(database.execute("SELECT name FROM sqlite_master")) as found:
        return ("_mf_entries",) in found.fetchall()


def keys(state: Path, prefix: str) -> set[str]:
    """Return all keys with this prefix, expired or not."""
    with _namespaces(state) as namespaces:
        names = {
            key
            for _, database in namespaces
            for (key,) in database.execute("SELECT key FROM _mf_entries")
        }
    return {name for name in names if name.startswith(prefix)}


def age(state: Path, by_ms: int) -> None:
    """Move all expiry times forward by so many milliseconds."""
    with _namespaces(state) as namespaces:
        for _, database in namespaces:
            database.execute("UPDATE _mf_entries SET expiration = expiration - ?", (by_ms,))


def delete(state: Path, key: str) -> None:
    """Delete a key, which must exist."""
    with _namespaces(state) as namespaces:
        statement = "DELETE FROM _mf_entries WHERE key = ?"
        deleted = sum(database.execute(statement, (key,)).rowcount for _, database in namespaces)
    assert deleted == 1, key


def cut_short(state: Path, key: str) -> None:
    """Truncate a value to its first half."""
    with _namespaces(state) as namespaces:
        statement = "SELECT blob_id FROM _mf_entries WHERE key = ?"
        blobs = [
            blob
            for _, database in namespaces
            for (blob_id,) in database.execute(statement, (key,))
            for blob in state.rglob(blob_id)
        ]
    assert len(blobs) == 1, key
    value = blobs[0].read_bytes()
    blobs[0].write_bytes(value[: len(value) // 2])


def value(state: Path, key: str) -> str:
    """Return the value of a key, which must exist."""
    return _blob(state, key).read_text(encoding="utf-8")


def replace(state: Path, key: str, old: str, new: str) -> None:
    """Replace a part of a value, which must occur once."""
    blob = _blob(state, key)
    text = blob.read_text(encoding="utf-8")
    assert text.count(old) == 1, text
    blob.write_text(text.replace(old, new), encoding="utf-8")


def _blob(state: Path, key: str) -> Path:
    with _namespaces(state) as namespaces:
        statement = "SELECT blob_id FROM _mf_entries WHERE key = ?"
        (blob,) = (
            blob
            for _, database in namespaces
            for (blob_id,) in database.execute(statement, (key,))
            for blob in state.rglob(blob_id)
        )
    return blob

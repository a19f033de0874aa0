"""Bulk writes to the local KV of a running `make dev`.

miniflare's local explorer is an HTTP API below `/cdn-cgi/local` that exists only under
`wrangler dev`: Cloudflare's edge handles that path itself, so no deployment can be reached this
way. Writing 20,000 values through it would take minutes. Therefore one value is written through
it, which identifies the dispatcher's files; the others are written directly into these files
in miniflare's format, a row in SQLite and a file for each value.
"""

import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from dev.errors import DevelopmentError, UsageError
from dev.history.log import Entry

EXPLORER = "/cdn-cgi/local/explorer/api/storage/kv/namespaces"
BINDING = "USAGE_KV"
LOOPBACK = ("localhost", "127.0.0.1", "::1")

_PAGE = 1_000
_VALUES_AT_ONCE = 100
_ROWS_AT_ONCE = 2_000


class LocalKvError(DevelopmentError):
    """The URL is not that of a `make dev`, or of one with another STATE."""


class LocalKv:
    """`USAGE_KV` of the dispatcher that `client` reaches.

    Args:
        client: A client with the dispatcher's base URL.
        state: The dispatcher's STATE folder.

    Raises:
        UsageError: The address is not a loopback address.
        LocalKvError: The explorer cannot be reached.
    """

    def __init__(self, client: httpx.Client, state: Path) -> None:
        """Find the namespace through the explorer."""
        if urlsplit(str(client.base_url)).hostname not in LOOPBACK:
            raise UsageError("History can be generated only for `make dev` on this machine.")
        self._client, self._state = client, state
        self._url = EXPLORER
        namespaces = self._request("GET", "")
        found = [one["id"] for one in namespaces["result"] if one["title"] == BINDING]
        if not found:
            raise LocalKvError(f"The dispatcher has no {BINDING}: start it with `make dev`.")
        self._url = f"{EXPLORER}/{found[0]}"

    def read(self, key: str) -> str | None:
        """Return a value; `None` if the key does not exist."""
        return self._values([key])[key]

    def entries(self, prefix: str) -> dict[str, Entry]:
        """Return every entry whose key starts with `prefix`."""
        listed = self._list(prefix)
        found = {}
        names = [*listed]
        for start in range(0, len(names), _VALUES_AT_ONCE):
            values = self._values(names[start : start + _VALUES_AT_ONCE])
            for name, value in values.items():
                one = listed[name]
                if value is not None:
                    found[name] = Entry(value, one.get("metadata") or {}, one.get("expiration"))
        return found

    def names(self, prefix: str) -> Sequence[str]:
        """Return every key that starts with `prefix`."""
        return [*self._list(prefix)]

    def _list(self, prefix: str) -> dict[str, dict[str, Any]]:
        listed: dict[str, dict[str, Any]] = {}
        cursor = ""
        while True:
            further = {"cursor": cursor} if cursor else {}
            query = {"prefix": prefix, "limit": str(_PAGE), **further}
            page = self._request("GET", "/keys", params=query)
            listed |= {one["name"]: one for one in page["result"]}
            cursor = page["result_info"]["cursor"]
            if not cursor:
                return listed

    def write(self, key: str, value: str) -> None:
        """Write one value through the explorer."""
        self._request("PUT", "/bulk", body=[{"key": key, "value": value}])

    def files(self, known_key: str) -> "KvFiles":
        """Find the files of the namespace in the state folder.

        Args:
            known_key: A key that was just written through the explorer; the files that have its
                value are the dispatcher's.

        Raises:
            LocalKvError: No files have it.
        """
        value = self.read(known_key)
        folder = self._state / "v3" / "kv"
        for database in sorted(folder.glob("*/*.sqlite")):
            for blob_id in _blob_ids(database, known_key):
                for blob in folder.glob(f"*/blobs/{blob_id}"):
                    if blob.read_text(encoding="utf-8") == value:
                        return KvFiles(database, blob.parent)
        raise LocalKvError(
            f"The dispatcher at {self._client.base_url} has another STATE than {self._state}: give "
            "both commands the same STATE=."
        )

    def _values(self, names: Sequence[str]) -> dict[str, str | None]:
        response = self._request("POST", "/bulk/get", body={"keys": [*names]})
        values: dict[str, str | None] = response["result"]["values"]
        return {name: values.get(name) for name in names}

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
    ) -> dict[str, Any]:
        url = str(self._client.base_url).rstrip("/")
        try:
            response = self._client.request(
                method, self._url + path, params=params, json=body, timeout=60
            )
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise LocalKvError(
                f"Nothing listens at {url} ({reason}): start the dispatcher with `make dev`."
            ) from error
        try:
            document: dict[str, Any] = response.json()
            if document["success"] is not True:
                raise LocalKvError(
                    f"The local KV at {url} returned an error: {response.text[:200]}"
                )
        except (ValueError, KeyError, TypeError) as error:
            raise LocalKvError(
                f"{url} has no local KV (status {response.status_code}): history can be generated "
                "only for `make dev`."
            ) from error
        return document


@dataclass(frozen=True, slots=True)
class KvFiles:
    """The files of a KV namespace, in miniflare's format.

    Args:
        database: The SQLite file with a row for each key.
        blobs: The folder with a file for each value.
    """

    database: Path
    blobs: Path

    def write(self, entries: Mapping[str, Entry], on_written: Callable[[int], None]) -> None:
        """Write entries in order, in transactions of some thousands.

        Args:
            entries: The entries by key.
            on_written: Called with the number of entries of each transaction.
        """
        names = [*entries]
        with closing(sqlite3.connect(self.database, isolation_level=None, timeout=30)) as database:
            for start in range(0, len(names), _ROWS_AT_ONCE):
                part = names[start : start + _ROWS_AT_ONCE]
                self._write_some(database, {name: entries[name] for name in part})
                on_written(len(part))

    def _write_some(self, database: sqlite3.Connection, entries: Mapping[str, Entry]) -> None:
        rows = []
        for number, (key, entry) in enumerate(entries.items()):
            blob_id = f"{secrets.token_hex(32)}{number:016x}"
            (self.blobs / blob_id).write_text(entry.value, encoding="utf-8")
            expires_ms = None if entry.expires is None else entry.expires * 1_000
            rows.append((key, blob_id, expires_ms, json.dumps(entry.metadata)))
        database.execute("BEGIN IMMEDIATE")
        try:
            statement = "SELECT blob_id FROM _mf_entries WHERE key = ?"
            old = [
                blob_id for key, *_ in rows for (blob_id,) in database.execute(statement, (key,))
            ]
            database.executemany("REPLACE INTO _mf_entries VALUES (?, ?, ?, ?)", rows)
        except BaseException:
            database.execute("ROLLBACK")
            raise
        database.execute("COMMIT")
        for blob_id in old:
            (self.blobs / blob_id).unlink(missing_ok=True)


def _blob_ids(file: Path, key: str) -> list[str]:
    """Return the blob ids of a key; empty if the database is not one of KV."""
    with closing(sqlite3.connect(file, timeout=30)) as database:
        tables = database.execute("SELECT name FROM sqlite_master").fetchall()
        if ("_mf_entries",) not in tables:
            return []
        statement = "SELECT blob_id FROM _mf_entries WHERE key = ?"
        return [blob_id for (blob_id,) in database.execute(statement, (key,))]

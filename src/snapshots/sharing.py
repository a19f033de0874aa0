"""Shares one reader among all isolates: shard 0 reads snapshots, isolates get what has changed.

A new isolate would need a second to add up a thousand APIs, and megabytes to keep them. The first
line of a response is JSON: the reader's name, and for each window its revision, the snapshot
without rows, the ids of its rows by rank, and how many rows follow. Each further line is a row
without its rank. A row is sent if it has changed after the revision that the isolate has.
"""

from __future__ import annotations

import asyncio
import json
import os
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from core.calendar import DAY_MS
from core.collector import collector_paused
from core.errors import SummaryUnreadable
from core.ports import Clock, Json, KeyValueStore, Sql, UsageShards
from metering.shard import UsageShard, shard_of
from snapshots.ranking import RankedRow
from snapshots.reading import SnapshotReader, Snapshots
from snapshots.serialization import ROWS, json_text
from tenants.catalog import CatalogReader
from tenants.directory import TenantDirectory


@dataclass(frozen=True, slots=True)
class _OtherShards:
    """The shards as one of them reads them: it calls itself directly."""

    own: Any
    number: int
    others: UsageShards
    count: int

    async def call(self, shard: int, method: str, argument: str) -> str:
        """Call a method of a shard. Raises `ShardUnavailable`."""
        if shard != self.number:
            return await self.others.call(shard, method, argument)
        response: str = await getattr(self.own, method)(argument)
        return response


@dataclass(slots=True)
class _Sent:
    """A window as it was sent last: by id, the revision of each row, and the row."""

    revision: int = 0
    rows: Mapping[str, tuple[int, Mapping[str, Json]]] = field(default_factory=dict)


class SharingShard(UsageShard):
    """A shard that also reads snapshots and the catalog for isolates, one of each at a time."""

    def share(self, shards: UsageShards, directory: TenantDirectory) -> None:
        """Take the shards of the deployment, and its directory."""
        self._shards = shards
        self._catalog = CatalogReader(self.log.clock, directory)
        self._reading_catalog = asyncio.Lock()
        self._name = os.urandom(8).hex()
        self._reading = asyncio.Lock()
        self._reader: SnapshotReader | None = None
        self._sent: dict[str, _Sent] = {}

    async def snapshots(self, text: str) -> str:
        """Read windows.

        Args:
            text: JSON: `shards`, how many there are; `windows`, by window the name of the reader
                and the revision that the isolate has.

        Returns:
            What `SharedSnapshots` applies.
        """
        request = json.loads(text)
        async with self._reading:
            reader, count = self._reader, request["shards"]
            if reader is None or reader.shards.count != count:
                # A strong reference to itself would keep an evicted object in memory.
                own = weakref.proxy(self)
                shards = _OtherShards(own, self.log.number, self._shards, count)
                reader = self._reader = SnapshotReader(self.log.clock, shards, self.log.store)
            found = await reader.snapshots([*request["windows"]], 1, self._let_others_run)
            with collector_paused():
                return self._response(found, request["windows"])

    async def catalog(self, text: str) -> str:
        """Read the catalog for an isolate; see `CatalogReader.changes`."""
        async with self._reading_catalog:
            return await self._catalog.changes(text, self._let_others_run)

    async def _let_others_run(self) -> None:
        await self.log.clock.sleep_ms(0)

    def _response(self, found: Snapshots, known: Mapping[str, tuple[str, int]]) -> str:
        windows, lines = {}, []
        for window, (name, revision) in known.items():
            sent = self._sent.setdefault(window, _Sent())
            rows = found[window]["allApis"]
            revisions = {row["id"]: _revision(sent, row) for row in rows}
            sent.rows = {row["id"]: (revisions[row["id"]], row.unranked) for row in rows}
            sent.revision += 1
            since = revision if name == self._name else 0
            changed = [row.fields_json for row in rows if revisions[row["id"]] > since]
            rest = {key: value for key, value in found[window].items() if key not in ROWS}
            windows[window] = (sent.revision, rest, [*revisions], len(changed))
            lines += changed
        return "\n".join([json_text({"reader": self._name, "windows": windows}), *lines])


def _revision(sent: _Sent, row: RankedRow) -> int:
    """Return when a row changed last; the next revision if it was sent differently."""
    revision, fields = sent.rows.get(row["id"], (0, None))
    return revision if fields is row.unranked else sent.revision + 1


def sharing_shard_of(
    sql: Sql,
    number: int,
    store: KeyValueStore,
    clock: Clock,
    shards: UsageShards,
    records: tuple[KeyValueStore | None, str | None] = (None, None),
) -> SharingShard:
    """Start shard `number` on its database; `records` are `TENANT_KV` and the variable."""
    shard = SharingShard(shard_of(sql, number, store, clock).log)
    shard.share(shards, TenantDirectory(clock, *records))
    return shard


class _Received(NamedTuple):
    """A window as an isolate has it.

    `rest` is the snapshot without its rows, and `at_ms` when it was requested, in milliseconds
    since 1970 UTC.
    """

    reader: str = ""
    revision: int = 0
    rows: Mapping[str, RankedRow] = {}
    rest: Mapping[str, Json] = {}
    at_ms: int = 0

    def snapshot(self, top: int) -> Mapping[str, Json]:
        """Return the snapshot with its rows."""
        rows = [*self.rows.values()]
        return {**self.rest, "topApis": rows[:top], "allApis": rows}


@dataclass(slots=True)
class SharedSnapshots:
    """Snapshots that shard 0 reads, as one isolate has them.

    Concurrent requests each apply their response to the window that they have named in it.
    """

    shards: UsageShards
    clock: Clock
    _received: dict[str, _Received] = field(default_factory=dict)

    async def snapshots(self, windows: Sequence[str], top: int) -> Snapshots:
        """Return snapshots, as `SnapshotReader.snapshots` does.

        Raises `ShardUnavailable`, and `SummaryUnreadable` if another version of the software
        responded.
        """
        now_ms = self.clock.now_ms()
        known = {window: self._received.get(window, _Received()) for window in windows}
        names = {window: (one.reader, one.revision) for window, one in known.items()}
        request = json_text({"shards": self.shards.count, "windows": names})
        response = await self.shards.call(0, "snapshots", request)
        try:
            with collector_paused():
                head, *lines = response.split("\n")
                document = json.loads(head)
                found = {}
                for window, (revision, rest, order, changed) in document["windows"].items():
                    own, lines = lines[:changed], lines[changed:]
                    rows = _updated(known[window].rows, order, own)
                    name = document["reader"]
                    received = _Received(name, revision, rows, rest, now_ms)
                    self._received[window] = received
                    found[window] = received.snapshot(top)
        except (ValueError, TypeError, LookupError) as error:
            self._received.clear()
            raise SummaryUnreadable(f"the response has an invalid form: {error!r}") from error
        return found

    def last(self, windows: Sequence[str], top: int) -> Snapshots | None:
        """Return what was received last, as incomplete; None if that was not today."""
        now_ms = self.clock.now_ms()
        found = {}
        for window in windows:
            received = self._received.get(window, _Received())
            if received.at_ms // DAY_MS != now_ms // DAY_MS:
                return None
            snapshot = received.snapshot(top)
            freshness = {
                **snapshot["freshness"],
                "lagSeconds": max(0, now_ms - received.at_ms) // 1000,
                "complete": False,
                "unavailableShards": [*range(self.shards.count)],
            }
            found[window] = {**snapshot, "freshness": freshness}
        return found


def _updated(
    known: Mapping[str, RankedRow], order: Sequence[str], lines: Sequence[str]
) -> Mapping[str, RankedRow]:
    """Return rows by id in a new order; those in `lines` have changed."""
    changed = {fields["id"]: (fields, line) for line in lines for fields in [json.loads(line)]}
    rows: dict[str, RankedRow] = {}
    for rank, row_id in enumerate(order, start=1):
        if row_id in changed:
            rows[row_id] = RankedRow(rank, *changed[row_id])
        else:
            row = known[row_id]
            same = row["rank"] == rank
            rows[row_id] = row if same else RankedRow(rank, row.unranked, row.fields_json)
    return rows

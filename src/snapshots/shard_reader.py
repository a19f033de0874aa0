"""Reads a shard: the totals of its open parts, and where its bases are.

Each read asks for what changed since the last one. Requests of one isolate may read at the same
time, and a request must not await another's future. So a response is applied only to the state
that it was computed from, and a state is replaced, never changed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core import constants, keys
from core.calendar import DAY_MS
from core.collector import collector_paused
from core.errors import ShardUnavailable, StoreUnavailable, SummaryUnreadable
from core.logs import fields
from core.ports import Clock, Json, KeyValueStore, UsageShards
from metering.aggregate import Aggregate
from metering.parts import PartName
from metering.rollups import StoredTotals
from metering.totals import ApiId, Totals, decode_apis

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReadPart:
    """An open part as of a read: what concerns all APIs, encoded and decoded, and each API."""

    encoded_header: Json
    header: Totals
    apis: Mapping[ApiId, Aggregate]


@dataclass(frozen=True, slots=True)
class ReadManifest:
    """Where the totals of folded days are.

    Attributes:
        day: The bases have what is before this UTC day.
        overall: The base of the window `overall`.
        week: The bases of the window `week`, by the day on which they are used.
        rollups: The roll-ups of single days, as far as a reader may need them.
        hours: The calls and revenue of folded days by hour, for the last two weeks.
        damaged: The keys of totals that the shard could not use, so that bases lack them.
    """

    day: int = 0
    overall: StoredTotals | None = None
    week: Mapping[int, StoredTotals] = field(default_factory=dict)
    rollups: Mapping[int, StoredTotals] = field(default_factory=dict)
    hours: Mapping[int, Sequence[tuple[int, int]]] = field(default_factory=dict)
    damaged: Sequence[str] = ()

    @staticmethod
    def decode(document: Json) -> ReadManifest:
        """Decode `Folder.document`; raises `LookupError`, `TypeError` or `ValueError`."""
        overall = document["overall"]
        return ReadManifest(
            document["day"],
            None if overall is None else StoredTotals(*overall),
            _by_day(document["week"]),
            _by_day(document["rollups"]),
            {int(day): counts for day, counts in document.get("hours", {}).items()},
            list(document.get("damaged", ())),
        )


@dataclass(frozen=True, slots=True)
class ShardState:
    """A shard as of a position.

    Attributes:
        position: Everything up to it is counted.
        as_of_ms: Everything that was acknowledged before this time is counted, in milliseconds
            since 1970 UTC.
        read: The number of the read; 0 if the shard did not respond to any.
    """

    position: int = 0
    as_of_ms: int = 0
    read: int = 0
    manifest: ReadManifest = field(default_factory=ReadManifest)
    parts: Mapping[PartName, ReadPart] = field(default_factory=dict)


@dataclass(slots=True)
class ShardReader:
    """Reads one shard in one isolate; `state` is what it has, None before it has anything."""

    number: int
    shards: UsageShards
    store: KeyValueStore
    clock: Clock
    state: ShardState | None = None
    _reads: int = 0

    async def read(self) -> bool:
        """Update `state`.

        Returns:
            Whether everything is counted that was acknowledged before this call. If not, the shard
            did not respond, and `state.as_of_ms` says as of when.
        """
        self._reads += 1
        first = self._reads
        while True:
            base = self.state
            try:
                found = await self._read_changes(base or ShardState())
            except (ShardUnavailable, SummaryUnreadable) as error:
                _LOGGER.warning("shard_not_read", extra=fields(shard=self.number, cause=str(error)))
                if self.state is None or not self.state.read:
                    await self._read_manifest()
                return self.state is not None and self.state.read >= first
            if self.state is base:
                self.state = found
                return True
            # Another request was faster. Its response will do if it was sent after this call.
            if self.state is not None and self.state.read >= first:
                return True
            self._reads += 1

    async def _read_changes(self, state: ShardState) -> ShardState:
        """Return the state with everything that changed since.

        Raises `ShardUnavailable`, and `SummaryUnreadable` if another version of the software
        responded.
        """
        number, as_of_ms = self._reads, self.clock.now_ms()
        while True:
            known = {"position": state.position, "parts": [list(name) for name in state.parts]}
            response = await self.shards.call(self.number, "read", json.dumps(known))
            try:
                with collector_paused():
                    document = json.loads(response)
                    position, is_complete = document["position"], document["complete"]
                    if position < state.position:
                        # The shard's database was deleted.
                        state = ShardState()
                        continue
                    manifest = ReadManifest.decode(document["manifest"])
                    parts = dict(_updated(state.parts, part) for part in document["parts"])
            except (ValueError, TypeError, LookupError) as error:
                raise SummaryUnreadable(f"the response has an invalid form: {error!r}") from error
            state = ShardState(position, as_of_ms, number, manifest, parts)
            if is_complete:
                return state

    async def _read_manifest(self) -> None:
        """Use what KV has of a shard that did not respond yet."""
        try:
            name = keys.manifest(self.number)
            value = (await self.store.get_many([name]))[name]
            if value is None:
                return
            manifest = ReadManifest.decode(json.loads(value))
        except (StoreUnavailable, ValueError, TypeError, LookupError) as error:
            _LOGGER.warning("manifest_not_read", extra=fields(shard=self.number, cause=str(error)))
            return
        if self.state is None or not self.state.read:
            # Late events of earlier days may have waited for so long when the bases were built.
            as_of_ms = max(0, manifest.day * DAY_MS - constants.FOLD_LATE_MS)
            self.state = ShardState(as_of_ms=as_of_ms, manifest=manifest)


def _updated(parts: Mapping[PartName, ReadPart], part: Json) -> tuple[PartName, ReadPart]:
    """Return a part with new rows; the same objects for what did not change."""
    day, number, header, rows = part
    name = PartName(day, number)
    known = parts.get(name)
    apis = decode_apis(rows)
    if known is None:
        return name, ReadPart(header, Totals.decode(header, {}), apis)
    if not apis and header == known.encoded_header:
        return name, known
    return name, ReadPart(header, Totals.decode(header, {}), {**known.apis, **apis})


def _by_day(document: Json) -> Mapping[int, StoredTotals]:
    return {int(day): StoredTotals(key, pieces) for day, (key, pieces) in document.items()}

"""Pages of usage events and settlement events, read from the shards, the newest first.

Usage events are in the order of the log: by commit, and for several shards by the commits' times.
New entries are before all others, so a cursor stays valid. The cost of a page depends on the size
of the page, and on the length of one commit and one segment.
"""

from __future__ import annotations

import asyncio
import heapq
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from api.pagination import NEWEST, ClaimPlace, LogPlace
from core import keys
from core.errors import SegmentUnreadable, SettlementUnreadable
from core.kv_store import get_all
from core.ports import Json, KeyValueStore, UsageShards
from metering.events import UsageEvent
from metering.segments import Commit, batches_of, decode_segment
from metering.settlements import SettlementEvent, settlement_from

_CALLS_MAX = 8
_EVENTS_PER_CALL = 2_000
"""How much of the log one page of some tenants looks at: calls of each shard, events of each."""

_CLAIM_FIELD = 1 + SettlementEvent._fields.index("claimed_at_ms")
_ID_FIELD = 1 + SettlementEvent._fields.index("payment_id")
"""The fields of `settlement_fields` by which the shards sort."""


class EventPage(NamedTuple):
    """Usage events, and the places after them in each shard, None if there are no more.

    `unreadable` says which segments were left out, and why.
    """

    events: Sequence[UsageEvent]
    next_places: Sequence[LogPlace] | None
    unreadable: Sequence[str]


class SettlementPage(NamedTuple):
    """Settlement events, and the place after them, None if there are no more.

    `unreadable` has the reason for each event that was left out.
    """

    events: Sequence[SettlementEvent]
    next_place: ClaimPlace | None
    unreadable: Sequence[str]


class _Entry(NamedTuple):
    at_ms: int
    shard: int
    place: LogPlace
    event: UsageEvent


async def newest_events(
    shards: UsageShards,
    store: KeyValueStore,
    limit: int,
    places: Sequence[LogPlace],
    tenants: Collection[str] | None = None,
) -> EventPage:
    """Read a page of usage events.

    Args:
        shards: The shards.
        store: `USAGE_KV`, which has the older events.
        limit: The largest number of events.
        places: The page starts after these, by shard; empty for the first page. A shard that was
            added later starts at its newest event.
        tenants: Only events of these tenants, by id; None for all. The page may then be shorter,
            and even empty, although it is not the last.

    Raises:
        ShardUnavailable: A shard did not respond.
        StoreUnavailable: KV failed.
    """
    starts = [*places, *[NEWEST] * (shards.count - len(places))][: shards.count]
    tails = [_Tail(shards, store, shard, place, tenants) for shard, place in enumerate(starts)]
    await asyncio.gather(*(tail.load(limit) for tail in tails))
    merged = heapq.merge(
        *(tail.entries for tail in tails), key=lambda entry: entry.at_ms, reverse=True
    )
    shown = [entry for entry, _ in zip(merged, range(limit), strict=False)]
    found = sum(len(tail.entries) for tail in tails)
    ends = list(starts)
    if found == len(shown):
        ends = [tail.reached for tail in tails]
    else:
        for entry in shown:
            ends[entry.shard] = entry.place
    is_last = found == len(shown) and all(tail.is_exhausted for tail in tails)
    unreadable = [text for tail in tails for text in tail.unreadable]
    return EventPage([entry.event for entry in shown], None if is_last else ends, unreadable)


async def newest_settlements(
    shards: UsageShards,
    limit: int,
    place: ClaimPlace,
    tenants: Sequence[str] | None = None,
    slug: str | None = None,
) -> SettlementPage:
    """Read a page of settlement events.

    Args:
        shards: The shards.
        limit: The largest number of events.
        place: The page starts after this.
        tenants: Only events of these tenants, by id; None for all.
        slug: Only events of this slug, among the newest of each shard; None for all.

    Raises:
        ShardUnavailable: A shard did not respond.
    """
    only = {"tenants": tenants, "slug": slug}
    request = json.dumps({"before": place, "since": 0, "limit": limit + 1, **only})
    texts = await asyncio.gather(
        *(shards.call(shard, "settlements", request) for shard in range(shards.count))
    )
    pages = [json.loads(text) for text in texts]
    rows = heapq.merge(*pages, key=_claim_of, reverse=True)
    shown = [row for row, _ in zip(rows, range(limit), strict=False)]
    is_last = sum(map(len, pages)) <= limit
    events, unreadable = [], []
    for row in shown:
        try:
            events.append(settlement_from(row))
        except SettlementUnreadable as error:
            unreadable.append(str(error))
    return SettlementPage(events, None if is_last else _claim_of(shown[-1]), unreadable)


def _claim_of(row: Json) -> ClaimPlace:
    return ClaimPlace(row[_CLAIM_FIELD], row[_ID_FIELD])


@dataclass(slots=True)
class _Tail:
    """The events of one shard before a place."""

    shards: UsageShards
    store: KeyValueStore
    shard: int
    place: LogPlace
    tenants: Collection[str] | None
    entries: list[_Entry] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    is_exhausted: bool = False
    reached: LogPlace = NEWEST
    """Everything after this place was looked at."""
    undone: Collection[str] = ()
    """The imports whose events are not shown."""

    async def load(self, limit: int) -> None:
        """Load more than `limit` events, or all if there are fewer.

        Of some tenants, only the events that `_CALLS_MAX` calls of the shard find.
        """
        before = self.place.position if self.place.event else self.place.position - 1
        calls = 0
        while len(self.entries) <= limit and not self.is_exhausted:
            calls += 1
            if self.tenants is not None and calls > _CALLS_MAX:
                break
            missing = limit + 1 - len(self.entries)
            if self.tenants is not None:
                missing = max(missing, _EVENTS_PER_CALL)
            request = json.dumps({"before": before, "limit": missing})
            found = json.loads(await self.shards.call(self.shard, "events", request))
            self.undone = found["undone"]
            commits = [Commit(*commit) for commit in found["commits"]]
            self._add(commits, limit)
            if commits:
                before = commits[-1].position - 1
            firsts = [first for first, _, _ in found["segments"]]
            await self._add_segments(firsts, before, limit)
            before = min([before, *(first - 1 for first in firsts)])
            self.is_exhausted = before <= 0 or not (commits or firsts)
        self.reached = LogPlace(before + 1, 0)

    async def _add_segments(self, firsts: Sequence[int], before: int, limit: int) -> None:
        names = [keys.segment(self.shard, first) for first in firsts]
        values = await get_all(self.store, names)
        for first, name in zip(firsts, names, strict=True):
            try:
                commits = decode_segment(values[name], self.shard, first)
                self._add((one for one in reversed(commits) if one.position <= before), limit)
            except SegmentUnreadable as error:
                self.unreadable.append(str(error))

    def _add(self, commits: Iterable[Commit], limit: int) -> None:
        """Add the events of commits, newest first, until there are more than `limit`."""
        for commit in commits:
            if len(self.entries) > limit:
                return
            # A place counts all events of a commit, so it stays valid when an import is undone.
            events = [
                None if batch.source in self.undone else event
                for batch in batches_of(commit)
                for event in batch.events
            ]
            is_begun = commit.position == self.place.position
            end = min(self.place.event, len(events)) if is_begun else len(events)
            self.entries += [
                _Entry(commit.at_ms, self.shard, LogPlace(commit.position, index), event)
                for index in reversed(range(end))
                if (event := events[index]) is not None and self._has(event)
            ]

    def _has(self, event: UsageEvent) -> bool:
        if self.tenants is None:
            return True
        return event.api is not None and event.api.tenant_id in self.tenants

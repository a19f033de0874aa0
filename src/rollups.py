"""Reads the usage log back and folds it into days.

Owns how batches are found, read and added up. A `Day` is a pure function of
the batches of one UTC day, so it can be made again at any time and comes out
the same. Refuses to know windows and rankings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import keys
import limits
from aggregates import Aggregate, is_error
from callers import CallerSketch
from errors import BatchUnreadable, KeyMalformed
from events import Batch, UsageEvent, decode_batch
from ports import KeyValueStore
from series import Series, Totals

_MINUTES_PER_DAY = keys.DAY_MS // keys.MINUTE_MS

_PARALLEL_READS = 6
"""Cloudflare lets an invocation have six connections open; more would queue."""


class ApiId(NamedTuple):
    """What tells one API from another: a slug belongs to a tenant only for a time."""

    tenant_id: str
    slug: str


class Position(NamedTuple):
    """An event's place in the listing of events: newer first, then by request id."""

    at_ms: int
    request_id: str


@dataclass(slots=True)
class Day:
    """One UTC day's figures by API, and what concerns them all.

    `series` and `callers` are of all APIs together. `dropped` is how many
    events the day's writers had to drop.
    """

    apis: dict[ApiId, Aggregate] = field(default_factory=dict)
    series: Series = field(default_factory=Series)
    callers: CallerSketch = field(default_factory=CallerSketch)
    dropped: int = 0

    def add(self, batch: Batch) -> None:
        """Count the events of one batch of this day."""
        self.dropped += batch.dropped
        for event in batch.events:
            # A request for an API that does not exist has no API's figures to go into.
            if event.api is not None:
                identity = ApiId(event.api.tenant_id, event.api.slug)
                aggregate = self.apis.get(identity)
                if aggregate is None:
                    aggregate = self.apis[identity] = Aggregate()
                aggregate.add(event)
                failed = event.counted and is_error(event.status)
                totals = Totals(int(event.counted), int(failed), event.revenue_micros)
                self.series.add(event.at_ms, totals)
                if event.counted:
                    self.callers.add(event.caller)


@dataclass(slots=True)
class Listing:
    """The batches that a read may look at, and what it spent and could not include.

    `counts` has the number of events of each, as its metadata says, by key in
    ascending order, which is newest first. `unlisted` tells that there are
    older batches than those.
    """

    counts: dict[str, int] = field(default_factory=dict)
    unlisted: bool = False
    missing: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    operations: int = 0

    @property
    def complete(self) -> bool:
        """Whether nothing that exists was left out."""
        return not (self.unlisted or self.missing or self.unreadable)


async def read_days(
    store: KeyValueStore, held: Mapping[str, Batch], days: Sequence[int] | None
) -> tuple[Mapping[int, Day], Listing]:
    """Fold the batches of `days`, or all there are when it is None.

    `held` are this isolate's batches that may not be in KV yet, copied before
    this call. Spends at most `READ_OPERATIONS_MAX` KV operations; the oldest
    batches are left out when that is not enough, and the listing says so.
    Raises `StoreUnavailable` when KV fails.
    """
    listing = await list_batches(store, held, days)
    folded: dict[int, Day] = {}

    def add(minute: int, batch: Batch) -> None:
        folded.setdefault(minute // _MINUTES_PER_DAY, Day()).add(batch)

    await _read(store, held, list(listing.counts), listing, add)
    return folded, listing


async def newest_events(
    store: KeyValueStore, held: Mapping[str, Batch], limit: int, after: Position | None
) -> tuple[Sequence[UsageEvent], Position | None]:
    """Find the newest `limit` events, and the position to go on from.

    With `after`, only the events behind that position are given; positions
    stay valid while new events come in. The second value is None when there
    are no more. Raises `StoreUnavailable` when KV fails.
    """
    listing = await list_batches(store, held, None)
    found: list[tuple[int, str, UsageEvent]] = []
    remaining = list(listing.counts)
    if after is not None:
        newest = keys.usage_batch(after.at_ms // keys.MINUTE_MS, "", 0)
        remaining = [name for name in remaining if name >= newest]

    def add(_: int, batch: Batch) -> None:
        for event in batch.events:
            place = (-event.at_ms, event.request_id)
            if after is None or place > (-after.at_ms, after.request_id):
                found.append((*place, event))

    # Whole minutes are read until there is one event more than asked for.
    while remaining and len(found) <= limit:
        group = _whole_minutes(remaining, listing.counts, limit + 1 - len(found))
        remaining = remaining[len(group) :]
        await _read(store, held, group, listing, add)
    found.sort(key=lambda entry: entry[:2])
    events = [event for _, _, event in found[:limit]]
    if len(found) <= limit:
        return events, None
    return events, Position(events[-1].at_ms, events[-1].request_id)


async def list_batches(
    store: KeyValueStore, held: Mapping[str, Batch], days: Sequence[int] | None
) -> Listing:
    """List the batches in KV and in `held`, of `days` or all when it is None.

    Raises `StoreUnavailable` when KV fails.
    """
    listing = Listing()
    counts: dict[str, int] = {}
    for prefix in [keys.USAGE_PREFIX] if days is None else map(keys.usage_day, days):
        cursor = None
        while not listing.unlisted:
            page = await store.list_page(prefix, cursor)
            listing.operations += 1
            for key in page.keys:
                counts[key.name] = _count_in(key.metadata)
            cursor = page.cursor
            if cursor is None:
                break
            with_next_page = len(counts) + limits.KV_LIST_KEYS_MAX
            listing.unlisted = (
                listing.operations + 1 + _read_operations(with_next_page)
                > limits.READ_OPERATIONS_MAX
            )
    for name, batch in held.items():
        if days is None or keys.parse_usage_batch(name).minute // _MINUTES_PER_DAY in days:
            counts[name] = len(batch.events)
    listing.counts = dict(sorted(counts.items()))
    return listing


async def _read(
    store: KeyValueStore,
    held: Mapping[str, Batch],
    names: Sequence[str],
    listing: Listing,
    add: Callable[[int, Batch], None],
) -> None:
    """Read `names` and hand each batch to `add`; note in `listing` what cannot be read."""
    step = limits.KV_BULK_GET_KEYS_MAX
    groups = [names[start : start + step] for start in range(0, len(names), step)]
    for start in range(0, len(groups), _PARALLEL_READS):
        wave = groups[start : start + _PARALLEL_READS]
        listing.operations += len(wave)
        for values in await asyncio.gather(*(store.get_many(group) for group in wave)):
            for name, value in values.items():
                try:
                    minute = keys.parse_usage_batch(name).minute
                    if value is not None:
                        add(minute, decode_batch(value, minute))
                    elif name in held:
                        add(minute, held[name])
                    else:
                        listing.missing.append(name)
                except (KeyMalformed, BatchUnreadable) as error:
                    listing.unreadable.append(f"{name}: {error}")


def _whole_minutes(names: Sequence[str], counts: Mapping[str, int], wanted: int) -> Sequence[str]:
    """Take from the front of `names` the batches of as many minutes as hold `wanted` events."""
    minute = None
    for index, name in enumerate(names):
        # The writer and counter behind the minute have no slashes of their own.
        own_minute = name.rsplit("/", 2)[0]
        if own_minute != minute and wanted <= 0:
            return names[:index]
        minute = own_minute
        wanted -= counts[name]
    return names


def _read_operations(batches: int) -> int:
    return -(-batches // limits.KV_BULK_GET_KEYS_MAX)


def _count_in(metadata: object) -> int:
    events = metadata.get("events") if isinstance(metadata, dict) else None
    return events if isinstance(events, int) else 0

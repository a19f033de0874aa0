"""Pages of usage events, newest first.

A page costs one or two listings and the batches that it shows, for any length of the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core import constants, keys
from core.calendar import MINUTE_MS
from core.ports import KeyPage, KeyValueStore
from metering.batches import Unread, read_batches
from metering.events import Batch, UsageEvent


class Position(NamedTuple):
    """An event's position in the order: newest first, then by request id.

    `listing` is KV's cursor of the listing page that has the event's minute, None for the first
    one. With it, the next page of events does not list KV from the start.
    """

    at_ms: int
    request_id: str
    listing: str | None


async def newest_events(
    store: KeyValueStore, buffered: Mapping[str, Batch], limit: int, after: Position | None
) -> tuple[Sequence[UsageEvent], Position | None]:
    """Read a page of events.

    Args:
        store: `USAGE_KV`.
        buffered: This isolate's batches by key, which KV may lack.
        limit: The length of the page, at least 1.
        after: Where the previous page ended; None for the first page. New events do not
            invalidate it.

    Returns:
        The events, and the position at which the page ends; None for the last page.

    Raises:
        StoreUnavailable: KV failed.
    """
    search = _Search(store, buffered, limit, after)
    listing = cursor = after.listing if after else None
    while True:
        page = await store.list_page(keys.USAGE_PREFIX, cursor)
        is_split = await search.add_page(page)
        if page.cursor is None or search.is_full:
            break
        # The next page of events starts with a listing page that has all of its first minute.
        if not is_split:
            listing = cursor
        cursor = page.cursor
    events = search.newest()
    if not search.is_full:
        return events, None
    return events, Position(events[-1].at_ms, events[-1].request_id, listing)


class _Search:
    """Collects events minute by minute, until it has one more than `limit`."""

    def __init__(
        self,
        store: KeyValueStore,
        buffered: Mapping[str, Batch],
        limit: int,
        after: Position | None,
    ) -> None:
        self._store = store
        self._buffered = buffered
        self._limit = limit
        self._after = None if after is None else (-after.at_ms, after.request_id)
        self._from = "" if after is None else keys.usage_minute(after.at_ms // MINUTE_MS)
        self._found: list[tuple[int, str, UsageEvent]] = []
        self._counts: dict[str, int] = {}
        self._unfinished: list[str] = []
        self._local = sorted(name for name in buffered if name >= self._from)

    @property
    def is_full(self) -> bool:
        return len(self._found) > self._limit

    def newest(self) -> Sequence[UsageEvent]:
        self._found.sort(key=lambda entry: entry[:2])
        return [event for _, _, event in self._found[: self._limit]]

    async def add_page(self, page: KeyPage) -> bool:
        """Read the batches of a page of keys, except those of a minute that may continue.

        Returns whether that minute began on an earlier page.
        """
        fresh = [key for key in page.keys if key.name >= self._from]
        self._counts |= {key.name: _count_in(key.metadata) for key in fresh}
        listed = [*self._unfinished, *(key.name for key in fresh)]
        if not listed and page.cursor is not None:
            # An empty page does not show where the next one begins.
            return False
        # A minute that continues on the next page is read with that page.
        last = _minute_part(listed[-1]) if listed and page.cursor is not None else None
        began_before = bool(self._unfinished) and _minute_part(self._unfinished[0]) == last
        self._unfinished = [name for name in listed if _minute_part(name) == last]
        ready = [name for name in listed if _minute_part(name) != last]
        local = [name for name in self._local if last is None or name < last]
        self._local = self._local[len(local) :]
        names: Sequence[str] = sorted({*ready, *local})
        while names and not self.is_full:
            group = _whole_minutes(names, self._counts, self._limit + 1 - len(self._found))
            names = names[len(group) :]
            for name in group:
                if name not in self._counts:
                    self._add(name, self._buffered[name])
            stored = [name for name in group if name in self._counts]
            await read_batches(self._store, stored, self._add, Unread())
        return began_before

    def _add(self, _: str, batch: Batch) -> None:
        for event in batch.events:
            place = (-event.at_ms, event.request_id)
            if self._after is None or place > self._after:
                self._found.append((*place, event))


def _whole_minutes(names: Sequence[str], counts: Mapping[str, int], wanted: int) -> Sequence[str]:
    """Return the first of `names`: whole minutes, until they have `wanted` events."""
    minute = None
    for index, name in enumerate(names):
        name_minute = _minute_part(name)
        if name_minute != minute and wanted <= 0:
            return names[:index]
        minute = name_minute
        wanted -= counts.get(name, constants.BATCH_EVENTS_MAX)
    return names


def _minute_part(name: str) -> str:
    return name[: keys.USAGE_MINUTE_LENGTH]


def _count_in(metadata: object) -> int:
    events = metadata.get("events") if isinstance(metadata, dict) else None
    return events if isinstance(events, int) else 0

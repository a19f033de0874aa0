"""Pages of usage events, newest first.

Owns the order of events and the position that a page ends at. A page costs a
listing or two and the batches that it shows, however long the log is.
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
    """An event's place: newer first, then by request id.

    `listing` is KV's own cursor of the listing that shows the event's minute,
    None for the first one, so that the next page need not start from the top.
    """

    at_ms: int
    request_id: str
    listing: str | None


async def newest_events(
    store: KeyValueStore, held: Mapping[str, Batch], limit: int, after: Position | None
) -> tuple[Sequence[UsageEvent], Position | None]:
    """Find the newest `limit` events, and the position to go on from.

    With `after`, only the events behind that position are given; positions
    stay valid while new events come in. The second value is None when there
    are no more. Raises `StoreUnavailable` when KV fails.
    """
    search = _Search(store, held, limit, after)
    listing = cursor = after.listing if after else None
    while True:
        page = await store.list_page(keys.USAGE_PREFIX, cursor)
        split = await search.look_at(page)
        if page.cursor is None or search.is_full:
            break
        # The next page of events starts where the listing shows its first minute whole.
        if not split:
            listing = cursor
        cursor = page.cursor
    events = search.newest()
    if not search.is_full:
        return events, None
    return events, Position(events[-1].at_ms, events[-1].request_id, listing)


class _Search:
    """Collects events minute by minute until there is one more than asked for."""

    def __init__(
        self,
        store: KeyValueStore,
        held: Mapping[str, Batch],
        limit: int,
        after: Position | None,
    ) -> None:
        self._store = store
        self._held = held
        self._limit = limit
        self._after = None if after is None else (-after.at_ms, after.request_id)
        self._from = "" if after is None else keys.usage_minute(after.at_ms // MINUTE_MS)
        self._found: list[tuple[int, str, UsageEvent]] = []
        self._counts: dict[str, int] = {}
        self._unfinished: list[str] = []
        self._local = sorted(name for name in held if name >= self._from)

    @property
    def is_full(self) -> bool:
        return len(self._found) > self._limit

    def newest(self) -> Sequence[UsageEvent]:
        self._found.sort(key=lambda entry: entry[:2])
        return [event for _, _, event in self._found[: self._limit]]

    async def look_at(self, page: KeyPage) -> bool:
        """Take a page of keys; tell whether all of it is of a minute that began before it."""
        fresh = [key for key in page.keys if key.name >= self._from]
        self._counts |= {key.name: _count_in(key.metadata) for key in fresh}
        listed = [*self._unfinished, *(key.name for key in fresh)]
        if not listed and page.cursor is not None:
            # An empty page tells nothing of where the next one begins.
            return False
        # A minute that goes on in the next page is read with that page.
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
                    self._add(name, self._held[name])
            stored = [name for name in group if name in self._counts]
            await read_batches(self._store, stored, self._add, Unread())
        return began_before

    def _add(self, _: str, batch: Batch) -> None:
        for event in batch.events:
            place = (-event.at_ms, event.request_id)
            if self._after is None or place > self._after:
                self._found.append((*place, event))


def _whole_minutes(names: Sequence[str], counts: Mapping[str, int], wanted: int) -> Sequence[str]:
    """Take from the front of `names` the batches of as many minutes as hold `wanted` events."""
    minute = None
    for index, name in enumerate(names):
        own_minute = _minute_part(name)
        if own_minute != minute and wanted <= 0:
            return names[:index]
        minute = own_minute
        wanted -= counts.get(name, constants.BATCH_EVENTS_MAX)
    return names


def _minute_part(name: str) -> str:
    return name[: keys.USAGE_MINUTE_LENGTH]


def _count_in(metadata: object) -> int:
    events = metadata.get("events") if isinstance(metadata, dict) else None
    return events if isinstance(events, int) else 0

"""Reads the newest end of the log: the batches that no summary has yet.

The value of a batch's key never changes, so an isolate reads each batch once.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core import constants, keys
from core.calendar import MINUTE_MS, MINUTES_PER_DAY
from core.keys import parse_reconciled
from core.ports import KeyValueStore, NamePage
from metering.batches import Unread, by_minute, read_batches
from metering.events import Batch
from metering.previous_period import previous_record_keys
from metering.state import CompactionState, decode_state
from usage import LocalBatches

_NO_MINUTE = 10_000 * 366 * MINUTES_PER_DAY
"""A minute later than any event's, for an empty page that is not the last one."""


@dataclass(slots=True)
class LogTailCache:
    """What an isolate has read of the newest end of the log, in bounded memory.

    `keys_wanted` is how many keys the next read lists: twice as many batches without a summary
    as the last read found.
    """

    keys_wanted: int = constants.KV_LIST_KEYS_MAX
    _state: tuple[str | None, CompactionState] = (None, CompactionState())
    _batches: dict[str, Batch] = field(default_factory=dict)
    _events: int = 0

    def get(self, name: str) -> Batch | None:
        """Return a batch that was read before."""
        return self._batches.get(name)

    def keep(self, name: str, batch: Batch) -> None:
        """Cache a batch; if there are too many, drop all others."""
        if self._events + len(batch.events) > constants.CACHED_EVENTS_MAX:
            self._batches, self._events = {}, 0
        self._batches[name] = batch
        self._events += len(batch.events)

    def state(self, value: str | None) -> CompactionState:
        """Decode the state of compaction, which is cached while the value is the same."""
        if value != self._state[0]:
            self._state = (value, decode_state(value) or CompactionState())
        return self._state[1]

    def adapt(self, unsummarised: int) -> None:
        """Adapt `keys_wanted` to the number of batches in minutes without a summary."""
        wanted = max(2 * unsummarised, constants.NEWEST_KEYS_MIN)
        self.keys_wanted = min(wanted, constants.KV_LIST_KEYS_MAX)


@dataclass(slots=True)
class LogTail:
    """What every window needs: the state of compaction, and the newest batches.

    `names` has the keys of batches by minute, complete from the minute `listed_from` on.
    `now_minute` is the reader's. `previous_records` has the records of previous hours by key.
    `operations` is how many KV operations this has cost.
    """

    state: CompactionState
    names: Mapping[int, Sequence[str]]
    listed_from: int
    now_minute: int
    local: LocalBatches
    cache: LogTailCache = field(default_factory=LogTailCache)
    reconciled_through_ms: int | None = None
    previous_records: Mapping[str, str | None] = field(default_factory=dict)
    operations: int = 2


async def read_tail(
    store: KeyValueStore, local: LocalBatches, cache: LogTailCache, now_ms: int
) -> LogTail:
    """Read what every window needs, in two or three operations. Raises `StoreUnavailable`."""
    records = previous_record_keys(now_ms)
    found, page = await asyncio.gather(
        store.get_many([keys.COMPACTION_STATE, keys.RECONCILED_UNTIL, *records]),
        store.list_names(keys.USAGE_PREFIX, None, cache.keys_wanted),
    )
    state = cache.state(found[keys.COMPACTION_STATE])
    names, listed_from = _listed(page)
    operations = 2
    if listed_from > state.summarized_until and cache.keys_wanted < constants.KV_LIST_KEYS_MAX:
        # More batches came since the last read than this one expected.
        further = await store.list_names(keys.USAGE_PREFIX, page.cursor)
        names, listed_from = _listed(NamePage([*page.names, *further.names], further.cursor))
        operations += 1
    cache.adapt(
        sum(len(some) for minute, some in names.items() if minute >= state.summarized_until)
    )
    reconciled = parse_reconciled(found[keys.RECONCILED_UNTIL])
    by_key = {key: found[key] for key in records}
    now_minute = now_ms // MINUTE_MS
    return LogTail(
        state, names, listed_from, now_minute, local, cache, reconciled, by_key, operations
    )


def tail_names(
    tail: LogTail,
    floor: int,
    sources: Mapping[int, Sequence[str]],
    first: int | None,
    end: int | None,
) -> list[str]:
    """Return the keys of the batches that no summary has, in KV or in this isolate, oldest first.

    Args:
        tail: The newest end of the log.
        floor: The first minute whose batches are needed.
        sources: The batches that are in a minute's summary, by minute.
        first: The first minute of the window; None for all.
        end: The minute after the last one of the window; None for all.
    """
    names: set[str] = set()
    sources_of = functools.cache(lambda minute: frozenset(sources.get(minute, ())))
    for minute, listed in tail.names.items():
        if minute >= floor and (end is None or minute < end):
            made_of = sources_of(minute)
            names.update(name for name in listed if keys.batch_name(name) not in made_of)
    for name in (*tail.local.buffered, *tail.local.recent):
        minute = keys.parse_usage_batch(name).minute
        is_inside = minute >= max(floor, first or 0) and (end is None or minute < end)
        if is_inside and keys.batch_name(name) not in sources_of(minute):
            names.add(name)
    # Keys ascend from new to old.
    return sorted(names, reverse=True)


async def batches_of(
    store: KeyValueStore, tail: LogTail, names: Sequence[str], gets: int
) -> tuple[dict[str, Batch], Unread, str | None]:
    """Read batches, with at most `gets` bulk reads.

    Returns:
        The batches by key; what could not be read; and the first of `names` that was not read
        because of the limit, if any.
    """
    found: dict[str, Batch] = {}
    unread = Unread()
    to_fetch = []
    for name in names:
        if name in tail.local.recent:
            found[name] = tail.local.recent[name]
        elif name in tail.local.buffered:
            # KV may list it before it returns it, and reads are limited.
            found[name] = tail.local.buffered[name]
        elif (cached := tail.cache.get(name)) is not None:
            found[name] = cached
        else:
            to_fetch.append(name)
    affordable = gets * constants.KV_BULK_GET_KEYS_MAX

    def add(name: str, batch: Batch) -> None:
        found[name] = batch
        tail.cache.keep(name, batch)

    await read_batches(store, to_fetch[:affordable], add, unread)
    return found, unread, to_fetch[affordable] if len(to_fetch) > affordable else None


def _listed(page: NamePage) -> tuple[Mapping[int, Sequence[str]], int]:
    """Group a page of keys by minute; also return the minute from which it is complete."""
    names = by_minute(page.names)
    # The last minute of a page may continue on the next.
    return names, 0 if page.cursor is None else min(names, default=_NO_MINUTE) + 1

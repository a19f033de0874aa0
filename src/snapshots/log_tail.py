"""The newest end of the log: the batches that no summary has yet.

Owns what every read looks at first, which batches of a window count one by
one, and reading those. A batch never changes under its key, so an isolate
reads each once. Refuses to know summaries by more than what they were made of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from core import constants, keys
from core.calendar import MINUTE_MS, MINUTES_PER_DAY
from core.keys import parse_reconciled
from core.ports import KeyValueStore, NamePage
from metering.batches import Unread, by_minute, read_batches
from metering.events import Batch
from metering.previous_period import past_keys
from metering.state import CompactionState, decode_progress
from usage import LocalBatches

_NO_MINUTE = 10_000 * 366 * MINUTES_PER_DAY
"""Later than any: a page may be empty and have another one behind it."""


@dataclass(slots=True)
class LogTailCache:
    """What an isolate keeps of the newest end of the log between reads, in bounded space.

    Batches as they were read, by key; the progress of compaction; and how many keys the next
    read lists: enough for twice as many batches without a summary as the last one found.
    """

    keys_wanted: int = constants.KV_LIST_KEYS_MAX
    _progress: tuple[str | None, CompactionState] = (None, CompactionState())
    _batches: dict[str, Batch] = field(default_factory=dict)
    _events: int = 0

    def get(self, name: str) -> Batch | None:
        """Give a batch that was read before."""
        return self._batches.get(name)

    def keep(self, name: str, batch: Batch) -> None:
        """Keep a batch; when there are too many, forget all others."""
        if self._events + len(batch.events) > constants.CACHED_EVENTS_MAX:
            self._batches, self._events = {}, 0
        self._batches[name] = batch
        self._events += len(batch.events)

    def progress(self, value: str | None) -> CompactionState:
        """Read progress, or give that of the last read when it is the same."""
        if value != self._progress[0]:
            self._progress = (value, decode_progress(value) or CompactionState())
        return self._progress[1]

    def learn(self, unsummarised: int) -> None:
        """Take note of how many batches there were of minutes without a summary."""
        wanted = max(2 * unsummarised, constants.NEWEST_KEYS_MIN)
        self.keys_wanted = min(wanted, constants.KV_LIST_KEYS_MAX)


@dataclass(slots=True)
class LogTail:
    """What every read looks at first: how far compaction is, and the newest batches.

    `names` are keys by minute, all there are from the minute `listed_from` on;
    `now_minute` is the reader's; `past` are the values of records of past hours, by
    key. `operations` were spent before any window is read.
    """

    progress: CompactionState
    names: Mapping[int, Sequence[str]]
    listed_from: int
    now_minute: int
    local: LocalBatches
    kept: LogTailCache = field(default_factory=LogTailCache)
    reconciled_through_ms: int | None = None
    past: Mapping[str, str | None] = field(default_factory=dict)
    operations: int = 2


async def read_tail(
    store: KeyValueStore, local: LocalBatches, kept: LogTailCache, now_ms: int
) -> LogTail:
    """Spend two operations on what every window needs, or three. Raises `StoreUnavailable`."""
    past = past_keys(now_ms)
    found, page = await asyncio.gather(
        store.get_many([keys.COMPACTION_STATE, keys.RECONCILED_UNTIL, *past]),
        store.list_names(keys.USAGE_PREFIX, None, kept.keys_wanted),
    )
    progress = kept.progress(found[keys.COMPACTION_STATE])
    names, listed_from = _listed(page)
    operations = 2
    if listed_from > progress.made and kept.keys_wanted < constants.KV_LIST_KEYS_MAX:
        # More came since the last read than it was prepared for.
        further = await store.list_names(keys.USAGE_PREFIX, page.cursor)
        names, listed_from = _listed(NamePage([*page.names, *further.names], further.cursor))
        operations += 1
    kept.learn(sum(len(some) for minute, some in names.items() if minute >= progress.made))
    reconciled = parse_reconciled(found[keys.RECONCILED_UNTIL])
    by_key = {key: found[key] for key in past}
    now_minute = now_ms // MINUTE_MS
    return LogTail(
        progress, names, listed_from, now_minute, local, kept, reconciled, by_key, operations
    )


def tail_names(
    tail: LogTail,
    floor: int,
    sources: Mapping[int, Sequence[str]],
    first: int | None,
    end: int | None,
) -> list[str]:
    """Find the batches that no summary has, oldest first, in KV or in this isolate.

    They are those from the minute `floor` on, and before `end`, which are not among the
    `sources` of a minute's summary; `first` is where the window begins.
    """
    names: set[str] = set()
    sources_of = cache(lambda minute: frozenset(sources.get(minute, ())))
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
    """Give batches by key, with at most `gets` bulk reads; then what could not be read.

    The oldest come first. The third is the first that was too much, if any was.
    """
    found: dict[str, Batch] = {}
    unread = Unread()
    fetched = []
    for name in names:
        if name in tail.local.recent:
            found[name] = tail.local.recent[name]
        elif name in tail.local.buffered:
            # KV may list it already and not give it yet; or it may be too many to fetch.
            found[name] = tail.local.buffered[name]
        elif (kept := tail.kept.get(name)) is not None:
            found[name] = kept
        else:
            fetched.append(name)
    affordable = gets * constants.KV_BULK_GET_KEYS_MAX

    def take(name: str, batch: Batch) -> None:
        found[name] = batch
        tail.kept.keep(name, batch)

    await read_batches(store, fetched[:affordable], take, unread)
    return found, unread, fetched[affordable] if len(fetched) > affordable else None


def _listed(page: NamePage) -> tuple[Mapping[int, Sequence[str]], int]:
    """Group a page of usage keys by minute, and tell from which minute on it has all."""
    names = by_minute(page.names)
    # The last minute of a page may go on in the next.
    return names, 0 if page.cursor is None else min(names, default=_NO_MINUTE) + 1

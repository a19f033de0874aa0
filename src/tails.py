"""The newest end of the log: the batches that no summary has yet.

Owns what every read looks at first, which batches of a window count one by
one, and reading those. A batch never changes under its key, so an isolate
reads each once. Refuses to know summaries by more than what they were made of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import keys
import limits
from batches import Unread, read_batches
from errors import KeyMalformed
from events import Batch
from past import past_keys
from periods import MINUTES_PER_DAY
from ports import KeyPage, KeyValueStore
from progress import Progress, decode_progress, read_reconciled
from usage import LocalBatches

_NO_MINUTE = 10_000 * 366 * MINUTES_PER_DAY
"""Later than any: a page may be empty and have another one behind it."""


@dataclass(slots=True)
class KeptBatches:
    """Batches as they were read, by key, in bounded space."""

    _batches: dict[str, Batch] = field(default_factory=dict)
    _events: int = 0

    def get(self, name: str) -> Batch | None:
        """Give a batch that was read before."""
        return self._batches.get(name)

    def keep(self, name: str, batch: Batch) -> None:
        """Keep a batch; when there are too many, forget all others."""
        if self._events + len(batch.events) > limits.KEPT_EVENTS_MAX:
            self._batches, self._events = {}, 0
        self._batches[name] = batch
        self._events += len(batch.events)


@dataclass(slots=True)
class Tail:
    """What every read looks at first: how far compaction is, and the newest batches.

    `names` are keys by minute, all there are from the minute `listed_from` on;
    `past` are the values of records of past hours, by key. `operations` were
    spent before any window is read.
    """

    progress: Progress
    names: Mapping[int, Sequence[str]]
    listed_from: int
    local: LocalBatches
    kept: KeptBatches = field(default_factory=KeptBatches)
    reconciled_through_ms: int | None = None
    past: Mapping[str, str | None] = field(default_factory=dict)
    operations: int = 2


async def read_tail(
    store: KeyValueStore, local: LocalBatches, kept: KeptBatches, now_ms: int
) -> Tail:
    """Spend two operations on what every window needs. Raises `StoreUnavailable`."""
    past = past_keys(now_ms)
    found, page = await asyncio.gather(
        store.get_many([keys.PROGRESS, keys.RECONCILED, *past]),
        store.list_page(keys.USAGE_PREFIX, None),
    )
    names, listed_from = _by_minute(page)
    progress = decode_progress(found[keys.PROGRESS]) or Progress()
    reconciled = read_reconciled(found[keys.RECONCILED])
    by_key = {key: found[key] for key in past}
    return Tail(progress, names, listed_from, local, kept, reconciled, by_key)


def tail_names(
    tail: Tail,
    floor: int,
    sources: Mapping[int, frozenset[str]],
    first: int | None,
    end: int | None,
) -> list[str]:
    """Find the batches that no summary has, oldest first, in KV or in this isolate.

    They are those from the minute `floor` on, and before `end`, which are not among the
    `sources` of a minute's summary; `first` is where the window begins.
    """
    names: set[str] = set()
    for minute, listed in tail.names.items():
        if minute >= floor and (end is None or minute < end):
            made_of = sources.get(minute, frozenset())
            names.update(name for name in listed if keys.batch_name(name) not in made_of)
    for name in (*tail.local.held, *tail.local.recent):
        minute = keys.parse_usage_batch(name).minute
        is_inside = minute >= max(floor, first or 0) and (end is None or minute < end)
        if is_inside and keys.batch_name(name) not in sources.get(minute, frozenset()):
            names.add(name)
    # Keys ascend from new to old.
    return sorted(names, reverse=True)


async def batches_of(
    store: KeyValueStore, tail: Tail, names: Sequence[str], gets: int
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
        elif name in tail.local.held:
            # KV may list it already and not give it yet; or it may be too many to fetch.
            found[name] = tail.local.held[name]
        elif (kept := tail.kept.get(name)) is not None:
            found[name] = kept
        else:
            fetched.append(name)
    affordable = gets * limits.KV_BULK_GET_KEYS_MAX

    def take(name: str, batch: Batch) -> None:
        found[name] = batch
        tail.kept.keep(name, batch)

    await read_batches(store, fetched[:affordable], take, unread)
    return found, unread, fetched[affordable] if len(fetched) > affordable else None


def _by_minute(page: KeyPage) -> tuple[Mapping[int, Sequence[str]], int]:
    """Group a page of usage keys by minute, and tell from which minute on it has all."""
    minutes: dict[str, tuple[int, list[str]]] = {}
    for key in page.keys:
        start = key.name[: keys.USAGE_MINUTE_LENGTH]
        known = minutes.get(start)
        if known is None:
            try:
                known = minutes[start] = (keys.parse_usage_batch(key.name).minute, [])
            except KeyMalformed:
                continue
        known[1].append(key.name)
    names = dict(minutes.values())
    # The last minute of a page may go on in the next.
    listed_from = 0 if page.cursor is None else min(names, default=_NO_MINUTE) + 1
    return names, listed_from

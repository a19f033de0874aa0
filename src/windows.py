"""Reads the figures of a window from a few values, whatever the traffic.

Owns which parts together are a window: a base, the closed periods and made
minutes after it, and the batches that no summary has yet. Each event is in
exactly one of those. Refuses to know what figures are shown as.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import keys
import limits
from batches import CountedStore, Unread, read_batches
from errors import KeyMalformed
from figures import Figures
from past import past_keys
from periods import MINUTES_PER_DAY, Period, containing
from ports import KeyPage, KeyValueStore
from progress import WEEK_DAYS, Progress, decode_progress, read_reconciled
from summaries import Summary, base_mark
from summary_store import get_summaries
from usage import LocalBatches
from views import PartId, WindowView

_NO_MINUTE = 10_000 * 366 * MINUTES_PER_DAY
"""Later than any: a page may be empty and have another one behind it."""


_TAIL_OPERATIONS = 2
"""What `read_tail` spends."""


@dataclass(slots=True)
class Reading:
    """The figures of one window, in parts, and what they may lack.

    `tail` has the batches that are in none of the `summaries`. Everything
    before the minute `as_of` that KV shows is counted. `complete` tells whether
    all that was seen is counted; `behind` that summaries are missing which
    compaction would make. With `seen_until`, batches of minutes from there on
    may have come that were not looked for. `past` are records of past hours (`past`).
    """

    summaries: dict[PartId, Summary] = field(default_factory=dict)
    tail: Figures = field(default_factory=Figures)
    as_of: int = 0
    complete: bool = True
    behind: bool = False
    seen_until: int | None = None
    missing: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    reconciled_through_ms: int | None = None
    past: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def parts(self) -> Sequence[Figures]:
        """All figures; each event is in one of them."""
        return [*(summary.figures for summary in self.summaries.values()), self.tail]


@dataclass(slots=True)
class Tail:
    """What every read looks at first: how far compaction is, and the newest batches.

    `names` are keys by minute, all there are from the minute `listed_from` on;
    `past` are the values of records of past hours, by key.
    """

    progress: Progress
    names: Mapping[int, Sequence[str]]
    listed_from: int
    local: LocalBatches
    reconciled_through_ms: int | None = None
    past: Mapping[str, str | None] = field(default_factory=dict)


async def read_tail(store: KeyValueStore, local: LocalBatches, now_ms: int) -> Tail:
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
    return Tail(progress, names, listed_from, local, reconciled, by_key)


def newest_base(progress: Progress, first: int | None) -> PartId | None:
    """Name the base that a read of the window from the minute `first`, or ever, starts with."""
    if not _has_base(first, progress.bases):
        return None
    return PartId(keys.base(first, progress.bases), base_mark(progress.version))


async def read_window(
    store: KeyValueStore, tail: Tail, first: int | None, end: int | None, view: WindowView
) -> Reading:
    """Read the figures from the minute `first`, or ever, to before `end`, or to the newest.

    Takes summaries from `view` where it has them. Spends one operation on the
    others, two or three where they are megabytes, a few more in the hours after
    a long backlog, and the rest of `SNAPSHOT_OPERATIONS_MAX` on batches. Raises
    `StoreUnavailable`.
    """
    progress = tail.progress
    reading = Reading(
        as_of=progress.made,
        reconciled_through_ms=tail.reconciled_through_ms,
        past=tail.past,
    )
    counted = CountedStore(store, limits.READ_OPERATIONS_MAX)
    floor, sources = await _read_summaries(counted, progress, first, end, view, reading)
    stale_from = progress.stale_from(first or 0, end)
    if stale_from is not None:
        # A late batch was found, and not everything is made again that should have it.
        reading.complete, reading.behind = False, True
        reading.as_of = min(reading.as_of, stale_from)
    if tail.listed_from > progress.made:
        reading.complete, reading.behind = False, True
    if tail.listed_from > progress.settled:
        # The listing does not reach back to where minutes are summarised for good, and those
        # in between may have been summarised before all of their batches were listed.
        reading.seen_until = progress.settled
    names = _tail_names(tail, floor, sources, first, end)
    gets_left = limits.SNAPSHOT_OPERATIONS_MAX - _TAIL_OPERATIONS - counted.spent
    await _read_tail(store, tail, names, reading, min(max(1, gets_left), limits.TAIL_GETS_MAX))
    return reading


async def _read_summaries(
    store: KeyValueStore,
    progress: Progress,
    first: int | None,
    end: int | None,
    view: WindowView,
    reading: Reading,
) -> tuple[int, Mapping[int, frozenset[str]]]:
    """Add the summaries of a window.

    Returns the minute from which batches count one by one, and by minute those
    that a summary has already.
    """
    # The earlier bases are of use while nothing but the newest was made since.
    for back, bases in enumerate((progress.bases, progress.earlier_bases, 0)):
        base = keys.base(first, bases) if _has_base(first, bases) else None
        floor = max(first or 0, bases if base else 0)
        wanted = {
            PartId(keys.summary(*period), mark): period
            for period, mark in _cover(progress, floor, end)
        }
        if base:
            # The base comes first: it has the most.
            base_id = PartId(base, base_mark(progress.version - back))
            wanted = {base_id: Period("base", bases), **wanted}
        found = await _fetch(store, wanted, view)
        # KV may not show the newest base yet: then the one before it and an hour serve as well.
        if not base or base_id in found:
            break
    keys_found = {part.key for part in found}
    for part, period in wanted.items():
        if part.key not in keys_found:
            reading.missing.append(part.key)
            reading.complete, reading.behind = False, True
            reading.as_of = min(reading.as_of, period.start)
    if not base and first is None and progress.bases:
        reading.complete, reading.as_of = False, 0
    sources: dict[int, frozenset[str]] = {}
    reading.summaries = found
    for summary in found.values():
        reading.unreadable += summary.unreadable
        if summary.period.level == "minute":
            sources[summary.period.start] = frozenset(summary.sources)
        elif summary.period.level != "base":
            floor = max(floor, summary.period.end)
    return floor, sources


async def _fetch(
    store: KeyValueStore, wanted: Mapping[PartId, Period], view: WindowView
) -> dict[PartId, Summary]:
    """Read those of the wanted summaries that KV shows, or an older form of them."""
    kept = {part: view.kept(part) for part in wanted}
    unknown = {part.key: period for part, period in wanted.items() if kept[part] is None}
    read = await get_summaries(store, unknown)
    found: dict[PartId, Summary] = {}
    for part, period in wanted.items():
        summary = kept[part] or read[part.key]
        if summary is None or (period.level == "base" and summary.fingerprint != part.mark):
            continue
        # KV may show an older one; it goes by what it was made of.
        found[PartId(part.key, summary.fingerprint)] = summary
    return found


def _cover(progress: Progress, floor: int, end: int | None) -> list[tuple[Period, str]]:
    """Choose the largest summaries that together cover everything made from `floor` on."""
    known = sorted(
        (start, -Period(level, start).end, level, mark)
        for level, marks in progress.tree.items()
        for start, mark in marks.items()
        if start >= floor and (end is None or start < end)
    )
    chosen = []
    for start, negative_end, level, mark in known:
        if start >= floor:
            chosen.append((Period(level, start), mark))
            floor = -negative_end
    return chosen


def _has_base(first: int | None, bases: int) -> bool:
    """Tell whether compaction made a base from `first` when it made those up to `bases`."""
    if first is None or not bases:
        return bool(bases)
    today = containing("day", bases - 1).start
    week = today - WEEK_DAYS * MINUTES_PER_DAY
    return first in (today, week, week + MINUTES_PER_DAY)


def _tail_names(
    tail: Tail,
    floor: int,
    sources: Mapping[int, frozenset[str]],
    first: int | None,
    end: int | None,
) -> list[str]:
    """Find the batches that no summary has, oldest first, in KV or in this isolate."""
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


async def _read_tail(
    store: KeyValueStore, tail: Tail, names: Sequence[str], reading: Reading, gets: int
) -> None:
    figures, unread = reading.tail, Unread()
    fetched = []
    for name in names:
        if name in tail.local.recent:
            figures.add(tail.local.recent[name])
        elif name in tail.local.held:
            # KV may list it already and not give it yet; or it may be too many to fetch.
            figures.add(tail.local.held[name])
        else:
            fetched.append(name)
    affordable = gets * limits.KV_BULK_GET_KEYS_MAX
    if len(fetched) > affordable:
        left_out = keys.parse_usage_batch(fetched[affordable]).minute
        reading.complete, reading.behind = False, True
        reading.as_of = min(reading.as_of, left_out)
    elif reading.complete:
        # Everything that is listed is counted, so what is counted reaches to now.
        reading.as_of = max(reading.as_of, tail.progress.made)
    await read_batches(store, fetched[:affordable], lambda _, batch: figures.add(batch), unread)
    if unread.missing:
        reading.complete = False
    reading.missing += unread.missing
    reading.unreadable += unread.unreadable


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

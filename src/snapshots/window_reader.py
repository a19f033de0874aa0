"""Reads the figures of a window from a few values, whatever the traffic.

Owns which parts together are a window: a base, the closed periods and made
minutes after it, and the batches that no summary has yet (`tails`). Each event
is in exactly one of those. Refuses to know what figures are shown as.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core import constants, keys
from core.calendar import MINUTE_MS, MINUTES_PER_DAY, Period, containing
from core.kv_store import BudgetedStore
from core.ports import KeyValueStore
from metering.events import Batch
from metering.state import WEEK_DAYS, CompactionState
from metering.summary import Summary, base_mark, get_summaries
from snapshots.api_state import SummaryRef
from snapshots.log_tail import LogTail, batches_of, tail_names
from snapshots.window_cache import WindowCache


@dataclass(slots=True)
class WindowData:
    """The figures of one window, in parts, and what they may lack.

    `batches` are those that are in none of the `summaries`, by key. Counted is everything
    of minutes before `as_of`, or of all when it is None, that was written before
    `seen_until_ms`, or that KV shows when that is None. `complete` tells whether nothing up
    to there was left out; `behind` that summaries are missing which compaction would make.
    `past` are records of past hours (`past`).
    """

    summaries: dict[SummaryRef, Summary] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)
    as_of: int | None = None
    complete: bool = True
    behind: bool = False
    seen_until_ms: int | None = None
    missing: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    reconciled_through_ms: int | None = None
    past: Mapping[str, str | None] = field(default_factory=dict)

    def end_at(self, minute: int) -> None:
        """Note that events of this minute, or later ones, may be left out."""
        self.as_of = minute if self.as_of is None else min(self.as_of, minute)

    def lack(self, minute: int) -> None:
        """Note that summaries are missing, without which not all before this minute is counted."""
        self.complete, self.behind = False, True
        self.end_at(minute)


def newest_base(progress: CompactionState, first: int | None) -> SummaryRef | None:
    """Name the base that a read of the window from the minute `first`, or ever, starts with."""
    if not _has_base(first, progress.bases):
        return None
    return SummaryRef(keys.checkpoint(first, progress.bases), base_mark(progress.version))


async def read_window(
    store: KeyValueStore, tail: LogTail, first: int | None, end: int | None, view: WindowCache
) -> WindowData:
    """Read the figures from the minute `first`, or ever, to before `end`, or to the newest.

    Takes summaries from `view` where it has them. Spends one operation on the
    others, two or three where they are megabytes, a few more in the hours after
    a long backlog, and the rest of `SNAPSHOT_OPERATIONS_MAX` on batches. Raises
    `StoreUnavailable`.
    """
    progress = tail.progress
    reading = WindowData(reconciled_through_ms=tail.reconciled_through_ms, past=tail.past)
    counted = BudgetedStore(store, constants.READ_OPERATIONS_MAX)
    floor, sources = await _read_summaries(counted, progress, first, end, view, reading)
    stale_from = progress.stale_from(first or 0, end)
    if stale_from is not None:
        # A late batch was found, and not everything is made again that should have it.
        reading.lack(stale_from)
    reading.seen_until_ms = _seen_until_ms(tail, reading.summaries)
    names = tail_names(tail, floor, sources, first, end)
    gets_left = constants.SNAPSHOT_OPERATIONS_MAX - tail.operations - counted.spent
    gets = min(max(1, gets_left), constants.TAIL_GETS_MAX)
    reading.batches, unread, left_out = await batches_of(store, tail, names, gets)
    # Of minutes without a summary there may be more batches than a read lists, or than it reads.
    ends = [progress.made] if tail.listed_from > progress.made else []
    if left_out is not None:
        ends.append(keys.parse_usage_batch(left_out).minute)
    for minute in ends:
        reading.end_at(minute)
        if progress.made < tail.now_minute - 1 or minute < progress.settled:
            reading.lack(minute)
    if unread.missing:
        reading.complete = False
    if not reading.complete:
        reading.end_at(progress.made)
    reading.missing += unread.missing
    reading.unreadable += unread.unreadable
    return reading


async def _read_summaries(
    store: KeyValueStore,
    progress: CompactionState,
    first: int | None,
    end: int | None,
    view: WindowCache,
    reading: WindowData,
) -> tuple[int, Mapping[int, Sequence[str]]]:
    """Add the summaries of a window.

    Returns the minute from which batches count one by one, and by minute those
    that a summary has already.
    """
    # The earlier bases are of use while nothing but the newest was made since.
    for back, bases in enumerate((progress.bases, progress.earlier_bases, 0)):
        base = keys.checkpoint(first, bases) if _has_base(first, bases) else None
        floor = max(first or 0, bases if base else 0)
        wanted = {
            SummaryRef(keys.summary(*period), mark): period
            for period, mark in _cover(progress, floor, end)
        }
        if base:
            # The base comes first: it has the most.
            base_id = SummaryRef(base, base_mark(progress.version - back))
            wanted = {base_id: Period("base", bases), **wanted}
        found = await _fetch(store, wanted, view)
        # KV may not show the newest base yet: then the one before it and an hour serve as well.
        if not base or base_id in found:
            break
    keys_found = {part.key for part in found}
    for part, period in wanted.items():
        if part.key not in keys_found:
            reading.missing.append(part.key)
            reading.lack(period.start)
    if not base and first is None and progress.bases:
        reading.complete = False
        reading.end_at(0)
    sources: dict[int, Sequence[str]] = {}
    reading.summaries = found
    for summary in found.values():
        reading.unreadable += summary.unreadable
        if summary.period.level == "minute":
            sources[summary.period.start] = summary.sources
        elif summary.period.level != "base":
            floor = max(floor, summary.period.end)
    return floor, sources


def _seen_until_ms(tail: LogTail, summaries: Mapping[SummaryRef, Summary]) -> int | None:
    """Tell up to when all that was written is sure to be counted; None for all that KV shows.

    Where the listing does not reach back to the minutes that have settled, those in between
    have what compaction saw listed; and no minute that it does not reach has more than KV
    shows of its summary, which may be an older one than compaction made.
    """
    progress = tail.progress
    marks = progress.tree["minute"]
    bounds = [
        summary.period.start * MINUTE_MS
        for part, summary in summaries.items()
        if summary.period.level == "minute"
        and summary.period.start < tail.listed_from
        and part.mark != marks.get(summary.period.start)
    ]
    if tail.listed_from > progress.settled:
        listed_ms = progress.listed_ms - constants.KV_SETTLE_SECONDS * 1000
        bounds.append(max(listed_ms, progress.settled * MINUTE_MS))
    return min(bounds, default=None)


async def _fetch(
    store: KeyValueStore, wanted: Mapping[SummaryRef, Period], view: WindowCache
) -> dict[SummaryRef, Summary]:
    """Read those of the wanted summaries that KV shows, or an older form of them."""
    kept = {part: view.kept(part) for part in wanted}
    unknown = {part.key: period for part, period in wanted.items() if kept[part] is None}
    read = await get_summaries(store, unknown)
    found: dict[SummaryRef, Summary] = {}
    for part, period in wanted.items():
        known = kept[part]
        if known is not None:
            found[part] = known
            continue
        summary = read[part.key]
        if summary is None or (period.level == "base" and summary.fingerprint != part.mark):
            continue
        # KV may show an older one; it goes by what it was made of.
        found[SummaryRef(part.key, summary.fingerprint)] = summary
    return found


def _cover(progress: CompactionState, floor: int, end: int | None) -> list[tuple[Period, str]]:
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

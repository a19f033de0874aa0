"""Reads the data of a window from a few values in KV, at any traffic.

A window consists of a base, the summaries after it, and the batches that no summary has yet
(`log_tail`). Each event is in exactly one of these.
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
from metering.summary import Summary, base_fingerprint, get_summaries
from snapshots.api_state import SummaryRef
from snapshots.log_tail import LogTail, batches_of, tail_names
from snapshots.window_cache import WindowCache


@dataclass(slots=True)
class WindowData:
    """The parts of one window, and what they may lack.

    Attributes:
        summaries: The summaries.
        batches: The batches that are in none of the summaries, by key.
        as_of: All events of minutes before this one are included, as far as they were written
            before `seen_until_ms`; None: of all minutes.
        complete: Whether nothing was left out before `as_of`.
        behind: Whether summaries are missing that compaction has yet to make.
        seen_until_ms: Events written later may be missing, in milliseconds since 1970 UTC; None:
            everything that KV shows is included.
        missing: The keys of summaries and batches that KV did not return.
        unreadable: The keys of batches that could not be decoded.
        reconciled_through_ms: Until when payments are reconciled.
        previous_records: The records of previous hours by key, see `previous_period`.
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
    previous_records: Mapping[str, str | None] = field(default_factory=dict)

    def cap_as_of(self, minute: int) -> None:
        """Record that events of this minute and later ones may be missing."""
        self.as_of = minute if self.as_of is None else min(self.as_of, minute)

    def mark_incomplete(self, minute: int) -> None:
        """Record that summaries are missing, so that events from this minute on may be missing."""
        self.complete, self.behind = False, True
        self.cap_as_of(minute)


def newest_base(state: CompactionState, first: int | None) -> SummaryRef | None:
    """Return the base that a read from the minute `first` (None: from the start) needs, if any."""
    if not _has_base(first, state.bases_until):
        return None
    return SummaryRef(keys.base(first, state.bases_until), base_fingerprint(state.version))


async def read_window(
    store: KeyValueStore, tail: LogTail, first: int | None, end: int | None, cache: WindowCache
) -> WindowData:
    """Read the data of the minutes from `first` (None: the first ever) to before `end` (None: all).

    Summaries in `cache` are not read again. The others cost one operation, two or three if they
    are megabytes, and a few more in the hours after a long backlog. The rest of
    `SNAPSHOT_OPERATIONS_MAX` is for batches. Raises `StoreUnavailable`.
    """
    state = tail.state
    data = WindowData(
        reconciled_through_ms=tail.reconciled_through_ms, previous_records=tail.previous_records
    )
    counted = BudgetedStore(store, constants.READ_OPERATIONS_MAX)
    floor, sources = await _read_summaries(counted, state, first, end, cache, data)
    incomplete_from = state.invalidated_from(first or 0, end)
    if incomplete_from is not None:
        # A late batch was found, and not all summaries that it belongs to are rebuilt yet.
        data.mark_incomplete(incomplete_from)
    data.seen_until_ms = _seen_until_ms(tail, data.summaries)
    names = tail_names(tail, floor, sources, first, end)
    gets_left = constants.SNAPSHOT_OPERATIONS_MAX - tail.operations - counted.spent
    gets = min(max(1, gets_left), constants.TAIL_GETS_MAX)
    data.batches, unread, left_out = await batches_of(store, tail, names, gets)
    # Minutes without a summary may have more batches than this read lists or gets.
    ends = [state.summarized_until] if tail.listed_from > state.summarized_until else []
    if left_out is not None:
        ends.append(keys.parse_usage_batch(left_out).minute)
    for minute in ends:
        data.cap_as_of(minute)
        if state.summarized_until < tail.now_minute - 1 or minute < state.watermark:
            data.mark_incomplete(minute)
    if unread.missing:
        data.complete = False
    if not data.complete:
        data.cap_as_of(state.summarized_until)
    data.missing += unread.missing
    data.unreadable += unread.unreadable
    return data


async def _read_summaries(
    store: KeyValueStore,
    state: CompactionState,
    first: int | None,
    end: int | None,
    cache: WindowCache,
    data: WindowData,
) -> tuple[int, Mapping[int, Sequence[str]]]:
    """Read the summaries of a window into `data`.

    Returns the minute from which batches must be read, and by minute the batches that a summary
    already has.
    """
    # The earlier bases are usable while only the newest were written since.
    for back, bases in enumerate((state.bases_until, state.earlier_bases_until, 0)):
        base = keys.base(first, bases) if _has_base(first, bases) else None
        floor = max(first or 0, bases if base else 0)
        wanted = {
            SummaryRef(keys.summary(*period), fingerprint): period
            for period, fingerprint in _cover(state, floor, end)
        }
        if base:
            # The base comes first, because it has most of the events.
            base_id = SummaryRef(base, base_fingerprint(state.version - back))
            wanted = {base_id: Period("base", bases), **wanted}
        found = await _fetch(store, wanted, cache)
        # While KV does not show the newest base, the one before it and an hour are equivalent.
        if not base or base_id in found:
            break
    keys_found = {part.key for part in found}
    for part, period in wanted.items():
        if part.key not in keys_found:
            data.missing.append(part.key)
            data.mark_incomplete(period.start)
    if not base and first is None and state.bases_until:
        data.complete = False
        data.cap_as_of(0)
    sources: dict[int, Sequence[str]] = {}
    data.summaries = found
    for summary in found.values():
        data.unreadable += summary.unreadable
        if summary.period.level == "minute":
            sources[summary.period.start] = summary.sources
        elif summary.period.level != "base":
            floor = max(floor, summary.period.end)
    return floor, sources


def _seen_until_ms(tail: LogTail, summaries: Mapping[SummaryRef, Summary]) -> int | None:
    """Return until when every written event is counted; None for everything that KV shows.

    If the listing does not reach back to the settled minutes, the minutes in between have only
    what compaction saw in its own listing. And a minute before the listing has only what its
    summary has, of which KV may show an older version.
    """
    state = tail.state
    fingerprints = state.fingerprints["minute"]
    bounds = [
        summary.period.start * MINUTE_MS
        for part, summary in summaries.items()
        if summary.period.level == "minute"
        and summary.period.start < tail.listed_from
        and part.fingerprint != fingerprints.get(summary.period.start)
    ]
    if tail.listed_from > state.watermark:
        listed_ms = state.listed_ms - constants.KV_SETTLE_SECONDS * 1000
        bounds.append(max(listed_ms, state.watermark * MINUTE_MS))
    return min(bounds, default=None)


async def _fetch(
    store: KeyValueStore, wanted: Mapping[SummaryRef, Period], cache: WindowCache
) -> dict[SummaryRef, Summary]:
    """Return the wanted summaries that KV shows; some may be an older version."""
    cached = {part: cache.get(part) for part in wanted}
    unknown = {part.key: period for part, period in wanted.items() if cached[part] is None}
    read = await get_summaries(store, unknown)
    found: dict[SummaryRef, Summary] = {}
    for part, period in wanted.items():
        known = cached[part]
        if known is not None:
            found[part] = known
            continue
        summary = read[part.key]
        if summary is None or (period.level == "base" and summary.fingerprint != part.fingerprint):
            continue
        # KV may show an older one, which its own fingerprint identifies.
        found[SummaryRef(part.key, summary.fingerprint)] = summary
    return found


def _cover(state: CompactionState, floor: int, end: int | None) -> list[tuple[Period, str]]:
    """Choose the largest summaries that together cover everything rolled up from `floor` on."""
    known = sorted(
        (start, -Period(level, start).end, level, fingerprint)
        for level, fingerprints in state.fingerprints.items()
        for start, fingerprint in fingerprints.items()
        if start >= floor and (end is None or start < end)
    )
    chosen = []
    for start, negative_end, level, fingerprint in known:
        if start >= floor:
            chosen.append((Period(level, start), fingerprint))
            floor = -negative_end
    return chosen


def _has_base(first: int | None, bases: int) -> bool:
    """Return whether the bases up to `bases` include one from `first`."""
    if first is None or not bases:
        return bool(bases)
    today = containing("day", bases - 1).start
    week = today - WEEK_DAYS * MINUTES_PER_DAY
    return first in (today, week, week + MINUTES_PER_DAY)

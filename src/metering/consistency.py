"""Compares the log with its summaries, with a bounded number of KV operations.

The batches of the last settled hour and of the minutes since, by key and metadata, are compared
with the sources and totals of their summaries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core import constants, keys
from core.calendar import MINUTES_PER_HOUR, Period
from core.kv_store import has_names
from core.ports import Json, KeyPage, KeyValueStore, ListedKey
from metering.batches import batch_minute
from metering.state import CompactionState
from metering.summary import Summary, get_summaries
from metering.totals import Totals

COUNTED = ("calls", "revenueMicros", "dropped")
"""The sums that both the metadata of a batch and totals have."""

_HOUR_PAGES = (4, 2, 2)
"""How many pages of a thousand keys are listed: of the settled hour, and of the two after it."""

Listed = Mapping[int, Sequence[ListedKey]]
"""Listed batches by minute."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What was read before the comparison.

    Attributes:
        state: The state of compaction; None if there is none.
        newest: A page of the newest batches.
        late: A page of late markers.
        now_minute: The current minute.
    """

    state: CompactionState | None
    newest: KeyPage
    late: KeyPage
    now_minute: int


@dataclass(slots=True)
class Comparison:
    """The result of comparing batches with summaries.

    Attributes:
        first: The first minute that was compared.
        end: The minute after the last one that was compared.
        settled: Minutes before this were compared as settled ones.
        batches: How many batches the log has in these minutes.
        differing: Settled minutes whose batches are not the sources of their hour.
        unread: The periods whose summaries are not those in the state of compaction.
        drift: By how much sums differ although the batches are the same.
        waiting: How many batches are in no summary yet.
        dropped: How many events writers dropped.
        unreadable: The keys of batches that could not be decoded.
    """

    first: int
    end: int
    settled: int
    batches: int = 0
    differing: list[int] = field(default_factory=list)
    unread: list[Period] = field(default_factory=list)
    drift: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    waiting: int = 0
    dropped: int = 0
    unreadable: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Span:
    """The listed batches: by minute, of the minutes in `covered`, before `end`."""

    hour: Period
    end: int
    covered: Sequence[int]
    minutes: Listed

    @property
    def settled(self) -> Listed:
        """The batches of the settled hour."""
        return {minute: self.of(minute) for minute in self.covered if minute < self.hour.end}

    @property
    def unsettled(self) -> Listed:
        """The batches of later minutes that have a summary."""
        return {minute: self.of(minute) for minute in self.covered if minute >= self.hour.end}

    def of(self, minute: int) -> Sequence[ListedKey]:
        """Return the batches of a minute."""
        return self.minutes.get(minute, ())


async def compare(store: KeyValueStore, overview: Overview) -> Comparison:
    """Compare batches with summaries, in at most nine operations. Raises `StoreUnavailable`."""
    state = overview.state
    if state is None:
        return Comparison(overview.now_minute, overview.now_minute, overview.now_minute)
    span = await _list_span(store, state)
    wanted = _wanted(state, span)
    summaries = await _read(store, wanted)
    found = Comparison(
        first=min(span.covered, default=span.end),
        end=span.end,
        settled=span.hour.end,
        batches=sum(len(span.of(minute)) for minute in span.covered),
        unread=[period for period in wanted if period not in summaries],
    )
    if span.hour not in found.unread:
        _compare_hour(found, summaries.get(span.hour), span.settled)
    for minute, listed in span.unsettled.items():
        period = Period("minute", minute)
        if period not in found.unread:
            _compare_minute(found, summaries.get(period), listed)
    return found


async def _list_span(store: KeyValueStore, state: CompactionState) -> _Span:
    """List the last settled hour and the summarized minutes since, as far as pages reach."""
    settled = state.watermark - state.watermark % MINUTES_PER_HOUR
    hour = Period("hour", settled - MINUTES_PER_HOUR)
    # One bulk get reads the summaries of these minutes and of the hour.
    end = min(state.summarized_until, settled + constants.KV_BULK_GET_KEYS_MAX - 1)
    minutes: dict[int, Sequence[ListedKey]] = {}
    covered: list[int] = []
    for index, pages in enumerate(_HOUR_PAGES):
        start = hour.start + index * MINUTES_PER_HOUR
        if start < end:
            listed, first = await _list_hour(store, start // MINUTES_PER_HOUR, pages)
            minutes.update(listed)
            covered += range(first, min(start + MINUTES_PER_HOUR, end))
    return _Span(hour, end, covered, minutes)


def _wanted(state: CompactionState, span: _Span) -> Mapping[Period, str]:
    """Return the summaries to read, with their fingerprints: the hour and the minutes since."""
    by_level = state.fingerprints
    hours = [span.hour] if span.hour.start in by_level["hour"] else []
    minutes = [Period("minute", one) for one in span.unsettled if one in by_level["minute"]]
    return {period: by_level[period.level][period.start] for period in (*hours, *minutes)}


async def _read(store: KeyValueStore, wanted: Mapping[Period, str]) -> Mapping[Period, Summary]:
    """Read summaries; those with another fingerprint are left out."""
    periods = {keys.summary(*period): period for period in wanted}
    found = await get_summaries(store, periods)
    return {
        period: summary
        for key, period in periods.items()
        if (summary := found[key]) is not None and summary.fingerprint == wanted[period]
    }


async def _list_hour(store: KeyValueStore, hour: int, pages: int) -> tuple[Listed, int]:
    """List the newest batches of an hour by minute; also return the first complete minute."""
    minutes: dict[int, list[ListedKey]] = {}
    cursor = None
    for _ in range(pages):
        page = await store.list_page(keys.usage_hour(hour), cursor)
        for key in page.keys:
            minute = batch_minute(key.name)
            if minute is not None:
                minutes.setdefault(minute, []).append(key)
        cursor = page.cursor
        if cursor is None:
            return minutes, hour * MINUTES_PER_HOUR
    # The oldest minute may continue on the next page.
    oldest = min(minutes, default=(hour + 1) * MINUTES_PER_HOUR - 1)
    minutes.pop(oldest, None)
    return minutes, oldest + 1


def _compare_hour(found: Comparison, summary: Summary | None, minutes: Listed) -> None:
    """Compare the settled minutes with the sources of their hour, then the sums."""
    fingerprints = dict(source.split(":") for source in summary.sources) if summary else {}
    found.differing += [
        minute
        for minute, listed in minutes.items()
        if fingerprints.get(str(minute)) != (_fingerprint(minute, listed) if listed else None)
    ]
    if summary is None:
        return
    found.unreadable += summary.unreadable
    found.dropped += summary.totals.dropped
    if len(minutes) == MINUTES_PER_HOUR and not found.differing:
        listed = [key for minute in minutes.values() for key in minute]
        _compare_sums(found, summary, listed)


def _compare_minute(
    found: Comparison, summary: Summary | None, listed: Sequence[ListedKey]
) -> None:
    """Compare a minute, which may still get batches, with the sources of its summary."""
    made_of = frozenset(summary.sources) if summary else frozenset()
    counted = [key for key in listed if keys.batch_name(key.name) in made_of]
    found.waiting += len(listed) - len(counted)
    if summary is not None:
        found.unreadable += summary.unreadable
        found.dropped += summary.totals.dropped
        if len(counted) == len(made_of):
            _compare_sums(found, summary, counted)


def _compare_sums(found: Comparison, summary: Summary, listed: Sequence[ListedKey]) -> None:
    """Compare the sums in the metadata of batches with the totals."""
    unreadable = frozenset(summary.unreadable)
    sums = _sums_of(summary.totals)
    for name in COUNTED:
        log = sum(_number_in(key.metadata, name) for key in listed if key.name not in unreadable)
        found.drift[name] += abs(log - sums[name])


def _sums_of(totals: Totals) -> Mapping[str, int]:
    apis = totals.apis.values()
    return {
        "calls": sum(api.calls for api in apis),
        "revenueMicros": sum(api.revenue_micros for api in apis),
        "dropped": totals.dropped,
    }


async def oldest_uncompacted(store: KeyValueStore, overview: Overview) -> int | None:
    """Return the oldest minute that is over, has batches and no summary; None if all have one.

    If there are too many batches to list, this is the earliest minute that is possible. Costs at
    most one operation. Raises `StoreUnavailable`.
    """
    made = overview.state.summarized_until if overview.state else 0
    listed = [
        minute
        for minute in (batch_minute(key.name) for key in overview.newest.keys)
        if minute is not None and minute < overview.now_minute
    ]
    if overview.newest.cursor is None or (listed and min(listed) < made):
        return min((minute for minute in listed if minute >= made), default=None)
    if made:
        return made
    # Nothing was ever compacted, and the log is longer than a page.
    long_ago = overview.now_minute - constants.BACKLOG_MINUTES_MAX - MINUTES_PER_HOUR
    if await has_names(store, keys.usage_hour(long_ago // MINUTES_PER_HOUR)):
        return long_ago
    return min(listed, default=None)


def _fingerprint(minute: int, listed: Sequence[ListedKey]) -> str:
    sources = sorted(keys.batch_name(key.name) for key in listed)
    return Summary(Period("minute", minute), sources, Totals(), ()).fingerprint


def _number_in(metadata: Json, name: str) -> int:
    value = metadata.get(name) if isinstance(metadata, dict) else None
    return value if isinstance(value, int) else 0

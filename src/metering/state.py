"""The state of compaction: how far it is, its codec, and how it is recovered from listings.

Without a stored state, compaction starts at the oldest batch of the log. If the state was lost,
it starts after the newest summaries, because older batches may have expired. The key of a
summary has its period and the metadata its fingerprint, so no summary has to be read for that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core import constants, keys
from core.calendar import MINUTES_PER_DAY, MINUTES_PER_HOUR, Period, containing, minute_of
from core.errors import KeyMalformed
from core.kv_store import has_names
from core.ports import KeyPage, KeyValueStore
from metering.batches import by_minute

LEVELS = ("minute", "hour", "day", "month")
SETTLE_MINUTES = 20
"""When a minute is settled: 5 minutes for a writer's clock that is slow, 5 for ours that is fast,
5 in which a late writer puts no marker, 2 for the lag of listings, and a margin."""

WEEK_DAYS = 6
"""Days before today that the window `week` has."""

KEPT_MINUTES = {
    "minute": 3 * MINUTES_PER_HOUR,
    "hour": 2 * MINUTES_PER_DAY,
    "day": 40 * MINUTES_PER_DAY,
}
"""How long fingerprints are kept after their summaries became part of a larger one."""

STATE_VERSION = 3
_INVALIDATED_LEVELS = (*LEVELS, "base")
_NEWEST_SUMMARIES = constants.KV_LIST_KEYS_MAX
"""Summaries of a level that recovery lists, one page: hours of six weeks, days of three years,
months of eighty. All are more than `KEPT_MINUTES`."""


@dataclass(slots=True)
class CompactionState:
    """How far compaction is.

    A lost or outdated state costs time, never data: the summaries in it exist, and building them
    again has the same result. A concurrent run may overwrite a newer state with an older one. Then
    all fields go back together, so they stay consistent with each other.

    Minutes are counted since 1970 UTC.

    Attributes:
        summarized_until: Every minute before this has a summary, unless it had no batches.
        watermark: Minutes before this are settled: they get no more batches without a marker.
        bases_until: The minute at which the bases end.
        earlier_bases_until: The minute at which the previous bases end. Readers use these while KV
            does not show them the newest.
        known_from: For periods that start before this minute, `fingerprints` may be incomplete.
        version: Incremented whenever bases are written.
        listed_ms: When the last run started that listed all unsettled minutes and summarized every
            listed batch, in milliseconds since 1970 UTC.
        fingerprints: Those of all summaries that are not part of a larger one yet, or that
            readers still use, by level and start.
        late: When the batches of minutes with late markers were last listed, by minute.
        invalidated: What must be rebuilt because of late batches. A period of the level `base`
            stands for all bases, and starts with an hour of which they lack something.
    """

    summarized_until: int = 0
    watermark: int = 0
    bases_until: int = 0
    earlier_bases_until: int = 0
    known_from: int = 0
    version: int = 0
    listed_ms: int = 0
    fingerprints: dict[str, dict[int, str]] = field(
        default_factory=lambda: {level: {} for level in LEVELS}
    )
    late: dict[int, int] = field(default_factory=dict)
    invalidated: set[Period] = field(default_factory=set)

    def prune(self) -> None:
        """Drop the fingerprints of summaries that are part of a larger one and no longer read.

        Those of periods with late batches are kept: KV may still show older summaries of these,
        and only the fingerprint reveals it.
        """
        for level, kept_minutes in KEPT_MINUTES.items():
            oldest = self.earlier_bases_until - kept_minutes
            late = {containing(level, minute).start for minute in self.late}
            fingerprints = self.fingerprints[level].items()
            self.fingerprints[level] = {
                start: fingerprint
                for start, fingerprint in fingerprints
                if start >= oldest or start in late
            }

    def invalidate(self, minute: int) -> None:
        """Mark everything that contains `minute`, which was rebuilt, as to be rebuilt too."""
        for level in LEVELS[1:]:
            period = containing(level, minute)
            if period.end <= self.watermark:
                self.invalidated.add(period)
        if minute < self.bases_until:
            self.invalidated.add(Period("base", containing("hour", minute).start))

    def invalidated_from(self, first: int, end: int | None) -> int | None:
        """Return from which of these minutes on summaries may lack events; None if none does."""
        starts = [
            max(first, start)
            for level, start in self.invalidated
            if (end is None or start < end)
            and (start if level == "base" else Period(level, start).end - 1) >= first
        ]
        return min(starts, default=None)

    def in_order(self) -> Sequence[Period]:
        """Return what is invalidated, with parts before what contains them."""
        return sorted(
            self.invalidated, key=lambda one: (_INVALIDATED_LEVELS.index(one.level), one.start)
        )

    def encode(self) -> str:
        """Encode the state as JSON."""
        by_level = {level: sorted(parts.items()) for level, parts in self.fingerprints.items()}
        pointers = [
            self.summarized_until,
            self.watermark,
            self.bases_until,
            self.earlier_bases_until,
            self.known_from,
        ]
        late = sorted(self.late.items())
        form = [STATE_VERSION, pointers, self.version, self.listed_ms]
        content = [*form, by_level, late, self.in_order()]
        return json.dumps(content, separators=(",", ":"))


def decode_state(value: str | None) -> CompactionState | None:
    """Decode a state; None if there is none or it has another version."""
    if value is None:
        return None
    try:
        form, pointers, version, listed_ms, fingerprints, late, invalidated = json.loads(value)
        if form != STATE_VERSION:
            return None
        summarized_until, watermark, bases, earlier_bases, known_from = map(int, pointers)
        return CompactionState(
            summarized_until,
            watermark,
            bases,
            earlier_bases,
            known_from,
            int(version),
            int(listed_ms),
            {level: dict(fingerprints[level]) for level in LEVELS},
            dict(late),
            {Period(level, start) for level, start in invalidated},
        )
    except (ValueError, TypeError, KeyError):
        return None


def rebuildable_from(now_minute: int) -> int:
    """Return the first minute of which no batch has expired."""
    return now_minute - constants.REBUILD_DAYS * MINUTES_PER_DAY


async def initial_state(store: KeyValueStore, now_minute: int, unsettled: int) -> CompactionState:
    """Return a state that starts after the newest summaries, or at the oldest batch, or now.

    Costs about fifty operations, or as many as there are days without traffic.

    Args:
        store: `USAGE_KV`.
        now_minute: The current minute.
        unsettled: From this minute on, batches may exist that are not listed yet.

    Raises:
        StoreUnavailable: KV failed.
    """
    found = await _from_summaries(store, now_minute)
    if found is None:
        start = min(containing("hour", unsettled).start, await _oldest_day(store, now_minute))
        found = CompactionState(summarized_until=start, watermark=start, known_from=start)
    return found


async def child_fingerprints(store: KeyValueStore, period: Period) -> Mapping[int, str]:
    """Return the fingerprints of all summaries that `period` consists of, by start."""
    return await _fingerprints(store, keys.summaries(period.child_level, *period), None)


async def _from_summaries(store: KeyValueStore, now_minute: int) -> CompactionState | None:
    """Rebuild the state from the summaries that KV lists; None if no hour was closed yet."""
    levels = LEVELS[1:]
    by_level = {
        level: await _fingerprints(store, keys.summaries(level), _NEWEST_SUMMARIES)
        for level in levels
    }
    if not by_level["hour"]:
        return None
    end = max(by_level["hour"]) + MINUTES_PER_HOUR
    # The last summaries before the state was lost may be missing or not listed yet.
    first = rebuildable_from(now_minute)
    settled = _closed_until(by_level, first, await _listed_until(store, by_level, first, end))
    minutes: Mapping[int, str] = {}
    if settled < first:
        # Compaction has not run for so long that the batches of these minutes have expired.
        minutes = await _fingerprints(store, keys.summaries("minute"), _NEWEST_SUMMARIES)
    state = CompactionState(
        summarized_until=settled, watermark=settled, known_from=settled, version=now_minute
    )
    for level, fingerprints in by_level.items():
        state.fingerprints[level] = {
            start: fingerprint
            for start, fingerprint in fingerprints.items()
            if Period(level, start).end <= settled
        }
    state.fingerprints["minute"] = {
        minute: fingerprint for minute, fingerprint in minutes.items() if minute >= settled
    }
    return state


async def _listed_until(
    store: KeyValueStore, by_level: Mapping[str, Mapping[int, str]], first: int, end: int
) -> int:
    """Return until when every hour and day with batches has a listed summary."""
    start = containing("day", first).start
    for day in range(start, end, MINUTES_PER_DAY):
        in_log = keys.usage_day(day // MINUTES_PER_DAY)
        if day in by_level["day"] or not await has_names(store, in_log):
            continue
        day_end = day + MINUTES_PER_DAY
        for hour in range(day, min(day_end, end), MINUTES_PER_HOUR):
            in_log = keys.usage_hour(hour // MINUTES_PER_HOUR)
            if hour not in by_level["hour"] and await has_names(store, in_log):
                return hour
        if day_end <= end:
            # Settling its last hour again closes the day.
            return day_end - MINUTES_PER_HOUR
    return end


def _closed_until(by_level: Mapping[str, Mapping[int, str]], first: int, end: int) -> int:
    """Return until when every month with days has a listed summary; its last hour closes it."""
    months = {containing("month", day) for day in by_level["day"]}
    unlisted = [month.end for month in months if month.start not in by_level["month"]]
    return min(
        [end, *(month_end - MINUTES_PER_HOUR for month_end in unlisted if first < month_end <= end)]
    )


async def _fingerprints(
    store: KeyValueStore, prefix: str, at_most: int | None
) -> Mapping[int, str]:
    """List summaries, newest first, and return the fingerprints in their metadata, by start."""
    found: dict[int, str] = {}
    cursor = None
    while True:
        page = await store.list_page(prefix, cursor)
        found |= _fingerprints_on(page)
        cursor = page.cursor
        if cursor is None or (at_most is not None and len(found) >= at_most):
            return found


def _fingerprints_on(page: KeyPage) -> Mapping[int, str]:
    found = {}
    for name, metadata in page.keys:
        with suppress(KeyMalformed):
            # A summary without a fingerprint matches none, so it is rebuilt.
            fingerprint = metadata.get("fingerprint") if isinstance(metadata, dict) else None
            found[keys.parse_summary(name)] = str(fingerprint)
    return found


async def _oldest_day(store: KeyValueStore, now_minute: int) -> int:
    """Return the first minute of the oldest batch's day; this minute if there are no batches.

    KV lists the newest batches first. So in a log of more than a page, this searches by year,
    month and day, which costs about fifty operations, once.
    """
    page = await store.list_names(keys.USAGE_PREFIX, None)
    if page.cursor is None:
        first = minute_of(datetime(constants.FIRST_YEAR, 1, 1, tzinfo=UTC))
        minutes = [minute for minute in by_minute(page.names) if minute >= first]
        return containing("day", min(minutes)).start if minutes else now_minute
    oldest: tuple[int, ...] = ()
    this_year = datetime.fromtimestamp(now_minute * 60, UTC).year
    for choices in (range(constants.FIRST_YEAR, this_year + 2), range(1, 13), range(1, 32)):
        for choice in choices:
            if await has_names(store, keys.usage_date(*oldest, choice)):
                oldest = (*oldest, choice)
                break
        else:
            return now_minute
    year, month, day = oldest
    return minute_of(datetime(year, month, day, tzinfo=UTC))

"""Finds out from listings what summaries there are, when nothing else tells.

Owns where compaction begins without progress: at the first of a log, or, when
progress was lost, behind the newest summaries, so that nothing is forgotten
that the log does not have any more. Refuses to read a summary: its key names
its period, and its metadata its fingerprint.
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
"""When a minute is looked at for the last time: 5 min for a writer's clock that is behind
and 5 for ours ahead, 5 in which a late writer does not leave a mark, 2 for the listing's
lag, and some to spare."""

WEEK_DAYS = 6
"""Days before today that the window `week` has."""

KEPT_MINUTES = {
    "minute": 3 * MINUTES_PER_HOUR,
    "hour": 2 * MINUTES_PER_DAY,
    "day": 40 * MINUTES_PER_DAY,
}
"""How long the tree remembers a level's fingerprints after they went into a larger period."""

PROGRESS_VERSION = 3
_STALE_LEVELS = (*LEVELS, "base")


@dataclass(slots=True)
class CompactionState:
    """How far compaction has come.

    Every minute before `made` has its summary unless it had no batches, and
    every one before `settled` for the last time. `bases` is the minute up to which
    there are bases, and `earlier_bases` that of those before them, for readers
    whom KV does not show the newest yet. `tree` has the fingerprint of
    each summary that is not yet part of a larger one, or still of use to
    readers, by level and start; of periods that start before `known_from` it may not
    know all children. `version` changes whenever bases are made. At `listed_ms` a run
    began that found in the summaries of all minutes up to `made` every batch that KV listed.

    `late` has, by minute, when the batches of minutes with marks were looked at
    the last time (`late.LateBatches`), and `stale` what is to be made again
    because of what was found then; among it a period of level `base` stands for
    all bases, and starts with an hour that they lack something of. Both go back
    with everything else when an older value is written over this one, and so
    does what they vouch for.
    """

    made: int = 0
    settled: int = 0
    bases: int = 0
    earlier_bases: int = 0
    known_from: int = 0
    version: int = 0
    listed_ms: int = 0
    tree: dict[str, dict[int, str]] = field(default_factory=lambda: {level: {} for level in LEVELS})
    late: dict[int, int] = field(default_factory=dict)
    stale: set[Period] = field(default_factory=set)

    def prune(self) -> None:
        """Forget what is part of something larger and of no more use to readers.

        What late batches belong to is kept: reads of what was written for them may
        still be out of date, and then only the tree knows of it.
        """
        for level, kept_minutes in KEPT_MINUTES.items():
            oldest = self.earlier_bases - kept_minutes
            late = {containing(level, minute).start for minute in self.late}
            marks = self.tree[level].items()
            self.tree[level] = {
                start: mark for start, mark in marks if start >= oldest or start in late
            }

    def outdate(self, minute: int) -> None:
        """Note that this minute was made again, so that what it is part of must be, too."""
        for level in LEVELS[1:]:
            period = containing(level, minute)
            if period.end <= self.settled:
                self.stale.add(period)
        if minute < self.bases:
            self.stale.add(Period("base", containing("hour", minute).start))

    def stale_from(self, first: int, end: int | None) -> int | None:
        """Tell from when on summaries within these minutes may lack something; None for never."""
        starts = [
            max(first, start)
            for level, start in self.stale
            if (end is None or start < end)
            and (start if level == "base" else Period(level, start).end - 1) >= first
        ]
        return min(starts, default=None)

    def in_order(self) -> Sequence[Period]:
        """Sort what is stale, so that parts come before what they are part of."""
        return sorted(self.stale, key=lambda one: (_STALE_LEVELS.index(one.level), one.start))

    def encode(self) -> str:
        """Write it as JSON."""
        tree = {level: sorted(parts.items()) for level, parts in self.tree.items()}
        pointers = [self.made, self.settled, self.bases, self.earlier_bases, self.known_from]
        late = sorted(self.late.items())
        form = [PROGRESS_VERSION, pointers, self.version, self.listed_ms]
        content = [*form, tree, late, self.in_order()]
        return json.dumps(content, separators=(",", ":"))


def decode_progress(value: str | None) -> CompactionState | None:
    """Read progress back; None when there is none or it is of another version."""
    if value is None:
        return None
    try:
        form, pointers, version, listed_ms, tree, late, stale = json.loads(value)
        if form != PROGRESS_VERSION:
            return None
        made, settled, bases, earlier_bases, known_from = map(int, pointers)
        return CompactionState(
            made,
            settled,
            bases,
            earlier_bases,
            known_from,
            int(version),
            int(listed_ms),
            {level: dict(tree[level]) for level in LEVELS},
            dict(late),
            {Period(level, start) for level, start in stale},
        )
    except (ValueError, TypeError, KeyError):
        return None


_NEWEST = constants.KV_LIST_KEYS_MAX
"""Summaries of a level that are looked for: hours of six weeks, days of three years, months
of eighty. More than `progress.KEPT_MINUTES`, and as many as one page may have."""


def rebuildable_from(now_minute: int) -> int:
    """Tell the first minute of which the log is sure to have every batch still."""
    return now_minute - constants.REBUILD_DAYS * MINUTES_PER_DAY


async def first_progress(store: KeyValueStore, now_minute: int, unsettled: int) -> CompactionState:
    """Begin where summaries end, at the oldest batch, or at this hour without any.

    Of the minutes from `unsettled` on, a batch may exist that is not listed
    yet. Costs some fifty operations, or as many as there are days without
    traffic. Raises `StoreUnavailable`.
    """
    found = await _from_summaries(store, now_minute)
    if found is None:
        start = min(containing("hour", unsettled).start, await _oldest_day(store, now_minute))
        found = CompactionState(made=start, settled=start, known_from=start)
    return found


async def marks_within(store: KeyValueStore, period: Period) -> Mapping[int, str]:
    """Find the fingerprints of all summaries of the level below `period`, by start."""
    return await _marks(store, keys.summaries(period.child_level, *period), None)


async def _from_summaries(store: KeyValueStore, now_minute: int) -> CompactionState | None:
    """Put together what progress must have known; None when no hour was closed yet."""
    levels = LEVELS[1:]
    tree = {level: await _marks(store, keys.summaries(level), _NEWEST) for level in levels}
    if not tree["hour"]:
        return None
    end = max(tree["hour"]) + MINUTES_PER_HOUR
    # What was being made just before progress was lost may be missing, or not be listed yet.
    first = rebuildable_from(now_minute)
    settled = _closed_until(tree, first, await _listed_until(store, tree, first, end))
    minutes: Mapping[int, str] = {}
    if settled < first:
        # Compaction has not run for so long that the log cannot give these again.
        minutes = await _marks(store, keys.summaries("minute"), _NEWEST)
    progress = CompactionState(
        made=settled, settled=settled, known_from=settled, version=now_minute
    )
    for level, marks in tree.items():
        progress.tree[level] = {
            start: mark for start, mark in marks.items() if Period(level, start).end <= settled
        }
    progress.tree["minute"] = {
        minute: mark for minute, mark in minutes.items() if minute >= settled
    }
    return progress


async def _listed_until(
    store: KeyValueStore, tree: Mapping[str, Mapping[int, str]], first: int, end: int
) -> int:
    """Find up to when each hour and day is listed that the log has batches of."""
    start = containing("day", first).start
    for day in range(start, end, MINUTES_PER_DAY):
        in_log = keys.usage_day(day // MINUTES_PER_DAY)
        if day in tree["day"] or not await has_names(store, in_log):
            continue
        day_end = day + MINUTES_PER_DAY
        for hour in range(day, min(day_end, end), MINUTES_PER_HOUR):
            in_log = keys.usage_hour(hour // MINUTES_PER_HOUR)
            if hour not in tree["hour"] and await has_names(store, in_log):
                return hour
        if day_end <= end:
            # Its last hour settles again, and closes it.
            return day_end - MINUTES_PER_HOUR
    return end


def _closed_until(tree: Mapping[str, Mapping[int, str]], first: int, end: int) -> int:
    """Find up to when each month is listed that has days; its last hour closes it again."""
    months = {containing("month", day) for day in tree["day"]}
    unlisted = [month.end for month in months if month.start not in tree["month"]]
    return min(
        [end, *(month_end - MINUTES_PER_HOUR for month_end in unlisted if first < month_end <= end)]
    )


async def _marks(store: KeyValueStore, prefix: str, at_most: int | None) -> Mapping[int, str]:
    """List summaries, the newest first, and take their fingerprints from the metadata."""
    found: dict[int, str] = {}
    cursor = None
    while True:
        page = await store.list_page(prefix, cursor)
        found |= _marks_on(page)
        cursor = page.cursor
        if cursor is None or (at_most is not None and len(found) >= at_most):
            return found


def _marks_on(page: KeyPage) -> Mapping[int, str]:
    found = {}
    for name, metadata in page.keys:
        with suppress(KeyMalformed):
            # Without its fingerprint no summary is what it should be, so it is made again.
            mark = metadata.get("fingerprint") if isinstance(metadata, dict) else None
            found[keys.parse_summary(name)] = str(mark)
    return found


async def _oldest_day(store: KeyValueStore, now_minute: int) -> int:
    """Find the first minute of the day of the oldest batch there is, or of this minute.

    KV lists the newest first, so in a log of more than a page the oldest is looked for
    by year, then month, then day: some fifty operations, once in its life.
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

"""Finds out from listings what summaries there are, when nothing else tells.

Owns where compaction begins without progress: at the first of a log, or, when
progress was lost, behind the newest summaries, so that nothing is forgotten
that the log does not have any more. Refuses to read a summary: its key names
its period, and its metadata its fingerprint.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

import keys
import limits
from batches import by_minute, has_names
from errors import KeyMalformed
from periods import MINUTES_PER_DAY, MINUTES_PER_HOUR, Period, containing
from ports import KeyPage, KeyValueStore
from progress import LEVELS, Progress

_NEWEST = limits.KV_LIST_KEYS_MAX
"""Summaries of a level that are looked for: hours of six weeks, days of three years, months
of eighty. More than `progress.KEPT_MINUTES`, and as many as one page may have."""


def rebuildable_from(now_minute: int) -> int:
    """Tell the first minute of which the log is sure to have every batch still."""
    return now_minute - limits.REBUILD_DAYS * MINUTES_PER_DAY


async def first_progress(store: KeyValueStore, now_minute: int, unsettled: int) -> Progress:
    """Begin where summaries end, at the oldest batch, or at this hour without any.

    Of the minutes from `unsettled` on, a batch may exist that is not listed
    yet. Costs some fifty operations, or as many as there are days without
    traffic. Raises `StoreUnavailable`.
    """
    found = await _from_summaries(store, now_minute)
    if found is None:
        start = min(containing("hour", unsettled).start, await _oldest_day(store, now_minute))
        found = Progress(made=start, settled=start, known_from=start)
    return found


async def marks_within(store: KeyValueStore, period: Period) -> Mapping[int, str]:
    """Find the fingerprints of all summaries of the level below `period`, by start."""
    return await _marks(store, keys.summaries(period.child_level, *period), None)


async def _from_summaries(store: KeyValueStore, now_minute: int) -> Progress | None:
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
    progress = Progress(made=settled, settled=settled, known_from=settled, version=now_minute)
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
        first = _minute_of(limits.FIRST_YEAR, 1, 1)
        minutes = [minute for minute in by_minute(page.names) if minute >= first]
        return containing("day", min(minutes)).start if minutes else now_minute
    oldest: tuple[int, ...] = ()
    this_year = datetime.fromtimestamp(now_minute * 60, UTC).year
    for choices in (range(limits.FIRST_YEAR, this_year + 2), range(1, 13), range(1, 32)):
        for choice in choices:
            if await has_names(store, keys.usage_date(*oldest, choice)):
                oldest = (*oldest, choice)
                break
        else:
            return now_minute
    year, month, day = oldest
    return _minute_of(year, month, day)


def _minute_of(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp()) // 60

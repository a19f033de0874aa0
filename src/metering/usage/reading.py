"""What a shard returns when a reader asks for usage in a range."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from core import keys
from core.errors import SegmentUnreadable
from core.kv_store import get_all
from core.ports import Json
from metering.log import Log
from metering.segments import Commit, decode_segment
from metering.sketches.callers import CallerSketch
from metering.usage.callers import SAMPLED_SEGMENTS, BusyCallers, spread
from metering.usage.ranges import TooManyRows, UsageRange, UsageReader, encode_rows

_NEWEST_COMMITS = 200
"""Commits that are not only in KV of which the callers are sampled."""

_SEGMENTS_OF_DAY_MAX = 10_000
"""Segments of a day from which some are chosen; one is written every ten seconds."""


async def read_usage(log: Log, wanted: UsageRange, *, is_set_wanted: bool) -> Json:
    """Read the usage of a shard, with pauses in which it serves other calls.

    Args:
        log: The log of the shard.
        wanted: The range.
        is_set_wanted: Whether the reader merges the callers of several shards.

    Returns:
        `dropped`: events that writers dropped. `missing`: days whose usage is not stored yet. And
        `rows` as of `encode_rows`, or, grouped by caller, `callers`, rows of `CallerCalls`,
        `fuzzyCalls` and `sampled`. Only `tooMany`, a sentence, if there are too many rows.

    Raises:
        StoreUnavailable: KV failed.
        SummaryUnreadable: A row is damaged.
    """
    reader = UsageReader(log.folder.usage, log.folder.all_parts(), wanted)
    try:
        reader.collect()
    except TooManyRows as error:
        return {"tooMany": str(error)}
    found = {
        "dropped": reader.dropped,
        "missing": sum(day in wanted.days for day in log.folder.usage_missing),
    }
    if wanted.group_by == "caller":
        return {**found, **await _busiest_callers(log, reader)}
    rows = []
    for row in reader.rows(is_set_wanted=is_set_wanted):
        if row is None:
            await log.clock.sleep_ms(0)
        else:
            rows.append(row)
    return {**found, "rows": encode_rows(rows)}


async def _busiest_callers(log: Log, reader: UsageReader) -> Json:
    busy = BusyCallers()
    for day, api_id, detail in reader.details():
        assert isinstance(detail.callers, CallerSketch)
        calls = sum(detail.hours.columns()[0])
        busy.add(reader.wanted.bucket(day), day, api_id, calls, detail.callers)
    if busy.fuzzy_days:
        busy.sample(islice(log.tables.commits(0, newest_first=True), _NEWEST_COMMITS))
        for commits in await _sampled_segments(log, sorted(busy.fuzzy_days)):
            busy.sample(commits)
    return {
        "callers": [[*one] for one in busy.busiest()],
        "fuzzyCalls": busy.fuzzy_calls,
        "sampled": busy.sampled,
    }


async def _sampled_segments(log: Log, days: Sequence[int]) -> Iterable[Sequence[Commit]]:
    """Read some segments with events of some UTC days; those that are unreadable are left out."""
    chosen = spread(days, SAMPLED_SEGMENTS)
    firsts = {
        first
        for day in chosen
        for first in spread(
            log.tables.segments_of(day, 0, _SEGMENTS_OF_DAY_MAX), SAMPLED_SEGMENTS // len(chosen)
        )
    }
    names = {keys.segment(log.number, first): first for first in sorted(firsts)}
    found = []
    for name, value in (await get_all(log.store, [*names])).items():
        try:
            found.append(decode_segment(value, log.number, names[name]))
        except SegmentUnreadable:
            continue
    return found

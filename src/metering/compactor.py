"""Compaction: makes summaries of minutes, hours, days and months, and bases of windows.

Owns what is made when, and how far it has come (`CompactionState`). Everything made
is a pure function of the level below, so it can be made twice, in two places,
or be interrupted anywhere, and comes out the same.

A minute is summarised when it is over, and again by each run that sees more of
its batches listed, for the last time when it has settled: listings lag behind
writes, and clocks differ. Only settled minutes go into
hours, hours into days, days into months. A base is everything of a window up
to an hour, so that a reader needs one value in place of hundreds. A batch
that is written later than that leaves a mark, and what it belongs to is made
again (`late`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from core import constants, keys
from core.calendar import MINUTE_MS, MINUTES_PER_DAY, MINUTES_PER_HOUR, Period
from core.errors import LogExpired, StoreUnavailable
from core.kv_store import BudgetedStore, BudgetSpent, all_names, has_names
from core.ports import KeyValueStore
from metering.batches import by_minute, minute_of
from metering.builder import CompactionReport, SummaryBuilder
from metering.invalidation import LateArrivals
from metering.state import (
    SETTLE_MINUTES,
    CompactionState,
    decode_progress,
    first_progress,
    rebuildable_from,
)

_LAG_MINUTES = 100
"""How late cron may be until what has not settled is a backlog, and not listed all at once."""


async def compact(store: KeyValueStore, now_ms: int, budget: int) -> CompactionReport:
    """Go on with compaction for at most about `budget` KV operations.

    Saves its progress whatever stops it. Raises `StoreUnavailable` only when
    not even that can be done.
    """
    counted = BudgetedStore(store, budget)
    value = (await store.get_many([keys.COMPACTION_STATE]))[keys.COMPACTION_STATE]
    now_minute = now_ms // MINUTE_MS
    progress = decode_progress(value) or await first_progress(
        store, now_minute, now_minute - SETTLE_MINUTES
    )
    maker = SummaryBuilder(counted, progress, rebuildable_from(now_minute))
    run = CompactionRun(maker, now_minute)
    try:
        await run.run()
        if run.listed is not None:
            progress.listed_ms = now_ms
        maker.report.done = True
    except BudgetSpent:
        pass
    except StoreUnavailable as error:
        maker.report.stopped_by = str(error)
    await _save(store, progress, value)
    await run.late.forget()
    maker.report.operations = counted.spent
    return maker.report


async def rebuild(
    store: KeyValueStore, now_ms: int, first: int, end: int, budget: int
) -> CompactionReport:
    """Make every summary of the minutes from `first` to before `end` again from the log.

    Also those of the closed periods around them, and the bases. The report
    names what came out differently, and is not `done` when `budget` KV
    operations were not enough. Minutes before `recovery.rebuildable_from` only
    gain batches that they lack; where one of them cannot be read, the report
    says what it was stopped by. Raises `StoreUnavailable`.
    """
    counted = BudgetedStore(store, budget)
    now_minute = now_ms // MINUTE_MS
    value = (await store.get_many([keys.COMPACTION_STATE]))[keys.COMPACTION_STATE]
    progress = decode_progress(value)
    if progress is None:
        progress = await first_progress(store, now_minute, now_minute - SETTLE_MINUTES)
    maker = SummaryBuilder(counted, progress, rebuildable_from(now_minute), compares=True)
    run = CompactionRun(maker, progress.made)
    try:
        await run.again(range(first, min(end, progress.made)))
        maker.report.done = True
    except BudgetSpent:
        pass
    except LogExpired as error:
        maker.report.stopped_by = str(error)
    except StoreUnavailable:
        await _save(store, progress, value)
        raise
    await _save(store, progress, value)
    maker.report.operations = counted.spent
    return maker.report


async def _save(store: KeyValueStore, progress: CompactionState, value: str | None) -> None:
    """Write progress unless it is what was read, `value`."""
    saved = progress.encode()
    if saved != value:
        await store.put(keys.COMPACTION_STATE, saved, {"settled": progress.settled})


@dataclass(slots=True)
class CompactionRun:
    """One run of compaction on one state of progress.

    `listed` has the batches of every minute that had not settled when it began, by minute;
    None when there are too many, and then each minute is listed by itself.
    """

    maker: SummaryBuilder
    now_minute: int
    listed: Mapping[int, Sequence[str]] | None = None
    late: LateArrivals = field(init=False)

    def __post_init__(self) -> None:
        self.late = LateArrivals(self.maker, self.now_minute)

    async def run(self) -> None:
        """Do all steps in order; each may be the last one that the budget allows."""
        progress = self.maker.progress
        await self.late.look()
        await self.maker.rebuild_invalidated()
        self.listed = await self._list_unsettled()
        while progress.settled + SETTLE_MINUTES < self.now_minute:
            await self._settle_some()
        while progress.made < self.now_minute:
            await self.maker.make_minute(progress.made, await self._names(progress.made))
            progress.made += 1
        if self.listed is not None:
            for minute in range(progress.settled, progress.made):
                await self._make_if_changed(minute, await self._names(minute))

    async def again(self, minutes: Iterable[int]) -> None:
        """Make the summaries of these minutes again, and all that they are part of."""
        for minute in minutes:
            await self.maker.make_minute(minute, await self.maker.names(minute))
            self.maker.progress.outdate(minute)
        await self.maker.rebuild_invalidated()

    async def _list_unsettled(self) -> Mapping[int, Sequence[str]] | None:
        """List the batches of every minute that has not settled; None if they are too many."""
        start = self.maker.progress.settled
        if start + SETTLE_MINUTES + _LAG_MINUTES < self.now_minute:
            return None
        names: list[str] = []
        cursor = None
        for _ in range(min(constants.COMPACTION_PAGES_MAX, self.maker.store.left // 2)):
            page = await self.maker.store.list_names(keys.USAGE_PREFIX, cursor)
            names += page.names
            cursor = page.cursor
            # A listing runs from the newest key to the oldest.
            oldest = minute_of(page.names[-1]) if page.names else None
            if cursor is None or (oldest is not None and oldest < start):
                return by_minute(names)
        return None

    async def _names(self, minute: int) -> Sequence[str]:
        """Give the batches of a minute, as they were listed last."""
        if self.listed is not None:
            return self.listed.get(minute, [])
        return await self.maker.names(minute)

    async def _make_if_changed(self, minute: int, names: Sequence[str]) -> None:
        if not self.maker.is_made_of(minute, names):
            await self.maker.make_minute(minute, names)

    async def _settle_some(self) -> None:
        """Look at the next minute, hour or empty day for the last time."""
        start = self.maker.progress.settled
        settled_end = self.now_minute - SETTLE_MINUTES
        is_listed = self.listed is not None
        if is_listed or start % MINUTES_PER_HOUR or start + MINUTES_PER_HOUR > settled_end:
            await self._settle(start, await self._names(start))
            return
        if start % MINUTES_PER_DAY == 0 and start + MINUTES_PER_DAY <= settled_end:
            day = keys.usage_day(start // MINUTES_PER_DAY)
            known = self.maker.progress.tree["minute"]
            is_known = any(start <= minute < start + MINUTES_PER_DAY for minute in known)
            if not is_known and not await has_names(self.maker.store, day):
                await self._skip(start + MINUTES_PER_DAY)
                return
        hour = keys.usage_hour(start // MINUTES_PER_HOUR)
        listed = by_minute(await all_names(self.maker.store, hour))
        for minute in range(start, start + MINUTES_PER_HOUR):
            await self._settle(minute, listed.get(minute, []))

    async def _skip(self, end: int) -> None:
        """Pass over an empty day, up to but not past its last minute, which closes it."""
        self.maker.progress.settled = end - 1
        await self._settle(end - 1, [])

    async def _settle(self, minute: int, names: Sequence[str]) -> None:
        """Look at a minute for the last time, and close what ends with it."""
        progress = self.maker.progress
        await self._make_if_changed(minute, names)
        if (minute + 1) % MINUTES_PER_HOUR == 0:
            await self._close(Period("minute", minute).parent, minute + 1)
            if minute + 1 + MINUTES_PER_HOUR + SETTLE_MINUTES > self.now_minute:
                # While there is a backlog, bases would be made for nobody.
                await self.maker.write_checkpoints(minute + 1)
                progress.earlier_bases, progress.bases = progress.bases, minute + 1
                progress.prune()
        progress.settled = minute + 1
        progress.made = max(progress.made, minute + 1)

    async def _close(self, period: Period | None, end: int) -> None:
        while period is not None and period.end == end:
            await self.maker.make_parent(period)
            period = period.parent

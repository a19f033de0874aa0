"""Compaction: makes summaries of minutes, hours, days and months, and bases of windows.

Owns what is made when, and how far it has come (`Progress`). Everything made
is a pure function of the level below, so it can be made twice, in two places,
or be interrupted anywhere, and comes out the same.

A minute is summarised when it is over, and once more when it has settled:
listings lag behind writes, and clocks differ. Only settled minutes go into
hours, hours into days, days into months. A base is everything of a window up
to an hour, so that a reader needs one value in place of hundreds. A batch
that is written later than that leaves a mark, and what it belongs to is made
again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import keys
from batches import BudgetSpent, CountedStore, has_names, list_names
from errors import KeyMalformed, LogExpired, StoreUnavailable
from maker import Maker, Report
from periods import MINUTES_PER_DAY, MINUTES_PER_HOUR, Period, containing
from ports import KeyValueStore
from progress import LEVELS, decode_progress
from recovery import first_progress, rebuildable_from

SETTLE_MINUTES = 20
"""When a minute is looked at for the last time: 5 min for a writer's clock that is behind
and 5 for ours ahead, 5 in which a late writer does not leave a mark, 2 for the listing's
lag, and some to spare."""

_MARK_MINUTES = 2 * SETTLE_MINUTES
"""When a mark without a batch is forgotten: its writer died between the two. Were it alive,
it would have written the batch within the minute, or another mark."""

_FORGOTTEN_MARKS_MAX = 200
"""Marks deleted by one run, so that with its budget it stays below Cloudflare's 1,000."""


async def compact(store: KeyValueStore, now_ms: int, budget: int) -> Report:
    """Go on with compaction for at most about `budget` KV operations.

    Saves its progress whatever stops it. Raises `StoreUnavailable` only when
    not even that can be done.
    """
    counted = CountedStore(store, budget)
    value = (await store.get_many([keys.PROGRESS]))[keys.PROGRESS]
    now_minute = now_ms // keys.MINUTE_MS
    progress = decode_progress(value) or await first_progress(
        store, now_minute, now_minute - SETTLE_MINUTES
    )
    maker = Maker(counted, progress, rebuildable_from(now_minute))
    run = _Run(maker, now_minute)
    try:
        await run.everything()
        maker.report.done = True
    except BudgetSpent:
        pass
    except StoreUnavailable as error:
        maker.report.stopped_by = str(error)
    saved = progress.encode()
    if saved != value:
        await store.put(keys.PROGRESS, saved, {"settled": progress.settled})
    await run.forget_marks()
    maker.report.operations = counted.spent
    return maker.report


async def rebuild(store: KeyValueStore, now_ms: int, first: int, end: int, budget: int) -> Report:
    """Make every summary of the minutes from `first` to before `end` again from the log.

    Also those of the closed periods around them, and the bases. The report
    names what came out differently, and is not `done` when `budget` KV
    operations were not enough. Minutes before `recovery.rebuildable_from` only
    gain batches that they lack; where one of them cannot be read, the report
    says what it was stopped by. Raises `StoreUnavailable`.
    """
    counted = CountedStore(store, budget)
    now_minute = now_ms // keys.MINUTE_MS
    progress = decode_progress((await store.get_many([keys.PROGRESS]))[keys.PROGRESS])
    if progress is None:
        progress = await first_progress(store, now_minute, now_minute - SETTLE_MINUTES)
    maker = Maker(counted, progress, rebuildable_from(now_minute), compares=True)
    run = _Run(maker, progress.made)
    try:
        await run.again(range(first, min(end, progress.made)))
        maker.report.done = True
    except BudgetSpent:
        pass
    except LogExpired as error:
        maker.report.stopped_by = str(error)
    finally:
        await store.put(keys.PROGRESS, progress.encode(), {"settled": progress.settled})
    maker.report.operations = counted.spent
    return maker.report


@dataclass(slots=True)
class _Run:
    """One run of compaction on one state of progress."""

    maker: Maker
    now_minute: int
    done_marks: list[str] = field(default_factory=list)

    async def forget_marks(self) -> None:
        """Delete marks that are done with, once the progress they led to is saved.

        Beyond the budget: when it was spent on late batches, they would be late for ever.
        """
        with suppress(StoreUnavailable):
            for mark in self.done_marks[:_FORGOTTEN_MARKS_MAX]:
                await self.maker.store.store.delete(mark)

    async def everything(self) -> None:
        progress = self.maker.progress
        await self._late()
        while progress.settled + SETTLE_MINUTES < self.now_minute:
            await self._settle_some()
        while progress.made < self.now_minute:
            await self.maker.make_minute(progress.made, await self.maker.names(progress.made))
            progress.made += 1

    async def again(self, minutes: Sequence[int]) -> None:
        """Make summaries again and compare each with what is stored."""
        for minute in minutes:
            await self.maker.make_minute(minute, await self.maker.names(minute))
        await self._above(minutes)

    async def _settle_some(self) -> None:
        """Look at the next minute, hour or empty day for the last time."""
        start = self.maker.progress.settled
        settled_end = self.now_minute - SETTLE_MINUTES
        if start % MINUTES_PER_HOUR or start + MINUTES_PER_HOUR > settled_end:
            await self._settle(start, await self.maker.names(start))
            return
        if start % MINUTES_PER_DAY == 0 and start + MINUTES_PER_DAY <= settled_end:
            day = keys.usage_day(start // MINUTES_PER_DAY)
            known = self.maker.progress.tree["minute"]
            is_known = any(start <= minute < start + MINUTES_PER_DAY for minute in known)
            if not is_known and not await has_names(self.maker.store, day):
                await self._skip(start + MINUTES_PER_DAY)
                return
        by_minute: dict[int, list[str]] = {}
        for name in await list_names(self.maker.store, keys.usage_hour(start // MINUTES_PER_HOUR)):
            by_minute.setdefault(keys.parse_usage_batch(name).minute, []).append(name)
        for minute in range(start, start + MINUTES_PER_HOUR):
            await self._settle(minute, by_minute.get(minute, []))

    async def _skip(self, end: int) -> None:
        """Pass over an empty day, up to but not past its last minute, which closes it."""
        self.maker.progress.settled = end - 1
        await self._settle(end - 1, [])

    async def _settle(self, minute: int, names: Sequence[str]) -> None:
        """Look at a minute for the last time, and close what ends with it."""
        progress = self.maker.progress
        await self.maker.make_minute(minute, names)
        if (minute + 1) % MINUTES_PER_HOUR == 0:
            await self._close(Period("minute", minute).parent, minute + 1)
            if minute + 1 + MINUTES_PER_HOUR + SETTLE_MINUTES > self.now_minute:
                # While there is a backlog, bases would be made for nobody.
                await self.maker.make_bases(minute + 1)
                progress.earlier_bases, progress.bases = progress.bases, minute + 1
                progress.prune()
        progress.settled = minute + 1
        progress.made = max(progress.made, minute + 1)

    async def _close(self, period: Period | None, end: int) -> None:
        while period is not None and period.end == end:
            await self.maker.make_parent(period)
            period = period.parent

    async def _late(self) -> None:
        """Make again what batches belong to that were written late."""
        found: dict[int, list[tuple[str, keys.LateMark]]] = {}
        for name in await list_names(self.maker.store, keys.LATE_PREFIX):
            try:
                mark = keys.parse_late(name)
                found.setdefault(mark.minute, []).append((name, mark))
            except KeyMalformed:
                self.done_marks.append(name)
        for minute, marks in found.items():
            names = frozenset(await self.maker.names(minute))
            # A mark stays until its batch is seen; the writer puts the mark first.
            seen = [name for name, mark in marks if mark.batch_key in names]
            if seen and minute < self.maker.progress.made:
                await self.maker.make_minute(minute, sorted(names))
                await self._above([minute])
            self.done_marks += seen
            self.done_marks += [
                name for name, mark in marks if self.now_minute - mark.written > _MARK_MINUTES
            ]

    async def _above(self, minutes: Iterable[int]) -> None:
        """Make again the closed periods that these minutes are in, then the bases."""
        for level in LEVELS[1:]:
            starts = {containing(level, minute).start for minute in minutes}
            for start in sorted(starts):
                period = Period(level, start)
                if period.end <= self.maker.progress.settled:
                    await self.maker.make_parent(period)
        if self.maker.progress.bases:
            await self.maker.make_bases(self.maker.progress.bases)

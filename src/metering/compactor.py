"""Compaction: builds summaries of minutes, hours, days and months, and bases of windows.

A summary is a pure function of the level below. So it can be built twice, in two places, or be
interrupted anywhere, with the same result.

A minute is summarized when it is over, and rebuilt when a listing shows more of its batches,
because listings lag behind writes and clocks differ, until it is settled. Hours consist of
settled minutes, days of hours, months of days. A base is everything of a window up to an hour,
so that a reader needs one value instead of hundreds. Batches that are written even later have a
late marker, and what contains them is rebuilt (`invalidation`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from core import constants, keys
from core.calendar import MINUTE_MS, MINUTES_PER_DAY, MINUTES_PER_HOUR, Period
from core.errors import LogExpired, StoreUnavailable
from core.kv_store import BudgetedStore, BudgetSpent, all_names, has_names
from core.ports import KeyValueStore
from metering.batches import batch_minute, by_minute
from metering.builder import CompactionReport, SummaryBuilder
from metering.invalidation import LateArrivals
from metering.state import (
    SETTLE_MINUTES,
    CompactionState,
    decode_state,
    initial_state,
    rebuildable_from,
)

_LAG_MINUTES = 100
"""If cron is later than this, unsettled minutes are a backlog and not listed all together."""


async def compact(store: KeyValueStore, now_ms: int, budget: int) -> CompactionReport:
    """Run compaction with about `budget` KV operations.

    The state is saved, no matter what stops the run. Raises `StoreUnavailable` only if reading or
    saving the state fails.
    """
    counted = BudgetedStore(store, budget)
    value = (await store.get_many([keys.COMPACTION_STATE]))[keys.COMPACTION_STATE]
    now_minute = now_ms // MINUTE_MS
    state = decode_state(value) or await initial_state(
        store, now_minute, now_minute - SETTLE_MINUTES
    )
    builder = SummaryBuilder(counted, state, rebuildable_from(now_minute))
    run = CompactionRun(builder, now_minute)
    try:
        await run.run()
        if run.listed is not None:
            state.listed_ms = now_ms
        builder.report.done = True
    except BudgetSpent:
        pass
    except StoreUnavailable as error:
        builder.report.stopped_by = str(error)
    await _save(store, state, value)
    await run.late.delete_processed()
    builder.report.operations = counted.spent
    return builder.report


async def rebuild(
    store: KeyValueStore, now_ms: int, first: int, end: int, budget: int
) -> CompactionReport:
    """Rebuild the summaries of the minutes from `first` to before `end` from the log.

    Also those of the closed periods that contain them, and the bases. Minutes before
    `state.rebuildable_from` only gain batches that they lack.

    Returns:
        The report. `changed` has what differs from before. `done` is False if `budget` KV
        operations were not enough, or if a damaged summary cannot be rebuilt because its batches
        may have expired; then `stopped_by` names it.

    Raises:
        StoreUnavailable: KV failed.
    """
    counted = BudgetedStore(store, budget)
    now_minute = now_ms // MINUTE_MS
    value = (await store.get_many([keys.COMPACTION_STATE]))[keys.COMPACTION_STATE]
    state = decode_state(value)
    if state is None:
        state = await initial_state(store, now_minute, now_minute - SETTLE_MINUTES)
    builder = SummaryBuilder(counted, state, rebuildable_from(now_minute), compares=True)
    run = CompactionRun(builder, state.summarized_until)
    try:
        await run.rebuild(range(first, min(end, state.summarized_until)))
        builder.report.done = True
    except BudgetSpent:
        pass
    except LogExpired as error:
        builder.report.stopped_by = str(error)
    except StoreUnavailable:
        await _save(store, state, value)
        raise
    await _save(store, state, value)
    builder.report.operations = counted.spent
    return builder.report


async def _save(store: KeyValueStore, state: CompactionState, value: str | None) -> None:
    """Write the state unless it equals the value that was read."""
    saved = state.encode()
    if saved != value:
        await store.put(keys.COMPACTION_STATE, saved, {"settled": state.watermark})


@dataclass(slots=True)
class CompactionRun:
    """One run of compaction.

    `listed` has the batches of every unsettled minute at the start, by minute. It is None if
    they are too many; then each minute is listed separately.
    """

    builder: SummaryBuilder
    now_minute: int
    listed: Mapping[int, Sequence[str]] | None = None
    late: LateArrivals = field(init=False)

    def __post_init__(self) -> None:
        self.late = LateArrivals(self.builder, self.now_minute)

    async def run(self) -> None:
        """Run all steps in order. Raises `BudgetSpent` at any of them, and `StoreUnavailable`."""
        state = self.builder.state
        await self.late.process()
        await self.builder.rebuild_invalidated()
        self.listed = await self._list_unsettled()
        while state.watermark + SETTLE_MINUTES < self.now_minute:
            await self._settle_some()
        while state.summarized_until < self.now_minute:
            await self.builder.build_minute(
                state.summarized_until, await self._names(state.summarized_until)
            )
            state.summarized_until += 1
        if self.listed is not None:
            for minute in range(state.watermark, state.summarized_until):
                await self._build_if_changed(minute, await self._names(minute))

    async def rebuild(self, minutes: Iterable[int]) -> None:
        """Rebuild the summaries of these minutes and everything that contains them."""
        for minute in minutes:
            await self.builder.build_minute(minute, await self.builder.names(minute))
            self.builder.state.invalidate(minute)
        await self.builder.rebuild_invalidated()

    async def _list_unsettled(self) -> Mapping[int, Sequence[str]] | None:
        """List the batches of every unsettled minute; None if they are too many."""
        start = self.builder.state.watermark
        if start + SETTLE_MINUTES + _LAG_MINUTES < self.now_minute:
            return None
        names: list[str] = []
        cursor = None
        for _ in range(min(constants.COMPACTION_PAGES_MAX, self.builder.store.left // 2)):
            page = await self.builder.store.list_names(keys.USAGE_PREFIX, cursor)
            names += page.names
            cursor = page.cursor
            # A listing runs from the newest key to the oldest.
            oldest = batch_minute(page.names[-1]) if page.names else None
            if cursor is None or (oldest is not None and oldest < start):
                return by_minute(names)
        return None

    async def _names(self, minute: int) -> Sequence[str]:
        """Return the batches of a minute."""
        if self.listed is not None:
            return self.listed.get(minute, [])
        return await self.builder.names(minute)

    async def _build_if_changed(self, minute: int, names: Sequence[str]) -> None:
        if not self.builder.is_made_of(minute, names):
            await self.builder.build_minute(minute, names)

    async def _settle_some(self) -> None:
        """Settle the next minute, hour or empty day."""
        start = self.builder.state.watermark
        settled_end = self.now_minute - SETTLE_MINUTES
        is_listed = self.listed is not None
        if is_listed or start % MINUTES_PER_HOUR or start + MINUTES_PER_HOUR > settled_end:
            await self._settle(start, await self._names(start))
            return
        if start % MINUTES_PER_DAY == 0 and start + MINUTES_PER_DAY <= settled_end:
            day = keys.usage_day(start // MINUTES_PER_DAY)
            known = self.builder.state.fingerprints["minute"]
            is_known = any(start <= minute < start + MINUTES_PER_DAY for minute in known)
            if not is_known and not await has_names(self.builder.store, day):
                await self._skip(start + MINUTES_PER_DAY)
                return
        hour = keys.usage_hour(start // MINUTES_PER_HOUR)
        listed = by_minute(await all_names(self.builder.store, hour))
        for minute in range(start, start + MINUTES_PER_HOUR):
            await self._settle(minute, listed.get(minute, []))

    async def _skip(self, end: int) -> None:
        """Skip an empty day, except its last minute, which closes the day."""
        self.builder.state.watermark = end - 1
        await self._settle(end - 1, [])

    async def _settle(self, minute: int, names: Sequence[str]) -> None:
        """Rebuild a minute a last time if needed, and build the periods that end with it."""
        state = self.builder.state
        await self._build_if_changed(minute, names)
        if (minute + 1) % MINUTES_PER_HOUR == 0:
            await self._close(Period("minute", minute).parent, minute + 1)
            if minute + 1 + MINUTES_PER_HOUR + SETTLE_MINUTES > self.now_minute:
                # During a backlog nothing reads the bases.
                await self.builder.write_bases(minute + 1)
                state.earlier_bases_until, state.bases_until = state.bases_until, minute + 1
                state.prune()
        state.watermark = minute + 1
        state.summarized_until = max(state.summarized_until, minute + 1)

    async def _close(self, period: Period | None, end: int) -> None:
        while period is not None and period.end == end:
            await self.builder.build_parent(period)
            period = period.parent

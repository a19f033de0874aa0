"""Makes single summaries and bases out of what lies below them.

Owns reading the parts of a summary, proving them, and making again those that
are not what they should be. Refuses to decide when: that is for `rollups`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from core import constants, keys
from core.calendar import MINUTES_PER_DAY, Period, containing
from core.errors import LogExpired, StoreUnavailable
from core.kv_store import BudgetedStore, all_names
from metering.batches import Unread, read_batches
from metering.previous_period import TOMORROWS_WEEK, put_previous_record, totals_of
from metering.state import KEPT_MINUTES, WEEK_DAYS, CompactionState, marks_within
from metering.summary import Summary, base_sources, fingerprint_of, get_summaries, put_summary
from metering.totals import Totals, callers_by_directory, sum_of

BASE_TTL_SECONDS = 3 * 86_400
"""Bases are for the current hours only; what they hold stays in the summaries."""

_PARTS_AT_ONCE = {"minute": 10, "hour": 4, "day": 2, "month": 1}
"""Summaries read together, by level; a large one is megabytes when APIs have many callers."""


@dataclass(slots=True)
class CompactionReport:
    """What one run of compaction did: keys made, and those that came out differently.

    `stopped_by` is why it ended early, unless that was its budget.
    """

    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    operations: int = 0
    done: bool = False
    stopped_by: str = ""


@dataclass(slots=True)
class _Sum:
    """What summaries come to together, and the batches that were set aside for them."""

    totals: Totals = field(default_factory=Totals)
    unreadable: list[str] = field(default_factory=list)

    def add(self, part: Summary) -> None:
        self.totals.merge(part.totals)
        self.unreadable += part.unreadable

    def copy(self) -> _Sum:
        return _Sum(sum_of([self.totals]), [*self.unreadable])


@dataclass(slots=True)
class SummaryBuilder:
    """Makes summaries, and keeps the tree of `progress` up to date with them.

    Of minutes before `rebuildable_from` batches may have expired. With
    `compares`, each summary is compared with what is stored before it is
    written. All methods raise `StoreUnavailable` and `BudgetSpent`.
    """

    store: BudgetedStore
    progress: CompactionState
    rebuildable_from: int
    report: CompactionReport = field(default_factory=CompactionReport)
    compares: bool = False

    async def names(self, minute: int) -> list[str]:
        """List the batches of a minute."""
        return await all_names(self.store, keys.usage_minute(minute))

    def is_made_of(self, minute: int, names: Sequence[str]) -> bool:
        """Tell whether progress knows the minute's summary as made of exactly these batches."""
        return self.progress.tree["minute"].get(minute) == fingerprint_of(_sources(names))

    async def make_minute(self, minute: int, names: Sequence[str]) -> Summary | None:
        """Make a minute's summary from its batches; None when it has none.

        When it is made again, also from those that it was made of before and
        that `names`, from a listing, does not show. Where batches may have
        expired, the stored summary only gains those that it lacks. Raises
        `LogExpired` when that one cannot be read.
        """
        period = Period("minute", minute)
        known = self.progress.tree["minute"].get(minute)
        if not names and known is None:
            return None
        if minute < self.rebuildable_from:
            stored = await self._kept(period)
            if stored is not None:
                return await self._add_to(stored, names)
        unlisted: Sequence[str] = ()
        if minute < self.progress.made and not self.is_made_of(minute, names):
            unlisted = await self._unlisted(period, names)
        totals, unread = Totals(), Unread()
        every = sorted([*names, *unlisted])
        await read_batches(self.store, every, lambda _, batch: totals.add(batch), unread)
        # What neither a listing nor a read shows any more is gone.
        gone = frozenset(unread.missing)
        for name in names:
            if name in gone:
                raise StoreUnavailable(f"listed, but not to be read yet: {name}")
        sources = _sources([name for name in every if name not in gone])
        return await self._put(Summary(period, sources, totals, _keys_in(unread)))

    async def _unlisted(self, period: Period, names: Sequence[str]) -> Sequence[str]:
        """Find the batches that a minute's stored summary has and a listing does not show."""
        stored = await self._stored(period)
        if stored is None:
            return ()
        prefix, listed = keys.usage_minute(period.start), frozenset(names)
        return [prefix + source for source in stored.sources if prefix + source not in listed]

    async def _kept(self, period: Period) -> Summary | None:
        """Read what cannot be made again; None when it is not there at all."""
        stored = await self._stored(period)
        key = keys.summary(*period)
        if stored is None and (await self.store.get_many([key]))[key] is not None:
            raise LogExpired(key, "it fails its own check")
        return stored

    async def _add_to(self, stored: Summary, names: Sequence[str]) -> Summary:
        """Add batches to a summary whose own may be gone, and keep all that it has."""
        made_of = frozenset(stored.sources)
        lacking = [name for name in names if keys.batch_name(name) not in made_of]
        unread = Unread()
        await read_batches(self.store, lacking, lambda _, batch: stored.totals.add(batch), unread)
        if unread.missing:
            raise StoreUnavailable(f"listed, but not to be read: {unread.missing[0]}")
        if not lacking:
            self.progress.tree["minute"][stored.period.start] = stored.fingerprint
            return stored
        sources = sorted([*stored.sources, *map(keys.batch_name, lacking)])
        unreadable = sorted([*stored.unreadable, *_keys_in(unread)])
        return await self._put(Summary(stored.period, sources, stored.totals, unreadable))

    async def make_parent(self, period: Period) -> Summary | None:
        """Make a summary from those of the level below; None when there are none."""
        children = await self._children(period)
        if not children:
            return None
        totals = Totals()
        unreadable: list[str] = []
        sources = []
        async for child in self._parts(period.child_level, children):
            totals.merge(child.totals)
            unreadable += child.unreadable
            sources.append(f"{child.period.start}:{child.fingerprint}")
        if period.level in ("day", "month"):
            totals.close_days(period.end // MINUTES_PER_DAY)
        return await self._put(Summary(period, sources, totals, unreadable))

    async def _put(self, summary: Summary) -> Summary:
        key = keys.summary(*summary.period)
        if self.compares and (await self._stored(summary.period)) != summary:
            self.report.changed.append(key)
        await put_summary(self.store, key, summary)
        level, start = summary.period
        self.progress.tree[level][start] = summary.fingerprint
        self.report.made.append(key)
        return summary

    async def _children(self, period: Period) -> Mapping[int, str]:
        """Find the fingerprints of what a period is made of, by start."""
        tree = self.progress.tree[period.child_level]
        known = {start: mark for start, mark in tree.items() if period.start <= start < period.end}
        oldest = self.progress.earlier_bases - KEPT_MINUTES[period.child_level]
        if period.start >= max(oldest, self.progress.known_from):
            return known
        # It was made long ago, and only what is stored tells of what.
        return {**await marks_within(self.store, period), **known}

    async def _parts(self, level: str, marks: Mapping[int, str]) -> AsyncIterator[Summary]:
        """Read summaries, a few at a time; make those again that are not what they should be."""
        starts = sorted(marks)
        step = _PARTS_AT_ONCE[level]
        for index in range(0, len(starts), step):
            periods = [Period(level, start) for start in starts[index : index + step]]
            wanted = {keys.summary(*period): period for period in periods}
            found = dict(await get_summaries(self.store, wanted))
            for key, period in wanted.items():
                summary = found.pop(key)
                if summary is None or summary.fingerprint != marks[period.start]:
                    summary = await self._made_again(period)
                yield summary

    async def _stored(self, period: Period) -> Summary | None:
        key = keys.summary(*period)
        return (await get_summaries(self.store, {key: period}))[key]

    async def _made_again(self, period: Period) -> Summary:
        if period.level == "minute":
            made = await self.make_minute(period.start, await self.names(period.start))
        else:
            made = await self.make_parent(period)
        if made is None:
            raise StoreUnavailable(f"the summary of {period} cannot be made yet")
        return made

    async def rebuild_invalidated(self) -> None:
        """Make again what `progress` says is stale, from the bottom up; the bases come last."""
        progress = self.progress
        for period in progress.in_order():
            if period.level != "base":
                await self.make_parent(period)
                progress.stale.discard(period)
        if progress.stale:
            await self.write_checkpoints(progress.bases)
            progress.stale.clear()

    async def write_checkpoints(self, end: int) -> None:
        """Make what readers start from: everything of a window up to the minute `end`."""
        tree = self.progress.tree
        sources = base_sources(self.progress.version + 1)
        today = containing("day", end - 1)
        month = containing("month", end - 1)
        total = _Sum()
        async for part in self._parts("hour", _within(tree["hour"], today.start, end)):
            total.add(part)
        await self._put_base(today.start, end, total, sources)
        previous = {"today": totals_of(total.totals)}
        week_start = today.start - WEEK_DAYS * MINUTES_PER_DAY
        first = min(week_start, month.start)
        ever = total.copy()
        last: Summary | None = None
        async for part in self._parts("day", _within(tree["day"], first, today.start)):
            if part.period.start >= month.start:
                ever.add(part)
            if part.period.start > week_start:
                total.add(part)
            elif part.period.start == week_start:
                last = part
        # Tomorrow's week starts a day later, and is wanted as soon as it is tomorrow.
        await self._put_base(week_start + MINUTES_PER_DAY, end, total, sources)
        previous[TOMORROWS_WEEK] = totals_of(total.totals)
        if last is not None:
            total.add(last)
        await self._put_base(week_start, end, total, sources)
        previous["week"] = totals_of(total.totals)
        async for part in self._parts("month", _within(tree["month"], 0, month.start)):
            ever.add(part)
        ever.totals.forget_days(today.start // MINUTES_PER_DAY - constants.TREND_DAYS + 1)
        await self._put_base(None, end, ever, sources)
        previous["overall"] = totals_of(ever.totals)
        await put_previous_record(self.store, end, previous)
        # Last: until all is written, readers go by the bases before.
        self.progress.version += 1

    async def _put_base(
        self, first: int | None, end: int, total: _Sum, sources: Sequence[str]
    ) -> None:
        # In order of their keys, so that the same parts give the same text.
        summary = Summary(
            Period("base", end),
            sources,
            total.totals,
            sorted(total.unreadable),
            callers_by_directory(total.totals),
        )
        await put_summary(self.store, keys.checkpoint(first, end), summary, BASE_TTL_SECONDS)


def _sources(names: Sequence[str]) -> Sequence[str]:
    return sorted(map(keys.batch_name, names))


def _keys_in(unread: Unread) -> list[str]:
    return sorted(problem.partition(": ")[0] for problem in unread.unreadable)


def _within(tree: Mapping[int, str], start: int, end: int) -> Mapping[int, str]:
    return {own: mark for own, mark in tree.items() if start <= own < end}

"""Builds single summaries and bases from their parts.

A part that is missing, or whose fingerprint is not the expected one, is rebuilt first. When to
build what is decided by `compactor`.
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
from metering.state import KEPT_MINUTES, WEEK_DAYS, CompactionState, child_fingerprints
from metering.summary import Summary, base_sources, fingerprint_of, get_summaries, put_summary
from metering.totals import Totals, callers_by_directory, sum_of

BASE_TTL_SECONDS = 3 * 86_400
"""Bases are read only in the hours after they were written."""

_PARTS_PER_READ = {"minute": 10, "hour": 4, "day": 2, "month": 1}
"""Summaries read together, by level; one may be megabytes if APIs have many callers."""


@dataclass(slots=True)
class CompactionReport:
    """What one run of compaction did.

    Attributes:
        made: The keys that were written.
        changed: Those whose value differs from before; only of a rebuild.
        operations: How many KV operations it used.
        done: Whether it finished.
        stopped_by: The error that stopped it, if any.
    """

    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    operations: int = 0
    done: bool = False
    stopped_by: str = ""


@dataclass(slots=True)
class _Sum:
    """The totals of several summaries, and their undecodable batches."""

    totals: Totals = field(default_factory=Totals)
    unreadable: list[str] = field(default_factory=list)

    def add(self, part: Summary) -> None:
        self.totals.merge(part.totals)
        self.unreadable += part.unreadable

    def copy(self) -> _Sum:
        return _Sum(sum_of([self.totals]), [*self.unreadable])


@dataclass(slots=True)
class SummaryBuilder:
    """Builds summaries, and keeps the fingerprints in `state` up to date.

    All methods raise `StoreUnavailable` and `BudgetSpent`.

    Args:
        store: `USAGE_KV`, with the budget of this run.
        state: The state of compaction.
        rebuildable_from: Batches of earlier minutes may have expired.
        report: Records what was written.
        compares: Whether to compare each summary with the stored one before writing it.
    """

    store: BudgetedStore
    state: CompactionState
    rebuildable_from: int
    report: CompactionReport = field(default_factory=CompactionReport)
    compares: bool = False

    async def names(self, minute: int) -> list[str]:
        """List the batches of a minute."""
        return await all_names(self.store, keys.usage_minute(minute))

    def is_made_of(self, minute: int, names: Sequence[str]) -> bool:
        """Return whether the minute's summary has exactly these batches."""
        return self.state.fingerprints["minute"].get(minute) == fingerprint_of(_sources(names))

    async def build_minute(self, minute: int, names: Sequence[str]) -> Summary | None:
        """Build a minute's summary from its batches.

        A summary that is rebuilt keeps the batches that it had and that the listing lacks. If
        batches may have expired, the stored summary only gains those that it lacks.

        Args:
            minute: The minute.
            names: The keys of its batches, from a listing.

        Returns:
            The summary; None if the minute has no batches.

        Raises:
            LogExpired: The stored summary is invalid, and batches may have expired.
        """
        period = Period("minute", minute)
        known = self.state.fingerprints["minute"].get(minute)
        if not names and known is None:
            return None
        if minute < self.rebuildable_from:
            stored = await self._kept(period)
            if stored is not None:
                return await self._add_to(stored, names)
        unlisted: Sequence[str] = ()
        if minute < self.state.summarized_until and not self.is_made_of(minute, names):
            unlisted = await self._unlisted(period, names)
        totals, unread = Totals(), Unread()
        every = sorted([*names, *unlisted])
        await read_batches(self.store, every, lambda _, batch: totals.add(batch), unread)
        # Batches that neither the listing nor a read shows no longer exist.
        gone = frozenset(unread.missing)
        for name in names:
            if name in gone:
                raise StoreUnavailable(f"listed, but not readable yet: {name}")
        sources = _sources([name for name in every if name not in gone])
        return await self._put(Summary(period, sources, totals, _keys_in(unread)))

    async def _unlisted(self, period: Period, names: Sequence[str]) -> Sequence[str]:
        """Return the batches that a minute's stored summary has and the listing lacks."""
        stored = await self._stored(period)
        if stored is None:
            return ()
        prefix, listed = keys.usage_minute(period.start), frozenset(names)
        return [prefix + source for source in stored.sources if prefix + source not in listed]

    async def _kept(self, period: Period) -> Summary | None:
        """Read a summary that cannot be rebuilt; None if there is none."""
        stored = await self._stored(period)
        key = keys.summary(*period)
        if stored is None and (await self.store.get_many([key]))[key] is not None:
            raise LogExpired(key, "its value is invalid")
        return stored

    async def _add_to(self, stored: Summary, names: Sequence[str]) -> Summary:
        """Add batches to a summary whose other batches may have expired."""
        made_of = frozenset(stored.sources)
        lacking = [name for name in names if keys.batch_name(name) not in made_of]
        unread = Unread()
        await read_batches(self.store, lacking, lambda _, batch: stored.totals.add(batch), unread)
        if unread.missing:
            raise StoreUnavailable(f"listed, but not readable: {unread.missing[0]}")
        if not lacking:
            self.state.fingerprints["minute"][stored.period.start] = stored.fingerprint
            return stored
        sources = sorted([*stored.sources, *map(keys.batch_name, lacking)])
        unreadable = sorted([*stored.unreadable, *_keys_in(unread)])
        return await self._put(Summary(stored.period, sources, stored.totals, unreadable))

    async def build_parent(self, period: Period) -> Summary | None:
        """Build a summary from those of the level below; None if there are none."""
        children = await self._parts_of(period)
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
        self.state.fingerprints[level][start] = summary.fingerprint
        self.report.made.append(key)
        return summary

    async def _parts_of(self, period: Period) -> Mapping[int, str]:
        """Return the fingerprints of the parts of a period, by start."""
        fingerprints = self.state.fingerprints[period.child_level]
        known = {
            start: fingerprint
            for start, fingerprint in fingerprints.items()
            if period.start <= start < period.end
        }
        oldest = self.state.earlier_bases_until - KEPT_MINUTES[period.child_level]
        if period.start >= max(oldest, self.state.known_from):
            return known
        # It was built long ago, so only the stored summaries show its parts.
        return {**await child_fingerprints(self.store, period), **known}

    async def _parts(self, level: str, fingerprints: Mapping[int, str]) -> AsyncIterator[Summary]:
        """Read summaries, a few at a time; rebuild those with another fingerprint."""
        starts = sorted(fingerprints)
        step = _PARTS_PER_READ[level]
        for index in range(0, len(starts), step):
            periods = [Period(level, start) for start in starts[index : index + step]]
            wanted = {keys.summary(*period): period for period in periods}
            found = dict(await get_summaries(self.store, wanted))
            for key, period in wanted.items():
                summary = found.pop(key)
                if summary is None or summary.fingerprint != fingerprints[period.start]:
                    summary = await self._rebuilt(period)
                yield summary

    async def _stored(self, period: Period) -> Summary | None:
        key = keys.summary(*period)
        return (await get_summaries(self.store, {key: period}))[key]

    async def _rebuilt(self, period: Period) -> Summary:
        if period.level == "minute":
            made = await self.build_minute(period.start, await self.names(period.start))
        else:
            made = await self.build_parent(period)
        if made is None:
            raise StoreUnavailable(f"the summary of {period} cannot be built yet")
        return made

    async def rebuild_invalidated(self) -> None:
        """Rebuild what is invalidated in `state`, parts first, the bases last."""
        state = self.state
        for period in state.in_order():
            if period.level != "base":
                await self.build_parent(period)
                state.invalidated.discard(period)
        if state.invalidated:
            await self.write_bases(state.bases_until)
            state.invalidated.clear()

    async def write_bases(self, end: int) -> None:
        """Write the bases: everything of each window up to the minute `end`."""
        by_level = self.state.fingerprints
        sources = base_sources(self.state.version + 1)
        today = containing("day", end - 1)
        month = containing("month", end - 1)
        total = _Sum()
        async for part in self._parts("hour", _within(by_level["hour"], today.start, end)):
            total.add(part)
        await self._write_base(today.start, end, total, sources)
        previous = {"today": totals_of(total.totals)}
        week_start = today.start - WEEK_DAYS * MINUTES_PER_DAY
        first = min(week_start, month.start)
        ever = total.copy()
        last: Summary | None = None
        async for part in self._parts("day", _within(by_level["day"], first, today.start)):
            if part.period.start >= month.start:
                ever.add(part)
            if part.period.start > week_start:
                total.add(part)
            elif part.period.start == week_start:
                last = part
        # Tomorrow's week starts a day later, and is read as soon as tomorrow begins.
        await self._write_base(week_start + MINUTES_PER_DAY, end, total, sources)
        previous[TOMORROWS_WEEK] = totals_of(total.totals)
        if last is not None:
            total.add(last)
        await self._write_base(week_start, end, total, sources)
        previous["week"] = totals_of(total.totals)
        async for part in self._parts("month", _within(by_level["month"], 0, month.start)):
            ever.add(part)
        ever.totals.forget_days(today.start // MINUTES_PER_DAY - constants.TREND_DAYS + 1)
        await self._write_base(None, end, ever, sources)
        previous["overall"] = totals_of(ever.totals)
        await put_previous_record(self.store, end, previous)
        # Last, because until all are written, readers use the earlier bases.
        self.state.version += 1

    async def _write_base(
        self, first: int | None, end: int, total: _Sum, sources: Sequence[str]
    ) -> None:
        # Sorted, so that equal bases have equal encodings.
        summary = Summary(
            Period("base", end),
            sources,
            total.totals,
            sorted(total.unreadable),
            callers_by_directory(total.totals),
        )
        await put_summary(self.store, keys.base(first, end), summary, BASE_TTL_SECONDS)


def _sources(names: Sequence[str]) -> Sequence[str]:
    return sorted(map(keys.batch_name, names))


def _keys_in(unread: Unread) -> list[str]:
    return sorted(problem.partition(": ")[0] for problem in unread.unreadable)


def _within(fingerprints: Mapping[int, str], start: int, end: int) -> Mapping[int, str]:
    return {one: fingerprint for one, fingerprint in fingerprints.items() if start <= one < end}

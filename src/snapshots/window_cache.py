"""What an isolate keeps of one window between reads, so that a read costs what has changed.

Owns the summaries of the last read, the row of every API made of them, the
callers of each category, and what the newest batches add to that. Everything
shown equals what a fold over the whole reading gives: new batches are added,
what changed is folded again, the rest is taken as it was. Memory is bounded by
the window's own summaries. Refuses to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core.calendar import Period
from metering.aggregate import Aggregate, merged
from metering.events import Batch
from metering.sketches.callers import CallerUnion
from metering.summary import Summary
from metering.totals import ApiId, Series, Totals
from snapshots.api_state import ApiState, SummaryRef, TailTotals
from snapshots.ranking import DirectoryRow, Row, TrendRange, api_row, directory_rows

_OPEN_MAX = 64
"""APIs that are kept unfolded, some tens of kilobytes each: those in the newest batches."""


class Shown(NamedTuple):
    """A window's rows in the order of their ranks, its categories, and what concerns them all.

    `callers` are all distinct ones, `dropped` events that writers had to drop.
    """

    rows: Sequence[Row]
    directories: Sequence[DirectoryRow]
    callers: int
    series: Series
    dropped: int


@dataclass(slots=True)
class _Live:
    """What the summaries and the newest batches come to together, which batches are added to.

    `apis` are some of those that the batches have, `directories` all categories.
    """

    callers: CallerUnion
    series: Series
    newest: TailTotals = field(default_factory=TailTotals)
    apis: dict[ApiId, Aggregate] = field(default_factory=dict)
    rows: dict[ApiId, Row] = field(default_factory=dict)
    directories: dict[str, CallerUnion] = field(default_factory=dict)
    has_moved: bool = False
    shown: Shown | None = None


@dataclass(slots=True)
class WindowCache:
    """One window, as it was when it was last read."""

    _summaries: Mapping[SummaryRef, Summary] = field(default_factory=dict)
    _apis: dict[ApiId, ApiState] = field(default_factory=dict)
    _directories: dict[str, CallerUnion] = field(default_factory=dict)
    _callers: CallerUnion = field(default_factory=CallerUnion)
    _open: dict[ApiId, Aggregate] = field(default_factory=dict)
    _span: TrendRange | None = None
    _live: _Live | None = None

    def kept(self, part: SummaryRef) -> Summary | None:
        """Find a summary of the last read, which need not be read again."""
        return self._summaries.get(part)

    def show(
        self,
        summaries: Mapping[SummaryRef, Summary],
        batches: Mapping[str, Batch],
        span: TrendRange,
    ) -> Shown:
        """Fold a reading, made of `summaries` and of `batches` by key, into what is shown.

        `summaries` become those that are kept. Trends show the periods of `span`.
        """
        if summaries.keys() != self._summaries.keys():
            self._turn_to(summaries)
            self._live = None
        if span != self._span:
            # Another hour or day has begun, so every trend goes on.
            self._span, self._live = span, None
            for standing in self._apis.values():
                standing.row = None
        if self._live is None or not self._live.newest.goes_on(batches):
            self._live = self._settled(span)
        return self._shown(self._live, self._live.newest.add(batches), span)

    def _settled(self, span: TrendRange) -> _Live:
        """Give what the summaries come to alone."""
        series = Series()
        for summary in self._summaries.values():
            series.merge(summary.figures.series)
        live = _Live(self._callers.copy(), series)
        for identity, standing in self._apis.items():
            live.rows[identity] = standing.row_in(identity, span)
        missing = {one.directory for one in self._apis.values()} - self._directories.keys()
        self._directories.update({name: CallerUnion() for name in missing})
        if missing:
            for standing in self._apis.values():
                if standing.directory in missing:
                    for part in standing.parts():
                        self._directories[standing.directory].add(part.callers)
        live.directories = dict(self._directories)
        return live

    def _shown(self, live: _Live, new: Totals, span: TrendRange) -> Shown:
        """Add new figures to the live ones, and show all."""
        if live.shown is not None and not new.apis and not new.dropped:
            return live.shown
        for identity, aggregate in new.apis.items():
            row = api_row(identity, self._with_new(live, identity, aggregate), span)
            before = live.rows.get(identity)
            # The newest batches may move an API to another category: add up all anew.
            live.has_moved |= before is not None and before.directory != row.directory
            live.rows[identity] = row
            if not live.has_moved:
                self._join(live, row.directory).add(aggregate.callers)
        live.callers.add(new.callers)
        live.series.merge(new.series)
        # A payment may be settled after the window in which its request was a call has ended.
        rows = [row for row in live.rows.values() if row.calls or row.revenue_micros]
        live.shown = Shown(
            sorted(rows, key=lambda row: row.order),
            directory_rows(rows, self._callers_anew(live) if live.has_moved else live.directories),
            live.callers.distinct(),
            live.series,
            live.newest.figures.dropped
            + sum(one.figures.dropped for one in self._summaries.values()),
        )
        return live.shown

    def _with_new(self, live: _Live, identity: ApiId, new: Aggregate) -> Aggregate:
        """Give an API's figures after those that are `new`."""
        known = live.apis.get(identity)
        if known is not None:
            known.merge(new)
            return known
        newest_part = live.newest.figures.apis[identity]
        standing = self._apis.get(identity)
        if standing is None:
            return newest_part
        found = merged([self._opened(identity, standing), newest_part])
        if len(live.apis) < _OPEN_MAX:
            live.apis[identity] = found
        return found

    def _join(self, live: _Live, directory: str) -> CallerUnion:
        """Give the callers of a category, to be added to."""
        found = live.directories.get(directory)
        if found is None or found is self._directories.get(directory):
            found = live.directories[directory] = CallerUnion() if found is None else found.copy()
        return found

    def _callers_anew(self, live: _Live) -> Mapping[str, CallerUnion]:
        found: dict[str, CallerUnion] = {}
        for identity, row in live.rows.items():
            union = found.setdefault(row.directory, CallerUnion())
            for part in self._apis[identity].parts() if identity in self._apis else ():
                union.add(part.callers)
            newest_part = live.newest.figures.apis.get(identity)
            if newest_part is not None:
                union.add(newest_part.callers)
        return found

    def _forget(self) -> None:
        self._summaries, self._apis, self._directories, self._open = {}, {}, {}, {}
        self._callers = CallerUnion()

    def _turn_to(self, summaries: Mapping[SummaryRef, Summary]) -> None:
        """Let the standings be those of `summaries`, and no others."""
        by_period = {summary.period: summary for summary in summaries.values()}
        gone = [part for part in self._summaries if part not in summaries]
        new = [part for part in summaries if part not in self._summaries]
        if any(summaries[part].period.level == "base" for part in new) or not all(
            _has_grown(self._summaries[part], by_period) for part in gone
        ):
            self._forget()
            gone, new = [], list(summaries)
        for part in gone:
            # What it had is in its successor too, so callers and descriptions stay.
            for identity in self._summaries[part].figures.apis:
                standing = self._apis[identity]
                del standing.others[part]
                standing.recent = standing.row = None
                self._open.pop(identity, None)
        for part in sorted(new, key=lambda part: summaries[part].period.level != "base"):
            summary = summaries[part]
            self._callers.add(summary.figures.callers)
            if summary.period.level == "base":
                self._start_from(summary)
            else:
                self._take(part, summary)
        self._summaries = summaries

    def _start_from(self, base: Summary) -> None:
        for identity, aggregate in base.figures.apis.items():
            self._apis[identity] = ApiState(aggregate, described_by=aggregate.described_by)
        for name, sketch in base.directories.items():
            self._directories[name] = CallerUnion()
            self._directories[name].add(sketch)

    def _take(self, part: SummaryRef, summary: Summary) -> None:
        for identity, aggregate in summary.figures.apis.items():
            standing = self._apis.get(identity)
            if standing is None:
                standing = self._apis[identity] = ApiState(described_by=aggregate.described_by)
            before = standing.directory
            standing.take(part, aggregate)
            self._open.pop(identity, None)
            if standing.directory == before:
                if before in self._directories:
                    self._directories[before].add(aggregate.callers)
            else:
                self._directories.pop(before, None)
                self._directories.pop(standing.directory, None)

    def _opened(self, identity: ApiId, standing: ApiState) -> Aggregate:
        """Give what the summaries have of an API as one aggregate, ready to be merged."""
        found = self._open.get(identity)
        if found is None:
            if len(self._open) >= _OPEN_MAX:
                self._open.clear()
            found = self._open[identity] = merged(standing.parts())
            found.callers.open()
        return found


def _has_grown(old: Summary, by_period: Mapping[Period, Summary]) -> bool:
    """Tell whether a summary has a successor that was made of the same batches and more."""
    successor = by_period.get(old.period)
    return (
        successor is not None
        and old.period.level == "minute"
        and set(old.sources) <= set(successor.sources)
    )

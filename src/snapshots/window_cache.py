"""Caches what an isolate has read of one window, so that a read only costs what has changed since.

The cache has the summaries of the last read, the row of each API, the callers of each category,
and the totals of the newest batches. New batches are added and changed summaries are merged
again. The result equals a merge of everything. Memory is bounded by the window's summaries.
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
from snapshots.ranking import ApiRow, DirectoryRow, TrendRange, api_row, directory_rows

_OPEN_APIS_MAX = 64
"""APIs of the newest batches that are kept decoded, some tens of kilobytes each."""


class Shown(NamedTuple):
    """A window's rows by rank, its categories, and the totals of all APIs.

    `callers` is the number of distinct callers, `dropped` that of events that writers dropped.
    """

    rows: Sequence[ApiRow]
    directories: Sequence[DirectoryRow]
    callers: int
    series: Series
    dropped: int


@dataclass(slots=True)
class _Live:
    """The totals of the summaries and the newest batches; more batches can be added.

    `apis` has some of the APIs in the batches, `directories` has all categories.
    """

    callers: CallerUnion
    series: Series
    newest: TailTotals = field(default_factory=TailTotals)
    apis: dict[ApiId, Aggregate] = field(default_factory=dict)
    rows: dict[ApiId, ApiRow] = field(default_factory=dict)
    directories: dict[str, CallerUnion] = field(default_factory=dict)
    has_moved: bool = False
    shown: Shown | None = None


@dataclass(slots=True)
class WindowCache:
    """One window as of its last read."""

    _summaries: Mapping[SummaryRef, Summary] = field(default_factory=dict)
    _apis: dict[ApiId, ApiState] = field(default_factory=dict)
    _directories: dict[str, CallerUnion] = field(default_factory=dict)
    _callers: CallerUnion = field(default_factory=CallerUnion)
    _open: dict[ApiId, Aggregate] = field(default_factory=dict)
    _trend: TrendRange | None = None
    _live: _Live | None = None

    def get(self, summary: SummaryRef) -> Summary | None:
        """Return a summary of the last read; None if it is not cached."""
        return self._summaries.get(summary)

    def show(
        self,
        summaries: Mapping[SummaryRef, Summary],
        batches: Mapping[str, Batch],
        trend: TrendRange,
    ) -> Shown:
        """Merge what was read of the window, and cache it.

        Args:
            summaries: The summaries of the window.
            batches: The batches by key that are in none of the summaries.
            trend: The periods of the APIs' trends.
        """
        if summaries.keys() != self._summaries.keys():
            self._replace_summaries(summaries)
            self._live = None
        if trend != self._trend:
            # Another hour or day has begun, so every trend has another period.
            self._trend, self._live = trend, None
            for state in self._apis.values():
                state.row = None
        if self._live is None or not self._live.newest.extends(batches):
            self._live = self._without_batches(trend)
        return self._shown(self._live, self._live.newest.add(batches), trend)

    def _without_batches(self, trend: TrendRange) -> _Live:
        """Return the totals of the summaries."""
        series = Series()
        for summary in self._summaries.values():
            series.merge(summary.totals.series)
        live = _Live(self._callers.copy(), series)
        for api_id, state in self._apis.items():
            live.rows[api_id] = state.row_of(api_id, trend)
        missing = {one.directory for one in self._apis.values()} - self._directories.keys()
        self._directories.update({name: CallerUnion() for name in missing})
        if missing:
            for state in self._apis.values():
                if state.directory in missing:
                    for part in state.parts():
                        self._directories[state.directory].add(part.callers)
        live.directories = dict(self._directories)
        return live

    def _shown(self, live: _Live, new: Totals, trend: TrendRange) -> Shown:
        """Add new totals to the live ones, and return what is shown."""
        if live.shown is not None and not new.apis and not new.dropped:
            return live.shown
        for api_id, aggregate in new.apis.items():
            row = api_row(api_id, self._with_new(live, api_id, aggregate), trend)
            before = live.rows.get(api_id)
            # The newest batches may move an API to another category: then count callers again.
            live.has_moved |= before is not None and before.directory != row.directory
            live.rows[api_id] = row
            if not live.has_moved:
                self._callers_of(live, row.directory).add(aggregate.callers)
        live.callers.add(new.callers)
        live.series.merge(new.series)
        # A payment may be settled in a later window than the one that has its call.
        rows = [row for row in live.rows.values() if row.calls or row.revenue_micros]
        live.shown = Shown(
            sorted(rows, key=lambda row: row.sort_key),
            directory_rows(
                rows, self._recounted_callers(live) if live.has_moved else live.directories
            ),
            live.callers.distinct(),
            live.series,
            live.newest.totals.dropped
            + sum(one.totals.dropped for one in self._summaries.values()),
        )
        return live.shown

    def _with_new(self, live: _Live, api_id: ApiId, new: Aggregate) -> Aggregate:
        """Return an API's aggregate, including `new`."""
        known = live.apis.get(api_id)
        if known is not None:
            known.merge(new)
            return known
        newest_part = live.newest.totals.apis[api_id]
        state = self._apis.get(api_id)
        if state is None:
            return newest_part
        found = merged([self._opened(api_id, state), newest_part])
        if len(live.apis) < _OPEN_APIS_MAX:
            live.apis[api_id] = found
        return found

    def _callers_of(self, live: _Live, directory: str) -> CallerUnion:
        """Return the callers of a category, to which new ones can be added."""
        found = live.directories.get(directory)
        if found is None or found is self._directories.get(directory):
            found = live.directories[directory] = CallerUnion() if found is None else found.copy()
        return found

    def _recounted_callers(self, live: _Live) -> Mapping[str, CallerUnion]:
        found: dict[str, CallerUnion] = {}
        for api_id, row in live.rows.items():
            union = found.setdefault(row.directory, CallerUnion())
            for part in self._apis[api_id].parts() if api_id in self._apis else ():
                union.add(part.callers)
            newest_part = live.newest.totals.apis.get(api_id)
            if newest_part is not None:
                union.add(newest_part.callers)
        return found

    def _clear(self) -> None:
        self._summaries, self._apis, self._directories, self._open = {}, {}, {}, {}
        self._callers = CallerUnion()

    def _replace_summaries(self, summaries: Mapping[SummaryRef, Summary]) -> None:
        """Change the cached summaries to `summaries`."""
        by_period = {summary.period: summary for summary in summaries.values()}
        gone = [part for part in self._summaries if part not in summaries]
        new = [part for part in summaries if part not in self._summaries]
        if any(summaries[part].period.level == "base" for part in new) or not all(
            _has_larger_successor(self._summaries[part], by_period) for part in gone
        ):
            self._clear()
            gone, new = [], list(summaries)
        for part in gone:
            # Its successor has the same batches and more, so callers and descriptions stay.
            for api_id in self._summaries[part].totals.apis:
                state = self._apis[api_id]
                del state.others[part]
                state.recent = state.row = None
                self._open.pop(api_id, None)
        for part in sorted(new, key=lambda part: summaries[part].period.level != "base"):
            summary = summaries[part]
            self._callers.add(summary.totals.callers)
            if summary.period.level == "base":
                self._add_base(summary)
            else:
                self._add_summary(part, summary)
        self._summaries = summaries

    def _add_base(self, base: Summary) -> None:
        for api_id, aggregate in base.totals.apis.items():
            self._apis[api_id] = ApiState(aggregate, described_by=aggregate.described_by)
        for name, sketch in base.directories.items():
            self._directories[name] = CallerUnion()
            self._directories[name].add(sketch)

    def _add_summary(self, part: SummaryRef, summary: Summary) -> None:
        for api_id, aggregate in summary.totals.apis.items():
            state = self._apis.get(api_id)
            if state is None:
                state = self._apis[api_id] = ApiState(described_by=aggregate.described_by)
            before = state.directory
            state.add(part, aggregate)
            self._open.pop(api_id, None)
            if state.directory == before:
                if before in self._directories:
                    self._directories[before].add(aggregate.callers)
            else:
                self._directories.pop(before, None)
                self._directories.pop(state.directory, None)

    def _opened(self, api_id: ApiId, state: ApiState) -> Aggregate:
        """Return the API's totals in the summaries as one aggregate, decoded for merging."""
        found = self._open.get(api_id)
        if found is None:
            if len(self._open) >= _OPEN_APIS_MAX:
                self._open.clear()
            found = self._open[api_id] = merged(state.parts())
            found.callers.open()
        return found


def _has_larger_successor(old: Summary, by_period: Mapping[Period, Summary]) -> bool:
    """Return whether a summary was replaced by one of the same batches and more."""
    successor = by_period.get(old.period)
    return (
        successor is not None
        and old.period.level == "minute"
        and set(old.sources) <= set(successor.sources)
    )

"""The totals of one window in one isolate: a read costs what has changed since the last one.

Open parts only grow and keep their APIs' aggregates until these change. So changed APIs are found
by comparing objects, and callers are only ever added to the unions. When a part or a base is
replaced, a few times a day, everything is computed again. The result always equals a merge of
everything.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core import constants
from core.calendar import HOURS_PER_DAY
from metering.aggregate import Aggregate
from metering.rollups import Rollup
from metering.sketches.sets import CallerSet
from metering.totals import ApiId, Series, Totals, directory_of
from snapshots.measures import TrendRange, measure, trend_calls
from snapshots.ranking import ApiRow, DirectoryRow, api_row, directory_rows
from snapshots.shard_reader import ReadPart
from snapshots.window_parts import PartId

_APIS_PER_STEP = 50
HoursByApi = Mapping[ApiId, Sequence[int]]
"""The calls of each API in the 24 hours of a day."""


class Shown(NamedTuple):
    """A window's rows by rank, its categories, and the totals of all APIs.

    Only the first `ALL_APIS_MAX` rows have all fields. `callers` is the number of distinct
    callers, `dropped` that of events that writers dropped.
    """

    rows: Sequence[ApiRow]
    directories: Sequence[DirectoryRow]
    callers: int
    series: Series
    dropped: int


@dataclass(slots=True)
class WindowTotals:
    """One window as of its last read."""

    _stored: Mapping[str, Rollup] = field(default_factory=dict)
    _fixed: Totals = field(default_factory=Totals)
    _parts: Mapping[PartId, ReadPart] = field(default_factory=dict)
    _closed: Mapping[PartId, HoursByApi] = field(default_factory=dict)
    _trend: TrendRange | None = None
    _rows: dict[ApiId, ApiRow] = field(default_factory=dict)
    _order: list[ApiId] = field(default_factory=list)
    _callers: CallerSet = field(default_factory=CallerSet)
    _directories: dict[str, CallerSet] = field(default_factory=dict)
    _shown: Shown | None = None

    def update_in_steps(
        self,
        stored: Mapping[str, Rollup],
        parts: Mapping[PartId, ReadPart],
        closed: Mapping[PartId, HoursByApi],
        trend: TrendRange,
    ) -> Iterator[bool]:
        """Update the totals to those of the window's parts, and pause after every 50 APIs.

        Args:
            stored: Its bases and roll-ups by key.
            parts: Its open parts.
            closed: For parts of days that a base has: the hours of the day's roll-up.
            trend: The periods of the APIs' trends.
        """
        is_same = stored.keys() == self._stored.keys() and parts.keys() == self._parts.keys()
        if not is_same or closed != self._closed:
            self._stored, self._parts, self._closed, self._trend = stored, parts, closed, trend
            yield from self._rebuild()
        else:
            self._update(parts, trend)

    def shown(self) -> Shown:
        """Return the totals as shown."""
        if self._shown is None:
            self._shown = self._rank()
        return self._shown

    def _rebuild(self) -> Iterator[bool]:
        self._fixed = _sum_of([rollup.totals for rollup in self._stored.values()])
        names = {name for apis in (self._fixed.apis, *_apis(self._parts)) for name in apis}
        self._rows, self._order, self._shown = {}, sorted(names), None
        for number, api_id in enumerate(self._order, start=1):
            self._rows[api_id] = self._row(api_id)
            if number % _APIS_PER_STEP == 0:
                yield True
        self._callers = CallerSet()
        self._callers.merge(self._fixed.callers)
        for part in self._parts.values():
            self._callers.merge(part.header.callers)
        self._count_directories()

    def _update(self, parts: Mapping[PartId, ReadPart], trend: TrendRange) -> None:
        """Add what has changed in the parts."""
        changed: dict[ApiId, list[Aggregate]] = {}
        for part_id, part in parts.items():
            known = self._parts[part_id]
            if part is known:
                continue
            self._shown = None
            self._callers.merge(part.header.callers)
            for api_id, aggregate in part.apis.items():
                if known.apis.get(api_id) is not aggregate:
                    changed.setdefault(api_id, []).append(aggregate)
        self._parts = parts
        if trend != self._trend:
            # Another hour or day has begun, so every trend has another period.
            self._trend, self._shown = trend, None
            for api_id in self._rows.keys() - changed.keys():
                self._rows[api_id] = self._row(api_id)
        self._add_changed(changed)

    def _add_changed(self, changed: Mapping[ApiId, Sequence[Aggregate]]) -> None:
        has_moved = False
        for api_id, aggregates in changed.items():
            before = self._rows.get(api_id)
            row = self._rows[api_id] = self._row(api_id)
            if before is None:
                self._order.append(api_id)
            elif before.directory != row.directory:
                has_moved = True
            for aggregate in aggregates:
                self._directories.setdefault(row.directory, CallerSet()).add_from(aggregate.callers)
        if has_moved:
            self._count_directories()

    def _row(self, api_id: ApiId, *, is_shown: bool | None = None) -> ApiRow:
        if is_shown is None:
            # Of more APIs, most are not shown, and their rows would take too much memory.
            is_shown = len(self._order) <= constants.ALL_APIS_MAX
        assert self._trend is not None
        found = [apis[api_id] for apis in (self._fixed.apis, *_apis(self._parts)) if api_id in apis]
        measures = measure(found, self._busiest_closed_hour_calls(api_id))
        return api_row(api_id, measures, trend_calls(found, self._trend) if is_shown else None)

    def _busiest_closed_hour_calls(self, api_id: ApiId) -> int:
        """Return the calls of the busiest hour of closed days with open parts."""
        found: dict[tuple[int, int], Sequence[int]] = {}
        for part_id, hours in self._closed.items():
            late = self._parts[part_id].apis.get(api_id)
            if late is not None and api_id in hours:
                day = part_id.name.day
                # A day may have several: late events, and those of each import.
                known = found.get((part_id.shard, day), hours[api_id])
                first = day * HOURS_PER_DAY
                own = late.calls_by_hour(first, first + HOURS_PER_DAY)
                found[part_id.shard, day] = [*map(operator.add, known, own)]
        return max(map(max, found.values()), default=0)

    def _count_directories(self) -> None:
        """Count the callers of each category again."""
        self._directories = {row.directory: CallerSet() for row in self._rows.values()}
        moved = self._moved_directories()
        for rollup in self._stored.values():
            for name in rollup.directories.keys() - moved:
                self._directories[name].merge(rollup.directories[name])
            is_base = bool(rollup.directories)
            self._add_callers(rollup.totals.apis, moved if is_base else self._directories)
        for apis in _apis(self._parts):
            self._add_callers(apis, self._directories)

    def _moved_directories(self) -> set[str]:
        """Return the categories that lost or gained APIs after a base counted their callers."""
        moved = set()
        for rollup in self._stored.values():
            for api_id, aggregate in rollup.totals.apis.items():
                own, shown = directory_of(aggregate.described_by), self._rows[api_id].directory
                if own != shown:
                    moved |= {own, shown}
        return moved

    def _add_callers(self, apis: Mapping[ApiId, Aggregate], directories: Collection[str]) -> None:
        """Add the callers of those APIs that are in some categories."""
        for api_id, aggregate in apis.items():
            name = self._rows[api_id].directory
            if name in directories:
                self._directories[name].add_from(aggregate.callers)

    def _rank(self) -> Shown:
        rows, limit = self._rows, constants.ALL_APIS_MAX
        # Mostly sorted already, because the order of the last read is kept.
        self._order.sort(key=lambda api_id: rows[api_id].sort_key)
        # A payment may be settled in a later window than the one that has its call.
        order = [api_id for api_id in self._order if not rows[api_id].is_empty]
        for api_id in order[:limit]:
            if rows[api_id].shown is None:
                rows[api_id] = self._row(api_id, is_shown=True)
        for api_id in order[limit:]:
            rows[api_id].forget_shown()
        series, headers = Series(), [part.header for part in self._parts.values()]
        for totals in (self._fixed, *headers):
            series.merge(totals.series)
        ranked = [rows[api_id] for api_id in order]
        return Shown(
            ranked,
            directory_rows(ranked, self._directories),
            self._callers.distinct(),
            series,
            sum(totals.dropped for totals in (self._fixed, *headers)),
        )


def _sum_of(totals: Sequence[Totals]) -> Totals:
    """Return the sum; the very object if there is only one."""
    if len(totals) == 1:
        return totals[0]
    found = Totals()
    for one in totals:
        found.merge(one)
    return found


def _apis(parts: Mapping[PartId, ReadPart]) -> Iterable[Mapping[ApiId, Aggregate]]:
    return [part.apis for part in parts.values()]

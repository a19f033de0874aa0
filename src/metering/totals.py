"""The totals of the whole marketplace over some time, by API and for all APIs together.

Like an `Aggregate`, they merge in any order and grouping, and equal ones have the same encoding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from core.calendar import HOUR_MS, HOURS_PER_DAY
from core.errors import SummaryUnreadable
from core.ports import Json
from metering.aggregate import Aggregate, Description
from metering.events import Batch, is_error
from metering.sketches.callers import CallerSketch

DEFAULT_DIRECTORY = "APIs"
"""The category of an API that is described without one."""


class ApiId(NamedTuple):
    """Identifies an API. A slug alone does not: it may pass from one tenant to another."""

    tenant_id: str
    slug: str


class Counts(NamedTuple):
    """The totals of all APIs in one hour or day."""

    calls: int
    errors: int
    revenue_micros: int


NO_COUNTS = Counts(0, 0, 0)


@dataclass(slots=True)
class Series:
    """Counts by hour since 1970 UTC, and by day for closed days; a day may have both.

    `add` and `merge` are associative and commutative, and `close_days` may come before or after
    them. An empty series is the identity. Its size is at most an entry for each closed day and 24
    for each open one.
    """

    hours: dict[int, Counts] = field(default_factory=dict)
    days: dict[int, Counts] = field(default_factory=dict)

    def add(self, at_ms: int, counts: Counts) -> None:
        """Add counts at the time `at_ms`, in milliseconds since 1970 UTC."""
        _add(self.hours, at_ms // HOUR_MS, counts)

    def merge(self, other: Series) -> None:
        """Add the counts of `other`."""
        for hour, counts in other.hours.items():
            _add(self.hours, hour, counts)
        for day, counts in other.days.items():
            _add(self.days, day, counts)

    def close_days(self, before_day: int) -> None:
        """Replace the hours of UTC days before `before_day` by the days."""
        for hour in [hour for hour in self.hours if hour // HOURS_PER_DAY < before_day]:
            _add(self.days, hour // HOURS_PER_DAY, self.hours.pop(hour))

    def by_day(self) -> Mapping[int, Counts]:
        """Return the counts of every UTC day, open or closed."""
        days = dict(self.days)
        for hour, counts in self.hours.items():
            _add(days, hour // HOURS_PER_DAY, counts)
        return days

    def encode(self) -> Json:
        """Encode the series as its hours and its days, each a list of rows in ascending order."""
        return [
            [[period, *counts[period]] for period in sorted(counts)]
            for counts in (self.hours, self.days)
        ]

    @staticmethod
    def decode(value: Json) -> Series:
        """Decode a series. Raises `SummaryUnreadable` for an invalid form."""
        match value:
            case [list(hours), list(days)]:
                return Series(_decode_counts(hours), _decode_counts(days))
            case _:
                raise SummaryUnreadable("the series has an invalid form")


@dataclass(slots=True)
class Totals:
    """Totals by API, and of all APIs together: `series` and `callers`.

    `dropped` is the number of events that writers dropped.
    """

    apis: dict[ApiId, Aggregate] = field(default_factory=dict)
    series: Series = field(default_factory=Series)
    callers: CallerSketch = field(default_factory=CallerSketch)
    dropped: int = 0

    def add(self, batch: Batch) -> None:
        """Add the events of a batch."""
        self.dropped += batch.dropped
        for event in batch.events:
            # A request for an API that does not exist belongs to no API's totals.
            if event.api is not None:
                self._aggregate(ApiId(event.api.tenant_id, event.api.slug)).add(event)
                failed = event.counted and is_error(event.status)
                counts = Counts(int(event.counted), int(failed), event.revenue_micros)
                self.series.add(event.at_ms, counts)
                if event.counted:
                    self.callers.add(event.caller)

    def merge(self, other: Totals) -> None:
        """Add the totals of `other`."""
        for api_id, aggregate in other.apis.items():
            self._aggregate(api_id).merge(aggregate)
        self.series.merge(other.series)
        self.callers.merge(other.callers)
        self.dropped += other.dropped

    def close_days(self, before_day: int) -> None:
        """Replace hours by days, see `Aggregate.close_days`."""
        self.series.close_days(before_day)
        for aggregate in self.apis.values():
            aggregate.close_days(before_day)

    def forget_days(self, before_day: int) -> None:
        """Drop the APIs' calls by day, see `Aggregate.forget_days`."""
        for aggregate in self.apis.values():
            aggregate.forget_days(before_day)

    def encode(self) -> tuple[Json, Iterator[Json]]:
        """Encode the totals: dropped, series and callers as a list, then each API in order."""
        apis = ([*api_id, self.apis[api_id].encode()] for api_id in sorted(self.apis))
        return [self.dropped, self.series.encode(), self.callers.encode()], apis

    @staticmethod
    def decode(value: Json, apis: dict[ApiId, Aggregate]) -> Totals:
        """Decode totals; for `apis` see `decode_apis`. Raises `SummaryUnreadable`."""
        match value:
            case [int(dropped), series, callers] if dropped >= 0:
                return Totals(apis, Series.decode(series), CallerSketch.decode(callers), dropped)
            case _:
                raise SummaryUnreadable("the totals have an invalid form")

    def _aggregate(self, api_id: ApiId) -> Aggregate:
        aggregate = self.apis.get(api_id)
        if aggregate is None:
            aggregate = self.apis[api_id] = Aggregate()
        return aggregate


def sum_of(parts: Iterable[Totals]) -> Totals:
    """Return new totals with everything in `parts`."""
    result = Totals()
    for part in parts:
        result.merge(part)
    return result


def directory_of(description: Description | None) -> str:
    """Return the category of an API with this description; `APIs` if it has none."""
    return (description[1].directory if description else "") or DEFAULT_DIRECTORY


def callers_by_directory(totals: Totals) -> Mapping[str, CallerSketch]:
    """Return the callers of each category, by the newest descriptions of the APIs."""
    found: dict[str, CallerSketch] = {}
    for aggregate in totals.apis.values():
        name = directory_of(aggregate.described_by)
        found.setdefault(name, CallerSketch()).merge(aggregate.callers)
    return found


def decode_apis(rows: Json) -> dict[ApiId, Aggregate]:
    """Decode the APIs that `Totals.encode` wrote. Raises `SummaryUnreadable`."""
    if not isinstance(rows, list):
        raise SummaryUnreadable("the APIs of the totals have an invalid form")
    return dict(map(_decode_api, rows))


def _decode_api(row: Json) -> tuple[ApiId, Aggregate]:
    match row:
        case [str(tenant_id), str(slug), aggregate]:
            return ApiId(tenant_id, slug), Aggregate.decode(aggregate)
        case _:
            raise SummaryUnreadable("an API of the totals has an invalid form")


def _add(periods: dict[int, Counts], period: int, counts: Counts) -> None:
    known = periods.get(period)
    if known is not None:
        counts = Counts(
            known.calls + counts.calls,
            known.errors + counts.errors,
            known.revenue_micros + counts.revenue_micros,
        )
    periods[period] = counts


def _decode_counts(rows: list[Json]) -> dict[int, Counts]:
    periods: dict[int, Counts] = {}
    previous = -1
    for row in rows:
        match row:
            case [period, calls, errors, revenue] if (
                set(map(type, row)) == {int}
                and period > previous
                and min(row) >= 0
                and errors <= calls
            ):
                periods[period] = Counts(calls, errors, revenue)
                previous = period
            case _:
                raise SummaryUnreadable(f"the series has the invalid row {row!r}")
    return periods

"""The figures of the whole marketplace over some span of time.

Owns adding up by API and for all APIs together. Like `Aggregate`, `Totals`
merge in any order and grouping, and equal ones are written alike. Refuses to
know which span it is.
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


class Counts(NamedTuple):
    """What happened in one hour or day."""

    calls: int
    errors: int
    revenue_micros: int


NOTHING = Counts(0, 0, 0)
"""The totals of a time when nothing happened."""


@dataclass(slots=True)
class Series:
    """Totals by hour of open days and by closed day; a day may have some of both.

    `add` and `merge` are associative and commutative, `close_days` may come
    before or after either, and an empty series is the identity. Its size is
    bounded by the number of closed days and 24 times that of open ones.
    """

    hours: dict[int, Counts] = field(default_factory=dict)
    days: dict[int, Counts] = field(default_factory=dict)

    def add(self, at_ms: int, totals: Counts) -> None:
        """Count what happened at `at_ms`, in milliseconds since 1970 UTC."""
        _add(self.hours, at_ms // HOUR_MS, totals)

    def merge(self, other: Series) -> None:
        """Count everything that `other` has counted."""
        for hour, totals in other.hours.items():
            _add(self.hours, hour, totals)
        for day, totals in other.days.items():
            _add(self.days, day, totals)

    def close_days(self, before_day: int) -> None:
        """Keep the UTC days before `before_day` as days alone."""
        for hour in [hour for hour in self.hours if hour // HOURS_PER_DAY < before_day]:
            _add(self.days, hour // HOURS_PER_DAY, self.hours.pop(hour))

    def by_day(self) -> Mapping[int, Counts]:
        """Give the totals of every day, open or closed."""
        days = dict(self.days)
        for hour, totals in self.hours.items():
            _add(days, hour // HOURS_PER_DAY, totals)
        return days

    def encode(self) -> Json:
        """Write the series as its hours and its days, each a list of rows in ascending order."""
        return [
            [[period, *totals[period]] for period in sorted(totals)]
            for totals in (self.hours, self.days)
        ]

    @staticmethod
    def decode(value: Json) -> Series:
        """Read a series back. Raises `SummaryUnreadable` for what `encode` does not write."""
        match value:
            case [list(hours), list(days)]:
                return Series(_decode(hours), _decode(days))
            case _:
                raise SummaryUnreadable("its series is of another form")


def _add(periods: dict[int, Counts], period: int, more: Counts) -> None:
    known = periods.get(period)
    if known is not None:
        more = Counts(
            known.calls + more.calls,
            known.errors + more.errors,
            known.revenue_micros + more.revenue_micros,
        )
    periods[period] = more


def _decode(rows: list[Json]) -> dict[int, Counts]:
    periods: dict[int, Counts] = {}
    before = -1
    for row in rows:
        match row:
            case [period, calls, errors, revenue] if (
                set(map(type, row)) == {int}
                and period > before
                and min(row) >= 0
                and errors <= calls
            ):
                periods[period] = Counts(calls, errors, revenue)
                before = period
            case _:
                raise SummaryUnreadable(f"its series has the row {row!r}")
    return periods


DEFAULT_DIRECTORY = "APIs"
"""The category of an API that is described without one."""


class ApiId(NamedTuple):
    """What tells one API from another: a slug belongs to a tenant only for a time."""

    tenant_id: str
    slug: str


@dataclass(slots=True)
class Totals:
    """Figures by API, and what concerns them all.

    `series` and `callers` are of all APIs together. `dropped` is how many
    events the writers had to drop.
    """

    apis: dict[ApiId, Aggregate] = field(default_factory=dict)
    series: Series = field(default_factory=Series)
    callers: CallerSketch = field(default_factory=CallerSketch)
    dropped: int = 0

    def add(self, batch: Batch) -> None:
        """Count the events of one batch."""
        self.dropped += batch.dropped
        for event in batch.events:
            # A request for an API that does not exist has no API's figures to go into.
            if event.api is not None:
                self._of(ApiId(event.api.tenant_id, event.api.slug)).add(event)
                failed = event.counted and is_error(event.status)
                totals = Counts(int(event.counted), int(failed), event.revenue_micros)
                self.series.add(event.at_ms, totals)
                if event.counted:
                    self.callers.add(event.caller)

    def merge(self, other: Totals) -> None:
        """Count everything that `other` has counted."""
        for identity, aggregate in other.apis.items():
            self._of(identity).merge(aggregate)
        self.series.merge(other.series)
        self.callers.merge(other.callers)
        self.dropped += other.dropped

    def close_days(self, before_day: int) -> None:
        """Forget the hours of whole days, as `Aggregate.close_days` does."""
        self.series.close_days(before_day)
        for aggregate in self.apis.values():
            aggregate.close_days(before_day)

    def forget_days(self, before_day: int) -> None:
        """Drop single APIs' calls by day, as `Aggregate.forget_days` does."""
        for aggregate in self.apis.values():
            aggregate.forget_days(before_day)

    def encode(self) -> tuple[Json, Iterator[Json]]:
        """Write the figures: what concerns all APIs as a list by position, then each API, in order.

        The list is dropped, series, callers.
        """
        apis = ([*identity, self.apis[identity].encode()] for identity in sorted(self.apis))
        return [self.dropped, self.series.encode(), self.callers.encode()], apis

    @staticmethod
    def decode(value: Json, apis: dict[ApiId, Aggregate]) -> Totals:
        """Read figures back. Raises `SummaryUnreadable` for what `encode` does not write."""
        match value:
            case [int(dropped), series, callers] if dropped >= 0:
                return Totals(apis, Series.decode(series), CallerSketch.decode(callers), dropped)
            case _:
                raise SummaryUnreadable("its figures are of another form")

    def _of(self, identity: ApiId) -> Aggregate:
        aggregate = self.apis.get(identity)
        if aggregate is None:
            aggregate = self.apis[identity] = Aggregate()
        return aggregate


def sum_of(parts: Iterable[Totals]) -> Totals:
    """Merge any number of figures into new ones."""
    result = Totals()
    for part in parts:
        result.merge(part)
    return result


def directory_of(description: Description | None) -> str:
    """Name the category of an API that was described so; `APIs` if it has none."""
    return (description[1].directory if description else "") or DEFAULT_DIRECTORY


def callers_by_directory(figures: Totals) -> Mapping[str, CallerSketch]:
    """Find the callers of each category, as its APIs were described last."""
    found: dict[str, CallerSketch] = {}
    for aggregate in figures.apis.values():
        name = directory_of(aggregate.described_by)
        found.setdefault(name, CallerSketch()).merge(aggregate.callers)
    return found


def decode_apis(rows: Json) -> dict[ApiId, Aggregate]:
    """Read APIs back. Raises `SummaryUnreadable` for what `Totals.encode` does not write."""
    if not isinstance(rows, list):
        raise SummaryUnreadable("the APIs of its figures are of another form")
    return dict(map(_decode_api, rows))


def _decode_api(row: Json) -> tuple[ApiId, Aggregate]:
    match row:
        case [str(tenant_id), str(slug), aggregate]:
            return ApiId(tenant_id, slug), Aggregate.decode(aggregate)
        case _:
            raise SummaryUnreadable("an API of its figures is of another form")

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
from metering.events import Api, UsageEvent, is_error
from metering.sketches.periods import Periods
from metering.sketches.sets import CallerSet

DEFAULT_DIRECTORY = "APIs"
"""The category of an API that is described without one."""

_APIS_PER_STEP = 50


class ApiId(NamedTuple):
    """Identifies an API. A slug alone does not: it may pass from one tenant to another."""

    tenant_id: str
    slug: str


@dataclass(slots=True)
class Series:
    """Counts by hour since 1970 UTC, and by day for closed days; a day may have both.

    `merge` is associative and commutative, and `close_days` may come before or after it. An empty
    series is the identity. Its size is at most an entry for each closed day and 24
    for each open one.
    """

    hours: Periods = field(default_factory=Periods)
    days: Periods = field(default_factory=Periods)

    def merge(self, other: Series) -> None:
        """Add the counts of `other`."""
        self.hours.merge(other.hours)
        self.days.merge(other.days)

    def close_days(self, before_day: int) -> None:
        """Replace the hours of UTC days before `before_day` by the days."""
        for hour, counts in self.hours.pop_before(before_day * HOURS_PER_DAY):
            self.days.add(hour // HOURS_PER_DAY, *counts)

    def by_day(self) -> Periods:
        """Return the counts of every UTC day, open or closed."""
        days = Periods()
        days.merge(self.days)
        for hour, counts in self.hours.items():
            days.add(hour // HOURS_PER_DAY, *counts)
        return days

    def encode(self) -> Json:
        """Encode the series as its hours and its days."""
        return [self.hours.encode(), self.days.encode()]

    @staticmethod
    def decode(value: Json) -> Series:
        """Decode a series. Raises `SummaryUnreadable` for an invalid form."""
        match value:
            case [hours, days]:
                return Series(Periods.decode(hours), Periods.decode(days))
            case _:
                raise SummaryUnreadable("the series has an invalid form")


@dataclass(slots=True)
class Totals:
    """Totals by API, and of all APIs together: `series` and `callers`.

    `dropped` is the number of events that writers dropped.
    """

    apis: dict[ApiId, Aggregate] = field(default_factory=dict)
    series: Series = field(default_factory=Series)
    callers: CallerSet = field(default_factory=CallerSet)
    dropped: int = 0

    def add_all(self, events: Iterable[UsageEvent]) -> Iterable[ApiId]:
        """Add events; return their APIs. Events without an API add nothing."""
        found: dict[Api, tuple[ApiId, Aggregate]] = {}
        callers: set[str] = set()
        hours: dict[int, list[int]] = {}
        for event in events:
            _, at_ms, api, _, status, latency_ms, name, outcome, counted, micros, _ = event
            if api is None:
                continue
            known = found.get(api)
            if known is None:
                api_id = ApiId(api.tenant_id, api.slug)
                known = found[api] = api_id, self._aggregate(api_id)
            known[1].add(event)
            hour = at_ms // HOUR_MS
            if counted:
                callers.add(name)
                counts = hours.get(hour) or hours.setdefault(hour, [0, 0, 0, 0, 0])
                counts[0] += 1
                counts[1] += is_error(status, outcome)
                counts[2] += micros
                if latency_ms > 0:
                    counts[3] += 1
                    counts[4] += latency_ms
            elif micros:
                hours.setdefault(hour, [0, 0, 0, 0, 0])[2] += micros
        for hour, counts in hours.items():
            self.series.hours.add(hour, *counts)
        self.callers.add_all(callers)
        return [api_id for api_id, _ in found.values()]

    def merge(self, other: Totals) -> None:
        """Add the totals of `other`."""
        for _ in self.merge_in_steps(other):
            pass

    def merge_in_steps(self, other: Totals) -> Iterator[None]:
        """Add the totals of `other`, and pause after every 50 APIs.

        Until it ends, these totals are incomplete, and neither may change otherwise.
        """
        for number, (api_id, aggregate) in enumerate(other.apis.items(), start=1):
            mine = self._aggregate(api_id)
            mine.merge(aggregate)
            mine.pack()
            if number % _APIS_PER_STEP == 0:
                yield
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
        """Encode the totals: the header, then each API in order."""
        apis = ([*api_id, self.apis[api_id].encode()] for api_id in sorted(self.apis))
        return self.encode_header(), apis

    def encode_header(self) -> Json:
        """Encode what concerns all APIs: dropped, series and callers, as a list."""
        return [self.dropped, self.series.encode(), self.callers.encode()]

    @staticmethod
    def decode(value: Json, apis: dict[ApiId, Aggregate]) -> Totals:
        """Decode totals; for `apis` see `decode_apis`. Raises `SummaryUnreadable`."""
        match value:
            case [int(dropped), series, callers] if dropped >= 0:
                return Totals(apis, Series.decode(series), CallerSet.decode(callers), dropped)
            case _:
                raise SummaryUnreadable("the totals have an invalid form")

    def _aggregate(self, api_id: ApiId) -> Aggregate:
        aggregate = self.apis.get(api_id)
        if aggregate is None:
            aggregate = self.apis[api_id] = Aggregate()
        return aggregate


def directory_of(description: Description | None) -> str:
    """Return the category of an API with this description; `APIs` if it has none."""
    return (description[1].directory if description else "") or DEFAULT_DIRECTORY


def callers_by_directory(totals: Totals) -> Mapping[str, CallerSet]:
    """Return the callers of each category, by the newest descriptions of the APIs."""
    found: dict[str, CallerSet] = {}
    for aggregate in totals.apis.values():
        name = directory_of(aggregate.described_by)
        found.setdefault(name, CallerSet()).add_from(aggregate.callers)
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

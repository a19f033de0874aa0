"""Usage in a range of time: which is wanted, and what one shard has of it.

A shard adds up its stored days and its open parts as of one position. Sums of several shards are
added up by the reader. Distinct callers are counted once for each row, never added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, NamedTuple, TypeAlias

from core.calendar import HOURS_PER_DAY, month_of
from core.ports import Json
from metering.parts import OpenPart
from metering.sketches.callers import CallerSketch
from metering.sketches.periods import Counts
from metering.sketches.sets import CallerSet
from metering.totals import ApiId
from metering.usage.days import ALL_APIS, Detail, detail_of, detail_of_all, sums_of
from metering.usage.tables import UsageTables

Interval: TypeAlias = Literal["hour", "hours", "day", "month", "all"]
Grouping: TypeAlias = Literal["api", "tenant", "status", "method", "outcome", "caller"]

ROWS_MAX = 20_000
"""Rows of one response: about 4 MB of JSON, and two seconds of CPU time in all."""

SKETCHES_MAX = 3_000
"""Sketches of callers that one read merges, about a quarter of a second of CPU time. Rows that
would need more have no number of distinct callers."""

_KINDS: Mapping[str, Literal["status_class", "method", "outcome"]] = {
    "status": "status_class",
    "method": "method",
    "outcome": "outcome",
}
_STEP = 50


class TooManyRows(Exception):
    """A range has too many rows."""


class UsageRange(NamedTuple):
    """Which usage is wanted.

    Attributes:
        interval: The width of a bucket. `hours` is one bucket for a range of clock hours, `all`
            one for a range of days.
        first: The first clock hour since 1970 UTC if the range is of hours, else the first day.
        end: The hour or day after the last.
        tenants: Only APIs of these tenants, by id; None for all.
        slug: Only APIs with this slug.
        group_by: By what the rows of a bucket are divided.
    """

    interval: Interval
    first: int
    end: int
    tenants: Sequence[str] | None = None
    slug: str | None = None
    group_by: Grouping | None = None

    @property
    def is_of_hours(self) -> bool:
        """Whether the range is one of clock hours, not of days."""
        return self.interval in {"hour", "hours"}

    @property
    def days(self) -> range:
        """The UTC days of the range."""
        if self.is_of_hours:
            return range(self.first // HOURS_PER_DAY, -(-self.end // HOURS_PER_DAY))
        return range(self.first, self.end)

    @property
    def is_of_all(self) -> bool:
        """Whether no row is of a part of the APIs."""
        is_limited = self.tenants is not None or self.slug is not None
        return not is_limited and self.group_by not in {"api", "tenant"}

    def has(self, api_id: ApiId) -> bool:
        """Return whether an API is wanted."""
        if self.slug is not None and api_id.slug != self.slug:
            return False
        return self.tenants is None or api_id.tenant_id in self.tenants

    def bucket(self, day: int) -> int:
        """Return the day, month or 0, by which rows are told apart if the interval is no hour."""
        return day if self.interval == "day" else _month_of(day) if self.interval == "month" else 0

    def encode(self) -> Json:
        """Encode for a shard."""
        return [*self]

    @staticmethod
    def decode(value: Json) -> UsageRange:
        """Decode what `encode` returned."""
        return UsageRange(*value)


class RowKey(NamedTuple):
    """Identifies a row: the hour, day or month, what it is of, and its group.

    `tenant_id` and `slug` are empty in a row that is not of one tenant or API.
    """

    bucket: int
    tenant_id: str = ""
    slug: str = ""
    group: str = ""


class FoundRow(NamedTuple):
    """A row of one shard; `callers` is None if they were not counted.

    `requests` is only counted by kind, and includes those that are no calls. `caller_set` has the
    callers encoded, if the reader has to merge them.
    """

    key: RowKey
    sums: Counts
    requests: int = 0
    callers: int | None = None
    caller_set: Json = None


_Callers: TypeAlias = CallerSketch | CallerSet


@dataclass(slots=True)
class _Row:
    """A row that is being added up.

    `stored` names the days and APIs whose callers it has, and `callers` is the number of the last
    one; `open` has the callers of open parts.
    """

    sums: list[int] = field(default_factory=lambda: [0] * len(Counts._fields))
    requests: int = 0
    callers: int = 0
    stored: list[tuple[int, ApiId]] = field(default_factory=list)
    open: list[_Callers] = field(default_factory=list)
    has_more: bool = False
    """Whether there are callers of other days that are not in `stored`."""

    def add(self, sums: Sequence[int]) -> None:
        for number, value in enumerate(sums):
            self.sums[number] += value


@dataclass(slots=True)
class UsageReader:
    """Reads the usage of one shard in a range.

    Everything is collected by `collect`, without an `await` in between, so it is of one position.
    """

    tables: UsageTables
    parts: Sequence[OpenPart]
    wanted: UsageRange
    dropped: int = 0
    _rows: dict[RowKey, _Row] = field(default_factory=dict)

    def collect(self) -> None:
        """Add up the sums; of callers, `details` has everything.

        Raises `TooManyRows`, and `SummaryUnreadable` for damaged details.
        """
        wanted = self.wanted
        days = wanted.days
        self.parts = [part for part in self.parts if part.name.day in days]
        self._count_dropped()
        if wanted.group_by == "caller":
            return
        if wanted.is_of_hours or wanted.group_by in _KINDS:
            for day, api_id, detail in self.details():
                self._add_detail(day, api_id, detail)
        elif wanted.group_by in {"api", "tenant"} and wanted.interval != "day":
            self._add_periods()
            self._add_parts()
        else:
            api_ids = self._api_ids()
            number = len(api_ids) * len(days)
            if wanted.group_by is None and number > SKETCHES_MAX:
                self._add_days_of_many(days)
            else:
                self._check_number(number)
                self._add_days(days, api_ids)
            self._add_parts()

    def rows(self, *, is_set_wanted: bool) -> Iterator[FoundRow | None]:
        """Yield the rows, and None after each step of long work.

        Args:
            is_set_wanted: Whether callers are returned as sets, for a reader of several shards.
        """
        merges = sum(
            len(row.stored) + len(row.open)
            for row in self._rows.values()
            if is_set_wanted or len(row.stored) + len(row.open) > 1
        )
        merged = 0
        for key, row in self._rows.items():
            found = FoundRow(key, Counts(*row.sums), row.requests)
            count = len(row.stored) + len(row.open)
            if not count or row.has_more or self.wanted.group_by in _KINDS:
                yield found
            elif count == 1 and not is_set_wanted:
                yield found._replace(callers=row.callers if row.stored else _distinct(row.open[0]))
            elif merges > SKETCHES_MAX:
                yield found
            else:
                together = CallerSet()
                for callers in self._callers(row):
                    _merge(together, callers)
                    merged += 1
                    if merged % _STEP == 0:
                        yield None
                encoded = together.encode() if is_set_wanted else None
                yield found._replace(callers=together.distinct(), caller_set=encoded)

    def _callers(self, row: _Row) -> Iterator[_Callers]:
        yield from row.open
        by_api: dict[ApiId, list[int]] = {}
        for day, api_id in row.stored:
            by_api.setdefault(api_id, []).append(day)
        for api_id, days in by_api.items():
            for _, _, detail in self.tables.details(days, [api_id]):
                yield detail.callers

    def _api_ids(self) -> Sequence[ApiId]:
        """Return the stored APIs whose rows are wanted."""
        wanted = self.wanted
        if wanted.is_of_all:
            return [ALL_APIS]
        return [*filter(wanted.has, self.tables.apis(wanted.slug))]

    def _row(self, bucket: int, api_id: ApiId, group: str = "") -> _Row:
        tenant_id, slug = "", ""
        if self.wanted.group_by in {"api", "tenant"}:
            tenant_id = api_id.tenant_id
            slug = api_id.slug if self.wanted.group_by == "api" else ""
        key = RowKey(bucket, tenant_id, slug, group)
        row = self._rows.get(key)
        if row is None:
            self._check_number(len(self._rows) + 1)
            row = self._rows[key] = _Row()
        return row

    def details(self) -> Iterator[tuple[int, ApiId, Detail]]:
        """Yield the details of all days and open parts. Raises as `collect` does."""
        api_ids, days = self._api_ids(), self.wanted.days
        self._check_number(len(api_ids) * len(days))
        yield from self.tables.details([*days], api_ids)
        for part in self.parts:
            if self.wanted.is_of_all:
                yield part.name.day, ALL_APIS, detail_of_all(part.totals)
            else:
                for api_id, aggregate in part.totals.apis.items():
                    if self.wanted.has(api_id):
                        yield part.name.day, api_id, detail_of(aggregate)

    def _add_detail(self, day: int, api_id: ApiId, detail: Detail) -> None:
        wanted = self.wanted
        if wanted.is_of_hours:
            for hour, counts in detail.hours.items():
                if wanted.first <= hour < wanted.end:
                    self._row(hour if wanted.interval == "hour" else 0, api_id).add(counts)
            return
        for name, kind in detail.kinds.by(_KINDS[str(wanted.group_by)]).items():
            row = self._row(wanted.bucket(day), api_id, name)
            row.add((kind.calls, kind.errors, kind.revenue_micros))
            row.requests += kind.requests

    def _add_days(self, days: range, api_ids: Sequence[ApiId]) -> None:
        for day, api_id, sums, callers in self.tables.sums([*days], api_ids):
            row = self._row(self.wanted.bucket(day), api_id)
            row.add(sums)
            row.callers = callers
            row.stored.append((day, api_id))

    def _add_days_of_many(self, days: range) -> None:
        """Add days of so many APIs that their callers are not counted, as the database adds up."""
        wanted = self.wanted
        for day, sums in self.tables.sums_by_day(days, wanted.tenants, wanted.slug):
            row = self._row(wanted.bucket(day), ALL_APIS)
            row.add(sums)
            row.has_more = True

    def _add_periods(self) -> None:
        """Add the days of each bucket, which the database adds up."""
        for bucket, days in _buckets(self.wanted):
            for found in self.tables.period(days):
                if self.wanted.has(found.api_id):
                    row = self._row(bucket, found.api_id)
                    row.add(found.sums)
                    row.callers = found.most_callers
                    row.stored.append((found.first_day, found.api_id))
                    row.has_more |= found.days > 1

    def _add_parts(self) -> None:
        for part in self.parts:
            bucket, totals = self.wanted.bucket(part.name.day), part.totals
            for api_id, aggregate in totals.apis.items():
                if not self.wanted.has(api_id):
                    continue
                row = self._row(bucket, api_id)
                row.add(sums_of(aggregate))
                if not self.wanted.is_of_all:
                    callers = CallerSketch()
                    callers.merge(aggregate.callers)
                    row.open.append(callers)
            if self.wanted.is_of_all and totals.apis:
                together = CallerSet()
                together.merge(totals.callers)
                self._row(bucket, ALL_APIS).open.append(together)

    def _count_dropped(self) -> None:
        self.dropped = sum(part.totals.dropped for part in self.parts)
        self.dropped += self.tables.dropped(self.wanted.days)

    @staticmethod
    def _check_number(rows: int) -> None:
        if rows > ROWS_MAX:
            raise TooManyRows(f"{rows} rows; the limit is {ROWS_MAX}")


def encode_rows(rows: Iterable[FoundRow]) -> Json:
    """Encode rows for a reader."""
    return [[*row.key, *row.sums, row.requests, row.callers, row.caller_set] for row in rows]


def decode_rows(value: Json) -> Sequence[FoundRow]:
    """Decode what `encode_rows` returned."""
    keys, sums = len(RowKey._fields), len(Counts._fields)
    return [
        FoundRow(RowKey(*row[:keys]), Counts(*row[keys : keys + sums]), *row[keys + sums :])
        for row in value
    ]


@cache
def _month_of(day: int) -> int:
    return month_of(day)


def _buckets(wanted: UsageRange) -> Iterator[tuple[int, range]]:
    """Yield the buckets of a range with their days."""
    start = wanted.first
    for day in wanted.days:
        if day + 1 == wanted.end or wanted.bucket(day + 1) != wanted.bucket(day):
            yield wanted.bucket(day), range(start, day + 1)
            start = day + 1


def _distinct(callers: _Callers) -> int:
    if isinstance(callers, CallerSet):
        return callers.distinct()
    return callers.results().distinct


def _merge(together: CallerSet, callers: _Callers) -> None:
    if isinstance(callers, CallerSet):
        together.merge(callers)
    else:
        together.add_from(callers)

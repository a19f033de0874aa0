"""The tables of usage by day in a shard's database, and every statement on them.

`usage_sums` has what most reads need, in few bytes, so that a read of a year is fast;
`usage_details` has the rest of the same rows. `apis` has every API that ever had usage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from core import constants
from core.ports import Sql, SqlValue
from metering.sketches.periods import Counts
from metering.totals import ApiId
from metering.usage.days import ALL_APIS, Detail, UsageRow, decode_detail

_SUMS_PER_INSERT = 10
_DETAILS_PER_INSERT = 25
"""A statement has at most 100 bound values (Cloudflare)."""

_DETAILS_LENGTH_MAX = 1_000_000
"""Characters of the details in one statement, whose text and values SQLite limits."""


class Period(NamedTuple):
    """The sums of an API over several UTC days.

    Attributes:
        api_id: The API.
        sums: What it did.
        days: On how many days it did anything.
        first_day: The first of these.
        most_callers: Its distinct callers on the day with the most.
    """

    api_id: ApiId
    sums: Counts
    days: int
    first_day: int
    most_callers: int


@dataclass(frozen=True, slots=True)
class UsageTables:
    """The tables of one shard."""

    sql: Sql

    def set_day(self, day: int, rows: Sequence[UsageRow]) -> None:
        """Replace the usage of a UTC day."""
        for table in ("usage_sums", "usage_details"):
            self.sql.execute(f"DELETE FROM {table} WHERE day = ?", day)  # noqa: S608
        sums: list[Sequence[SqlValue]] = [
            (day, *row.api_id, *map(_bounded, row.sums), row.callers, row.dropped) for row in rows
        ]
        self._insert("REPLACE INTO usage_sums", sums, _SUMS_PER_INSERT)
        details = [(day, *row.api_id, row.detail) for row in rows]
        self._insert("REPLACE INTO usage_details", details, _DETAILS_PER_INSERT)
        known = {*self.apis(None)}
        new = [(api_id.slug, api_id.tenant_id) for api_id, *_ in rows if api_id not in known]
        self._insert("INSERT INTO apis", [one for one in new if any(one)], _DETAILS_PER_INSERT)

    def day(self, day: int) -> Sequence[UsageRow]:
        """Return the usage of a UTC day as it was set."""
        rows = self.sql.execute(
            "SELECT s.tenant_id, s.slug, calls, errors, revenue_micros, latencies, latency_ms,"
            " callers, detail, dropped FROM usage_sums AS s JOIN usage_details AS d"
            " ON d.day = s.day AND d.tenant_id = s.tenant_id AND d.slug = s.slug WHERE s.day = ?"
            " ORDER BY s.tenant_id, s.slug",
            day,
        )
        return [
            UsageRow(
                ApiId(str(tenant_id), str(slug)),
                _counts(sums),
                int(callers or 0),
                str(detail),
                int(dropped or 0),
            )
            for tenant_id, slug, *sums, callers, detail, dropped in rows
        ]

    def missing_days(self) -> Sequence[int]:
        """Return the UTC days that have a roll-up and no usage, the newest first."""
        rows = self.sql.execute(
            "SELECT day FROM rollups AS r WHERE NOT EXISTS (SELECT 1 FROM usage_sums AS u"
            " WHERE u.day = r.day AND u.tenant_id = '' AND u.slug = '') ORDER BY day DESC"
        )
        return [int(row[0] or 0) for row in rows]

    def apis(self, slug: str | None) -> Sequence[ApiId]:
        """Return every API that had usage on some folded day, or those with a slug."""
        condition, values = ("", ()) if slug is None else (" WHERE slug = ?", (slug,))
        rows = self.sql.execute(f"SELECT tenant_id, slug FROM apis{condition}", *values)  # noqa: S608
        return [ApiId(str(tenant_id), str(own)) for tenant_id, own in rows]

    def sums(
        self, days: Sequence[int], api_ids: Iterable[ApiId]
    ) -> Iterator[tuple[int, ApiId, Counts, int]]:
        """Yield day, API, sums and distinct callers of the rows of some APIs."""
        for api_id in api_ids:
            for rows in self._rows(
                "calls, errors, revenue_micros, latencies, latency_ms, callers FROM usage_sums",
                days,
                api_id,
            ):
                day, *sums, callers = rows
                yield int(day or 0), api_id, _counts(sums), int(callers or 0)

    def details(
        self, days: Sequence[int], api_ids: Iterable[ApiId]
    ) -> Iterator[tuple[int, ApiId, Detail]]:
        """Yield day, API and details of the rows of some APIs. Raises `SummaryUnreadable`."""
        for api_id in api_ids:
            for day, detail in self._rows("detail FROM usage_details", days, api_id):
                yield int(day or 0), api_id, decode_detail(api_id, str(detail))

    def period(self, days: range) -> Sequence[Period]:
        """Return the sums of every API over several UTC days."""
        rows = self.sql.execute(
            "SELECT tenant_id, slug, SUM(calls), SUM(errors), SUM(revenue_micros),"
            " SUM(latencies), SUM(latency_ms), COUNT(*), MIN(day), MAX(callers) FROM usage_sums"
            " WHERE day >= ? AND day < ? GROUP BY tenant_id, slug",
            days.start,
            days.stop,
        )
        return [
            Period(ApiId(str(tenant_id), str(slug)), _counts(sums), *map(int, map(str, rest)))
            for tenant_id, slug, *numbers in rows
            for sums, rest in [(numbers[:-3], numbers[-3:])]
            if (tenant_id, slug) != ALL_APIS
        ]

    def sums_by_day(
        self, days: range, tenants: Sequence[str] | None, slug: str | None
    ) -> Iterator[tuple[int, Counts]]:
        """Yield each UTC day with the sums of some APIs together.

        Args:
            days: The days.
            tenants: Only APIs of these tenants, at most 50; None for all.
            slug: Only APIs with this slug; None for all.
        """
        condition = "slug <> ''"
        values: list[str] = []
        if tenants is not None:
            condition += f" AND tenant_id IN ({', '.join('?' * len(tenants))})"
            values += tenants
        if slug is not None:
            condition += " AND slug = ?"
            values.append(slug)
        rows = self.sql.execute(
            "SELECT day, SUM(calls), SUM(errors), SUM(revenue_micros), SUM(latencies),"  # noqa: S608
            f" SUM(latency_ms) FROM usage_sums WHERE day >= ? AND day < ? AND {condition}"
            " GROUP BY day",
            days.start,
            days.stop,
            *values,
        )
        for day, *sums in rows:
            yield int(day or 0), _counts(sums)

    def dropped(self, days: Sequence[int]) -> int:
        """Return the number of events that writers dropped on some UTC days."""
        rows = self._rows("dropped FROM usage_sums", days, ALL_APIS)
        return sum(int(dropped or 0) for _, dropped in rows)

    def _rows(
        self, columns: str, days: Sequence[int], api_id: ApiId
    ) -> Sequence[Sequence[SqlValue]]:
        if not days:
            return ()
        # The days are listed, because the key starts with the day.
        listed = ", ".join(map(str, days))
        return self.sql.execute(
            f"SELECT day, {columns} WHERE day IN ({listed})"
            " AND tenant_id = ? AND slug = ? ORDER BY day",
            *api_id,
        )

    def _insert(self, into: str, rows: Sequence[Sequence[SqlValue]], step: int) -> None:
        start = 0
        while start < len(rows):
            length, end = 0, start
            while end < len(rows) and end - start < step and length < _DETAILS_LENGTH_MAX:
                length += sum(len(value) for value in rows[end] if isinstance(value, str))
                end += 1
            group, start = rows[start:end], end
            marks = ", ".join([f"({', '.join('?' * len(group[0]))})"] * len(group))
            values = [value for row in group for value in row]
            self.sql.execute(f"{into} VALUES {marks}", *values)


def _bounded(number: int) -> int:
    """Return what JavaScript can represent; more is nine billion dollars a day."""
    return min(number, constants.INTEGER_MAX)


def _counts(values: Sequence[SqlValue]) -> Counts:
    return Counts(*(int(value or 0) for value in values))

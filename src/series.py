"""What happened when: totals by hour while a day is open, by day afterwards.

Owns the marketplace's course over time. All totals are sums, so folding the
hours of a day into the day may happen before or after a merge. Refuses to
know single APIs: a thousand of them with an entry a day each would be without
bound, and nobody is shown them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import keys
from errors import SummaryUnreadable
from ports import Json

_HOURS_PER_DAY = keys.DAY_MS // keys.HOUR_MS


class Totals(NamedTuple):
    """What happened in one hour or day."""

    calls: int
    errors: int
    revenue_micros: int


NOTHING = Totals(0, 0, 0)
"""The totals of a time when nothing happened."""


@dataclass(slots=True)
class Series:
    """Totals by hour of open days and by closed day; a day may have some of both.

    `add` and `merge` are associative and commutative, `close_days` may come
    before or after either, and an empty series is the identity. Its size is
    bounded by the number of closed days and 24 times that of open ones.
    """

    hours: dict[int, Totals] = field(default_factory=dict)
    days: dict[int, Totals] = field(default_factory=dict)

    def add(self, at_ms: int, totals: Totals) -> None:
        """Count what happened at `at_ms`, in milliseconds since 1970 UTC."""
        _add(self.hours, at_ms // keys.HOUR_MS, totals)

    def merge(self, other: Series) -> None:
        """Count everything that `other` has counted."""
        for hour, totals in other.hours.items():
            _add(self.hours, hour, totals)
        for day, totals in other.days.items():
            _add(self.days, day, totals)

    def close_days(self, before_day: int) -> None:
        """Keep the UTC days before `before_day` as days alone."""
        for hour in [hour for hour in self.hours if hour // _HOURS_PER_DAY < before_day]:
            _add(self.days, hour // _HOURS_PER_DAY, self.hours.pop(hour))

    def by_day(self) -> Mapping[int, Totals]:
        """Give the totals of every day, open or closed."""
        days = dict(self.days)
        for hour, totals in self.hours.items():
            _add(days, hour // _HOURS_PER_DAY, totals)
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


def _add(periods: dict[int, Totals], period: int, more: Totals) -> None:
    known = periods.get(period)
    if known is not None:
        more = Totals(
            known.calls + more.calls,
            known.errors + more.errors,
            known.revenue_micros + more.revenue_micros,
        )
    periods[period] = more


def _decode(rows: list[Json]) -> dict[int, Totals]:
    periods: dict[int, Totals] = {}
    before = -1
    for row in rows:
        match row:
            case [period, calls, errors, revenue] if (
                set(map(type, row)) == {int}
                and period > before
                and min(row) >= 0
                and errors <= calls
            ):
                periods[period] = Totals(calls, errors, revenue)
                before = period
            case _:
                raise SummaryUnreadable(f"its series has the row {row!r}")
    return periods

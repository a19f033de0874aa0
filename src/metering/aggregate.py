"""What many events come to: figures that can be merged in any order and grouping.

Owns the sums of one API. `Aggregate.merge` is associative and commutative and
has an empty aggregate as its identity, so that a window may be folded from
events, from batches or from summaries and come out the same. Refuses to know
what a window is or how figures are shown.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from core.calendar import HOUR_MS, HOURS_PER_DAY
from core.errors import SummaryUnreadable
from core.ports import Json
from metering.events import Api, UsageEvent, is_error
from metering.sketches.callers import CallerSketch
from metering.sketches.latency import LatencySketch

_WITHOUT_DAYS = 3
"""Fields after the figures of an aggregate that has no closed days."""

Description: TypeAlias = tuple[int, Api]
"""How an API was described in an event, and when that was, in milliseconds since 1970."""


@dataclass(slots=True)
class Aggregate:
    """The figures of one API, or of many together, over some span of time.

    Only calls count; requests that were refused before dispatch add revenue
    (which is 0 for them) and nothing else. `hours` are the calls by clock hour
    of open days, `days` those by UTC day of closed ones, and
    `busiest_closed_hour` the most in an hour of closed days, see `close_days`.
    `described_by` is the newest description of the API with its time. Bounded
    in size, whatever was counted, but for the hours of open days and the days
    that were not forgotten (`forget_days`).
    """

    calls: int = 0
    errors: int = 0
    revenue_micros: int = 0
    price_sum_micros: int = 0
    latency: LatencySketch = field(default_factory=LatencySketch)
    callers: CallerSketch = field(default_factory=CallerSketch)
    hours: dict[int, int] = field(default_factory=dict)
    days: dict[int, int] = field(default_factory=dict)
    busiest_closed_hour: int = 0
    described_by: Description | None = None

    def add(self, event: UsageEvent) -> None:
        """Count one event."""
        self.revenue_micros += event.revenue_micros
        if event.api is not None:
            self.described_by = newest(self.described_by, (event.at_ms, event.api))
        if not event.counted:
            return
        self.calls += 1
        self.errors += is_error(event.status)
        self.latency.add(event.latency_ms)
        self.callers.add(event.caller)
        hour = event.at_ms // HOUR_MS
        self.hours[hour] = self.hours.get(hour, 0) + 1
        if event.api is not None:
            self.price_sum_micros += event.api.price_micros

    def merge(self, other: Aggregate) -> None:
        """Count everything that `other` has counted."""
        self.calls += other.calls
        self.errors += other.errors
        self.revenue_micros += other.revenue_micros
        self.price_sum_micros += other.price_sum_micros
        self.latency.merge(other.latency)
        self.callers.merge(other.callers)
        for hour, calls in other.hours.items():
            self.hours[hour] = self.hours.get(hour, 0) + calls
        for day, calls in other.days.items():
            self.days[day] = self.days.get(day, 0) + calls
        self.busiest_closed_hour = max(self.busiest_closed_hour, other.busiest_closed_hour)
        self.described_by = newest(self.described_by, other.described_by)

    def close_days(self, before_day: int) -> None:
        """Keep the UTC days before `before_day` as days, and of their hours only the busiest.

        Exact, and in any order with merges, as long as no event of an hour that
        is forgotten is counted in another aggregate of the same API: close a
        day when the aggregate has all of it. Of days so closed, and of events
        of open days, any order and grouping gives the same.
        """
        closed = [hour for hour in self.hours if hour // HOURS_PER_DAY < before_day]
        for hour in closed:
            calls, day = self.hours.pop(hour), hour // HOURS_PER_DAY
            self.busiest_closed_hour = max(self.busiest_closed_hour, calls)
            self.days[day] = self.days.get(day, 0) + calls

    def forget_days(self, before_day: int) -> None:
        """Drop the calls by day of closed days before `before_day`; no other figure changes."""
        self.days = {day: calls for day, calls in self.days.items() if day >= before_day}

    def calls_by_hour(self, first: int, end: int) -> list[int]:
        """Give the calls of each clock hour of open days from `first` to before `end`."""
        return [self.hours.get(hour, 0) for hour in range(first, end)]

    def calls_by_day(self, first: int, end: int) -> list[int]:
        """Give the calls of each UTC day from `first` to before `end`."""
        found = [self.days.get(day, 0) for day in range(first, end)]
        for hour, calls in self.hours.items():
            if first <= hour // HOURS_PER_DAY < end:
                found[hour // HOURS_PER_DAY - first] += calls
        return found

    def busiest_hour_calls(self) -> int:
        """Calls in the clock hour with the most of them."""
        return max(self.busiest_closed_hour, *self.hours.values(), 0)

    def busiest_caller_calls(self) -> int:
        """Calls of the caller with the most of them, as `CallerSketch.busiest_calls` knows it."""
        return self.callers.busiest_calls()

    def encode(self) -> Json:
        """Write the aggregate as a list by position; equal ones are written alike.

        Calls, errors, revenue, sum of prices, latency, callers, busiest closed
        hour, open hours, their calls, description (time and fields) or null; then closed
        days and their calls, if there are any.
        """
        hours, days = sorted(self.hours), sorted(self.days)
        described = self.described_by
        return [
            self.calls,
            self.errors,
            self.revenue_micros,
            self.price_sum_micros,
            self.latency.encode(),
            self.callers.encode(),
            self.busiest_closed_hour,
            hours,
            [self.hours[hour] for hour in hours],
            None if described is None else [described[0], *described[1]],
            *([days, [self.days[day] for day in days]] if days else []),
        ]

    @staticmethod
    def decode(value: Json) -> Aggregate:
        """Read an aggregate back. Raises `SummaryUnreadable` for what `encode` does not write."""
        try:
            (calls, errors, revenue, prices, latency, callers, busiest, *rest) = value
            hours, by_hour, api, days, by_day = (
                rest if len(rest) > _WITHOUT_DAYS else (*rest, [], [])
            )
        except (TypeError, ValueError) as error:
            raise SummaryUnreadable(f"an aggregate is of another form: {error}") from error
        numbers = [calls, errors, revenue, prices, busiest]
        if set(map(type, numbers)) != {int} or min(numbers) < 0 or max(errors, busiest) > calls:
            raise SummaryUnreadable(f"an aggregate has the figures {numbers}")
        return Aggregate(
            calls,
            errors,
            revenue,
            prices,
            LatencySketch.decode(latency),
            CallerSketch.decode(callers),
            _decode_periods(hours, by_hour),
            _decode_periods(days, by_day),
            busiest,
            None if api is None else _decode_description(api),
        )


def newest(one: Description | None, other: Description | None) -> Description | None:
    """Choose the newer description; the whole of it decides between two of the same time."""
    if one is None or (other is not None and other > one):
        return other
    return one


def merged(aggregates: Iterable[Aggregate]) -> Aggregate:
    """Merge any number of aggregates into a new one."""
    result = Aggregate()
    for aggregate in aggregates:
        result.merge(aggregate)
    return result


def _decode_periods(periods: Json, calls: Json) -> dict[int, int]:
    match periods, calls:
        case [*_], [*_] if (
            len(periods) == len(calls)
            and set(map(type, [*periods, *calls])) <= {int}
            and min([1, *calls]) == 1
            and min([0, *periods]) == 0
            and all(map(operator.lt, periods, periods[1:]))
        ):
            return dict(zip(periods, calls, strict=True))
        case _:
            raise SummaryUnreadable("an aggregate's hours or days are of another form")


def _decode_description(value: Json) -> tuple[int, Api]:
    match value:
        case [int(at_ms), str(tenant_id), str(slug), str(owner), str(directory), int(price)] if {
            type(at_ms),
            type(price),
        } == {int} and min(at_ms, price) >= 0:
            return at_ms, Api(tenant_id, slug, owner, directory, price)
        case _:
            raise SummaryUnreadable("an aggregate's description is of another form")

"""The totals of one API, which merge in any order and grouping.

`Aggregate.merge` is associative and commutative, with the empty aggregate as its identity. So
a window has the same totals, whether it is built from events, batches or summaries.
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

_FIELDS_WITHOUT_DAYS = 3
"""Encoded fields after `busiest_closed_hour` when there are no closed days."""

Description: TypeAlias = tuple[int, Api]
"""When an event described an API, in milliseconds since 1970 UTC, and the description."""


@dataclass(slots=True)
class Aggregate:
    """The totals of one API, or of several, over some time.

    Requests that were refused before dispatch add their revenue, which is 0, and nothing else.
    The size is bounded, except for the hours of open days and the days that were not dropped by
    `forget_days`.

    Attributes:
        calls: The number of calls.
        errors: Calls with an error status, see `is_error`.
        revenue_micros: Revenue in millionths of a dollar.
        price_sum_micros: The sum of the prices at the time of each call.
        latency: The latencies of calls.
        callers: The callers of calls.
        hours: Calls by clock hour since 1970 UTC, of open days, see `close_days`.
        days: Calls by UTC day since 1970, of closed days.
        busiest_closed_hour: The calls of the hour with the most, among those of closed days.
        described_by: The newest description of the API.
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
        """Add one event."""
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
        """Add the totals of `other`."""
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
        """Replace the hours of UTC days before `before_day` by the day and its busiest hour.

        Only close a day when this aggregate has all events of it: the calls of a closed hour
        cannot be added up across aggregates. Under this condition the result is exact and does
        not depend on the order of closing and merging.
        """
        closed = [hour for hour in self.hours if hour // HOURS_PER_DAY < before_day]
        for hour in closed:
            calls, day = self.hours.pop(hour), hour // HOURS_PER_DAY
            self.busiest_closed_hour = max(self.busiest_closed_hour, calls)
            self.days[day] = self.days.get(day, 0) + calls

    def forget_days(self, before_day: int) -> None:
        """Drop the entries of `days` before `before_day`; nothing else changes."""
        self.days = {day: calls for day, calls in self.days.items() if day >= before_day}

    def calls_by_hour(self, first: int, end: int) -> list[int]:
        """Return the calls of each clock hour from `first` to before `end`; 0 in closed days."""
        return [self.hours.get(hour, 0) for hour in range(first, end)]

    def calls_by_day(self, first: int, end: int) -> list[int]:
        """Return the calls of each UTC day from `first` to before `end`."""
        found = [self.days.get(day, 0) for day in range(first, end)]
        for hour, calls in self.hours.items():
            if first <= hour // HOURS_PER_DAY < end:
                found[hour // HOURS_PER_DAY - first] += calls
        return found

    def busiest_hour_calls(self) -> int:
        """Return the calls of the busiest clock hour."""
        return max(self.busiest_closed_hour, *self.hours.values(), 0)

    def busiest_caller_calls(self) -> int:
        """Return the calls of the busiest caller, as precise as `CallerSketch.busiest_calls`."""
        return self.callers.busiest_calls()

    def encode(self) -> Json:
        """Encode the aggregate as a list; equal aggregates have the same encoding.

        The fields are: calls, errors, revenue, sum of prices, latency, callers, busiest closed
        hour, open hours, their calls, description (time and fields) or null; and, only if there
        are any, closed days and their calls.
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
        """Decode an aggregate. Raises `SummaryUnreadable` for an invalid form."""
        try:
            (calls, errors, revenue, prices, latency, callers, busiest, *rest) = value
            hours, by_hour, api, days, by_day = (
                rest if len(rest) > _FIELDS_WITHOUT_DAYS else (*rest, [], [])
            )
        except (TypeError, ValueError) as error:
            raise SummaryUnreadable(f"an aggregate has an invalid form: {error}") from error
        numbers = [calls, errors, revenue, prices, busiest]
        if set(map(type, numbers)) != {int} or min(numbers) < 0 or max(errors, busiest) > calls:
            raise SummaryUnreadable(f"an aggregate has the impossible totals {numbers}")
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
    """Return the newer description; of two with the same time, the one with greater fields."""
    if one is None or (other is not None and other > one):
        return other
    return one


def merged(aggregates: Iterable[Aggregate]) -> Aggregate:
    """Return a new aggregate with the totals of all."""
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
            raise SummaryUnreadable("an aggregate's hours or days have an invalid form")


def _decode_description(value: Json) -> Description:
    match value:
        case [int(at_ms), str(tenant_id), str(slug), str(owner), str(directory), int(price)] if {
            type(at_ms),
            type(price),
        } == {int} and min(at_ms, price) >= 0:
            return at_ms, Api(tenant_id, slug, owner, directory, price)
        case _:
            raise SummaryUnreadable("an aggregate's description has an invalid form")

"""The totals of one API, which merge in any order and grouping.

`Aggregate.merge` is associative and commutative, with the empty aggregate as its identity. So
a window has the same totals, whether it is built from events, batches or summaries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from core.calendar import HOUR_MS, HOURS_PER_DAY
from core.errors import SummaryUnreadable
from core.ports import Json
from metering.events import Api, UsageEvent, is_error
from metering.sketches.callers import CallerSketch
from metering.sketches.kinds import Kinds
from metering.sketches.latency import LatencySketch
from metering.sketches.periods import Periods
from metering.sketches.sets import NetworkSketch

Description: TypeAlias = tuple[int, Api]
"""When an event described an API, in milliseconds since 1970 UTC, and the description."""


@dataclass(slots=True)
class Aggregate:
    """The totals of one API, or of several, over some time.

    Requests that were refused before dispatch are no calls: they add only their revenue, which is 0
    unless a payment is settled later, the caller if it paid, and their kind. The size is bounded,
    except for the hours of open days and the days that were not dropped by `forget_days`.

    Attributes:
        calls: The number of calls.
        errors: Calls that failed, see `is_error`.
        revenue_micros: Revenue in millionths of a dollar.
        price_sum_micros: The sum of the prices at the time of each call.
        latency: The latencies of calls.
        callers: The callers of calls, and those who paid: of events with revenue.
        networks: The callers of calls without revenue, at most four of each network.
        kinds: Requests by status class, method and outcome, including those that are no calls.
        hours: Calls, errors, revenue and latencies by clock hour since 1970 UTC, of open days.
        days: Calls by UTC day since 1970, of closed days, see `close_days`.
        busiest_closed_hour: The calls of the hour with the most, among those of closed days.
        described_by: The newest description of the API.
    """

    calls: int = 0
    errors: int = 0
    revenue_micros: int = 0
    price_sum_micros: int = 0
    latency: LatencySketch = field(default_factory=LatencySketch)
    callers: CallerSketch = field(default_factory=CallerSketch)
    networks: NetworkSketch = field(default_factory=NetworkSketch)
    kinds: Kinds = field(default_factory=Kinds)
    hours: Periods = field(default_factory=Periods)
    days: Periods = field(default_factory=Periods)
    busiest_closed_hour: int = 0
    described_by: Description | None = None

    def add(self, event: UsageEvent) -> None:
        """Add one event."""
        _, at_ms, api, method, status, latency_ms, caller, outcome, counted, micros, network = event
        if api is not None and (self.described_by is None or at_ms >= self.described_by[0]):
            self.described_by = newest(self.described_by, (at_ms, api))
        calls = errors = 0
        if counted:
            calls = 1
            errors = int(is_error(status, outcome))
            self.calls += 1
            self.errors += errors
            self.latency.add(latency_ms)
            if not micros:
                self.networks.add(network, caller)
            if api is not None:
                self.price_sum_micros += api.price_micros
        self.kinds.add((status // 100, method, outcome), calls, errors, micros)
        if calls or micros:
            self.revenue_micros += micros
            latencies = int(calls > 0 < latency_ms)
            self.hours.add(
                at_ms // HOUR_MS, calls, errors, micros, latencies, latencies * latency_ms
            )
            self.callers.add(caller, calls, paid=micros > 0)

    def merge(self, other: Aggregate) -> None:
        """Add the totals of `other`. Sketches stay open until `pack`."""
        self.calls += other.calls
        self.errors += other.errors
        self.revenue_micros += other.revenue_micros
        self.price_sum_micros += other.price_sum_micros
        self.latency.merge(other.latency)
        self.callers.merge(other.callers)
        self.networks.merge(other.networks)
        self.kinds.merge(other.kinds)
        self.hours.merge(other.hours)
        self.days.merge(other.days)
        self.busiest_closed_hour = max(self.busiest_closed_hour, other.busiest_closed_hour)
        self.described_by = newest(self.described_by, other.described_by)

    def pack(self) -> None:
        """Take as little memory as possible while nothing is added."""
        self.callers.pack()
        self.networks.pack()

    def close_days(self, before_day: int) -> None:
        """Replace the hours of UTC days before `before_day` by calls and the busiest hour.

        Errors and revenue by day, which windows do not show, are dropped.

        Only close a day when this aggregate has all events of it: the calls of a closed hour
        cannot be added up across aggregates. Under this condition the result is exact and does
        not depend on the order of closing and merging.
        """
        for hour, counts in self.hours.pop_before(before_day * HOURS_PER_DAY):
            self.busiest_closed_hour = max(self.busiest_closed_hour, counts.calls)
            if counts.calls:
                self.days.add(hour // HOURS_PER_DAY, counts.calls, 0, 0)

    def forget_days(self, before_day: int) -> None:
        """Drop the entries of `days` before `before_day`; nothing else changes."""
        self.days.pop_before(before_day)

    def calls_by_hour(self, first: int, end: int) -> list[int]:
        """Return the calls of each clock hour from `first` to before `end`; 0 in closed days."""
        return _calls_by(self.hours.calls(), first, end)

    def calls_by_day(self, first: int, end: int) -> list[int]:
        """Return the calls of each UTC day from `first` to before `end`."""
        found = _calls_by(self.days.calls(), first, end)
        for hour, calls in self.hours.calls():
            day = hour // HOURS_PER_DAY
            if first <= day < end:
                found[day - first] += calls
        return found

    def busiest_hour_calls(self) -> int:
        """Return the calls of the busiest clock hour."""
        return max(self.busiest_closed_hour, *self.hours.columns()[0], 0)

    def encode(self) -> Json:
        """Encode the aggregate as a list; equal aggregates have the same encoding.

        The fields are: calls, errors, revenue, sum of prices, latency, callers, networks, kinds,
        hours, days, busiest closed hour, and description (time and fields) or null.
        """
        described = self.described_by
        return [
            self.calls,
            self.errors,
            self.revenue_micros,
            self.price_sum_micros,
            self.latency.encode(),
            self.callers.encode(),
            self.networks.encode(),
            self.kinds.encode(),
            self.hours.encode(),
            self.days.encode(),
            self.busiest_closed_hour,
            None if described is None else [described[0], *described[1]],
        ]

    @staticmethod
    def decode(value: Json) -> Aggregate:
        """Decode an aggregate.

        Raises `SummaryUnreadable` for an invalid form; most of the sketches and periods are checked
        when they are needed, because a reader does not need all.
        """
        try:
            calls, errors, revenue, prices, *parts, busiest, api = value
            latency, callers, networks, kinds, hours, days = parts
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
            NetworkSketch.decode(networks),
            Kinds.decode(kinds),
            Periods.decode(hours),
            Periods.decode(days),
            busiest,
            None if api is None else _decode_description(api),
        )


def newest(one: Description | None, other: Description | None) -> Description | None:
    """Return the newer description; of two with the same time, the one with greater fields."""
    if one is None or (other is not None and other > one):
        return other
    return one


def _calls_by(counts: Iterable[tuple[int, int]], first: int, end: int) -> list[int]:
    found = [0] * (end - first)
    for period, calls in counts:
        if first <= period < end:
            found[period - first] += calls
    return found


def _decode_description(value: Json) -> Description:
    if (
        type(value) is not list
        or tuple(map(type, value)) != (int, str, str, str, str, int)
        or min(value[0], value[-1]) < 0
    ):
        raise SummaryUnreadable("an aggregate's description has an invalid form")
    return value[0], Api(*value[1:])

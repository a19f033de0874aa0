"""The usage of one UTC day: a row for each API, and one for all APIs together.

The rows are a function of the day's roll-up, and are stored when the roll-up is. So they equal what
the log says as long as the roll-up does, and nothing else has to keep them up to date.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core.errors import SummaryUnreadable
from metering.aggregate import Aggregate
from metering.sketches.callers import CallerSketch
from metering.sketches.kinds import Kinds
from metering.sketches.periods import Counts, Periods
from metering.sketches.sets import CallerSet
from metering.totals import ApiId, Totals

ALL_APIS = ApiId("", "")
"""Names the row of all APIs; no tenant or slug is empty."""

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


class Detail(NamedTuple):
    """What a row has besides its sums: hours, kinds of requests and callers.

    `callers` is a `CallerSketch` in the row of an API, a `CallerSet` in that of all APIs.
    """

    hours: Periods
    kinds: Kinds
    callers: CallerSketch | CallerSet

    def encode(self) -> str:
        """Encode as JSON; equal details have the same text."""
        return _ENCODER.encode([part.encode() for part in self])


class UsageRow(NamedTuple):
    """The usage of one API, or of `ALL_APIS`, on a day.

    `callers` is the number of distinct ones, and `detail` is encoded. `dropped` is the number of
    events that writers dropped, in the row of all APIs.
    """

    api_id: ApiId
    sums: Counts
    callers: int
    detail: str
    dropped: int = 0


def usage_rows(totals: Totals) -> Sequence[UsageRow]:
    """Return the rows of a day with these totals, that of all APIs first."""
    rows = [_row_of(api_id, totals.apis[api_id]) for api_id in sorted(totals.apis)]
    return [_row_of_all(totals), *rows]


def sums_of(aggregate: Aggregate) -> Counts:
    """Return the sums of an API."""
    latency = aggregate.latency
    return Counts(
        aggregate.calls,
        aggregate.errors,
        aggregate.revenue_micros,
        latency.count,
        latency.total_ms,
    )


def detail_of(aggregate: Aggregate) -> Detail:
    """Return the details of an API."""
    return Detail(aggregate.hours, aggregate.kinds, aggregate.callers)


def detail_of_all(totals: Totals) -> Detail:
    """Return the details of all APIs together."""
    kinds = Kinds()
    for aggregate in totals.apis.values():
        kinds.merge(aggregate.kinds)
    return Detail(totals.series.hours, kinds, totals.callers)


def decode_detail(api_id: ApiId, text: str) -> Detail:
    """Decode details. Raises `SummaryUnreadable`."""
    try:
        hours, kinds, callers = json.loads(text)
    except (ValueError, TypeError) as error:
        raise SummaryUnreadable(f"the usage of {api_id} has an invalid form") from error
    decode = CallerSet.decode if api_id == ALL_APIS else CallerSketch.decode
    return Detail(Periods.decode(hours), Kinds.decode(kinds), decode(callers))


def add_sums(sums: Iterable[Counts]) -> Counts:
    """Return the sum of sums."""
    return Counts(*map(sum, zip(Counts(), *sums, strict=True)))


def _row_of(api_id: ApiId, aggregate: Aggregate) -> UsageRow:
    callers = aggregate.callers.results().distinct
    return UsageRow(api_id, sums_of(aggregate), callers, detail_of(aggregate).encode())


def _row_of_all(totals: Totals) -> UsageRow:
    sums = add_sums(map(sums_of, totals.apis.values()))
    detail = detail_of_all(totals)
    return UsageRow(ALL_APIS, sums, totals.callers.distinct(), detail.encode(), totals.dropped)

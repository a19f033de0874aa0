"""Reads usage in a range from all shards: one call to each, whatever the range is.

A shard adds up its own days, so an isolate keeps nothing, and gets only the rows.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core.calendar import DAY_MS, HOUR_MS, month_start_ms
from core.collector import collector_paused
from core.errors import ShardUnavailable
from core.ports import Clock, Json, UsageShards
from metering.sketches.periods import Counts
from metering.sketches.sets import CallerSet
from metering.usage.callers import CALLERS_MAX, CallerCalls
from metering.usage.days import add_sums
from metering.usage.ranges import FoundRow, RowKey, UsageRange, decode_rows


class RangeTooLarge(Exception):
    """A range has more rows than one response may have; the message says how many."""


class UsageRow(NamedTuple):
    """The usage in one bucket of a range: of everything wanted, or of one group of it.

    Attributes:
        start_ms: When the bucket starts, in milliseconds since 1970 UTC; never before the range.
        tenant_id: The tenant, if rows are by API or tenant; else empty.
        slug: The API's slug, if rows are by API; else empty.
        group: A status class (`2` for 200 to 299), method, outcome or hash of a caller, if rows are
            grouped so; else empty. The row of all other callers has the group empty, too.
        sums: Calls, errors and revenue in micro-dollars, all exact; number and sum of the latencies
            above 0. Unknown ones are 0: rows by kind have no latencies, rows by caller only calls.
        requests: Requests of a kind, including those that are no calls; else 0.
        callers: Distinct callers; None if they were not counted, as by hour.
    """

    start_ms: int
    tenant_id: str
    slug: str
    group: str
    sums: Counts
    requests: int = 0
    callers: int | None = None

    @property
    def latency_ms(self) -> float | None:
        """The mean of the latencies above 0; None if there are none."""
        return self.sums.latency_ms / self.sums.latencies if self.sums.latencies else None


@dataclass(frozen=True, slots=True)
class Usage:
    """The rows of a range, and what they may lack.

    Attributes:
        rows: The rows: by time, then by tenant, slug and group.
        totals: The sums of all rows.
        as_of_ms: Everything acknowledged before this time is counted, in milliseconds since 1970.
        dropped: Events that writers dropped in the range, of any API.
        unavailable: The numbers of the shards that did not respond.
        missing_days: Days whose usage is not stored yet, after an update of the software.
        sampled: Grouped by caller: events in which the hashes of callers were looked for, because
            some days have more than 300 callers; the calls of these days are `fuzzy_calls`.
        fuzzy_calls: See `sampled`.
    """

    rows: Sequence[UsageRow]
    totals: Counts
    as_of_ms: int
    dropped: int = 0
    unavailable: Sequence[int] = field(default_factory=list)
    missing_days: int = 0
    sampled: int = 0
    fuzzy_calls: int = 0


@dataclass(frozen=True, slots=True)
class RangeReader:
    """Reads ranges in one isolate."""

    clock: Clock
    shards: UsageShards

    async def read(self, wanted: UsageRange) -> Usage:
        """Read a range; see `analytics.Analytics.usage`."""
        as_of_ms, count = self.clock.now_ms(), self.shards.count
        # A tenant's events are in one shard, but all APIs together are in several.
        request = json.dumps({"wanted": wanted.encode(), "sets": count > 1})
        responses = await asyncio.gather(
            *(self._call(shard, request) for shard in range(count)), return_exceptions=True
        )
        unavailable = []
        found: list[Mapping[str, Json]] = []
        for shard, response in enumerate(responses):
            if isinstance(response, ShardUnavailable):
                unavailable.append(shard)
            elif isinstance(response, BaseException):
                raise response
            else:
                found.append(response)
        if not found:
            raise ShardUnavailable(f"none of {count} shards responded")
        with collector_paused():
            rows = (
                _caller_rows(wanted, found) if wanted.group_by == "caller" else _rows(wanted, found)
            )
        return Usage(
            rows,
            Counts(*map(sum, zip(Counts(), *(row.sums for row in rows), strict=True))),
            as_of_ms,
            sum(one["dropped"] for one in found),
            unavailable,
            max(one["missing"] for one in found),
            sum(one.get("sampled", 0) for one in found),
            sum(one.get("fuzzyCalls", 0) for one in found),
        )

    async def _call(self, shard: int, request: str) -> Mapping[str, Json]:
        """Return the response of a shard. Raises `ShardUnavailable` and `RangeTooLarge`."""
        text = await self.shards.call(shard, "usage", request)
        try:
            response: Mapping[str, Json] = json.loads(text)
        except ValueError as error:
            raise ShardUnavailable(f"the response {text[:100]!r} is unreadable") from error
        if "tooMany" in response:
            raise RangeTooLarge(response["tooMany"])
        return response


def _rows(wanted: UsageRange, found: Iterable[Mapping[str, Json]]) -> Sequence[UsageRow]:
    by_key: dict[RowKey, list[FoundRow]] = {}
    for one in found:
        for row in decode_rows(one["rows"]):
            by_key.setdefault(row.key, []).append(row)
    if not wanted.group_by:
        # A chart shows the time without calls, too.
        for bucket in _buckets(wanted):
            by_key.setdefault(RowKey(bucket), [FoundRow(RowKey(bucket), Counts(), 0, 0)])
    starts = {bucket: _start_ms(wanted, bucket) for bucket in {key.bucket for key in by_key}}
    return [
        UsageRow(
            starts[key.bucket],
            *key[1:],
            own[0].sums if len(own) == 1 else add_sums(row.sums for row in own),
            sum(row.requests for row in own),
            None if wanted.is_of_hours else _callers(own),
        )
        for key, own in sorted(by_key.items())
    ]


def _caller_rows(wanted: UsageRange, found: Iterable[Mapping[str, Json]]) -> Sequence[UsageRow]:
    """Return the rows of the busiest callers, and of all others."""
    calls: dict[tuple[int, int], int] = {}
    totals: dict[int, int] = {}
    for one in found:
        for row in one["callers"]:
            bucket, caller, own, _ = CallerCalls(*row)
            calls[bucket, caller] = calls.get((bucket, caller), 0) + own
            totals[caller] = totals.get(caller, 0) + own
    named = sorted(totals.keys() - {0}, key=lambda caller: (-totals[caller], -caller))
    shown = {0, *named[:CALLERS_MAX]}
    rest: dict[int, int] = {}
    rows = []
    for (bucket, caller), own in calls.items():
        if caller in shown and caller:
            group = f"{caller:016x}"
            start_ms = _start_ms(wanted, bucket)
            rows.append(UsageRow(start_ms, "", wanted.slug or "", group, Counts(own)))
        else:
            rest[bucket] = rest.get(bucket, 0) + own
    rows += [
        UsageRow(_start_ms(wanted, bucket), "", wanted.slug or "", "", Counts(own))
        for bucket, own in rest.items()
    ]
    # Of each bucket, the busiest caller first, and all others together last.
    return sorted(
        rows,
        key=lambda row: (row.start_ms, not row.group, -totals.get(int(row.group or "0", 16), 0)),
    )


def _callers(rows: Sequence[FoundRow]) -> int | None:
    """Return the distinct callers of rows of several shards; None if one did not count them."""
    if len(rows) == 1 and rows[0].caller_set is None:
        return rows[0].callers
    together = CallerSet()
    for row in rows:
        if row.caller_set is not None:
            together.merge(CallerSet.decode(row.caller_set))
        elif row.callers != 0 or any(row.sums):
            return None
    return together.distinct()


def _buckets(wanted: UsageRange) -> Iterable[int]:
    if wanted.interval == "hour":
        return range(wanted.first, wanted.end)
    return dict.fromkeys(map(wanted.bucket, wanted.days))


def _start_ms(wanted: UsageRange, bucket: int) -> int:
    if wanted.interval == "hour":
        return bucket * HOUR_MS
    start_ms = wanted.first * (HOUR_MS if wanted.is_of_hours else DAY_MS)
    if wanted.interval == "month":
        return max(start_ms, month_start_ms(bucket))
    return bucket * DAY_MS if wanted.interval == "day" else start_ms

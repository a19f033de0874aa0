"""Usage in a range, counted directly from events: what every read must show."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core.calendar import DAY_MS, HOUR_MS, month_of
from metering.events import UsageEvent, is_error
from metering.usage.ranges import UsageRange

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS")


class ExpectedRow(NamedTuple):
    """The sums of a row, its requests, and its distinct callers."""

    calls: int
    errors: int
    revenue_micros: int
    latencies: int
    latency_ms: int
    requests: int
    callers: int


Key = tuple[int, str, str, str]
"""Bucket, tenant, slug and group."""


def expected_rows(events: Iterable[UsageEvent], wanted: UsageRange) -> dict[Key, ExpectedRow]:
    """Return the rows that have anything, by key."""
    by_key: dict[Key, list[UsageEvent]] = defaultdict(list)
    for one in events:
        if one.api is not None and _is_wanted(one, wanted):
            by_key[_key_of(one, wanted)].append(one)
    return {key: row for key, own in by_key.items() if any((row := _row(own))[:3]) or row.requests}


def busiest(events: Iterable[UsageEvent], wanted: UsageRange) -> Counter[str]:
    """Return the calls of each caller."""
    return Counter(one.caller for one in events if one.counted and _is_wanted(one, wanted))


def _is_wanted(one: UsageEvent, wanted: UsageRange) -> bool:
    assert one.api is not None
    width_ms = HOUR_MS if wanted.is_of_hours else DAY_MS
    return (
        wanted.first <= one.at_ms // width_ms < wanted.end
        and (wanted.tenants is None or one.api.tenant_id in wanted.tenants)
        and (wanted.slug is None or one.api.slug == wanted.slug)
    )


def _key_of(one: UsageEvent, wanted: UsageRange) -> Key:
    assert one.api is not None
    day = one.at_ms // DAY_MS
    bucket = {
        "hour": one.at_ms // HOUR_MS,
        "day": day,
        "month": month_of(day),
        "all": 0,
        "hours": 0,
    }[wanted.interval]
    by = wanted.group_by
    tenant_id = one.api.tenant_id if by in ("api", "tenant") else ""
    slug = one.api.slug if by == "api" else ""
    group = ""
    if by in ("status", "method", "outcome"):
        group = {"status": str(one.status // 100), "method": one.method, "outcome": one.outcome}[by]
    return bucket, tenant_id, slug, group


def _row(events: Sequence[UsageEvent]) -> ExpectedRow:
    calls = [one for one in events if one.counted]
    return ExpectedRow(
        len(calls),
        sum(is_error(one.status, one.outcome) for one in calls),
        sum(one.revenue_micros for one in events),
        sum(one.latency_ms > 0 for one in calls),
        sum(one.latency_ms for one in calls),
        len(events),
        len({one.caller for one in calls}),
    )

"""Ranges of time for the public page: snapshots like those of windows, from usage by hour and day.

Distinct callers of an API are not counted in these ranges, so APIs are ranked by calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from analytics import Analytics
from core import constants
from core.calendar import DAY_MS, HOUR_MS, HOURS_PER_DAY, timestamp
from core.ports import Json
from metering.sketches.periods import Counts
from metering.totals import DEFAULT_DIRECTORY
from metering.usage.days import add_sums
from metering.usage.ranges import Interval, UsageRange
from snapshots.ranking import UNKNOWN_OWNER, shown_revenue
from snapshots.usage_ranges import Usage, UsageRow

RANGE_DAYS: Mapping[str, int] = {"7d": 7, "30d": 30, "90d": 90}
"""The UTC days of ranges that end today."""

LAST_HOURS = "24h"
"""The last 24 clock hours."""


class _Period(NamedTuple):
    """The hours or days of a range; `end` is exclusive."""

    unit_ms: int
    first: int
    end: int

    @property
    def interval(self) -> Interval:
        return "hour" if self.unit_ms == HOUR_MS else "day"

    @property
    def days(self) -> range | None:
        """The UTC days of the range; None if it is not of whole days."""
        if self.unit_ms == DAY_MS:
            return range(self.first, self.end)
        if self.first % HOURS_PER_DAY:
            return None
        return range(self.first // HOURS_PER_DAY, self.end // HOURS_PER_DAY)


async def range_snapshot(analytics: Analytics, name: str, now_ms: int) -> Mapping[str, Json]:
    """Return a snapshot of a range, of the form that windows have.

    Args:
        analytics: The analytics of this isolate.
        name: `LAST_HOURS`, one of `RANGE_DAYS`, or a UTC day such as `2026-11-30`.
        now_ms: The time of the read.

    Raises as `Analytics.usage` and `Analytics.snapshots`.
    """
    period = _period(name, now_ms)
    by_api = await analytics.usage(_by_api(period))
    total = await analytics.usage(UsageRange(period.interval, period.first, period.end))
    described = await analytics.snapshots(("overall",), constants.TOP_MAX)
    rows = _rows(by_api.rows, described["overall"]["allApis"])
    return {
        "window": name,
        "generatedAt": timestamp(now_ms),
        "range": {
            "startAt": timestamp(period.first * period.unit_ms),
            "endAt": timestamp(min(now_ms, period.end * period.unit_ms)),
        },
        "heroStats": {
            "activeAgents": await _callers(analytics, period.days),
            "publishedApis": len(rows),
            "directories": len({row["directory"] for row in rows}),
            "calls": total.totals.calls,
            **shown_revenue(total.totals.revenue_micros),
        },
        "previous": await _previous(analytics, period, now_ms),
        "apis": {"total": len(rows), "shown": len(rows)},
        "allApis": rows,
        "directories": _directories(rows),
        "series": [point_of(row) for row in total.rows if row.start_ms <= now_ms],
        "freshness": freshness_of(total, now_ms),
    }


def point_of(row: UsageRow) -> Mapping[str, Json]:
    """Return an hour or a day of a series."""
    return {
        "startAt": timestamp(row.start_ms),
        "calls": row.sums.calls,
        **shown_revenue(row.sums.revenue_micros),
        "errors": row.sums.errors,
        "latencyMs": round(row.latency_ms or 0, 2),
    }


def sums_of(sums: Counts) -> Mapping[str, Json]:
    """Return the totals of a range."""
    return {
        "calls": sums.calls,
        "errors": sums.errors,
        "errorRatePct": round(100 * sums.errors / sums.calls, 4) if sums.calls else 0,
        **shown_revenue(sums.revenue_micros),
        "latencyMs": round(sums.latency_ms / sums.latencies, 2) if sums.latencies else 0,
    }


def freshness_of(usage: Usage, now_ms: int) -> Mapping[str, Json]:
    """Return what a range may lack."""
    is_complete = not (usage.dropped or usage.unavailable or usage.missing_days)
    return {
        "asOf": timestamp(usage.as_of_ms),
        "complete": is_complete,
        "lagSeconds": max(0, now_ms - usage.as_of_ms) // 1000,
    }


def _period(name: str, now_ms: int) -> _Period:
    if name == LAST_HOURS:
        end = now_ms // HOUR_MS + 1
        return _Period(HOUR_MS, end - HOURS_PER_DAY, end)
    if name in RANGE_DAYS:
        end = now_ms // DAY_MS + 1
        return _Period(DAY_MS, end - RANGE_DAYS[name], end)
    at = datetime.fromisoformat(name).replace(tzinfo=UTC)
    first = int(at.timestamp() * 1000) // HOUR_MS
    return _Period(HOUR_MS, first, first + HOURS_PER_DAY)


def _by_api(period: _Period) -> UsageRange:
    days = period.days
    if days is None:
        return UsageRange("hours", period.first, period.end, group_by="api")
    return UsageRange("all", days[0], days[-1] + 1, group_by="api")


def _rows(
    found: Iterable[UsageRow], described: Sequence[Mapping[str, Json]]
) -> Sequence[Mapping[str, Json]]:
    """Return the rows of all APIs that were called, by calls; `described` has their owners."""
    known = {row["id"]: row for row in described}
    rows = [
        _row(one, known.get(f"{one.tenant_id}:{one.slug}"))
        for one in found
        if one.sums.calls or one.sums.revenue_micros
    ]
    rows.sort(
        key=lambda row: (-row["calls"], -row["revenueMicros"], row["errorRatePct"], row["id"])
    )
    return [{**row, "rank": rank} for rank, row in enumerate(rows, start=1)]


def _row(found: UsageRow, described: Mapping[str, Json] | None) -> Mapping[str, Json]:
    about = described or {"owner": UNKNOWN_OWNER, "directory": DEFAULT_DIRECTORY, "priceUsd": 0}
    return {
        "id": f"{found.tenant_id}:{found.slug}",
        "endpoint": f"/t/{found.slug}",
        **{name: about[name] for name in ("owner", "directory", "priceUsd")},
        **sums_of(found.sums),
        "uniqueCallers": None,
        "trend": about.get("trend", ()),
    }


def _directories(rows: Iterable[Mapping[str, Json]]) -> Sequence[Mapping[str, Json]]:
    members: dict[str, list[Mapping[str, Json]]] = {}
    for row in rows:
        members.setdefault(row["directory"], []).append(row)
    found = [
        {
            "directory": name,
            "calls": sum(row["calls"] for row in own),
            **shown_revenue(sum(row["revenueMicros"] for row in own)),
            "apis": len(own),
            "uniqueCallers": None,
        }
        for name, own in members.items()
    ]
    return sorted(found, key=lambda one: (-one["calls"], one["directory"]))


async def _callers(analytics: Analytics, days: range | None) -> int | None:
    """Return the distinct callers of whole days; None for the last hours."""
    if days is None:
        return None
    rows = (await analytics.usage(UsageRange("all", days[0], days[-1] + 1))).rows
    return rows[0].callers if rows else 0


async def _previous(
    analytics: Analytics, period: _Period, now_ms: int
) -> Mapping[str, Json] | None:
    """Return the totals of the same time before a range, up to the same time of its last day.

    None if nothing is known of it.
    """
    back_ms = (period.end - period.first) * period.unit_ms
    start_ms = period.first * period.unit_ms - back_ms
    end_ms = min(now_ms, period.end * period.unit_ms) - back_ms
    before = await previous_sums(analytics, start_ms, end_ms)
    if not before.calls and not before.revenue_micros:
        return None
    unknown = dict.fromkeys(("activeAgents", "publishedApis", "directories"))
    return {
        "range": {"startAt": timestamp(start_ms), "endAt": timestamp(end_ms)},
        "heroStats": {**unknown, "calls": before.calls, **shown_revenue(before.revenue_micros)},
    }


async def previous_sums(
    analytics: Analytics,
    start_ms: int,
    end_ms: int,
    tenants: Sequence[str] | None = None,
    slug: str | None = None,
) -> Counts:
    """Return the totals from the start of an hour to any time; its last hour is interpolated."""
    first, last = start_ms // HOUR_MS, end_ms // HOUR_MS
    midnight = last - last % HOURS_PER_DAY
    hours_first, found = first, [Counts()]
    if first % HOURS_PER_DAY == 0 and midnight > first:
        days = UsageRange("all", first // HOURS_PER_DAY, midnight // HOURS_PER_DAY, tenants, slug)
        found.append((await analytics.usage(days)).totals)
        hours_first = midnight
    hours = await analytics.usage(UsageRange("hour", hours_first, last + 1, tenants, slug))
    for row in hours.rows:
        is_last = row.start_ms // HOUR_MS == last
        share = (end_ms - last * HOUR_MS) / HOUR_MS if is_last else 1
        found.append(Counts(*(round(share * value) for value in row.sums)))
    return add_sums(found)

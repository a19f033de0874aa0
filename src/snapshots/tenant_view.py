"""What a snapshot shows to a token that is limited to certain tenants: only what is theirs.

Rows are those of the snapshot, with ranks among themselves. Sums, series and distinct callers are
read again as usage of these tenants, because those of the snapshot are of all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from core import constants
from core.calendar import DAY_MS, HOUR_MS, HOURS_PER_DAY, day_of, timestamp
from core.ports import Json
from metering.usage.ranges import UsageRange
from snapshots.ranking import RankedRow, shown_revenue
from snapshots.usage_ranges import Usage, UsageRow
from snapshots.window_parts import days_of


def ranges_of(window: str, tenants: Sequence[str], now_ms: int) -> tuple[UsageRange, UsageRange]:
    """Return the ranges to read for a window: that of its series, and the whole as one bucket."""
    today = now_ms // DAY_MS
    days = days_of(window, now_ms)
    first = day_of(f"{constants.FIRST_YEAR}-01-01") if days is None else days[0]
    whole = UsageRange("all", first, today + 1, tenants)
    if window == "today":
        end = now_ms // HOUR_MS + 1
        return UsageRange("hour", today * HOURS_PER_DAY, end, tenants), whole
    return whole._replace(interval="day"), whole


def limited_snapshot(
    snapshot: Mapping[str, Json], tenants: Collection[str], series: Usage, whole: Usage, top: int
) -> Mapping[str, Json]:
    """Return the part of a snapshot that concerns some tenants.

    Args:
        snapshot: The snapshot of a window.
        tenants: The tenants' ids.
        series: Their usage by hour or day.
        whole: Their usage in the whole window.
        top: The length of `topApis`.
    """
    own = [row for row in snapshot["allApis"] if row["tenantId"] in tenants]
    rows = [RankedRow(rank, row.unranked, row.fields_json) for rank, row in enumerate(own, start=1)]
    freshness = snapshot["freshness"]
    is_missing = bool(series.unavailable or series.missing_days or whole.unavailable)
    return {
        **snapshot,
        "heroStats": {
            "activeAgents": whole.rows[0].callers,
            "publishedApis": sum(row["calls"] > 0 for row in rows),
            "directories": len({row["directory"] for row in rows}),
            "calls": series.totals.calls,
            **shown_revenue(series.totals.revenue_micros),
        },
        "previous": None,
        "apis": {"total": len(rows), "shown": len(rows)},
        "topApis": rows[:top],
        "allApis": rows,
        "directories": _directories(rows),
        "series": _series(series.rows, is_trimmed=snapshot["range"]["startAt"] is None),
        "freshness": {**freshness, "complete": freshness["complete"] and not is_missing},
    }


def _directories(rows: Sequence[Mapping[str, Json]]) -> Sequence[Mapping[str, Json]]:
    by_name: dict[str, list[Mapping[str, Json]]] = {}
    for row in rows:
        by_name.setdefault(row["directory"], []).append(row)
    found = [
        {
            "directory": name,
            "calls": sum(row["calls"] for row in own),
            **shown_revenue(sum(row["revenueMicros"] for row in own)),
            "apis": sum(row["calls"] > 0 for row in own),
            # Callers of several APIs cannot be added up.
            "uniqueCallers": own[0]["uniqueCallers"] if len(own) == 1 else None,
        }
        for name, own in by_name.items()
    ]
    return sorted(found, key=lambda one: (-one["calls"], one["directory"]))


def _series(rows: Sequence[UsageRow], *, is_trimmed: bool) -> Sequence[Mapping[str, Json]]:
    """Return a point for each row; if trimmed, from the first with any usage."""
    start = next((at for at, row in enumerate(rows) if any(row.sums)), len(rows) - 1)
    return [
        {
            "startAt": timestamp(row.start_ms),
            "calls": row.sums.calls,
            **shown_revenue(row.sums.revenue_micros),
            "errors": row.sums.errors,
        }
        for row in rows[start if is_trimmed else 0 :]
    ]

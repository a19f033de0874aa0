"""UTC days and months, and timestamps.

Days are counted from 1970-01-01.
"""

from __future__ import annotations

from datetime import UTC, datetime

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
DAY_SECONDS = 86_400
HOURS_PER_DAY = 24


def day_of(date: str) -> int:
    """Return the UTC day of a date, `2026-11-22`. Raises `ValueError`."""
    at = datetime.fromisoformat(f"{date}T00:00Z")
    return int(at.timestamp()) // DAY_SECONDS


def month_of(day: int) -> int:
    """Return the number of the calendar month of a UTC day: 12 times the year, plus 0 to 11."""
    at = datetime.fromtimestamp(day * DAY_SECONDS, UTC)
    return at.year * 12 + at.month - 1


def month_start_ms(month: int) -> int:
    """Return when a month, numbered as by `month_of`, starts, in milliseconds."""
    year, index = divmod(month, 12)
    return int(datetime(year, index + 1, 1, tzinfo=UTC).timestamp()) * 1000


def timestamp(at_ms: int) -> str:
    """Format a time as RFC 3339 in UTC with milliseconds, `2026-11-22T18:11:00.000Z`."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"

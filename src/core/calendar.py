"""UTC periods (minutes, hours, days and months), how they nest, and timestamps.

A period is identified by its level and its first minute. Minutes, hours and days are
counted from 1970-01-01T00:00Z.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
DAY_SECONDS = 86_400
HOURS_PER_DAY = 24
MINUTES_PER_HOUR = 60
MINUTES_PER_DAY = 1_440
_LEVELS = ("minute", "hour", "day", "month")
_MINUTES = {"minute": 1, "hour": MINUTES_PER_HOUR, "day": MINUTES_PER_DAY}


class Period(NamedTuple):
    """One minute, hour, day or month; `start` and `end` are minutes, the end exclusive."""

    level: str
    start: int

    @property
    def end(self) -> int:
        """The first minute after the period."""
        if self.level != "month":
            return self.start + _MINUTES[self.level]
        later = _date_of(self.start) + timedelta(days=31)
        return minute_of(later.replace(day=1))

    @property
    def parent(self) -> Period | None:
        """The next larger period that contains this one; None for a month."""
        if self.level == "month":
            return None
        return containing(_LEVELS[_LEVELS.index(self.level) + 1], self.start)

    @property
    def child_level(self) -> str:
        """The level of the periods that this one consists of. Not defined for minutes."""
        return _LEVELS[_LEVELS.index(self.level) - 1]


def containing(level: str, minute: int) -> Period:
    """Return the period of `level` that contains `minute`."""
    if level == "month":
        return Period(level, minute_of(_date_of(minute).replace(day=1)))
    return Period(level, minute - minute % _MINUTES[level])


def minute_of(at: datetime) -> int:
    """Return the minute that contains `at`, which must have a time zone."""
    return int(at.timestamp()) // 60


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


def _date_of(minute: int) -> datetime:
    return datetime.fromtimestamp(minute // MINUTES_PER_DAY * DAY_SECONDS, UTC)

"""UTC periods: minutes, hours, days and months, and how they nest.

Owns the arithmetic of the calendar. A period is named by its level and the
minute it starts at, counted from 1970-01-01T00:00Z.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

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
        """The minute after the last one."""
        if self.level != "month":
            return self.start + _MINUTES[self.level]
        later = _date_of(self.start) + timedelta(days=31)
        return _minute_of(later.replace(day=1))

    @property
    def parent(self) -> Period | None:
        """The next larger period that this one is in; None for a month."""
        if self.level == "month":
            return None
        return containing(_LEVELS[_LEVELS.index(self.level) + 1], self.start)

    @property
    def child_level(self) -> str:
        """What this period is made of. Not for minutes."""
        return _LEVELS[_LEVELS.index(self.level) - 1]


def containing(level: str, minute: int) -> Period:
    """Find the period of `level` that `minute` is in."""
    if level == "month":
        return Period(level, _minute_of(_date_of(minute).replace(day=1)))
    return Period(level, minute - minute % _MINUTES[level])


def _date_of(minute: int) -> datetime:
    return datetime.fromtimestamp(minute // MINUTES_PER_DAY * 86_400, UTC)


def _minute_of(date: datetime) -> int:
    return int(date.timestamp()) // 60

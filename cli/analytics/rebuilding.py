"""Rebuilds the totals of UTC days from the log.

The dispatcher works for a limited time per request, and says where to continue. Steps are
idempotent, so a failed run can be continued.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from cli.errors import SAME_VERSION, CommandError, InputError
from cli.platform import Platform
from core import constants

PATH: Final = "/__platform/compact"

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Range:
    """UTC days, from `start` up to and excluding `end`."""

    start: date
    end: date

    @property
    def days(self) -> int:
        """The number of days."""
        return (self.end - self.start).days

    def __str__(self) -> str:
        """Return the range as text, such as `2026-11-22 to 2026-11-24`."""
        return f"{self.start} to {self.end}"


@dataclass(slots=True)
class Rebuilt:
    """The progress of a rebuild.

    Args:
        until: The end of the completed part.
        changed: The days whose totals were wrong and are replaced.
        failed: Why days could not be rebuilt, by day.
        segments: The number of segments that were read.
    """

    until: date
    changed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    segments: int = 0


def checked_range(start: datetime, end: datetime, now: datetime | None = None) -> Range:
    """Return the UTC days that two times include, up to today.

    Raises:
        InputError: The range is empty.
    """
    tomorrow = (now or datetime.now(UTC)).date() + _DAY
    # A time within a day includes that day.
    last = end.date() + _DAY if end.time() != datetime.min.time() else end.date()
    found = Range(start.date(), min(last, tomorrow))
    if found.days < 1:
        raise InputError("The range is empty.", "--from must be before --to and not after today.")
    return found


def rebuild(platform: Platform, wanted: Range, on_step: Callable[[Rebuilt], None]) -> Rebuilt:
    """Rebuild the totals of a range.

    Args:
        platform: The dispatcher.
        wanted: The range.
        on_step: Called after each request.

    Raises:
        CommandError: A request failed; the advice says how to continue.
    """
    done = Rebuilt(wanted.start)
    while done.until < wanted.end:
        step = Range(done.until, min(done.until + constants.REBUILD_DAYS_MAX * _DAY, wanted.end))
        try:
            _rebuild(platform, step, done)
        except CommandError as error:
            rest = Range(done.until, wanted.end)
            command = f"clawr rebuild --from {rest.start} --to {rest.end} --execute"
            advice = f"{error.advice} To continue from there: {command}".strip()
            raise type(error)(error.message, advice) from error
        on_step(done)
    return done


def _rebuild(platform: Platform, step: Range, done: Rebuilt) -> None:
    span = {"from": f"{step.start}", "to": f"{step.end}"}
    report: Mapping[str, Any] = platform.request("POST", PATH, span, may_repeat=True)
    try:
        until = step.end if report["complete"] else date.fromisoformat(report["next"])
        done.changed += [day for day in map(str, report["changed"]) if day not in done.changed]
        for one in report["days"]:
            done.segments += int(one["segments"])
            if one["reason"] is not None:
                done.failed[str(one["day"])] = str(one["reason"])
    except (KeyError, TypeError, ValueError) as error:
        raise CommandError(
            f"The dispatcher's report cannot be read ({type(error).__name__}: {error}).",
            SAME_VERSION,
        ) from error
    done.until = until

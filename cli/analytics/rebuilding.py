"""Rebuilds the summaries of a range, one hour per request to the dispatcher.

A request has a limited number of KV operations. If an hour needs more, it is split into halves.
Steps are idempotent, so a failed run can be continued.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cli.errors import SAME_VERSION, CommandError, InputError
from cli.platform import Platform

PATH: Final = "/__platform/compact"
STEP: Final = timedelta(hours=1)
DAYS_MAX: Final = 39
"""How old the range may be for the dispatcher (docs/reference/api.md)."""

_MINUTE = timedelta(minutes=1)
_FORMAT = "%Y-%m-%dT%H:%MZ"


@dataclass(frozen=True, slots=True)
class Range:
    """Whole minutes in UTC, from `start` up to and excluding `end`."""

    start: datetime
    end: datetime

    @property
    def steps(self) -> Sequence["Range"]:
        """The range split at full hours."""
        found = []
        start = self.start
        while start < self.end:
            hour_end = start.replace(minute=0) + STEP
            found.append(Range(start, min(hour_end, self.end)))
            start = found[-1].end
        return found

    @property
    def minutes(self) -> int:
        """The number of minutes."""
        return (self.end - self.start) // _MINUTE

    @property
    def halves(self) -> Sequence["Range"]:
        """The range in two parts, or itself if it is one minute."""
        if self.minutes < 2:
            return [self]
        middle = self.start + _MINUTE * (self.minutes // 2)
        return [Range(self.start, middle), Range(middle, self.end)]

    def __str__(self) -> str:
        """Return the range as text, such as `2026-11-22T14:00Z to 2026-11-22T15:00Z`."""
        return f"{self.start:{_FORMAT}} to {self.end:{_FORMAT}}"


@dataclass(slots=True)
class Rebuilt:
    """The progress of a rebuild.

    Args:
        until: The end of the completed part.
        summaries: The number of rebuilt summaries.
        changed: Keys of the summaries that changed.
        operations: The number of KV operations.
    """

    until: datetime
    summaries: int = 0
    changed: list[str] = field(default_factory=list)
    operations: int = 0


def checked_range(start: datetime, end: datetime, now: datetime | None = None) -> Range:
    """Return a range in whole minutes, whose end is at most `now`.

    Raises:
        InputError: It is empty, or starts too long ago.
    """
    now = (now or datetime.now(UTC)).replace(second=0, microsecond=0)
    start, end = start.replace(second=0, microsecond=0), min(end, now)
    if end.second or end.microsecond:
        end = end.replace(second=0, microsecond=0) + _MINUTE
    earliest = now - timedelta(days=DAYS_MAX)
    if start < earliest:
        raise InputError(
            f"--from {start:{_FORMAT}} is too long ago: batches of the log expire after 40 days.",
            f"Start at {earliest + _MINUTE:{_FORMAT}} or later.",
        )
    if start >= end:
        raise InputError(
            "The range is empty.", "--from must be before --to and before the current minute."
        )
    return Range(start, end)


def rebuild(platform: Platform, wanted: Range, on_step: Callable[[Rebuilt], None]) -> Rebuilt:
    """Rebuild the summaries of a range.

    Args:
        platform: The dispatcher.
        wanted: The range.
        on_step: Called after each step.

    Raises:
        CommandError: A step failed; the advice says how to continue.
    """
    done = Rebuilt(wanted.start)
    pending = [*wanted.steps][::-1]
    while pending:
        step = pending.pop()
        try:
            report = _compact(platform, step)
        except CommandError as error:
            advice = _continuation(error.advice, Range(step.start, wanted.end))
            raise type(error)(error.message, advice) from error
        done.summaries += report["rebuilt"]
        done.operations += report["operations"]
        done.changed += [key for key in report["changed"] if key not in done.changed]
        if report["complete"]:
            done.until = step.end
            on_step(done)
            continue
        if report["stoppedBy"] or step.minutes < 2:
            reason = report["stoppedBy"] or "one minute needs more KV operations than allowed"
            raise CommandError(
                f"The dispatcher stopped within {step}: {reason}",
                _continuation("", Range(step.start, wanted.end)),
            )
        pending += [*step.halves][::-1]
    return done


def _compact(platform: Platform, step: Range) -> Mapping[str, Any]:
    span = {"from": f"{step.start:{_FORMAT}}", "to": f"{step.end:{_FORMAT}}"}
    document = platform.request("POST", PATH, span, may_repeat=True)
    try:
        return {
            "complete": bool(document["complete"]),
            "rebuilt": int(document["rebuilt"]),
            "operations": int(document["operations"]),
            "changed": [str(key) for key in document["changed"]],
            "stoppedBy": document["stoppedBy"],
        }
    except (KeyError, TypeError, ValueError) as error:
        raise CommandError(
            f"The dispatcher's report cannot be read ({type(error).__name__}: {error}).",
            SAME_VERSION,
        ) from error


def _continuation(advice: str, rest: Range) -> str:
    command = f"clawr rebuild --from {rest.start:{_FORMAT}} --to {rest.end:{_FORMAT}} --execute"
    return f"{advice} To continue from there: {command}".strip()

"""Has the dispatcher make summaries of a range again, an hour at a time.

Owns the steps: a request takes a bounded number of KV operations, so a step that was not
enough for is halved. Each may be repeated without harm, so what fails can be gone on with.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cli.errors import CommandError, InputError
from cli.platform import Platform

PATH: Final = "/__platform/compact"
STEP: Final = timedelta(hours=1)
DAYS_MAX: Final = 39
"""How far back the dispatcher makes summaries again (docs/reference/api.md)."""

_MINUTE = timedelta(minutes=1)
_FORMAT = "%Y-%m-%dT%H:%MZ"


@dataclass(frozen=True, slots=True)
class Range:
    """Whole minutes, from `start` to before `end`, in UTC."""

    start: datetime
    end: datetime

    @property
    def steps(self) -> Sequence["Range"]:
        """Return the range in clock hours, of which the first and the last may be parts."""
        found = []
        start = self.start
        while start < self.end:
            hour_end = start.replace(minute=0) + STEP
            found.append(Range(start, min(hour_end, self.end)))
            start = found[-1].end
        return found

    @property
    def minutes(self) -> int:
        """Return how many minutes it has."""
        return (self.end - self.start) // _MINUTE

    @property
    def halves(self) -> Sequence["Range"]:
        """Return it in two parts; in one when it is a minute."""
        if self.minutes < 2:
            return [self]
        middle = self.start + _MINUTE * (self.minutes // 2)
        return [Range(self.start, middle), Range(middle, self.end)]

    def __str__(self) -> str:
        """Return it as the dispatcher and people read it."""
        return f"{self.start:{_FORMAT}} to {self.end:{_FORMAT}}"


@dataclass(slots=True)
class Rebuilt:
    """What has been done so far.

    Args:
        until: The end of what is done.
        summaries: How many were made again.
        changed: Keys that came out differently.
        operations: KV operations that it took.
    """

    until: datetime
    summaries: int = 0
    changed: list[str] = field(default_factory=list)
    operations: int = 0


def checked_range(start: datetime, end: datetime, now: datetime | None = None) -> Range:
    """Return a range in whole minutes that the dispatcher takes; its end is now at the latest.

    Raises:
        InputError: It is empty, or begins too long ago.
    """
    now = (now or datetime.now(UTC)).replace(second=0, microsecond=0)
    start, end = start.replace(second=0, microsecond=0), min(end, now)
    if end.second or end.microsecond:
        end = end.replace(second=0, microsecond=0) + _MINUTE
    earliest = now - timedelta(days=DAYS_MAX)
    if start < earliest:
        raise InputError(
            f"--from {start:{_FORMAT}} is too long ago: batches of the log expire after 40 days.",
            f"Begin at {earliest + _MINUTE:{_FORMAT}} or later.",
        )
    if start >= end:
        raise InputError(
            "The range is empty.", "--from must be before --to, and before this minute."
        )
    return Range(start, end)


def rebuild(platform: Platform, wanted: Range, on_step: Callable[[Rebuilt], None]) -> Rebuilt:
    """Make the summaries of a range again.

    Args:
        platform: The dispatcher.
        wanted: The range.
        on_step: Called after each step.

    Raises:
        CommandError: A step failed; the advice says how to go on from there.
    """
    done = Rebuilt(wanted.start)
    waiting = [*wanted.steps][::-1]
    while waiting:
        step = waiting.pop()
        try:
            report = _ask(platform, step)
        except CommandError as error:
            advice = _going_on(error.advice, Range(step.start, wanted.end))
            raise type(error)(error.message, advice) from error
        done.summaries += report["rebuilt"]
        done.operations += report["operations"]
        done.changed += [key for key in report["changed"] if key not in done.changed]
        if report["complete"]:
            done.until = step.end
            on_step(done)
            continue
        if report["stoppedBy"] or step.minutes < 2:
            reason = report["stoppedBy"] or "one minute takes more KV operations than there are"
            raise CommandError(
                f"The dispatcher stopped within {step}: {reason}",
                _going_on("", Range(step.start, wanted.end)),
            )
        waiting += [*step.halves][::-1]
    return done


def _ask(platform: Platform, step: Range) -> Mapping[str, Any]:
    span = {"from": f"{step.start:{_FORMAT}}", "to": f"{step.end:{_FORMAT}}"}
    document = platform.ask("POST", PATH, span, may_repeat=True)
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
            "Use the command of the same version as the dispatcher.",
        ) from error


def _going_on(advice: str, rest: Range) -> str:
    how = (
        "To go on from there: clawr rebuild "
        f"--from {rest.start:{_FORMAT}} --to {rest.end:{_FORMAT}} --execute"
    )
    return f"{advice} {how}".strip()

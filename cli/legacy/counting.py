"""Has the dispatcher count what was written, and says what it counts.

Owns the ranges that are asked for. What is older than summaries are made again from the log
for, compaction finds by its marks.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import httpx

from cli.errors import CommandError, NetworkError
from cli.platform import Platform
from core import constants
from core.calendar import MINUTE_MS, timestamp
from metering.state import rebuildable_from

MARGIN_MINUTES: Final = 10
"""How far from the end of what the dispatcher makes again we keep, for clocks that differ."""
POLL_SECONDS: Final = 5.0
LOCAL_POLL_SECONDS: Final = 0.2

Sleep = Callable[[float], None]


class ApiName(NamedTuple):
    """What tells one API from another."""

    tenant_id: str
    slug: str


@dataclass(frozen=True, slots=True)
class Counted:
    """What all figures of an API come to.

    Args:
        calls: Its calls.
        revenue_micros: Its revenue in micro-dollars.
    """

    calls: int = 0
    revenue_micros: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        """Return both together."""
        return Counted(self.calls + other.calls, self.revenue_micros + other.revenue_micros)


def counted_ever(platform: Platform) -> dict[ApiName, Counted]:
    """Return what `overall` has of each API.

    Args:
        platform: The dispatcher's platform API.
    """
    document = platform.get("/__platform/analytics", window="overall", top=1)
    return {
        ApiName(one["tenantId"], one["endpoint"].removeprefix("/t/")): Counted(
            one["calls"], one["revenueMicros"]
        )
        for one in document["snapshot"]["allApis"]
    }


def recent(minutes: Sequence[int], now_minute: int) -> Sequence[int]:
    """Return those minutes whose summaries the dispatcher makes again when it is asked.

    Args:
        minutes: Counted from 1970.
        now_minute: The one that is now.
    """
    earliest = rebuildable_from(now_minute) + MARGIN_MINUTES
    return [minute for minute in minutes if minute >= earliest]


def ranges(minutes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield ranges that have all of these minutes, each from its first to before its second.

    Args:
        minutes: In any order, also several times.
    """
    first = last = None
    for minute in sorted(set(minutes)):
        if first is None or last is None:
            first = minute
        elif minute >= first + constants.REBUILD_MINUTES_MAX:
            yield first, last + 1
            first = minute
        last = minute
    if first is not None and last is not None:
        yield first, last + 1


def compact(platform: Platform, first: int, end: int) -> None:
    """Have the summaries of a range made again, in parts where it is too much at once.

    Args:
        platform: The dispatcher's platform API.
        first: The first minute.
        end: The minute after the last.

    Raises:
        CommandError: The dispatcher refused, or was stopped.
    """
    span = {"from": _shown(first), "to": _shown(end)}
    report = platform.ask("POST", "/__platform/compact", span)
    if report["complete"]:
        return
    if report.get("stoppedBy") or end - first == 1:
        raise CommandError(
            f"Compaction from {span['from']} to {span['to']} was stopped: "
            f"{report.get('stoppedBy') or 'it takes more than one request may'}.",
            "The events are in the log, and cron goes on with them; `clawr analytics` shows them.",
        )
    middle = (first + end) // 2
    compact(platform, first, middle)
    compact(platform, middle, end)


def await_counted(
    read: Callable[[], Mapping[ApiName, Counted]],
    wanted: Mapping[ApiName, Counted],
    seconds: float,
    pause: Callable[[], None],
) -> Mapping[ApiName, Counted]:
    """Ask until each API has at least what is wanted, or time is up; return the last answer.

    Args:
        read: Asks once.
        wanted: By API.
        seconds: How long to go on at most.
        pause: What is done between two questions.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = read()
        if has_all(found, wanted) or time.monotonic() >= deadline:
            return found
        pause()


def has_all(found: Mapping[ApiName, Counted], wanted: Mapping[ApiName, Counted]) -> bool:
    """Tell whether each API has at least what is wanted."""
    return all(
        found.get(name, Counted()).calls >= least.calls
        and found.get(name, Counted()).revenue_micros >= least.revenue_micros
        for name, least in wanted.items()
    )


def run_cron(url: str) -> None:
    """Fire the cron trigger of a `make dev`, which fires none by itself.

    Args:
        url: The dispatcher's address.

    Raises:
        NetworkError: It cannot be reached.
    """
    try:
        httpx.get(f"{url}/cdn-cgi/handler/scheduled", timeout=120).raise_for_status()
    except httpx.HTTPError as error:
        raise NetworkError(f"The cron trigger at {url} could not be fired ({error}).") from error


def sums(events: Sequence[Any]) -> dict[ApiName, Counted]:
    """Return what events come to, by API.

    Args:
        events: Usage events.
    """
    found: dict[ApiName, Counted] = {}
    for event in events:
        name = ApiName(event.api.tenant_id, event.api.slug)
        one = Counted(int(event.counted), event.revenue_micros)
        found[name] = found.get(name, Counted()) + one
    return found


def _shown(minute: int) -> str:
    return timestamp(minute * MINUTE_MS)

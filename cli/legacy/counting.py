"""Makes the dispatcher count imported events, and reads its totals.

Recent minutes are compacted on request. Compaction by cron finds older ones by their marks.
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
"""A margin for clock differences, at the start of the range that is compacted on request."""
POLL_SECONDS: Final = 5.0
LOCAL_POLL_SECONDS: Final = 0.2


class ApiName(NamedTuple):
    """The key of an API's totals."""

    tenant_id: str
    slug: str


@dataclass(frozen=True, slots=True)
class Counted:
    """The totals of an API.

    Args:
        calls: Its calls.
        revenue_micros: Its revenue in micro-dollars.
    """

    calls: int = 0
    revenue_micros: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        """Return the sum of both."""
        return Counted(self.calls + other.calls, self.revenue_micros + other.revenue_micros)


def overall_totals(platform: Platform) -> dict[ApiName, Counted]:
    """Return the totals of each API in the window `overall`.

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
    """Return those minutes that the dispatcher compacts on request.

    Args:
        minutes: Minutes since 1970.
        now_minute: The current minute.
    """
    earliest = rebuildable_from(now_minute) + MARGIN_MINUTES
    return [minute for minute in minutes if minute >= earliest]


def ranges(minutes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield ranges that contain all of these minutes: the first minute, and the one after the last.

    Args:
        minutes: In any order, with repetitions.
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
    """Compact a range; if it is too much for one request, compact its halves.

    Args:
        platform: The dispatcher's platform API.
        first: The first minute.
        end: The minute after the last.

    Raises:
        CommandError: The dispatcher rejected the request, or stopped.
    """
    span = {"from": _shown(first), "to": _shown(end)}
    report = platform.request("POST", "/__platform/compact", span)
    if report["complete"]:
        return
    if report.get("stoppedBy") or end - first == 1:
        raise CommandError(
            f"Compaction from {span['from']} to {span['to']} stopped: "
            f"{report.get('stoppedBy') or 'it needs more KV operations than a request may use'}.",
            "The events are in the log and cron will count them; check `clawr analytics` later.",
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
    """Read totals until each API has at least the wanted ones, or time is up; return the last ones.

    Args:
        read: Reads the totals.
        wanted: The wanted totals by API.
        seconds: The maximum time.
        pause: Called between two reads.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = read()
        if has_all(found, wanted) or time.monotonic() >= deadline:
            return found
        pause()


def has_all(found: Mapping[ApiName, Counted], wanted: Mapping[ApiName, Counted]) -> bool:
    """Return whether each API has at least the wanted totals."""
    return all(
        found.get(name, Counted()).calls >= least.calls
        and found.get(name, Counted()).revenue_micros >= least.revenue_micros
        for name, least in wanted.items()
    )


def run_cron(url: str) -> None:
    """Run the cron trigger of `make dev`, which does not run it on its own.

    Args:
        url: The dispatcher's URL.

    Raises:
        NetworkError: It failed or could not be reached.
    """
    try:
        httpx.get(f"{url}/cdn-cgi/local/scheduled", timeout=120).raise_for_status()
    except httpx.HTTPError as error:
        raise NetworkError(
            f"The cron trigger at {url} could not be run ({error}).",
            "Check that `make dev` is running, then run the same command again.",
        ) from error


def sums(events: Sequence[Any]) -> dict[ApiName, Counted]:
    """Return the totals of events, by API.

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

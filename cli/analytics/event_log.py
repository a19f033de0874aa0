"""Reads usage events from the dispatcher's pages: the newest ones, or new ones as they arrive.

The dispatcher lists events in the order in which they arrived in the log, so new ones come first. A
poll reads until it finds an event that was already shown.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cli.analytics.formatting import read_time, span_text
from cli.errors import SAME_VERSION, AccessError, CommandError, InputError
from cli.platform import Platform

PATH: Final = "/__platform/events"
PAGE_EVENTS_MAX: Final = 2_000
"""The dispatcher's maximum (docs/reference/api.md)."""

SEARCHED_MAX: Final = 100_000
"""How many events are searched for matching ones."""

_REMEMBERED_MAX: Final = 20_000
"""More events than a poll usually finds."""

_FIRST_PAGE_EVENTS = 200
_STATUS = re.compile(r"[1-5](?:\d\d|xx)")


@dataclass(frozen=True, slots=True)
class Event:
    """One usage event.

    Args:
        at: When the response's headers were ready.
        request_id: The request's id, unique among events.
        document: The complete event, as the dispatcher returns it.
    """

    at: datetime
    request_id: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Selects events.

    Args:
        slugs: The APIs; empty for all.
        statuses: The statuses, such as `404` or `5xx`; empty for all.
    """

    slugs: Sequence[str] = ()
    statuses: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check the statuses; raises `InputError`."""
        for status in self.statuses:
            if not _STATUS.fullmatch(status):
                raise InputError(
                    f"--status {status} is not a status.",
                    "Use a status such as 404, or a class such as 5xx.",
                )

    def matches(self, event: Event) -> bool:
        """Return whether an event is selected."""
        status = str(event.document.get("status"))
        kinds = (status, f"{status[:1]}xx")
        endpoints = [f"/t/{slug}" for slug in self.slugs]
        return (not self.slugs or event.document.get("endpoint") in endpoints) and (
            not self.statuses or any(kind in self.statuses for kind in kinds)
        )


def newest_events(
    platform: Platform, wanted: EventFilter, limit: int, *, searched_max: int = SEARCHED_MAX
) -> tuple[Sequence[Event], int]:
    """Return the newest `limit` matching events, newest first, and how many were searched.

    At most `searched_max` events are searched.

    Raises:
        CommandError: They could not be read.
    """
    found: list[Event] = []
    searched = 0
    has_filter = bool(wanted.slugs or wanted.statuses)
    size = PAGE_EVENTS_MAX if has_filter else min(limit, PAGE_EVENTS_MAX)
    for page in _pages(platform, size):
        searched += len(page)
        found += [event for event in page if wanted.matches(event)]
        if len(found) >= limit or searched >= searched_max:
            break
    return found[:limit], searched


@dataclass(slots=True)
class Follower:
    """Returns each event once.

    Args:
        platform: The dispatcher.
    """

    platform: Platform
    _shown: dict[str, None] = field(default_factory=dict)
    """The ids of the newest events, the newest last."""

    def begin(self, limit: int) -> Sequence[Event]:
        """Return the last `limit` events, oldest first; earlier ones count as shown.

        Raises:
            CommandError: They could not be read.
        """
        seen: list[Event] = []
        for page in _pages(self.platform, _FIRST_PAGE_EVENTS):
            seen += page
            if len(seen) >= limit:
                break
        self._remember(seen)
        return seen[:limit][::-1]

    def poll(self) -> Sequence[Event]:
        """Return the events that were not returned yet, oldest first.

        Raises:
            CommandError: They could not be read; the next poll returns them.
        """
        found: list[Event] = []
        for page in _pages(self.platform, _FIRST_PAGE_EVENTS):
            found += page
            # New events are before all others.
            if page and page[-1].request_id in self._shown:
                break
        fresh = [event for event in found if event.request_id not in self._shown]
        self._remember(fresh)
        return sorted(fresh, key=lambda event: (event.at, event.request_id))

    def _remember(self, events: Sequence[Event]) -> None:
        self._shown |= dict.fromkeys(event.request_id for event in reversed(events))
        for name in [*self._shown][:-_REMEMBERED_MAX]:
            del self._shown[name]


def follow(
    follower: Follower,
    interval_seconds: float,
    on_outage: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Event]:
    """Yield new events endlessly, oldest first, also after outages of the dispatcher.

    Args:
        follower: The follower, after `begin`.
        interval_seconds: The pause between two polls.
        on_outage: Called with a sentence when polls start to fail, and when they succeed again.
        pause: Waits for a number of seconds.

    Raises:
        CommandError: The token or the request was rejected, so that retrying is useless.
    """
    failing_since: float | None = None
    while True:
        pause(interval_seconds)
        try:
            fresh = follower.poll()
        except (AccessError, InputError):
            raise
        except CommandError as error:
            if failing_since is None:
                on_outage(f"{error.message} Retrying until it responds.")
                failing_since = time.monotonic()
            continue
        if failing_since is not None:
            outage = span_text(time.monotonic() - failing_since)
            on_outage(f"The dispatcher responds again after {outage}. No event was left out.")
            failing_since = None
        yield from fresh


def _pages(platform: Platform, first_size: int) -> Iterator[Sequence[Event]]:
    """Yield pages, newest first: a small one, then pages of the maximum size."""
    parameters: dict[str, str | int] = {"limit": first_size}
    while True:
        document = platform.get(PATH, **parameters)
        try:
            page = [
                Event(read_time(event["at"]), str(event["requestId"]), event)
                for event in document["events"]
            ]
            cursor = document["cursor"]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CommandError(
                f"The dispatcher's events cannot be read ({type(error).__name__}: {error}).",
                SAME_VERSION,
            ) from error
        yield page
        if cursor is None:
            return
        parameters = {"limit": PAGE_EVENTS_MAX, "cursor": cursor}

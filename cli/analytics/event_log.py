"""Usage events from the dispatcher's pages: the newest ones, or all of them as they come.

The log shows an event a moment after it happened, and one from a place far away up to a minute
or more later, when newer ones have been seen. So whoever follows it looks back a little at every
look, and tells by their ids what has been shown.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cli.analytics.formatting import read_time, span_text
from cli.errors import AccessError, CommandError, InputError
from cli.platform import Platform

PATH: Final = "/__platform/events"
PAGE_EVENTS_MAX: Final = 2_000
"""What the dispatcher gives at most (docs/reference/api.md)."""

LOOKED_AT_MAX: Final = 100_000
"""Events that are looked at for those that are wanted."""

LOOK_BACK_SECONDS: Final = 120.0
"""KV shows a write everywhere after 60 seconds or more (Cloudflare); twice that."""

_FIRST_PAGE_EVENTS = 200
_STATUS = re.compile(r"[1-5](?:\d\d|xx)")


@dataclass(frozen=True, slots=True)
class Event:
    """One usage event.

    Args:
        at: When the response's headers were ready.
        request_id: Its id; no two events have the same.
        document: All of it, as the dispatcher gives it.
    """

    at: datetime
    request_id: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are shown.

    Args:
        slugs: Of these APIs; of all when empty.
        statuses: With these statuses, such as `404` or `5xx`; with any when empty.
    """

    slugs: Sequence[str] = ()
    statuses: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check the statuses; raises `InputError`."""
        for status in self.statuses:
            if not _STATUS.fullmatch(status):
                raise InputError(
                    f"--status {status} is not a status.", "Give one such as 404, or 5xx for all."
                )

    def has(self, event: Event) -> bool:
        """Tell whether an event is one of them."""
        status = str(event.document.get("status"))
        kinds = (status, f"{status[:1]}xx")
        endpoints = [f"/t/{slug}" for slug in self.slugs]
        return (not self.slugs or event.document.get("endpoint") in endpoints) and (
            not self.statuses or any(kind in self.statuses for kind in kinds)
        )


def newest_events(platform: Platform, wanted: Wanted, limit: int) -> tuple[Sequence[Event], int]:
    """Return the newest `limit` wanted events, newest first, and how many were looked at.

    Raises:
        CommandError: They could not be read.
    """
    found: list[Event] = []
    looked_at = 0
    has_filter = bool(wanted.slugs or wanted.statuses)
    size = PAGE_EVENTS_MAX if has_filter else min(limit, PAGE_EVENTS_MAX)
    for page in _pages(platform, size):
        looked_at += len(page)
        found += [event for event in page if wanted.has(event)]
        if len(found) >= limit or looked_at >= LOOKED_AT_MAX:
            break
    return found[:limit], looked_at


@dataclass(slots=True)
class Follower:
    """Gives each event once.

    Args:
        platform: The dispatcher.
        now: Tells the time, in seconds since the epoch.
    """

    platform: Platform
    now: Callable[[], float] = time.time
    _shown: dict[str, float] = field(default_factory=dict)
    _since: float = 0.0

    def begin(self, limit: int) -> Sequence[Event]:
        """Return the last `limit` events, oldest first; those before them count as shown.

        Raises:
            CommandError: They could not be read.
        """
        seen: list[Event] = []
        for page in _pages(self.platform, _FIRST_PAGE_EVENTS):
            seen += page
            if page and len(seen) >= limit and _seconds(page[-1]) < self._horizon(seen):
                break
        self._remember(seen)
        return seen[:limit][::-1]

    def look(self) -> Sequence[Event]:
        """Return the events that have not been given yet, oldest first.

        Raises:
            CommandError: They could not be read; the next look gives them.
        """
        found: list[Event] = []
        for page in _pages(self.platform, _FIRST_PAGE_EVENTS):
            found += page
            if page and _seconds(page[-1]) < self._since:
                break
        fresh = [
            event
            for event in found
            if _seconds(event) >= self._since and event.request_id not in self._shown
        ]
        self._remember(fresh)
        return sorted(fresh, key=lambda event: (event.at, event.request_id))

    def _remember(self, events: Sequence[Event]) -> None:
        self._shown |= {event.request_id: _seconds(event) for event in events}
        self._since = max(self._since, self._horizon(events))
        self._shown = {name: at for name, at in self._shown.items() if at >= self._since}

    def _horizon(self, events: Sequence[Event]) -> float:
        """Return the time before which no more events are expected; 0 before the first one."""
        newest = max(map(_seconds, events), default=0.0)
        # An isolate's clock may be ahead; what others write then must not count as old.
        return max(0.0, min(newest, self.now()) - LOOK_BACK_SECONDS)


def followed(
    follower: Follower,
    interval_seconds: float,
    on_trouble: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Event]:
    """Give events as they come, for ever, oldest first, through outages of the dispatcher.

    Args:
        follower: What has begun.
        interval_seconds: How long to wait between looks.
        on_trouble: Called with a sentence when looks begin to fail, and when they work again.
        pause: What waits.

    Raises:
        CommandError: A look failed in a way that time does not mend.
    """
    failing_since: float | None = None
    while True:
        pause(interval_seconds)
        try:
            fresh = follower.look()
        except (AccessError, InputError):
            raise
        except CommandError as error:
            if failing_since is None:
                on_trouble(f"{error.message} Trying again until it does.")
                failing_since = time.monotonic()
            continue
        if failing_since is not None:
            away = span_text(time.monotonic() - failing_since)
            on_trouble(f"The dispatcher answers again, after {away}; nothing was left out.")
            failing_since = None
        yield from fresh


def _pages(platform: Platform, first_size: int) -> Iterator[Sequence[Event]]:
    """Read pages, newest first: a small one, and then as large as they may be."""
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
                "Use the command of the same version as the dispatcher.",
            ) from error
        yield page
        if cursor is None:
            return
        parameters = {"limit": PAGE_EVENTS_MAX, "cursor": cursor}


def _seconds(event: Event) -> float:
    return event.at.timestamp()

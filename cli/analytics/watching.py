"""Polls a snapshot, also through outages.

Requests are conditional: while nothing changes, the dispatcher responds without a body.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from cli.analytics.formatting import span_text
from cli.errors import AccessError, CommandError, InputError
from cli.platform import Platform

PATH: Final = "/__platform/analytics"


@dataclass(frozen=True, slots=True)
class Update:
    """The result of one poll.

    Args:
        document: The newest response.
        is_new: Whether it differs from the previous one.
        failure: Why this poll failed, as a sentence; empty if it succeeded.
    """

    document: dict[str, Any]
    is_new: bool
    failure: str = ""


def watch_snapshot(
    platform: Platform,
    window: str,
    top: int,
    interval_seconds: float,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Update]:
    """Poll a window's snapshot endlessly.

    Args:
        platform: The dispatcher.
        window: The window's name.
        top: How many APIs.
        interval_seconds: The pause between two polls.
        pause: Waits for a number of seconds.

    Raises:
        CommandError: The first poll failed, or a later one because the token or the request was
            rejected.
    """
    document, tag = platform.get_unless("", PATH, window=window, top=top)
    assert document is not None
    yield Update(document, is_new=True)
    failing_since: float | None = None
    while True:
        pause(interval_seconds)
        try:
            newer, tag = platform.get_unless(tag, PATH, window=window, top=top)
        except (AccessError, InputError):
            raise
        except CommandError as error:
            failing_since = failing_since or time.monotonic()
            outage = span_text(time.monotonic() - failing_since)
            failure = f"{error.message} Retrying for {outage}."
            yield Update(document, is_new=False, failure=failure)
        else:
            failing_since = None
            document = document if newer is None else newer
            yield Update(document, is_new=newer is not None)

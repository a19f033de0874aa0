"""Looks at a snapshot again and again, through outages.

While nothing changes, a look costs the dispatcher an answer without a body.
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
class Look:
    """What one look came to.

    Args:
        document: The newest answer there is.
        is_new: Whether it differs from the one before.
        trouble: Why this look failed, in a sentence; empty when it did not.
    """

    document: dict[str, Any]
    is_new: bool
    trouble: str = ""


def looks(
    platform: Platform,
    window: str,
    top: int,
    interval_seconds: float,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Look]:
    """Look at a window's snapshot for ever.

    Args:
        platform: The dispatcher.
        window: The window's name.
        top: How many APIs.
        interval_seconds: How long to wait between looks.
        pause: What waits.

    Raises:
        CommandError: The first look failed, or a later one in a way that time does not mend.
    """
    document, tag = platform.get_unless("", PATH, window=window, top=top)
    assert document is not None
    yield Look(document, is_new=True)
    failing_since: float | None = None
    while True:
        pause(interval_seconds)
        try:
            newer, tag = platform.get_unless(tag, PATH, window=window, top=top)
        except (AccessError, InputError):
            raise
        except CommandError as error:
            failing_since = failing_since or time.monotonic()
            away = span_text(time.monotonic() - failing_since)
            yield Look(document, is_new=False, trouble=f"{error.message} For {away}; trying again.")
        else:
            failing_since = None
            document = document if newer is None else newer
            yield Look(document, is_new=newer is not None)

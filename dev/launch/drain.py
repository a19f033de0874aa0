"""Before a clean end: gives the dispatcher the moment it needs to write what it counted.

Production has that moment by itself: an isolate lives on for the work it promised to its
`waitUntil`. workerd, once asked to end, does not wait for it.
"""

import http.client
import json
import time

from dev.launch.options import HOST

DRAIN_SECONDS = 5.0
"""Longer than a group commit takes; what KV still refuses after that is given up."""


def wait_until_written(port: int, token: str, seconds: float = DRAIN_SECONDS) -> None:
    """Wait until no event is held in memory alone, or the time is over.

    Args:
        port: Where the dispatcher listens.
        token: The platform token of the run.
        seconds: How long to wait at most. A dispatcher that does not say how much it
            holds, such as another Worker in a test, is not waited for.
    """
    deadline = time.monotonic() + seconds
    while held_events(port, token) and time.monotonic() < deadline:
        time.sleep(0.05)


def held_events(port: int, token: str) -> int:
    """Return how many events the dispatcher holds in memory alone; 0 if it does not say.

    Args:
        port: Where the dispatcher listens.
        token: The platform token of the run.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=DRAIN_SECONDS)
    try:
        headers = {"authorization": f"Bearer {token}"}
        connection.request("GET", "/__platform/health", headers=headers)
        health = json.load(connection.getresponse())
        return int(health["isolate"]["eventsHeld"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return 0
    finally:
        connection.close()

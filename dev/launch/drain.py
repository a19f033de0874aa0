"""Before a clean stop, waits until the dispatcher has written its buffered events.

In production, an isolate keeps running for its `waitUntil` work. A local workerd does not wait
for it when it is stopped.
"""

import http.client
import json
import time

from dev.launch.options import HOST

DRAIN_SECONDS = 5.0
"""Longer than a commit takes. Events that their shard still rejects after that are lost."""


def wait_until_written(port: int, token: str, seconds: float = DRAIN_SECONDS) -> None:
    """Wait until a shard has all events, or the time is over.

    Args:
        port: The dispatcher's port.
        token: The platform token of the run.
        seconds: The maximum wait. A Worker that does not report its buffered events, such as
            another Worker in a test, is not waited for.
    """
    deadline = time.monotonic() + seconds
    while buffered_events(port, token) and time.monotonic() < deadline:
        time.sleep(0.05)


def buffered_events(port: int, token: str) -> int:
    """Return the number of events that the dispatcher has buffered; 0 if it does not report it.

    Args:
        port: The dispatcher's port.
        token: The platform token of the run.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=DRAIN_SECONDS)
    try:
        headers = {"authorization": f"Bearer {token}"}
        connection.request("GET", "/__platform/health", headers=headers)
        health = json.load(connection.getresponse())
        return int(health["isolate"]["eventsBuffered"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return 0
    finally:
        connection.close()

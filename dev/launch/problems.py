"""Asks a started dispatcher which of its settings are unusable."""

import http.client
import json
from collections.abc import Sequence

from dev.launch.options import HOST

HEALTH_SECONDS = 20
"""The report calls facilitators and nodes."""


def unusable_settings(port: int, token: str) -> Sequence[str]:
    """Return a sentence for each unusable setting; none if the report cannot be read.

    Args:
        port: The dispatcher's port.
        token: A platform token.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=HEALTH_SECONDS)
    try:
        connection.request("GET", "/__platform/health", headers={"x-platform-token": token})
        report = json.loads(connection.getresponse().read())
        return [
            one["message"] for one in report["problems"] if one["code"] == "configuration_error"
        ]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return []
    finally:
        connection.close()

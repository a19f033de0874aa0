"""Completes API slugs in the shell. It must be fast and must not print errors."""

from collections.abc import Sequence
from typing import Final

SECONDS_MAX: Final = 1.0


def complete_slug(incomplete: str) -> Sequence[str]:
    """Return the slugs of called APIs that start with `incomplete`, most called first."""
    import httpx  # noqa: PLC0415 - only when a shell completes

    from cli.errors import CommandError  # noqa: PLC0415
    from cli.platform import Platform  # noqa: PLC0415
    from cli.targets import find_target  # noqa: PLC0415

    try:
        with Platform(find_target().dispatcher, httpx.Timeout(SECONDS_MAX)) as platform:
            response = platform.send(
                "GET", "/__platform/analytics", {"window": "overall", "top": 100}, attempts=1
            )
        rows = (response.document or {})["snapshot"]["allApis"]
        slugs = [str(row["endpoint"]).removeprefix("/t/") for row in rows]
    except (CommandError, OSError, KeyError, TypeError):
        return []
    return [slug for slug in slugs if slug.startswith(incomplete)]

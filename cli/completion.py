"""What a shell completes beyond commands and options: the APIs that the dispatcher knows.

Quick, and silent about everything that fails: somebody is in the middle of typing.
"""

from collections.abc import Sequence
from typing import Final

SECONDS_MAX: Final = 1.0


def complete_slug(incomplete: str) -> Sequence[str]:
    """Return the slugs of called APIs that begin as what was typed, the most called first."""
    import httpx  # noqa: PLC0415 - only when a shell asks

    from cli.errors import CommandError  # noqa: PLC0415
    from cli.platform import Platform  # noqa: PLC0415
    from cli.targets import find_target  # noqa: PLC0415

    try:
        with Platform(find_target().dispatcher, httpx.Timeout(SECONDS_MAX)) as platform:
            answer = platform.send(
                "GET", "/__platform/analytics", {"window": "overall", "top": 100}, attempts=1
            )
        rows = (answer.document or {})["snapshot"]["allApis"]
        slugs = [str(row["endpoint"]).removeprefix("/t/") for row in rows]
    except (CommandError, OSError, KeyError, TypeError):
        return []
    return [slug for slug in slugs if slug.startswith(incomplete)]

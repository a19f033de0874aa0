"""Builds every KV key; no other module does.

Keys of totals have a version and are never written again with another value, so a reader that
has the key has the value.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.calendar import DAY_MS, day_of, timestamp

USAGE_PREFIX = "usage/"
"""The segments of the log, by shard, and the batches that no shard has accepted yet."""

ROLLUP_PREFIX = "rollup/"
"""The totals of UTC days, by shard."""

BASE_PREFIX = "base/"
"""The totals of the days before a UTC day, by shard."""

MANIFEST_PREFIX = "manifest/"
"""The keys of each shard's newest totals, for readers that the shard does not respond to."""

ARCHIVE_PREFIX = "payments/"
"""Finished payments of the ledger, by the UTC day of their claim."""

DEMO_HISTORY = "demo/history"
"""Set by `dev.history` if the log has generated demo events: their range."""

TOKEN_PREFIX = "token/"  # noqa: S105
"""Tokens that are limited to certain tenants."""

TENANT_PREFIX = "tenant/"
"""All records of the tenant directory."""


def segment(shard: int, first: int) -> str:
    """Build the key of the segment of a shard that starts at position `first`."""
    return f"{USAGE_PREFIX}{shard}/{first:012d}"


def spills(shard: int) -> str:
    """Build the prefix of all batches that wait for a shard."""
    return f"{USAGE_PREFIX}spill/{shard}/"


def spill(shard: int, writer: str, sequence: int) -> str:
    """Build the key of a batch that waits for a shard."""
    return f"{spills(shard)}{writer}/{sequence:08d}"


def rollup(shard: int, day: int, version: int) -> str:
    """Build the key of a version of the totals of a UTC day."""
    return f"{ROLLUP_PREFIX}{shard}/{_date(day)}.{version}"


def rollup_day(key: str) -> int | None:
    """Return the UTC day of a roll-up's key; None for any other key."""
    if not key.startswith(ROLLUP_PREFIX):
        return None
    return day_of(key.rpartition("/")[2].partition(".")[0])


def base(shard: int, window: str, day: int, version: int) -> str:
    """Build the key of a version of what a window has from before the UTC day `day`."""
    return f"{BASE_PREFIX}{shard}/{window}/{_date(day)}.{version}"


def manifest(shard: int) -> str:
    """Build the key of a shard's manifest."""
    return f"{MANIFEST_PREFIX}{shard}"


def payment_archive(day: int, digest: str) -> str:
    """Build the key of an archive of payments claimed on a UTC day, by a hash of its value."""
    return f"{ARCHIVE_PREFIX}{_date(day)}/{digest}"


def pieces(key: str, count: int) -> Sequence[str]:
    """Build the keys of totals that are split into `count` pieces; the first has the key itself."""
    return [key, *(f"{key}/{number}" for number in range(1, count))]


def tenant(slug: str) -> str:
    """Build the key of the directory record of `slug` in `TENANT_KV`."""
    return TENANT_PREFIX + slug


def host(name: str) -> str:
    """Build the key in `TENANT_KV` whose value is the slug that host `name` belongs to."""
    return f"host/{name}"


def token(digest: str) -> str:
    """Build the key in `TENANT_KV` of a token, by the SHA-256 of it in hexadecimal digits."""
    return f"{TOKEN_PREFIX}{digest}"


def publication(slug: str) -> str:
    """Build the key in `TENANT_KV` of the state of `clawr publish` for `slug`."""
    return f"publication/{slug}"


def extension_responses(slug: str) -> str:
    """Build the key in `TENANT_KV` of what facilitators said about the extensions of payments."""
    return f"extensions/{slug}"


def _date(day: int) -> str:
    return timestamp(day * DAY_MS)[:10]

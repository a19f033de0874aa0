"""Cloudflare's limits for uploads.

Source: https://developers.cloudflare.com/workers/platform/limits/, November 2026. Where its pages
differ, this module has the smaller number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

COMPRESSED_BYTES_FREE: Final = 3_000_000
COMPRESSED_BYTES_PAID: Final = 10_000_000
RAW_BYTES_MAX: Final = 64 * 1024 * 1024
STARTUP_MS_MAX: Final = 1_000
"""Cloudflare measures the startup time at the upload, and rejects Workers that take longer."""

VARIABLES_FREE: Final = 64
VARIABLES_PAID: Final = 128
VARIABLE_BYTES_MAX: Final = 5_000
ASSETS_FREE: Final = 20_000
ASSETS_PAID: Final = 100_000
ASSET_BYTES_MAX: Final = 25 * 1024 * 1024
CRONS_FREE: Final = 5
CRONS_PAID: Final = 250
"""Per account."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A size or count of an upload, with its limits.

    Args:
        what: What was measured, with its unit.
        value: The measured value.
        free: The limit of the free plan.
        paid: The limit of the paid plan, which dispatch namespaces require.
    """

    what: str
    value: int
    free: int
    paid: int

    @property
    def is_exceeded(self) -> bool:
        """Whether the value exceeds the limit of all plans."""
        return self.value > self.paid


def measured(
    *,
    raw_bytes: int,
    compressed_bytes: int,
    variables: Sequence[str],
    asset_bytes: Sequence[int],
    crons: int,
) -> tuple[Measured, ...]:
    """Return the sizes and counts of an upload with their limits.

    Args:
        raw_bytes: The size of all modules.
        compressed_bytes: The same after gzip.
        variables: The values of variables; an empty text for each secret, whose value is unknown.
        asset_bytes: The size of each static file.
        crons: The number of schedules.
    """
    longest = max((len(text.encode()) for text in variables), default=0)
    return (
        Measured(
            "compressed bytes", compressed_bytes, COMPRESSED_BYTES_FREE, COMPRESSED_BYTES_PAID
        ),
        Measured("bytes", raw_bytes, RAW_BYTES_MAX, RAW_BYTES_MAX),
        Measured("variables and secrets", len(variables), VARIABLES_FREE, VARIABLES_PAID),
        Measured("bytes of the longest variable", longest, VARIABLE_BYTES_MAX, VARIABLE_BYTES_MAX),
        Measured("static files", len(asset_bytes), ASSETS_FREE, ASSETS_PAID),
        Measured(
            "bytes of the largest static file",
            max(asset_bytes, default=0),
            ASSET_BYTES_MAX,
            ASSET_BYTES_MAX,
        ),
        Measured("schedules", crons, CRONS_FREE, CRONS_PAID),
    )

"""Builds events for tests, with defaults for all fields."""

from __future__ import annotations

from metering.events import Api, UsageEvent
from tests.support.fakes import NOON_MS

WEATHER = Api("tenant-1", "weather", "alice", "Data", 10_000)
MAPS = Api("tenant-2", "maps", "@bob", "", 0)


def event(  # noqa: PLR0913 (all have defaults)
    at_ms: int = NOON_MS,
    api: Api | None = WEATHER,
    *,
    request_id: str = "w-000001",
    status: int = 200,
    latency_ms: int = 20,
    caller: str = "c1",
    counted: bool = True,
    revenue_micros: int = 0,
) -> UsageEvent:
    """Build one event."""
    return UsageEvent(
        request_id,
        at_ms,
        api,
        "GET",
        status,
        latency_ms,
        caller,
        "served",
        counted,
        revenue_micros,
    )

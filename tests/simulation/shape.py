"""What one run is like: traffic, isolates, clocks, limits, and how bad KV is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.calendar import HOUR_MS, MINUTE_MS
from tests.simulation.kv import Temper

CLOCK_OFF_MS_MAX = 300_000


@dataclass(frozen=True, slots=True)
class Burst:
    """Requests that arrive from `at_ms`, `spacing_ms` apart on average."""

    at_ms: float
    requests: int
    spacing_ms: float


@dataclass(frozen=True, slots=True)
class Shape:
    """One run's circumstances; times are virtual milliseconds."""

    start_ms: int
    locations: int
    isolates: int
    apis: int
    callers: int
    bursts: Sequence[Burst]
    reads: Sequence[float]
    reads_after_compaction: int
    """How many more readers at most ask right after a run of compaction."""
    returns: Sequence[float]
    """When isolates that hold events get another request, and may write them late."""
    repairs: Sequence[float]
    """When an operator has a range rebuilt."""
    kills: Sequence[float]
    fuse: int
    """Steps after which an isolate dies, on average; 0 for never."""
    cron_runs: int
    """How often cron runs each minute: not at all, once or twice."""
    cron_late_ms: float
    cron_pauses: bool
    """Whether cron pauses from its first look at a minute until the minute's hour closes."""
    cut: float
    """The share of invocations that are dropped alone."""
    clock_off_ms: int
    clocks_drift: bool
    timers_late_ms: float
    limits: Mapping[str, int]
    bad_batches: int
    aftermath_ms: float
    """How long everything goes on as badly when the last request has been answered."""
    temper: Temper

    @property
    def traffic_ends_ms(self) -> float:
        """When the last request may arrive."""
        return max(burst.at_ms + 3 * burst.requests * burst.spacing_ms for burst in self.bursts)


def closing_ms(at_ms: float) -> float:
    """When the hour of a time is closed: its last minute has settled by then."""
    return (at_ms // HOUR_MS + 1) * HOUR_MS + 20 * MINUTE_MS

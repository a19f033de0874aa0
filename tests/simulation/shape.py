"""The circumstances of a run: traffic, isolates, clocks, limits, and the faults of KV."""

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
    """The circumstances of one run; times are in virtual milliseconds."""

    start_ms: int
    locations: int
    isolates: int
    apis: int
    callers: int
    bursts: Sequence[Burst]
    reads: Sequence[float]
    reads_after_compaction: int
    """The largest number of additional reads right after a run of compaction."""
    returns: Sequence[float]
    """When isolates with buffered events get another request, and may write them late."""
    repairs: Sequence[float]
    """When an operator rebuilds a range."""
    kills: Sequence[float]
    fuse: int
    """Steps after which an isolate dies, on average; 0 for never."""
    cron_runs: int
    """How many times cron runs each minute: 0, 1 or 2."""
    cron_late_ms: float
    cron_pauses: bool
    """Whether cron pauses from its first run in an hour until that hour closes."""
    cut: float
    """The share of invocations that are dropped, without their isolate."""
    clock_off_ms: int
    clocks_drift: bool
    timers_late_ms: float
    limits: Mapping[str, int]
    bad_batches: int
    aftermath_ms: float
    """How long the faults continue after the last response."""
    temper: Temper

    @property
    def traffic_ends_ms(self) -> float:
        """The time of the last request."""
        return max(burst.at_ms + 3 * burst.requests * burst.spacing_ms for burst in self.bursts)


def closing_ms(at_ms: float) -> float:
    """Return when the hour of a time is closed: its last minute has settled then."""
    return (at_ms // HOUR_MS + 1) * HOUR_MS + 20 * MINUTE_MS

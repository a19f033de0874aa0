"""Counters of one isolate: its requests by outcome, and how long they took.

Counting costs a request a few integer additions. `api.metrics` exposes the counters.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.ports import ProxyResponse, Response

REQUEST_BOUNDS_MS = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000)
COMMIT_BOUNDS_MS = (250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000)
PLATFORM = "platform"
"""The surface of the routes below `/__platform`."""

PUBLIC = "public"
"""The surface of all other routes."""

SERVED = "served"
"""The outcome of a request that a tenant's script responded to."""

SERVED_WITH_RECEIPT = "served_with_receipt"
"""The outcome of a request to an API without a price whose script sent a payment's receipt."""

ANSWERED = "answered"
"""The outcome of a request that the dispatcher responded to itself, without an error."""


class Histogram:
    """How many durations were at or below each of some bounds, in milliseconds."""

    __slots__ = ("bounds_ms", "counts", "sum_ms")

    def __init__(self, bounds_ms: Sequence[int]) -> None:
        """Take the bounds, ascending; one more bucket counts what is above all of them."""
        self.bounds_ms = bounds_ms
        self.counts = [0] * (len(bounds_ms) + 1)
        self.sum_ms = 0

    def add(self, duration_ms: int) -> None:
        """Count one duration; a negative one, which a clock can cause, counts as 0."""
        duration_ms = max(0, duration_ms)
        self.counts[bisect_left(self.bounds_ms, duration_ms)] += 1
        self.sum_ms += duration_ms


@dataclass(slots=True)
class RequestCounters:
    """The requests of an isolate since `began_ms`.

    `counts` is by surface, outcome, and class of the status (2 for 2xx). An outcome is
    `SERVED`, `ANSWERED` or an error's code, so there are only a few dozen.
    """

    began_ms: int = 0
    counts: dict[tuple[str, str, int], int] = field(default_factory=dict)
    durations: Mapping[str, Histogram] = field(
        default_factory=lambda: {
            surface: Histogram(REQUEST_BOUNDS_MS) for surface in (PUBLIC, PLATFORM)
        }
    )

    def add(self, surface: str, response: Response | ProxyResponse, duration_ms: int) -> None:
        """Count one request whose `response` was ready `duration_ms` after it arrived."""
        if isinstance(response, ProxyResponse):
            status, outcome = response.upstream.status, SERVED
        else:
            status, outcome = response.status, response.error or ANSWERED
        key = (surface, outcome, status // 100)
        self.counts[key] = self.counts.get(key, 0) + 1
        self.durations[surface].add(duration_ms)

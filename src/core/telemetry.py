"""What one isolate counts while it lives: requests, how long they took, KV operations.

Owns the counting, which costs a request some additions of small numbers. Refuses to
know how any of it is shown: that is for `metrics`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from core.ports import ProxyResponse, Response

T = TypeVar("T")
REQUEST_BOUNDS_MS = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000)
COMMIT_BOUNDS_MS = (250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000)
PLATFORM = "platform"
"""Where a request was for: the routes below `/__platform`."""

PUBLIC = "public"
"""Any other."""

SERVED = "served"
"""The outcome of a request that a tenant's script answered."""

ANSWERED = "answered"
"""The outcome of one that the dispatcher answered itself; else it is an error's code."""


class Histogram:
    """How many durations fell at or below each of some bounds, in milliseconds."""

    __slots__ = ("bounds_ms", "counts", "sum_ms")

    def __init__(self, bounds_ms: Sequence[int]) -> None:
        """Take the bounds, ascending; one more bucket is for what is above them all."""
        self.bounds_ms = bounds_ms
        self.counts = [0] * (len(bounds_ms) + 1)
        self.sum_ms = 0

    def add(self, duration_ms: int) -> None:
        """Count one duration; below 0, as clocks can make it, is 0."""
        duration_ms = max(0, duration_ms)
        self.counts[bisect_left(self.bounds_ms, duration_ms)] += 1
        self.sum_ms += duration_ms


@dataclass(slots=True)
class RequestCounters:
    """The requests of an isolate since `began_ms`.

    `answered` has how many by where they were for, what became of them, and the
    class of the status: 2 for 2xx. What becomes of a request is one of a few dozen
    words, so this stays small.
    """

    began_ms: int = 0
    answered: dict[tuple[str, str, int], int] = field(default_factory=dict)
    durations: Mapping[str, Histogram] = field(
        default_factory=lambda: {
            surface: Histogram(REQUEST_BOUNDS_MS) for surface in (PUBLIC, PLATFORM)
        }
    )

    def add(self, surface: str, answer: Response | ProxyResponse, duration_ms: int) -> None:
        """Count one request that `answer` ends, `duration_ms` after it arrived."""
        if isinstance(answer, ProxyResponse):
            status, outcome = answer.reply.status, SERVED
        else:
            status, outcome = answer.status, answer.error or ANSWERED
        key = (surface, outcome, status // 100)
        self.answered[key] = self.answered.get(key, 0) + 1
        self.durations[surface].add(duration_ms)

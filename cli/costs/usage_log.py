"""What the usage log does in a second, computed from the constants of recorder and shard.

It is the mean of what `bench.analytics.designs` simulates with the real recorder and shard.
"""

import math
from dataclasses import dataclass
from typing import Final

from core import constants

CALL_SECONDS: Final = 0.02
"""The way to a Durable Object and back, from near it. From far away, fewer batches are sent."""

PUT_SECONDS: Final = 0.05
"""A put of KV."""

_SEND_SECONDS = constants.SEND_DELAY_MS / 1_000
_COMMIT_SECONDS = constants.COMMIT_DELAY_MS / 1_000
_FLUSH_SECONDS = constants.FLUSH_MS / 1_000
_CHECKPOINT_SECONDS = constants.CHECKPOINT_MS / 1_000

_EVENT_BYTES = 85
_BATCH_BYTES = 150
"""Measured in the segments of the simulation."""

_ROWS_PER_COMMIT = 2
"""It is written, and deleted after a checkpoint."""

_ROWS_PER_SEGMENT = 5
"""The segment, its day and the day's index, and two values of the state (metering.tables)."""

_ROWS_PER_CHECKPOINT = 5
"""Totals and writers, written and deleted, and a value of the state."""

_ROWS_PER_SETTLEMENT = 2
"""The settlement and its index."""

_ROUNDS = 20
"""The length of a call and the number of calls depend on each other."""


@dataclass(frozen=True, slots=True)
class LogRates:
    """What one shard and its recorders do in a second.

    Args:
        calls: Calls of the shard with a batch.
        commits: Commits of the shard.
        alarms: Alarms that are set, and run.
        segments: Segments that are written to KV.
        rows: Rows of SQLite that are written or deleted.
        active_seconds: Seconds in which the Durable Object is active.
        stored_bytes: Bytes that the segments have.
    """

    calls: float
    commits: float
    alarms: float
    segments: float
    rows: float
    active_seconds: float
    stored_bytes: float


def log_rates(events_per_second: float, isolates: int, paid_per_second: float = 0) -> LogRates:
    """Return what a shard does at this traffic, in the long run.

    Args:
        events_per_second: Events of the shard from recorders: requests that are not paid.
        isolates: The isolates that they come from, in equal parts.
        paid_per_second: Settled payments, each with a batch of its own.
    """
    call_seconds = CALL_SECONDS + _COMMIT_SECONDS
    free = paid = commits = 0.0
    for _ in range(_ROUNDS):
        free = isolates * _sends(events_per_second / isolates, call_seconds, _SEND_SECONDS)
        paid = isolates * _sends(paid_per_second / isolates, call_seconds, 0)
        calls = free + paid
        # An isolate has one call of each kind on its way: others join the commit that it waits for.
        own = max(free, paid) / isolates
        joining = (calls - own) * _COMMIT_SECONDS
        commits = calls / (1 + joining)
        waiting = _COMMIT_SECONDS * (1 + joining / 2) / (1 + joining)
        call_seconds = CALL_SECONDS + waiting
    events = events_per_second + paid_per_second
    batches = free + paid_per_second
    stored_bytes = events * _EVENT_BYTES + batches * _BATCH_BYTES
    segments = max(
        _rate(events, _FLUSH_SECONDS),
        stored_bytes / constants.SEGMENT_LENGTH_MAX if events else 0,
    )
    checkpoints = max(_rate(events, _CHECKPOINT_SECONDS), events / constants.CHECKPOINT_EVENTS_MAX)
    alarms = segments + checkpoints
    return LogRates(
        calls=calls,
        commits=commits,
        alarms=alarms,
        segments=segments,
        rows=commits * _ROWS_PER_COMMIT
        + segments * _ROWS_PER_SEGMENT
        + checkpoints * _ROWS_PER_CHECKPOINT
        + alarms
        + paid_per_second * _ROWS_PER_SETTLEMENT,
        active_seconds=min(1.0, commits * _COMMIT_SECONDS + segments * PUT_SECONDS),
        stored_bytes=stored_bytes,
    )


def _sends(rate: float, call_seconds: float, delay_seconds: float) -> float:
    """Return how many batches an isolate sends in a second, of `rate` events.

    A batch is sent after a delay. If nothing has happened during its call, the next one waits for
    an event first.
    """
    if rate == 0:
        return 0.0
    idle_seconds = math.exp(-rate * call_seconds) / rate
    return 1 / (delay_seconds + call_seconds + idle_seconds)


def _rate(events: float, seconds: float) -> float:
    """Return how often something happens that is done `seconds` after the first event."""
    if events == 0:
        return 0.0
    return 1 / (seconds + math.exp(-events * seconds) / events)

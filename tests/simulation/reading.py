"""What a response must include, recorded when its read starts."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from core import constants
from metering.events import UsageEvent
from tests.simulation.isolate import Isolate
from tests.simulation.kv import LISTING_LAG_MS_MAX


@dataclass(frozen=True, slots=True)
class Reading:
    """The state when a read started: at `true_ms`, which the reader's clock shows as `clock_ms`.

    `buffered` has the events in the isolate's memory. `recorded` has the batches in KV, each with
    the time when it got there, except those in `late`: batches that still have a late marker.
    """

    true_ms: float
    clock_ms: int
    clock_off_ms: int
    local_keys: AbstractSet[str]
    buffered: Sequence[UsageEvent]
    recorded: Sequence[tuple[float, Sequence[UsageEvent]]]
    late: AbstractSet[str]

    def due(self, as_of_ms: float, *, listed_all: bool) -> Sequence[UsageEvent]:
        """Return the events that a response must include if it is complete as of a time.

        If the reader has not `listed_all` batches, it has some only from summaries.
        """
        written_ms = self.true_ms - LISTING_LAG_MS_MAX
        if not listed_all:
            # The clock of compaction may be ahead of the true one.
            listed_ms = as_of_ms + constants.KV_SETTLE_SECONDS * 1000 - self.clock_off_ms
            written_ms = min(written_ms, listed_ms - LISTING_LAG_MS_MAX)
        return [
            event
            for at_ms, events in self.recorded
            if at_ms <= written_ms
            for event in events
            if event.at_ms <= as_of_ms
        ]

    def still_buffered(self, isolate: Isolate) -> Reading:
        """Return the reading without events that are no longer buffered now."""
        still = {event.request_id for event in buffered_by(isolate)}
        return replace(
            self,
            local_keys=self.local_keys | local_keys(isolate) | isolate.cached_keys(),
            buffered=[event for event in self.buffered if event.request_id in still],
        )


def local_keys(isolate: Isolate) -> AbstractSet[str]:
    """Return the keys of the batches that an isolate has in memory, in KV or not."""
    local = isolate.log.local_batches()
    return local.buffered.keys() | local.recent.keys()


def buffered_by(isolate: Isolate) -> Sequence[UsageEvent]:
    """Return the events in an isolate's memory that may be missing in KV."""
    return [
        event for batch in isolate.log.local_batches().buffered.values() for event in batch.events
    ]

"""What a reader must be shown: noted when it asks, and compared with what it is shown."""

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
    """What a reader was about to ask at `true_ms`, its own clock's `clock_ms`, and what was true.

    `recorded` are the batches in KV, each with when it came there, but for those in `late`:
    batches that were written late, whose marks compaction is not done with.
    """

    true_ms: float
    clock_ms: int
    clock_off_ms: int
    local_keys: AbstractSet[str]
    held: Sequence[UsageEvent]
    recorded: Sequence[tuple[float, Sequence[UsageEvent]]]
    late: AbstractSet[str]

    def due(self, as_of_ms: float, *, listed_all: bool) -> Sequence[UsageEvent]:
        """Tell which events an answer has that claims to be complete as of a time.

        Unless the reader `listed_all` batches there are, it has some from compaction.
        """
        written_ms = self.true_ms - LISTING_LAG_MS_MAX
        if not listed_all:
            # Compaction goes by a clock of its own, which may be ahead of the true one.
            listed_ms = as_of_ms + constants.KV_SETTLE_SECONDS * 1000 - self.clock_off_ms
            written_ms = min(written_ms, listed_ms - LISTING_LAG_MS_MAX)
        return [
            event
            for at_ms, events in self.recorded
            if at_ms <= written_ms
            for event in events
            if event.at_ms <= as_of_ms
        ]

    def still_held(self, isolate: Isolate) -> Reading:
        """Narrow what was held down to what is held to this moment."""
        kept = {event.request_id for event in held_by(isolate)}
        return replace(
            self,
            local_keys=self.local_keys | local_keys(isolate) | isolate.kept_keys(),
            held=[event for event in self.held if event.request_id in kept],
        )


def local_keys(isolate: Isolate) -> AbstractSet[str]:
    """The batches that an isolate has in memory, in KV or not."""
    local = isolate.log.local_batches()
    return local.buffered.keys() | local.recent.keys()


def held_by(isolate: Isolate) -> Sequence[UsageEvent]:
    """The events in an isolate's memory that it does not know to be in KV."""
    return [
        event for batch in isolate.log.local_batches().buffered.values() for event in batch.events
    ]

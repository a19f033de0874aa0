"""Mutations of the group commit."""

from __future__ import annotations

from tests.simulation.mutating import Mutation

LOG = (
    Mutation(
        "a retried put gets a new key",
        "usage",
        "UsageRecorder._write",
        "key,\n                sealed.minute",
        "self._new_key(sealed.minute),\n                sealed.minute",
    ),
    Mutation(
        "a batch is dropped at the deadline",
        "usage",
        "UsageRecorder._write",
        "deadline_ms:\n                return",
        "deadline_ms:\n                return self._mark_committed(key)",
    ),
    Mutation(
        "a failed put is taken for a success",
        "usage",
        "UsageRecorder._write",
        "self.counters.puts_failed += 1",
        "return self._mark_committed(key)",
    ),
    Mutation(
        "the buffer is cleared before the put has succeeded",
        "usage",
        "UsageRecorder._write",
        "sealed = self._sealed[key]",
        "sealed = self._sealed[key]; self._mark_committed(key)",
    ),
    Mutation(
        "a dead leader's claim never expires",
        "usage",
        "UsageRecorder._claim",
        "batch.claimed_until_ms <= now_ms",
        "batch.claimed_until_ms == 0",
    ),
    Mutation(
        "a dead leader is never replaced",
        "usage",
        "UsageRecorder._role_at",
        "now_ms < self._leader_until_ms",
        "self._leader_until_ms",
    ),
    Mutation(
        "an event at the end of a minute goes into the next one",
        "usage",
        "UsageRecorder.record",
        "event.at_ms // MINUTE_MS",
        "(event.at_ms + 500) // MINUTE_MS",
    ),
    Mutation(
        "a batch that crosses a minute is not split",
        "usage",
        "UsageRecorder.record",
        "entry = self._open.get(minute)",
        "minute = next(iter(self._open), minute); entry = self._open.get(minute)",
    ),
    Mutation(
        "a leader writes only the newest minute",
        "usage",
        "UsageRecorder.commit_after_delay",
        "in tuple(self._open):",
        "in tuple(self._open)[-1:]:",
    ),
    Mutation(
        "dropped events are not counted",
        "usage",
        "UsageRecorder.record",
        "self.counters.events_dropped += 1",
        "pass",
    ),
    Mutation(
        "dropped events are not reported to readers",
        "usage",
        "UsageRecorder.record",
        "self._dropped_unreported += 1",
        "pass",
    ),
    Mutation(
        "dropped events are reported again with every batch",
        "usage",
        "UsageRecorder._seal",
        "self._dropped_unreported = 0",
        "pass",
    ),
    Mutation(
        "a sealed batch still takes events",
        "usage",
        "UsageRecorder._seal",
        "self._open.pop(minute)",
        "self._open[minute]",
    ),
    Mutation(
        "a sealed batch loses its last event",
        "usage",
        "UsageRecorder._seal",
        "Batch(events,",
        "Batch(events[: max(1, len(events) - 1)],",
    ),
    Mutation(
        "a writer uses a key twice",
        "usage",
        "UsageRecorder._new_key",
        "self.writer, self._next_counter",
        "self.writer, self._next_counter % 3",
    ),
    Mutation(
        "all isolates use the same writer name",
        "usage",
        "UsageRecorder._new_key",
        "self.writer, self._next_counter",
        "'0', self._next_counter",
    ),
)

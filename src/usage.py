"""The usage log: one isolate's end of it.

Owns the group commit: events are collected in open batches, one for each
minute in which events happened, and written a moment later. A batch has its
key from the moment it is opened, and nobody else writes that key; so a put can
be repeated without counting anything twice, and a reader in the same isolate
can tell what it has in memory from what it reads. Refuses to add anything up:
that is for `aggregates`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import NamedTuple

from core import constants, keys
from core.calendar import MINUTE_MS
from core.errors import StoreUnavailable
from core.ports import Clock, KeyValueStore
from core.telemetry import COMMIT_BOUNDS_MS, Histogram
from metering.events import Batch, UsageEvent, batch_metadata, encode_batch


class LocalBatches(NamedTuple):
    """This isolate's own batches by key.

    `held` may not be in KV yet, or may have grown since they were copied;
    `recent` are in KV as they are here, and need not be read from there.
    """

    held: Mapping[str, Batch]
    recent: Mapping[str, Batch]


class CommitRole(Enum):
    """What whoever appended an event has to do next."""

    NONE = "none"
    """Nothing: somebody else commits."""
    LEAD = "lead"
    """Wait for company, then commit: `UsageRecorder.lead`."""
    COMMIT = "commit"
    """Commit at once, a batch is full: `UsageRecorder.commit`."""


@dataclass(slots=True)
class _SealedBatch:
    """A batch that takes no more events and waits to be seen in KV."""

    batch: Batch
    minute: int
    claimed_until_ms: int = 0


@dataclass(slots=True)
class LogCounters:
    """What this isolate's log did since it started."""

    events_appended: int = 0
    events_committed: int = 0
    events_dropped: int = 0
    batches_committed: int = 0
    puts_failed: int = 0
    commit_lags: Histogram = field(default_factory=lambda: Histogram(COMMIT_BOUNDS_MS))
    """From the first event of each batch until it was written."""


@dataclass(slots=True)
class UsageRecorder:
    """One isolate's end of the log: an append-only buffer with group commit.

    The first event into an empty buffer makes its request the leader, which
    alone holds I/O: workerd cancels a request that awaits another's future.
    A leader that dies is replaced, because its claim runs out.
    """

    writer: str
    clock: Clock
    counters: LogCounters = field(default_factory=LogCounters)
    _open: dict[int, tuple[str, list[UsageEvent]]] = field(default_factory=dict)
    _sealed: dict[str, _SealedBatch] = field(default_factory=dict)
    _next_counter: int = 0
    _held: int = 0
    _recent: dict[str, Batch] = field(default_factory=dict)
    _recent_events: int = 0
    _dropped_unreported: int = 0
    _led_until_ms: int = 0
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        """Seed the jitter by the writer, so that a simulation can be replayed."""
        self._random = Random(self.writer)  # noqa: S311, it spreads retries and hides nothing

    def append(self, event: UsageEvent) -> CommitRole:
        """Take one event, of this moment, and say what its request has to do about it.

        The event is dropped, and counted as such, when `HELD_EVENTS_MAX` events
        wait already because KV refuses writes.
        """
        self.counters.events_appended += 1
        if self._held >= constants.HELD_EVENTS_MAX:
            self.counters.events_dropped += 1
            self._dropped_unreported += 1
            return self._duty_to_lead(event.at_ms)
        minute = event.at_ms // MINUTE_MS
        entry = self._open.get(minute)
        if entry is None:
            entry = self._open[minute] = (self._new_key(minute), [])
        events = entry[1]
        events.append(event)
        self._held += 1
        if len(events) >= constants.BATCH_EVENTS_MAX:
            self._seal(minute)
            return CommitRole.COMMIT
        return self._duty_to_lead(event.at_ms)

    def _duty_to_lead(self, now_ms: int) -> CommitRole:
        if now_ms < self._led_until_ms:
            return CommitRole.NONE
        # The second beyond the delay is for a leader that is late, not dead.
        self._led_until_ms = now_ms + constants.COMMIT_DELAY_MS + 1_000
        return CommitRole.LEAD

    async def lead(self, store: KeyValueStore) -> None:
        """Wait for company, then write everything there is."""
        await self.clock.sleep_ms(constants.COMMIT_DELAY_MS)
        self._led_until_ms = 0
        for minute in tuple(self._open):
            self._seal(minute)
        await self.commit(store)

    async def commit(self, store: KeyValueStore) -> None:
        """Write every sealed batch that nobody else is writing.

        Returns when each is written or the deadline has passed. What KV refused
        until then stays in memory under its key for the next leader.
        """
        deadline_ms = self.clock.now_ms() + constants.COMMIT_DEADLINE_MS
        claimed = self._claim(deadline_ms)
        try:
            await asyncio.gather(*(self._write(store, key, deadline_ms) for key in claimed))
        finally:
            for key in claimed:
                if key in self._sealed:
                    self._sealed[key].claimed_until_ms = 0

    def report(self) -> Mapping[str, int]:
        """Tell what this end of the log did since the isolate started."""
        counters = self.counters
        return {
            "eventsAppended": counters.events_appended,
            "eventsCommitted": counters.events_committed,
            "eventsHeld": self._held,
            "eventsDropped": counters.events_dropped,
            "batchesCommitted": counters.batches_committed,
            "putsFailed": counters.puts_failed,
        }

    def local_batches(self) -> LocalBatches:
        """Copy, by key, this isolate's own batches.

        A reader takes this before it lists KV. Where both have a key that is
        held here, KV's batch is the same or has grown since; where only this
        has it, the batch was not written when KV was listed.
        """
        batches = {key: sealed.batch for key, sealed in self._sealed.items()}
        for key, events in self._open.values():
            batches[key] = Batch(tuple(events), 0)
        return LocalBatches(batches, dict(self._recent))

    def adopt(self, key: str, batch: Batch) -> None:
        """Remember a batch that somebody else of this isolate wrote, for its own reads."""
        self._remember(key, batch)

    def _new_key(self, minute: int) -> str:
        self._next_counter += 1
        return keys.usage_batch(minute, self.writer, self._next_counter)

    def _seal(self, minute: int) -> None:
        key, events = self._open.pop(minute)
        self._sealed[key] = _SealedBatch(Batch(events, self._dropped_unreported), minute)
        self._dropped_unreported = 0

    def _claim(self, until_ms: int) -> Sequence[str]:
        now_ms = self.clock.now_ms()
        claimed = [key for key, batch in self._sealed.items() if batch.claimed_until_ms <= now_ms]
        for key in claimed:
            # A little longer than the deadline: an early claim would write the same twice.
            self._sealed[key].claimed_until_ms = until_ms + 5_000
        return claimed

    async def _write(self, store: KeyValueStore, key: str, deadline_ms: int) -> None:
        sealed = self._sealed[key]
        value = encode_batch(sealed.batch, sealed.minute)
        metadata = batch_metadata(sealed.batch)
        delay_ms = 100.0
        while True:
            try:
                now_minute = self.clock.now_ms() // MINUTE_MS
                # Compaction looks at a minute for some time, and later only where it finds a mark.
                if now_minute - sealed.minute > constants.LATE_AFTER_MINUTES:
                    await store.put(keys.late(key, now_minute), "", {})
                await store.put(key, value, metadata, constants.BATCH_TTL_SECONDS)
            except StoreUnavailable:
                self.counters.puts_failed += 1
                pause_ms = int(delay_ms * (0.5 + self._random.random()))
                if self.clock.now_ms() + pause_ms >= deadline_ms:
                    return
                await self.clock.sleep_ms(pause_ms)
                delay_ms = min(delay_ms * 2, 4_000)
            else:
                self._forget(key)
                return

    def _forget(self, key: str) -> None:
        sealed = self._sealed.pop(key, None)
        # A leader whose claim ran out may still succeed after its successor did.
        if sealed is not None:
            count = len(sealed.batch.events)
            self._held -= count
            self.counters.events_committed += count
            self.counters.batches_committed += 1
            self.counters.commit_lags.add(self.clock.now_ms() - sealed.batch.events[0].at_ms)
            self._remember(key, sealed.batch)

    def _remember(self, key: str, batch: Batch) -> None:
        if self._recent_events + len(batch.events) > constants.RECENT_EVENTS_MAX:
            self._recent.clear()
            self._recent_events = 0
        self._recent[key] = batch
        self._recent_events += len(batch.events)

"""Records usage events and settlements in `USAGE_KV`.

An isolate collects its events in open batches, one for each minute in which events happened,
and writes them a moment later (group commit). A batch gets its key when it is opened, and no
other writer uses that key. So a put can be retried without counting anything twice, and a
reader in the same isolate can match its batches in memory with those in KV.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import NamedTuple

from core import constants, keys
from core.calendar import MINUTE_MS
from core.errors import StoreUnavailable
from core.ports import Clock, Json, KeyValueStore
from core.telemetry import COMMIT_BOUNDS_MS, Histogram
from metering.events import Batch, UsageEvent, batch_metadata, decode_batch, encode_batch
from metering.settlements import SettlementEvent, put_settlement

_CLAIM_MARGIN_MS = 5_000
"""A claim lasts this much longer than the deadline: if it ended before, two leaders could write
the same batch."""
_LEADER_MARGIN_MS = 1_000
"""A leader may be this late before it counts as dead."""
_RETRY_DELAY_MS_MIN = 100
_RETRY_DELAY_MS_MAX = 4_000


class LocalBatches(NamedTuple):
    """The batches of this isolate, by key.

    `buffered` batches may be missing from KV, or may have grown since they were copied.
    `recent` batches are in KV exactly as they are here, so they need not be read from there.
    """

    buffered: Mapping[str, Batch]
    recent: Mapping[str, Batch]


class CommitRole(Enum):
    """What the caller of `UsageRecorder.record` must do next."""

    NONE = "none"
    """Nothing: another request commits the event."""
    LEAD = "lead"
    """Run `UsageRecorder.commit_after_delay`."""
    COMMIT = "commit"
    """Run `UsageRecorder.commit` now: a batch is full."""


@dataclass(slots=True)
class LogCounters:
    """What this isolate has recorded since it started."""

    events_appended: int = 0
    events_committed: int = 0
    events_dropped: int = 0
    batches_committed: int = 0
    puts_failed: int = 0
    commit_lags: Histogram = field(default_factory=lambda: Histogram(COMMIT_BOUNDS_MS))
    """Time from the first event of each batch until the batch was written."""


@dataclass(slots=True)
class _SealedBatch:
    """A batch that takes no more events and is not written yet."""

    batch: Batch
    minute: int
    claimed_until_ms: int = 0


@dataclass(slots=True)
class UsageRecorder:
    """Buffers the usage events of one isolate and writes them by group commit.

    The request that records the first event becomes the leader. It alone performs the I/O,
    because workerd cancels a request that awaits another request's future. Leadership and
    claims on batches expire, so a leader that dies is replaced.

    Args:
        writer: The isolate's random name, part of its batches' keys.
        clock: The clock of this isolate.
    """

    writer: str
    clock: Clock
    counters: LogCounters = field(default_factory=LogCounters)
    _open: dict[int, tuple[str, list[UsageEvent]]] = field(default_factory=dict)
    _sealed: dict[str, _SealedBatch] = field(default_factory=dict)
    _next_counter: int = 0
    _buffered_events: int = 0
    _recent: dict[str, Batch] = field(default_factory=dict)
    _recent_events: int = 0
    _dropped_unreported: int = 0
    _leader_until_ms: int = 0
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        """Seed the jitter by the writer, so that a simulation can be replayed."""
        self._random = Random(self.writer)  # noqa: S311 (it only spreads retries)

    def record(self, event: UsageEvent) -> CommitRole:
        """Buffer an event that happened just now.

        When `BUFFERED_EVENTS_MAX` events are buffered already, because KV refuses writes, the
        event is dropped and counted as dropped.

        Returns:
            What the caller must do next.
        """
        self.counters.events_appended += 1
        if self._buffered_events >= constants.BUFFERED_EVENTS_MAX:
            self.counters.events_dropped += 1
            self._dropped_unreported += 1
            return self._role_at(event.at_ms)
        minute = event.at_ms // MINUTE_MS
        entry = self._open.get(minute)
        if entry is None:
            entry = self._open[minute] = (self._new_key(minute), [])
        events = entry[1]
        events.append(event)
        self._buffered_events += 1
        if len(events) >= constants.BATCH_EVENTS_MAX:
            self._seal(minute)
            return CommitRole.COMMIT
        return self._role_at(event.at_ms)

    async def commit_after_delay(self, store: KeyValueStore) -> None:
        """Wait `COMMIT_DELAY_MS` for more events, then write all that are buffered."""
        await self.clock.sleep_ms(constants.COMMIT_DELAY_MS)
        self._leader_until_ms = 0
        for minute in tuple(self._open):
            self._seal(minute)
        await self.commit(store)

    async def commit(self, store: KeyValueStore) -> None:
        """Write every sealed batch that no other leader is writing.

        Returns when each is written or `COMMIT_DEADLINE_MS` has passed. Batches that KV
        refused until then stay buffered under their keys for the next leader.
        """
        deadline_ms = self.clock.now_ms() + constants.COMMIT_DEADLINE_MS
        claimed = self._claim(deadline_ms)
        try:
            await asyncio.gather(*(self._write(store, key, deadline_ms) for key in claimed))
        finally:
            for key in claimed:
                if key in self._sealed:
                    self._sealed[key].claimed_until_ms = 0

    def adopt(self, key: str, batch: Batch) -> None:
        """Add a batch that this isolate writes by other means to `local_batches().recent`."""
        self._remember(key, batch)

    def local_batches(self) -> LocalBatches:
        """Copy this isolate's batches.

        A reader must call this before it lists KV. Then a buffered batch that KV also has is
        the same there or has grown, and one that KV lacks was not written yet when KV was
        listed.
        """
        batches = {key: sealed.batch for key, sealed in self._sealed.items()}
        for key, events in self._open.values():
            batches[key] = Batch(tuple(events), 0)
        return LocalBatches(batches, dict(self._recent))

    def report(self) -> Mapping[str, int]:
        """Return the counters as the platform API shows them."""
        counters = self.counters
        return {
            "eventsAppended": counters.events_appended,
            "eventsCommitted": counters.events_committed,
            "eventsHeld": self._buffered_events,
            "eventsDropped": counters.events_dropped,
            "batchesCommitted": counters.batches_committed,
            "putsFailed": counters.puts_failed,
        }

    def _role_at(self, now_ms: int) -> CommitRole:
        if now_ms < self._leader_until_ms:
            return CommitRole.NONE
        self._leader_until_ms = now_ms + constants.COMMIT_DELAY_MS + _LEADER_MARGIN_MS
        return CommitRole.LEAD

    def _new_key(self, minute: int) -> str:
        self._next_counter += 1
        return keys.usage_batch(minute, self.writer, self._next_counter)

    def _seal(self, minute: int) -> None:
        key, events = self._open.pop(minute)
        self._sealed[key] = _SealedBatch(Batch(events, self._dropped_unreported), minute)
        self._dropped_unreported = 0

    def _claim(self, deadline_ms: int) -> Sequence[str]:
        now_ms = self.clock.now_ms()
        claimed = [key for key, batch in self._sealed.items() if batch.claimed_until_ms <= now_ms]
        for key in claimed:
            self._sealed[key].claimed_until_ms = deadline_ms + _CLAIM_MARGIN_MS
        return claimed

    async def _write(self, store: KeyValueStore, key: str, deadline_ms: int) -> None:
        sealed = self._sealed[key]
        value = encode_batch(sealed.batch, sealed.minute)
        metadata = batch_metadata(sealed.batch)
        delay_ms = float(_RETRY_DELAY_MS_MIN)
        while True:
            try:
                await put_batch(
                    store,
                    self.clock,
                    key,
                    sealed.minute,
                    value,
                    metadata,
                    constants.BATCH_TTL_SECONDS,
                )
            except StoreUnavailable:
                self.counters.puts_failed += 1
                pause_ms = int(delay_ms * (0.5 + self._random.random()))
                if self.clock.now_ms() + pause_ms >= deadline_ms:
                    return
                await self.clock.sleep_ms(pause_ms)
                delay_ms = min(delay_ms * 2, _RETRY_DELAY_MS_MAX)
            else:
                self._mark_committed(key)
                return

    def _mark_committed(self, key: str) -> None:
        sealed = self._sealed.pop(key, None)
        # A leader whose claim expired may still succeed after its successor did.
        if sealed is not None:
            count = len(sealed.batch.events)
            self._buffered_events -= count
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


async def record_settlement(
    store: KeyValueStore, clock: Clock, settlement: SettlementEvent, batch_key: str, batch_json: str
) -> None:
    """Write a settlement event and the usage batch that has its revenue.

    Both keys depend on the payment alone, so writing them again changes nothing.

    Args:
        store: `USAGE_KV`.
        clock: Tells whether the batch is late.
        settlement: The event.
        batch_key: The key of the usage batch.
        batch_json: The usage batch, as `encode_batch` wrote it.

    Raises:
        StoreUnavailable: KV refused one of the two; the other may be written.
    """
    puts = (
        put_settlement(store, settlement),
        _put_revenue(store, clock, batch_key, batch_json),
    )
    for outcome in await asyncio.gather(*puts, return_exceptions=True):
        if outcome is not None:
            raise outcome


def put_batch(
    store: KeyValueStore,
    clock: Clock,
    key: str,
    minute: int,
    value: str,
    metadata: Mapping[str, Json],
    expiration_ttl_seconds: int | None = None,
) -> Awaitable[None]:
    """Write a usage batch; if its minute is long past, write a late marker first.

    Compaction reads a minute's batches for some time, and later only where it finds a marker.

    Args:
        store: `USAGE_KV`.
        clock: The clock of this isolate, which decides whether the batch is late.
        key: The key of the batch.
        minute: The minute of its events, in minutes since 1970.
        value: The batch, as `encode_batch` wrote it.
        metadata: As `batch_metadata` returned it.
        expiration_ttl_seconds: How long KV keeps it; None: it does not expire.

    Raises:
        StoreUnavailable: KV refused a write.
    """
    # Not a coroutine function: every batch is written here, and one coroutine less saves CPU.
    now_minute = clock.now_ms() // MINUTE_MS
    if now_minute - minute > constants.LATE_AFTER_MINUTES:
        marker = keys.late_marker(key, now_minute)
        return _put_late_batch(store, marker, key, value, metadata, expiration_ttl_seconds)
    return store.put(key, value, metadata, expiration_ttl_seconds)


async def _put_late_batch(
    store: KeyValueStore,
    marker: str,
    key: str,
    value: str,
    metadata: Mapping[str, Json],
    expiration_ttl_seconds: int | None,
) -> None:
    await store.put(marker, "", {})
    await store.put(key, value, metadata, expiration_ttl_seconds)


async def _put_revenue(store: KeyValueStore, clock: Clock, key: str, value: str) -> None:
    minute = keys.parse_usage_batch(key).minute
    batch = decode_batch(value, minute)
    await put_batch(store, clock, key, minute, value, batch_metadata(batch))

"""Records usage events and settlements in `USAGE_KV` through the shards of the log.

An isolate collects its events for a moment and sends a batch to each shard. A batch has a name,
and what was sent under a name never changes, so sending it again cannot count anything twice. If
a shard does not respond for some seconds, its batch is written to KV, where the shard finds it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from core import constants, keys
from core.calendar import DAY_MS
from core.errors import BatchRefused, ShardUnavailable, StoreUnavailable
from core.logs import fields
from core.ports import Clock, KeyValueStore, UsageShards
from core.telemetry import COMMIT_BOUNDS_MS, Histogram
from metering.batches import Batch, encode_batch
from metering.events import UsageEvent

_LEASE_MS = 2 * constants.SHARD_TIMEOUT_MS
"""A sender that shows no progress for this long counts as dead, and another one continues."""

_LEADER_MS = constants.SEND_DELAY_MS + 1_000
"""A leader that has not started to send after this counts as dead."""

_RETRY_MS = 250
_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class LogCounters:
    """What this isolate has recorded since it started."""

    events_recorded: int = 0
    events_acknowledged: int = 0
    events_spilled: int = 0
    events_dropped: int = 0
    batches_sent: int = 0
    sends_failed: int = 0
    lags: Histogram = field(default_factory=lambda: Histogram(COMMIT_BOUNDS_MS))
    """Time from the first event of each batch until the batch was acknowledged."""


@dataclass(slots=True)
class _Sending:
    """A batch that was given a name and is not acknowledged yet."""

    writer: str
    sequence: int
    text: str
    count: int
    first_ms: int
    started_ms: int


@dataclass(slots=True)
class _Queue:
    """The events for one shard: those that wait, and the one batch that is being sent.

    The sender that sends it has `sender`, a number, and must show progress before `lease_ms`. The
    newest batch has the name `writer` and `sequence`, which it was given at `named_ms`.
    """

    waiting: list[UsageEvent] = field(default_factory=list)
    sending: _Sending | None = None
    sender: int = 0
    lease_ms: int = 0
    writer: str = ""
    sequence: int = 0
    named_ms: int = 0


@dataclass(slots=True)
class UsageRecorder:
    """Buffers the events of one isolate and sends them to their shards.

    The request that records the first event becomes the leader: it waits for more events and then
    sends them. It alone performs the I/O, because workerd cancels a request that awaits another
    request's future. Leases expire, so a leader or sender that dies is replaced by a later one.

    Args:
        writer: The isolate's random name.
        clock: The clock of this isolate.
        shards: The shards; None if the binding is missing, then events wait in memory.
        store: `USAGE_KV`.
    """

    writer: str
    clock: Clock
    shards: UsageShards | None
    store: KeyValueStore | None
    counters: LogCounters = field(default_factory=LogCounters)
    _queues: dict[int, _Queue] = field(default_factory=dict)
    _shard_of: dict[str, int] = field(default_factory=dict)
    _buffered: int = 0
    _dropped: int = 0
    _leader_until_ms: int = 0
    _senders: int = 0
    _names: int = 0

    def record(self, event: UsageEvent) -> bool:
        """Buffer an event that happened just now.

        When `BUFFERED_EVENTS_MAX` events are buffered already, the event is dropped, and the next
        batch reports that.

        Returns:
            Whether the caller must run `send` in the background.
        """
        self.counters.events_recorded += 1
        if self._buffered >= constants.BUFFERED_EVENTS_MAX:
            self.counters.events_dropped += 1
            self._dropped += 1
        else:
            shard = 0 if event.api is None else self.shard_of(event.api.tenant_id)
            queue = self._queues.get(shard)
            if queue is None:
                queue = self._queues[shard] = _Queue()
            queue.waiting.append(event)
            self._buffered += 1
        # The clock may have been set back since.
        if 0 < self._leader_until_ms - event.at_ms <= _LEADER_MS:
            return False
        self._leader_until_ms = event.at_ms + _LEADER_MS
        return True

    async def send(self) -> None:
        """Wait `SEND_DELAY_MS` for more events, then send all that are buffered."""
        await self.clock.sleep_ms(constants.SEND_DELAY_MS)
        self._leader_until_ms = 0
        if self.shards is not None and self.store is not None:
            shards, store = self.shards, self.store
            await asyncio.gather(
                *(self._send_queue(shards, store, shard) for shard in tuple(self._queues))
            )

    def shard_of(self, tenant_id: str) -> int:
        """Return the shard of a tenant's new events."""
        count = 1 if self.shards is None else self.shards.count
        if count == 1:
            return 0
        shard = self._shard_of.get(tenant_id)
        if shard is None:
            digest = hashlib.blake2b(tenant_id.encode(), digest_size=8).digest()
            shard = self._shard_of[tenant_id] = int.from_bytes(digest, "big") % count
        return shard

    def report(self) -> Mapping[str, int]:
        """Return the counters as the platform API shows them."""
        counters = self.counters
        return {
            "eventsRecorded": counters.events_recorded,
            "eventsAcknowledged": counters.events_acknowledged,
            "eventsSpilled": counters.events_spilled,
            "eventsBuffered": self._buffered,
            "eventsDropped": counters.events_dropped,
            "batchesSent": counters.batches_sent,
            "sendsFailed": counters.sends_failed,
        }

    async def _send_queue(self, shards: UsageShards, store: KeyValueStore, shard: int) -> None:
        """Send what waits for a shard, unless another sender is doing it."""
        queue = self._queues[shard]
        deadline_ms = self.clock.now_ms() + constants.SEND_DEADLINE_MS
        self._senders += 1
        sender = self._senders
        while queue.sending is not None or queue.waiting:
            now_ms = self.clock.now_ms()
            if queue.sender != sender and 0 < queue.lease_ms - now_ms <= _LEASE_MS:
                return
            # After the deadline, the next sender takes over; if there is none, go on.
            queue.sender = sender
            queue.lease_ms = now_ms + _LEASE_MS if now_ms < deadline_ms else 0
            if queue.sending is None:
                queue.sending = self._next_batch(queue, now_ms)
            if now_ms - queue.sending.started_ms > constants.ABANDON_MS:
                self._abandon(queue, queue.sending)
            elif not await self._send(shards, store, shard, queue.sending):
                if now_ms >= deadline_ms:
                    break
                await self.clock.sleep_ms(_RETRY_MS)
            elif queue.sender == sender and queue.waiting:
                # More events may follow, and each call to a shard costs money.
                await self.clock.sleep_ms(constants.SEND_DELAY_MS)
        if queue.sender == sender:
            queue.lease_ms = 0

    def _next_batch(self, queue: _Queue, now_ms: int) -> _Sending:
        if not queue.writer or now_ms - queue.named_ms > constants.WRITER_RENAME_MS:
            # The shard may forget what it has of a name, so sequences start again with another.
            queue.writer = f"{self.writer}-{self._names}" if self._names else self.writer
            queue.sequence = 0
            self._names += 1
        queue.sequence += 1
        queue.named_ms = now_ms
        count = constants.BATCH_EVENTS_MAX
        while True:
            events = queue.waiting[:count]
            text = encode_batch(Batch(queue.writer, queue.sequence, self._dropped, events))
            if len(text) <= constants.BATCH_LENGTH_MAX or len(events) == 1:
                break
            count = len(events) // 2
        del queue.waiting[: len(events)]
        self._dropped = 0
        return _Sending(queue.writer, queue.sequence, text, len(events), events[0].at_ms, now_ms)

    def _abandon(self, queue: _Queue, sending: _Sending) -> None:
        """Report a batch as dropped whose name the shard may have forgotten.

        If the shard has it already, it would be counted again.
        """
        queue.sending = None
        self._buffered -= sending.count
        self._dropped += sending.count
        self.counters.events_dropped += sending.count
        _LOGGER.error("batch_abandoned", extra=fields(events=sending.count))

    async def _send(
        self, shards: UsageShards, store: KeyValueStore, shard: int, sending: _Sending
    ) -> bool:
        """Send a batch to its shard, or write it to KV; return whether one of them has it."""
        is_acknowledged = False
        try:
            await append(shards, shard, sending.text)
            is_acknowledged = True
        except (ShardUnavailable, BatchRefused) as error:
            self.counters.sends_failed += 1
            is_refused = isinstance(error, BatchRefused)
            waited_ms = self.clock.now_ms() - sending.started_ms
            if not is_refused and waited_ms < constants.SPILL_AFTER_MS:
                return False
            _LOGGER.warning("batch_spilled", extra=fields(shard=shard, cause=str(error)))
            try:
                key = keys.spill(shard, sending.writer, sending.sequence)
                lifetime_ms = constants.SPILL_DAYS * DAY_MS - waited_ms
                await store.put(key, sending.text, {}, lifetime_ms // 1000)
            except StoreUnavailable:
                return False
        queue = self._queues[shard]
        # A sender whose lease expired may still succeed after its successor did.
        if queue.sending is sending:
            queue.sending = None
            self._buffered -= sending.count
            if is_acknowledged:
                self.counters.batches_sent += 1
                self.counters.events_acknowledged += sending.count
                self.counters.lags.add(self.clock.now_ms() - sending.first_ms)
            else:
                self.counters.events_spilled += sending.count
        return True


async def append(shards: UsageShards, shard: int, *batches: str) -> None:
    """Append encoded batches to a shard.

    Raises:
        ShardUnavailable: The shard did not respond; it may have the batches.
        BatchRefused: The shard is of another version, or a batch is invalid; it may have others.
    """
    response = await shards.call(shard, "append", "\n".join(batches))
    try:
        refused = None
        for _, line in zip(batches, response.split("\n"), strict=True):
            document = json.loads(line)
            if "error" in document:
                refused = BatchRefused(str(document["error"]), str(document["message"]))
            else:
                int(document["position"])
    except (ValueError, TypeError, LookupError) as error:
        raise ShardUnavailable(f"the response {response[:100]!r} is unreadable") from error
    if refused is not None:
        raise refused

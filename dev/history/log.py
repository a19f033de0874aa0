"""Writes generated events into a KV namespace in memory, and compacts them on a virtual clock.

Batches, settlement events and compaction use the dispatcher's own code.
"""

import hashlib
import json
from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from core import constants, keys
from core.calendar import DAY_MS, MINUTE_MS, timestamp
from core.ports import Json, KeyPage, ListedKey, NamePage
from dev.history.traffic import Span
from metering.compactor import compact
from metering.events import Batch, UsageEvent, batch_metadata, encode_batch
from metering.settlements import SettlementEvent, put_settlement
from payments.settlement import encode_revenue_batch

WRITER = "demo-history"
"""The writer of all generated batches except those with the revenue of a payment."""

SOURCE = "demo"
"""The source of generated settlement events; reconciliation considers only `edge`."""

HOURLY_DAYS = 9
"""Number of last days with hourly compaction, as by cron, which writes the records of past
hours. Older days are compacted at once with the same result."""

_CRON_MINUTE = 25
"""The minute of hourly compaction, late enough for the previous hour to be complete."""

_UNBOUNDED = 10**9


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of KV: `expires` is in seconds since 1970, `None` for never."""

    value: str
    metadata: Mapping[str, Json]
    expires: int | None


@dataclass(slots=True)
class VirtualStore:
    """A KV namespace in memory with the virtual time `now_seconds`."""

    now_seconds: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)
    _names: list[str] = field(default_factory=list)

    async def put(
        self,
        key: str,
        value: str,
        metadata: Mapping[str, Json],
        expiration_ttl_seconds: int | None = None,
    ) -> None:
        """Write; see `ports.KeyValueStore`."""
        ttl = expiration_ttl_seconds
        expires = None if ttl is None else self.now_seconds + ttl
        self.insert(key, Entry(value, dict(metadata), expires))

    async def delete(self, key: str) -> None:
        """Delete; see `ports.KeyValueStore`."""
        if self.entries.pop(key, None) is not None:
            self._names.pop(bisect_left(self._names, key))

    async def list_page(
        self, prefix: str, cursor: str | None, limit: int = constants.KV_LIST_KEYS_MAX
    ) -> KeyPage:
        """List; see `ports.KeyValueStore`."""
        first = bisect_left(self._names, prefix if cursor is None else cursor + "\0")
        found = []
        for name in self._names[first : first + limit + 1]:
            if not name.startswith(prefix):
                break
            found.append(ListedKey(name, self.entries[name].metadata))
        page = found[:limit]
        return KeyPage(page, page[-1].name if len(found) > limit else None)

    async def list_names(
        self, prefix: str, cursor: str | None, limit: int = constants.KV_LIST_KEYS_MAX
    ) -> NamePage:
        """List; see `ports.KeyValueStore`."""
        page = await self.list_page(prefix, cursor, limit)
        return NamePage([key.name for key in page.keys], page.cursor)

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, str | None]:
        """Read; see `ports.KeyValueStore`."""
        found = {key: self.entries.get(key) for key in keys}
        return {key: entry.value if entry else None for key, entry in found.items()}

    def insert(self, key: str, entry: Entry) -> None:
        """Write an entry unchanged."""
        if key not in self.entries:
            insort(self._names, key)
        self.entries[key] = entry

    def unexpired(self) -> dict[str, Entry]:
        """Return the entries that do not expire within 60 s, the minimum that KV accepts."""
        return {
            key: entry
            for key, entry in self.entries.items()
            if entry.expires is None or entry.expires > self.now_seconds + 60
        }


async def write_history(
    events: Sequence[UsageEvent],
    span: Span,
    existing: Mapping[str, Entry],
    on_progress: Callable[[int, int], None],
) -> VirtualStore:
    """Write events at their times, and compact at intervals.

    Args:
        events: The events within `span`, in order of time.
        span: The time range; the last compaction is at its end.
        existing: Existing batches of the usage log and late markers; compaction includes them.
        on_progress: Called with the number of finished minutes and of all minutes.

    Returns:
        The resulting store, including the existing entries.
    """
    store = VirtualStore()
    for key, entry in existing.items():
        store.insert(key, entry)
    minutes = [
        (minute, list(group))
        for minute, group in groupby(events, lambda event: event.at_ms // MINUTE_MS)
    ]
    first, end = span.start_ms // MINUTE_MS, span.end_ms // MINUTE_MS
    position = 0
    for now_minute in _compaction_minutes(first, end):
        while position < len(minutes) and minutes[position][0] < now_minute:
            await _write_minute(store, *minutes[position])
            position += 1
        store.now_seconds = now_minute * 60
        await compact(store, now_minute * MINUTE_MS, _UNBOUNDED)
        on_progress(now_minute - first, end - first)
    for minute, group in minutes[position:]:
        await _write_minute(store, minute, group)
    return store


def _compaction_minutes(first: int, end: int) -> Sequence[int]:
    """Return the minutes at which compaction runs, ascending; the last one is `end`."""
    start = max(first, end - HOURLY_DAYS * DAY_MS // MINUTE_MS)
    hours = range(start - start % 60 + 60 + _CRON_MINUTE, end, 60)
    return [*hours, end]


async def _write_minute(store: VirtualStore, minute: int, events: Sequence[UsageEvent]) -> None:
    store.now_seconds = minute * 60 + 60
    free = [event for event in events if not event.revenue_micros]
    ttl = constants.BATCH_TTL_SECONDS
    step = constants.BATCH_EVENTS_MAX
    for number, start in enumerate(range(0, len(free), step), 1):
        batch = Batch(free[start : start + step], 0)
        key = keys.usage_batch(minute, WRITER, number)
        await store.put(key, encode_batch(batch, minute), batch_metadata(batch), ttl)
    for event in events:
        if event.revenue_micros:
            settlement = _settlement(event)
            writer = keys.payment_writer(settlement.payment_id)
            metadata = batch_metadata(Batch((event,), 0))
            await store.put(
                keys.usage_batch(minute, writer, 1), encode_revenue_batch(event), metadata
            )
            await put_settlement(store, settlement)


def _settlement(event: UsageEvent) -> SettlementEvent:
    assert event.api is not None
    digest = hashlib.sha256(f"{event.request_id}/{event.at_ms}".encode()).hexdigest()
    return SettlementEvent(
        source=SOURCE,
        payment_id=f"demo-{digest[:27]}",
        request_id=event.request_id,
        tenant_id=event.api.tenant_id,
        slug=event.api.slug,
        payer=event.caller,
        network="demo",
        asset="demo",
        amount=str(event.revenue_micros),
        amount_micros=event.revenue_micros,
        transaction=f"demo-{digest[27:]}",
        facilitator="demo",
        claimed_at_ms=event.at_ms - event.latency_ms,
        settled_at_ms=event.at_ms,
        receipt="",
    )


def demo_marker(span: Span, seed: int, events: Sequence[UsageEvent], *, is_complete: bool) -> str:
    """Return the value of `keys.DEMO_HISTORY`, which describes the generated history."""
    document = {
        "seed": seed,
        "days": span.days,
        "from": timestamp(span.start_ms),
        "to": timestamp(span.end_ms),
        "endMs": span.end_ms,
        "events": len(events),
        "calls": sum(event.counted for event in events),
        "revenueMicros": sum(event.revenue_micros for event in events),
        "complete": is_complete,
    }
    return json.dumps(document)

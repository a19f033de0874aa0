"""Reads snapshots of the windows from all shards: today, the week and overall.

A read is one call to each shard, and a bulk get of bases when their keys change, once a day. What
a reader has read is cached, so that the next read only costs what has changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from core import constants
from core.collector import collector_paused
from core.errors import ShardUnavailable
from core.ports import Clock, Json, KeyValueStore, UsageShards
from snapshots.previous_period import previous_period
from snapshots.render import Freshness, snapshot, trend_range
from snapshots.shard_reader import ShardReader, ShardState
from snapshots.stored_totals import StoredTotalsCache
from snapshots.window_parts import WindowParts, parts_of
from snapshots.window_totals import Shown, WindowTotals

Snapshots = Mapping[str, Mapping[str, Json]]
"""Snapshots by window."""

Pause = Callable[[], Awaitable[None]]
"""Lets other work go on."""


async def _no_pause() -> None:
    pass


@dataclass(slots=True)
class SnapshotReader:
    """Reads all shards in one isolate or object, and caches what it has read.

    Args:
        clock: The clock of this isolate or object.
        shards: The shards of the usage log.
        store: `USAGE_KV`.
    """

    clock: Clock
    shards: UsageShards
    store: KeyValueStore
    _readers: Sequence[ShardReader] = field(init=False)
    _stored: StoredTotalsCache = field(init=False)
    _windows: dict[str, WindowTotals] = field(default_factory=dict)
    """By window, the one that was read last at the end."""

    def __post_init__(self) -> None:
        """Prepare to read. Raises `ConfigurationError`."""
        self._readers = [
            ShardReader(number, self.shards, self.store, self.clock)
            for number in range(self.shards.count)
        ]
        self._stored = StoredTotalsCache(self.store, self.clock)

    async def snapshots(
        self, windows: Sequence[str], top: int, pause: Pause = _no_pause
    ) -> Snapshots:
        """Return snapshots in which everything is counted that was acknowledged before this call.

        Args:
            windows: Some of `WINDOWS`.
            top: The length of `topApis`, 1 to 100.
            pause: Awaited between steps of long work. If it lets other calls go on, there must be
                only one read at a time.

        Raises:
            ShardUnavailable: No shard responded, and nothing is known of any.
            StoreUnavailable: KV failed.
        """
        readers, cache = self._readers, self._stored
        is_new = await asyncio.gather(*(reader.read() for reader in readers))
        unavailable = [
            reader.number for reader, was_read in zip(readers, is_new, strict=True) if not was_read
        ]
        if all(reader.state is None for reader in readers):
            raise ShardUnavailable(f"none of {len(readers)} shards responded")
        now_ms = self.clock.now_ms()
        while True:
            # Other requests may replace the states while this one reads from KV. From here on,
            # they do not, so what is shown is never older than what was shown before.
            states = {reader.number: reader.state or ShardState() for reader in readers}
            parts = {window: parts_of(window, states, now_ms) for window in windows}
            if not await cache.load(parts.values()):
                break
        found = {}
        for window, own in parts.items():
            shown = await self._shown(window, own, now_ms, pause)
            damaged = {name for state in states.values() for name in state.manifest.damaged}
            freshness = Freshness(
                min(state.as_of_ms for state in states.values()),
                unavailable,
                sorted(damaged.union(cache.damaged(own))),
            )
            previous = previous_period(window, states.values(), shown.series, now_ms)
            with collector_paused():
                found[window] = snapshot(window, shown, previous, freshness, now_ms, top)
        self._drop_caches(states, now_ms)
        return found

    async def _shown(self, window: str, own: WindowParts, now_ms: int, pause: Pause) -> Shown:
        cache = self._stored
        # If this fails, the window is read again from the start.
        totals = self._windows.pop(window, None) or WindowTotals()
        steps = totals.update_in_steps(
            cache.get(own.stored),
            own.parts,
            {part_id: cache.hours(stored.key) for part_id, stored in own.closed.items()},
            trend_range(window, now_ms),
        )
        while True:
            with collector_paused():
                if not next(steps, False):
                    break
            await pause()
        self._windows[window] = totals
        return totals.shown()

    def _drop_caches(self, states: Mapping[int, ShardState], now_ms: int) -> None:
        """Drop what no window needs; if bases are large, keep only those of the last window."""
        cache = self._stored
        kept: dict[str, WindowParts] = {}
        apis = 0
        for window in reversed(self._windows):
            parts = parts_of(window, states, now_ms)
            apis += sum(len(one.totals.apis) for one in cache.get(parts.stored).values())
            if kept and apis > constants.READ_APIS_MAX:
                break
            kept[window] = parts
        self._windows = {
            window: totals for window, totals in self._windows.items() if window in kept
        }
        cache.keep(kept.values())

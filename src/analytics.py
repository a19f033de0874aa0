"""Snapshots of the windows: today, the week and overall, exact as of the read.

A read is one call to each shard, and a bulk get of bases when their keys change, once a day. What
an isolate has read is cached, so that the next read only costs what has changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core import constants
from core.collector import collector_paused
from core.errors import BindingMissing, ShardUnavailable
from core.ports import Clock, Json, KeyValueStore, UsageShards
from metering.rollups import Rollup, get_rollups
from snapshots.previous_period import previous_period
from snapshots.render import Freshness, snapshot, trend_range
from snapshots.shard_reader import ShardReader, ShardState
from snapshots.stored_totals import StoredTotalsCache
from snapshots.window_parts import WINDOWS, WindowParts, days_of, parts_of
from snapshots.window_totals import WindowTotals

__all__ = ["WINDOWS", "Analytics", "Snapshots", "days_of"]

Snapshots = Mapping[str, Mapping[str, Json]]
"""Snapshots by window."""


@dataclass(slots=True)
class Analytics:
    """Reads snapshots in one isolate and caches what it has read.

    Args:
        clock: The clock of this isolate.
        shards: The shards of the usage log, `USAGE_SHARD`.
        store: `USAGE_KV`.
    """

    clock: Clock
    shards: UsageShards | None
    store: KeyValueStore | None
    _readers: list[ShardReader] = field(default_factory=list)
    _stored: StoredTotalsCache | None = None
    _windows: dict[str, WindowTotals] = field(default_factory=dict)
    """By window, the one that was read last at the end."""

    async def snapshots(self, windows: Sequence[str], top: int) -> Snapshots:
        """Return snapshots in which everything is counted that was acknowledged before this call.

        Args:
            windows: Some of `WINDOWS`.
            top: The length of `topApis`, 1 to 100.

        Raises:
            BindingMissing: There are no shards or no KV.
            ShardUnavailable: No shard responded, and nothing is known of any.
            StoreUnavailable: KV failed.
        """
        readers, cache = self._connect()
        is_new = await asyncio.gather(*(reader.read() for reader in readers))
        unavailable = [
            reader.number for reader, was_read in zip(readers, is_new, strict=True) if not was_read
        ]
        if all(reader.state is None for reader in readers):
            raise ShardUnavailable(f"none of {len(readers)} shards responded")
        now_ms = self.clock.now_ms()
        while True:
            # Other requests may replace the states while this one reads from KV. From here on,
            # nothing is awaited, so what is shown is never older than what was shown before.
            states = {reader.number: reader.state or ShardState() for reader in readers}
            parts = {window: parts_of(window, states, now_ms) for window in windows}
            if not await cache.load(parts.values()):
                break
        found = {}
        with collector_paused():
            for window, own in parts.items():
                # If this fails, the window is read again from the start.
                totals = self._windows.pop(window, None) or WindowTotals()
                shown = totals.show(
                    cache.get(own.stored),
                    own.parts,
                    {part_id: cache.hours(stored.key) for part_id, stored in own.closed.items()},
                    trend_range(window, now_ms),
                )
                self._windows[window] = totals
                damaged = {name for state in states.values() for name in state.manifest.damaged}
                freshness = Freshness(
                    min(state.as_of_ms for state in states.values()),
                    unavailable,
                    sorted(damaged.union(cache.damaged(own))),
                )
                previous = previous_period(window, states.values(), shown.series, now_ms)
                found[window] = snapshot(window, shown, previous, freshness, now_ms, top)
        self._drop_caches(cache, states, now_ms)
        return found

    async def count_outcome(self, day: int, outcome: str) -> int:
        """Count the requests of a UTC day, in days since 1970, that ended with an outcome.

        Only days of which the shards have open parts or roll-ups are counted: about a week.
        Raises as `snapshots` does.
        """
        readers, cache = self._connect()
        await asyncio.gather(*(reader.read() for reader in readers))
        states = [reader.state for reader in readers if reader.state is not None]
        rollups = [state.manifest.rollups[day] for state in states if day in state.manifest.rollups]
        parts = [
            part.apis.values()
            for state in states
            for name, part in state.parts.items()
            if name.day == day
        ]
        stored = await get_rollups(cache.store, rollups)
        parts += [
            rollup.totals.apis.values() for rollup in stored.values() if isinstance(rollup, Rollup)
        ]
        counted = (one.kinds.by("outcome").get(outcome) for apis in parts for one in apis)
        return sum(counts.requests for counts in counted if counts is not None)

    def _connect(self) -> tuple[Sequence[ShardReader], StoredTotalsCache]:
        if self.shards is None:
            raise BindingMissing("USAGE_SHARD")
        if self.store is None:
            raise BindingMissing("USAGE_KV")
        for number in range(len(self._readers), self.shards.count):
            self._readers.append(ShardReader(number, self.shards, self.store, self.clock))
        if self._stored is None:
            self._stored = StoredTotalsCache(self.store, self.clock)
        return self._readers, self._stored

    def _drop_caches(
        self, cache: StoredTotalsCache, states: Mapping[int, ShardState], now_ms: int
    ) -> None:
        """Drop what no window needs; if bases are large, keep only those of the last window."""
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

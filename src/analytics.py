"""Snapshots of the windows: today, the week and overall, from the data in `USAGE_KV`.

A new isolate would need long to read a large log for the first time, and the tenants' requests
in it would have to wait. So it returns the snapshots that cron published in the last minutes,
whose `freshness` says how old they are, and reads the log in the background.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core import constants, keys
from core.calendar import DAY_MS, MINUTE_MS, MINUTES_PER_DAY
from core.errors import StoreUnavailable
from core.logs import fields
from core.ports import Background, Clock, Json, KeyValueStore
from metering.compactor import compact
from snapshots.log_tail import LogTail, LogTailCache, read_tail
from snapshots.render import WINDOWS, days_of, snapshot, trend_range
from snapshots.serialization import snapshot_json
from snapshots.window_cache import WindowCache
from snapshots.window_reader import WindowData, newest_base, read_window
from usage import UsageRecorder

__all__ = ["WINDOWS", "Analytics", "Snapshots", "days_of"]

_LOGGER = logging.getLogger(__name__)
Snapshots = Mapping[str, Mapping[str, Json]]
"""Snapshots by window."""


@dataclass(slots=True)
class Analytics:
    """Reads snapshots in one isolate and caches what it has read.

    Args:
        clock: The clock of this isolate.
        recorder: The recorder of this isolate, whose batches KV may not show yet.
    """

    clock: Clock
    recorder: UsageRecorder
    _caches: Mapping[str, WindowCache] = field(
        default_factory=lambda: {window: WindowCache() for window in WINDOWS}
    )
    _tail_cache: LogTailCache = field(default_factory=LogTailCache)
    _warming_until_ms: int = 0

    async def snapshots(
        self, store: KeyValueStore, windows: Sequence[str], top: int, background: Background
    ) -> Snapshots:
        """Return snapshots of the current time, or published ones if this isolate is new.

        Args:
            store: `USAGE_KV`.
            windows: Some of `WINDOWS`.
            top: The length of `topApis`, 1 to 100.
            background: Runs what may finish after the response.

        Raises:
            StoreUnavailable: KV failed.
        """
        now_ms = self.clock.now_ms()
        tail = await self._read_tail(store, now_ms)
        if any(self._is_new_to(tail, window, now_ms) for window in windows):
            value = (await store.get_many([keys.PUBLISHED]))[keys.PUBLISHED]
            tail.operations += 1
            published = _published(value, windows, top, now_ms)
            if published is not None:
                if self._warming_until_ms <= now_ms:
                    self._warming_until_ms = now_ms + constants.WARMING_MS_MAX
                    background.run(self._warm(store))
                return published
        found = await self._read_windows(store, tail, windows, now_ms)
        if tail.state.summarized_until < now_ms // MINUTE_MS - 1:
            background.run(self._catch_up(store))
        for problem in {one for data in found.values() for one in data.unreadable}:
            _LOGGER.warning("batch_unreadable", extra=fields(cause=problem))
        return {
            window: snapshot(window, data, self._caches[window], now_ms, top)
            for window, data in found.items()
        }

    async def publish(self, store: KeyValueStore) -> bool:
        """Write the snapshots of all windows for other isolates, unless there are few APIs.

        A log of few APIs is fast to read.

        Returns:
            Whether the snapshots were written.

        Raises:
            StoreUnavailable: KV failed.
        """
        now_ms = self.clock.now_ms()
        tail = await self._read_tail(store, now_ms)
        found = {}
        for window in WINDOWS:
            data = await self._read_window(store, tail, window, now_ms)
            found[window] = snapshot(window, data, self._caches[window], now_ms, constants.TOP_MAX)
        if len(found["overall"]["allApis"]) < constants.PUBLISHED_APIS_MIN:
            return False
        value = "\n".join((str(now_ms), *map(snapshot_json, found.values())))
        await store.put(keys.PUBLISHED, value, {}, constants.PUBLISHED_TTL_SECONDS)
        return True

    def _is_new_to(self, tail: LogTail, window: str, now_ms: int) -> bool:
        """Return whether this isolate has not read the base of a window yet."""
        base = newest_base(tail.state, _first_minute(window, now_ms))
        return base is not None and self._caches[window].get(base) is None

    async def _read_windows(
        self, store: KeyValueStore, tail: LogTail, windows: Sequence[str], now_ms: int
    ) -> Mapping[str, WindowData]:
        """Read windows; if summaries are missing, run compaction and read again."""
        for is_last_try in (False, True):
            found = {
                window: await self._read_window(store, tail, window, now_ms) for window in windows
            }
            if is_last_try or not any(data.behind for data in found.values()):
                break
            await compact(store, now_ms, constants.CATCH_UP_OPERATIONS)
            tail = await self._read_tail(store, now_ms)
        return found

    async def _read_tail(self, store: KeyValueStore, now_ms: int) -> LogTail:
        return await read_tail(store, self.recorder.local_batches(), self._tail_cache, now_ms)

    async def _read_window(
        self, store: KeyValueStore, tail: LogTail, window: str, now_ms: int
    ) -> WindowData:
        days = days_of(window, now_ms)
        first = _first_minute(window, now_ms)
        end = None if days is None else (days[-1] + 1) * MINUTES_PER_DAY
        return await read_window(store, tail, first, end, self._caches[window])

    async def _warm(self, store: KeyValueStore) -> None:
        """Fill the caches of all windows, so that the next read only adds what is new."""
        try:
            now_ms = self.clock.now_ms()
            tail = await self._read_tail(store, now_ms)
            for window, cache in self._caches.items():
                # The response, and requests that wait for this isolate, come first.
                await self.clock.sleep_ms(constants.WARMING_PAUSE_MS)
                data = await self._read_window(store, tail, window, now_ms)
                cache.show(data.summaries, data.batches, trend_range(window, now_ms))
        except StoreUnavailable as error:
            _LOGGER.warning("reading_ahead_failed", extra=fields(cause=str(error)))
        finally:
            self._warming_until_ms = 0

    async def _catch_up(self, store: KeyValueStore) -> None:
        """Run compaction, as cron does, after a read that found it lagging."""
        try:
            await compact(store, self.clock.now_ms(), constants.CATCH_UP_OPERATIONS)
        except StoreUnavailable as error:
            _LOGGER.warning("compaction_after_read_failed", extra=fields(cause=str(error)))


def _first_minute(window: str, now_ms: int) -> int | None:
    days = days_of(window, now_ms)
    return None if days is None else days[0] * MINUTES_PER_DAY


def _published(
    value: str | None, windows: Sequence[str], top: int, now_ms: int
) -> Snapshots | None:
    """Return what cron published, unless it is too old or of another day."""
    if value is None:
        return None
    first, *lines = value.split("\n")
    at_ms = json.loads(first)
    is_fresh = now_ms - at_ms <= constants.PUBLISHED_TTL_SECONDS * 1000
    if not is_fresh or at_ms // DAY_MS != now_ms // DAY_MS:
        return None
    found = {}
    for window, line in zip(WINDOWS, lines, strict=True):
        if window in windows:
            one = json.loads(line)
            one["topApis"] = one["allApis"][:top]
            # The clocks of isolates differ, so the age may be negative.
            one["freshness"]["lagSeconds"] += max(0, now_ms - at_ms) // 1000
            found[window] = one
    return found

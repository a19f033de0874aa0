"""Snapshots for whoever asks: computed from the log, or as cron left them.

Owns the views of one isolate, what a read does where summaries are missing,
and the snapshots that cron publishes. An isolate that knows nothing of a large
log yet would have to compute for longer than anybody should wait, and its
tenants' requests with them. It answers with what cron computed within the last
minutes, whose freshness says so, and catches up behind that answer.
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
from snapshots.render import WINDOWS, days_of, snapshot, trend_span
from snapshots.serialization import snapshot_text
from snapshots.window_cache import WindowCache
from snapshots.window_reader import WindowData, newest_base, read_window
from usage import UsageRecorder

_LOGGER = logging.getLogger(__name__)
Snapshots = Mapping[str, Mapping[str, Json]]
"""Snapshots by window."""


@dataclass(slots=True)
class Analytics:
    """One isolate's reader of the log. Its methods raise `StoreUnavailable`."""

    clock: Clock
    log: UsageRecorder
    _views: Mapping[str, WindowCache] = field(
        default_factory=lambda: {window: WindowCache() for window in WINDOWS}
    )
    _kept: LogTailCache = field(default_factory=LogTailCache)
    _warming_until_ms: int = 0

    async def snapshots(
        self, store: KeyValueStore, windows: Sequence[str], top: int, background: Background
    ) -> Snapshots:
        """Give the snapshot of each of `windows`, with `top` APIs in `topApis`."""
        now_ms = self.clock.now_ms()
        tail = await self._read_tail(store, now_ms)
        if any(self._is_new_to(tail, window, now_ms) for window in windows):
            value = (await store.get_many([keys.PUBLISHED]))[keys.PUBLISHED]
            tail.operations += 1
            found = _published(value, windows, top, now_ms)
            if found is not None:
                if self._warming_until_ms <= now_ms:
                    self._warming_until_ms = now_ms + constants.WARMING_MS_MAX
                    background.run(self._warm(store))
                return found
        readings = await self._read(store, tail, windows, now_ms)
        if tail.progress.made < now_ms // MINUTE_MS - 1:
            background.run(self._catch_up(store))
        for problem in {one for reading in readings.values() for one in reading.unreadable}:
            _LOGGER.warning("batch_unreadable", extra=fields(cause=problem))
        return {
            window: snapshot(window, reading, self._views[window], now_ms, top)
            for window, reading in readings.items()
        }

    async def publish(self, store: KeyValueStore) -> bool:
        """Compute every window and leave the snapshots for other isolates; say whether it did.

        A log of few APIs is read quickly by any isolate, and always as of now.
        """
        now_ms = self.clock.now_ms()
        tail = await self._read_tail(store, now_ms)
        found = {}
        for window in WINDOWS:
            reading = await self._read_one(store, tail, window, now_ms)
            found[window] = snapshot(
                window, reading, self._views[window], now_ms, constants.TOP_MAX
            )
        if len(found["overall"]["allApis"]) < constants.PUBLISHED_APIS_MIN:
            return False
        value = "\n".join((str(now_ms), *map(snapshot_text, found.values())))
        await store.put(keys.PUBLISHED, value, {}, constants.PUBLISHED_TTL_SECONDS)
        return True

    def _is_new_to(self, tail: LogTail, window: str, now_ms: int) -> bool:
        """Tell whether this isolate has not seen the base of a window yet."""
        base = newest_base(tail.progress, _first_minute(window, now_ms))
        return base is not None and self._views[window].kept(base) is None

    async def _read(
        self, store: KeyValueStore, tail: LogTail, windows: Sequence[str], now_ms: int
    ) -> Mapping[str, WindowData]:
        """Read windows; where summaries are missing, make some and read again."""
        for last_try in (False, True):
            readings = {
                window: await self._read_one(store, tail, window, now_ms) for window in windows
            }
            if last_try or not any(reading.behind for reading in readings.values()):
                break
            await compact(store, now_ms, constants.CATCH_UP_OPERATIONS)
            tail = await self._read_tail(store, now_ms)
        return readings

    async def _read_tail(self, store: KeyValueStore, now_ms: int) -> LogTail:
        return await read_tail(store, self.log.local_batches(), self._kept, now_ms)

    async def _read_one(
        self, store: KeyValueStore, tail: LogTail, window: str, now_ms: int
    ) -> WindowData:
        days = days_of(window, now_ms)
        first = _first_minute(window, now_ms)
        end = None if days is None else (days[-1] + 1) * MINUTES_PER_DAY
        return await read_window(store, tail, first, end, self._views[window])

    async def _warm(self, store: KeyValueStore) -> None:
        """Fold every window once, so that the next read has only what is new to fold."""
        try:
            now_ms = self.clock.now_ms()
            tail = await self._read_tail(store, now_ms)
            for window, view in self._views.items():
                # The answer, and requests that wait for this isolate, come first.
                await self.clock.sleep_ms(constants.WARMING_PAUSE_MS)
                reading = await self._read_one(store, tail, window, now_ms)
                view.show(reading.summaries, reading.batches, trend_span(window, now_ms))
        except StoreUnavailable as error:
            _LOGGER.warning("reading_ahead_failed", extra=fields(cause=str(error)))
        finally:
            self._warming_until_ms = 0

    async def _catch_up(self, store: KeyValueStore) -> None:
        """Go on with compaction, as cron does, after a read that saw it lag."""
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
    """Take what cron published, unless it is too old or of another day."""
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
            # Clocks differ a little.
            one["freshness"]["lagSeconds"] += max(0, now_ms - at_ms) // 1000
            found[window] = one
    return found

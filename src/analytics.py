"""Snapshots of the windows (today, the week, overall) and usage in any range, as of the read.

Shard 0 reads snapshots for all isolates. If it does not respond, an isolate shows what it got last
today, and without that, it reads the shards itself. Usage comes from each shard.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import BindingMissing, ShardUnavailable, SummaryUnreadable
from core.logs import fields
from core.ports import Clock, KeyValueStore, UsageShards
from snapshots.reading import SnapshotReader, Snapshots
from snapshots.sharing import SharedSnapshots
from snapshots.window_parts import WINDOWS, days_of

if TYPE_CHECKING:
    from metering.usage.ranges import UsageRange
    from snapshots.usage_ranges import Usage

__all__ = ["WINDOWS", "Analytics", "Snapshots", "days_of"]

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class Analytics:
    """Snapshots in one isolate.

    Args:
        clock: The clock of this isolate.
        shards: The shards of the usage log, `USAGE_SHARD`.
        store: `USAGE_KV`.
    """

    clock: Clock
    shards: UsageShards | None
    store: KeyValueStore | None
    _shared: SharedSnapshots | None = None
    _own: SnapshotReader | None = None

    async def snapshots(
        self, windows: Sequence[str], top: int, tenants: Sequence[str] | None = None
    ) -> Snapshots:
        """Return snapshots in which everything is counted that was acknowledged before this call.

        Args:
            windows: Some of `WINDOWS`.
            top: The length of `topApis`, 1 to 100.
            tenants: Only what concerns these tenants, by id; None for all.

        Raises:
            BindingMissing: There are no shards or no KV.
            ConfigurationError: `USAGE_SHARDS` is unusable.
            ShardUnavailable: No shard responded, and nothing is known of any.
            StoreUnavailable: KV failed.
        """
        if tenants is not None:
            return await self._limited(await self.snapshots(windows, top), top, tenants)
        shared, reader = self._connect()
        try:
            return await shared.snapshots(windows, top)
        except (ShardUnavailable, SummaryUnreadable) as error:
            _LOGGER.warning("snapshots_not_shared", extra=fields(cause=str(error)))
        last = shared.last(windows, top)
        return last if last is not None else await reader.snapshots(windows, top)

    async def usage(self, wanted: UsageRange) -> Usage:
        """Return usage in a range, with everything that was acknowledged before this call.

        Costs one call to each shard, whatever the range is. Examples, with `day` and `hour`
        counted since 1970 UTC (`now_ms // DAY_MS`, `now_ms // HOUR_MS`):

            UsageRange("hour", hour - 23, hour + 1)                  # all APIs, 24 hours
            UsageRange("day", day - 29, day + 1)                     # all APIs, 30 days
            UsageRange("day", day - 89, day + 1, [tenant_id], slug)  # one API, 90 days
            UsageRange("all", day - 89, day + 1, group_by="api")     # a row for each API, 90 days

        Without a grouping there is a row for every bucket, in order, also for those without calls:
        its start, calls, errors, revenue, mean latency (`latency_ms`, None without calls) and
        distinct callers (not by hour). By API, rows without calls are left out, and distinct
        callers are only counted by day. `snapshots.usage_ranges` describes the rows.

        `UsageRange` is in `metering.usage.ranges`. Import it in the function that needs it: the
        start of an isolate is measured, and few isolates read usage.

        Raises:
            BindingMissing: There are no shards.
            ConfigurationError: `USAGE_SHARDS` is unusable.
            RangeTooLarge: The range has more than 20,000 rows.
            ShardUnavailable: No shard responded. If only some did not, `Usage.unavailable` says so.
        """
        from snapshots.usage_ranges import RangeReader  # noqa: PLC0415

        if self.shards is None:
            raise BindingMissing("USAGE_SHARD")
        return await RangeReader(self.clock, self.shards).read(wanted)

    async def _limited(self, found: Snapshots, top: int, tenants: Sequence[str]) -> Snapshots:
        """Return the part of snapshots that concerns some tenants."""
        from snapshots.tenant_view import limited_snapshot, ranges_of  # noqa: PLC0415

        now_ms = self.clock.now_ms()
        limited = {}
        for window, snapshot in found.items():
            series, whole = ranges_of(window, tenants, now_ms)
            limited[window] = limited_snapshot(
                snapshot, tenants, await self.usage(series), await self.usage(whole), top
            )
        return limited

    def _connect(self) -> tuple[SharedSnapshots, SnapshotReader]:
        if self.shards is None:
            raise BindingMissing("USAGE_SHARD")
        if self.store is None:
            raise BindingMissing("USAGE_KV")
        if self._shared is None:
            self._shared = SharedSnapshots(self.shards, self.clock)
        if self._own is None:
            self._own = SnapshotReader(self.clock, self.shards, self.store)
        return self._shared, self._own

"""Processes late batches: finds them by their markers, and rebuilds what contains them.

A writer that commits a batch long after its minute first puts a marker. While the marker is new,
its minute is listed with every run; again when listings have had time to show the batch; and a
last time when all clocks and listings have settled and every run with an older state has ended.
Then each batch with a marker is listed, or never will be. After the last listing the summaries
are rebuilt in any case, because a run with an older state may have overwritten them.

`CompactionState.late` records when a minute was last listed. If a run overwrites the state with
an older one, the last listing is repeated. A marker is deleted when the state, as read from KV,
says that the last listing was longer ago than any run takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from core import keys
from core.errors import KeyMalformed, StoreUnavailable
from core.keys import LateMarker
from core.kv_store import all_names
from metering.builder import SummaryBuilder
from metering.state import SETTLE_MINUTES

_OVERLAP_MINUTES = 20
"""How long a run may overlap with another one and use what it read before it: Cloudflare ends
cron runs after 15 minutes, and reads may be one or two minutes old
(https://developers.cloudflare.com/workers/platform/limits/#wall-time-limits-by-invocation-type)."""

_LAST_MINUTES = SETTLE_MINUTES + _OVERLAP_MINUTES
"""How long after a marker was written the last listing of its minute is due."""

_LISTINGS_MINUTES = (_LAST_MINUTES, SETTLE_MINUTES, 3)
"""How long after a marker was written its minute is listed once more. In the first 3 minutes it is
listed every minute, because listings lag by up to two."""

_DELETED_MARKERS_MAX = 200
"""Markers deleted by one run, so that with its budget it stays below Cloudflare's 1,000."""


@dataclass(slots=True)
class LateArrivals:
    """The late markers in one run of compaction; `now_minute` is the minute of its own clock."""

    builder: SummaryBuilder
    now_minute: int
    _finished: list[str] = field(default_factory=list)

    async def process(self) -> None:
        """List minutes with late markers if due, and rebuild those that have late batches.

        What contains these minutes is invalidated. Raises `StoreUnavailable` and `BudgetSpent`;
        the next run continues where this one stopped.
        """
        state = self.builder.state
        markers = await self._markers()
        state.late = {minute: at for minute, at in state.late.items() if minute in markers}
        if not state.invalidated:
            self._collect_finished(markers)
        # Minutes that were never listed come first, then those listed longest ago.
        for minute in sorted(markers, key=lambda one: state.late.get(one, -1)):
            # Minutes without a summary yet will be built from all batches listed by then.
            if minute < state.summarized_until:
                await self._process_minute(minute, [marker for _, marker in markers[minute]])

    async def delete_processed(self) -> None:
        """Delete markers whose batches are processed.

        Not counted in the budget: otherwise markers would stay forever when late batches use up
        the budget.
        """
        with suppress(StoreUnavailable):
            for name in self._finished[:_DELETED_MARKERS_MAX]:
                await self.builder.store.store.delete(name)

    async def _markers(self) -> Mapping[int, Sequence[tuple[str, LateMarker]]]:
        markers: dict[int, list[tuple[str, LateMarker]]] = {}
        for name in await all_names(self.builder.store, keys.LATE_PREFIX):
            try:
                marker = keys.parse_late_marker(name)
            except KeyMalformed:
                self._finished.append(name)
            else:
                markers.setdefault(marker.minute, []).append((name, marker))
        return markers

    def _collect_finished(self, markers: Mapping[int, Sequence[tuple[str, LateMarker]]]) -> None:
        for minute, listed_at in self.builder.state.late.items():
            if listed_at + _OVERLAP_MINUTES <= self.now_minute:
                self._finished += [
                    name
                    for name, marker in markers[minute]
                    if marker.written + _LAST_MINUTES <= listed_at
                ]

    async def _process_minute(self, minute: int, markers: Sequence[LateMarker]) -> None:
        state = self.builder.state
        listed_at = state.late.get(minute)
        due = [marker for marker in markers if listed_at is None or listed_at < self._due(marker)]
        if not due:
            return
        names = await self.builder.names(minute)
        listed = frozenset(names)
        seen = [marker for marker in due if marker.batch_key in listed]
        is_last = any(marker.written + _LAST_MINUTES <= self.now_minute for marker in seen)
        if is_last or (seen and not self.builder.is_made_of(minute, names)):
            await self.builder.build_minute(minute, names)
            state.invalidate(minute)
        state.late[minute] = self.now_minute

    def _due(self, marker: LateMarker) -> int:
        """Return the minute since which the marker's minute must have been listed."""
        for minutes in _LISTINGS_MINUTES:
            if marker.written + minutes <= self.now_minute:
                return marker.written + minutes
        return self.now_minute

"""Caches the bases and roll-ups that an isolate needs; their keys never get another value."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core import constants
from core.calendar import HOURS_PER_DAY
from core.errors import SummaryUnreadable
from core.logs import fields
from core.ports import Clock, KeyValueStore
from metering.rollups import Rollup, StoredTotals, get_rollups
from snapshots.window_parts import WindowParts
from snapshots.window_totals import HoursByApi

_LOGGER = logging.getLogger(__name__)
_PIECES_PER_READ = 8


@dataclass(slots=True)
class StoredTotalsCache:
    """What was read from `USAGE_KV`."""

    store: KeyValueStore
    clock: Clock
    _rollups: dict[str, Rollup] = field(default_factory=dict)
    _hours: dict[str, HoursByApi] = field(default_factory=dict)
    _damaged: dict[str, int] = field(default_factory=dict)
    """By key of damaged or missing totals, when they were read."""

    def get(self, stored: Iterable[StoredTotals]) -> Mapping[str, Rollup]:
        """Return those of the totals that are cached, by key."""
        return {key: self._rollups[key] for key, _ in stored if key in self._rollups}

    def hours(self, key: str) -> HoursByApi:
        """Return the hours of a roll-up; none if it is damaged."""
        return self._hours.get(key, {})

    def damaged(self, parts: WindowParts) -> list[str]:
        """Return the keys of the totals of a window that are missing or damaged."""
        names = {stored.key for stored in (*parts.stored, *parts.closed.values())}
        return sorted(names & self._damaged.keys())

    async def load(self, windows: Collection[WindowParts]) -> bool:
        """Read what is missing for windows; return whether anything was read.

        Raises `StoreUnavailable`.
        """
        whole = self._missing((one for parts in windows for one in parts.stored), self._rollups)
        closed = self._missing(
            (one for parts in windows for one in parts.closed.values()), self._hours
        )
        for group in _groups(whole):
            self._rollups.update(await self._read(group))
        for group in _groups(closed):
            for key, rollup in (await self._read(group)).items():
                self._hours[key] = _hours_of(rollup)
        return bool(whole or closed)

    def _missing(
        self, wanted: Iterable[StoredTotals], cached: Mapping[str, object]
    ) -> Sequence[StoredTotals]:
        """Return what is to be read: damaged totals too, some time after the last attempt."""
        retry_ms = self.clock.now_ms() - constants.DAMAGED_RETRY_MS
        return sorted(
            stored
            for stored in set(wanted)
            if stored.key not in cached and self._damaged.get(stored.key, 0) <= retry_ms
        )

    async def _read(self, wanted: Sequence[StoredTotals]) -> Mapping[str, Rollup]:
        found = {}
        for key, rollup in (await get_rollups(self.store, wanted)).items():
            if isinstance(rollup, SummaryUnreadable):
                _LOGGER.warning("totals_damaged", extra=fields(key=key, cause=str(rollup)))
                self._damaged[key] = self.clock.now_ms()
            else:
                self._damaged.pop(key, None)
                found[key] = rollup
        return found

    def keep(self, windows: Collection[WindowParts]) -> None:
        """Drop everything that these windows do not need."""
        whole = {stored.key for parts in windows for stored in parts.stored}
        closed = {stored.key for parts in windows for stored in parts.closed.values()}
        self._rollups = {key: one for key, one in self._rollups.items() if key in whole}
        self._hours = {key: one for key, one in self._hours.items() if key in closed}
        self._damaged = {
            key: one for key, one in self._damaged.items() if key in whole or key in closed
        }


def _groups(wanted: Sequence[StoredTotals]) -> Iterator[Sequence[StoredTotals]]:
    """Divide totals into groups that are read together, to bound the memory that this takes."""
    group: list[StoredTotals] = []
    for stored in wanted:
        if group and sum(one.pieces for one in group) + stored.pieces > _PIECES_PER_READ:
            yield group
            group = []
        group.append(stored)
    if group:
        yield group


def _hours_of(rollup: Rollup) -> HoursByApi:
    """Return the calls of a day's roll-up by API and hour."""
    hours = [hour for hour, _ in rollup.totals.series.hours.items()]
    if not hours:
        return {}
    first = hours[0] // HOURS_PER_DAY * HOURS_PER_DAY
    return {
        api_id: aggregate.calls_by_hour(first, first + HOURS_PER_DAY)
        for api_id, aggregate in rollup.totals.apis.items()
    }

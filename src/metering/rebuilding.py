"""Rebuilds the totals of a UTC day from the log, in steps of bounded cost.

A roll-up has the events of its day up to a position, and the day's open part has those after it.
So each can be compared with the log, and be replaced, on its own. Bases are added up again from
roll-ups. While a step runs, the shard flushes and folds nothing, but it commits: commits since the
last flush are added at the end, without an `await`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from core import constants, keys
from core.calendar import DAY_MS
from core.errors import SegmentUnreadable, StoreUnavailable
from core.kv_store import get_all
from metering.folding import Folder, TotalsDamaged
from metering.imports.undoing import without_undone
from metering.parts import OpenPart, PartName
from metering.rollups import Rollup, StoredTotals
from metering.segments import Commit, batches_of, decode_segment
from metering.totals import Totals

_ROLLUPS_PER_STEP = 20
_FAILING = "failing"
"""The state that has, by name, since when totals cannot be rebuilt."""


class LogIncomplete(Exception):
    """The log no longer has all events of a day."""


@dataclass(slots=True)
class _Day:
    """A day that is being added up from the log.

    Attributes:
        day: The UTC day.
        until: The day's roll-up has its events up to this position; 0 without one.
        undone: The imports whose events do not count.
        rollup: The totals of these events, from segments that start up to position `after`.
        parts: The totals of the later events by import, from the same segments.
        after: The position.
        version: Names the new roll-up, as long as nothing else is named later.
    """

    day: int
    until: int
    undone: AbstractSet[str]
    rollup: Totals = field(default_factory=Totals)
    parts: dict[str, Totals] = field(default_factory=dict)
    after: int = 0
    version: int = 0

    def add(self, commits: Iterable[Commit]) -> None:
        """Add what commits have of the day, as a shard does."""
        for commit in commits:
            for batch in without_undone(batches_of(commit), self.undone):
                totals = self.rollup if commit.position <= self.until else self.part(batch.source)
                if commit.at_ms // DAY_MS == self.day:
                    totals.dropped += batch.dropped
                totals.add_all(event for event in batch.events if event.at_ms // DAY_MS == self.day)
        # An import may be undone between two steps; nothing of it is in a roll-up.
        for name in self.parts.keys() & self.undone:
            del self.parts[name]

    def part(self, source: str) -> Totals:
        """Return the totals of the later events of an import, or of those of no import."""
        return self.parts.setdefault(source, Totals())


@dataclass(slots=True)
class _Sum:
    """The roll-ups before day `until`, added up.

    `version` is that of the manifest; if `is_named`, the bases made of this are named by it.
    """

    version: int
    totals: Totals = field(default_factory=Totals)
    until: int = 0
    is_named: bool = False


@dataclass(slots=True)
class Rebuilder:
    """Rebuilds days of one shard; one at a time.

    `segments` counts what the newest rebuild has read, `changed` tells whether it has changed
    anything.
    """

    folder: Folder
    segments: int = 0
    changed: bool = False
    _day: int | None = None
    _rebuilding: _Day | None = None
    _repairing: _Day | None = None
    _sum: _Sum | None = None

    async def step(self, day: int, flushed: int) -> bool:
        """Make one step of the rebuild of a day; return whether it is complete.

        The caller neither flushes nor folds meanwhile, and no fold is unfinished.

        Args:
            day: The UTC day.
            flushed: The position up to which segments have all commits.

        Raises:
            LogIncomplete: The day cannot be rebuilt.
            StoreUnavailable: KV failed; the next step tries again.
            TotalsDamaged: The roll-up of another day is damaged.
        """
        manifest = self.folder.manifest
        if self._day != day:
            # Bases consist of roll-ups, so they can be repaired even if the log is incomplete.
            manifest.are_bases_wrong |= await self._is_base_damaged()
            self._day, self.segments, self.changed = day, 0, manifest.are_bases_wrong
        if manifest.are_bases_wrong and not await self.rebuild_bases():
            return False
        try:
            found = self._rebuilding = self._started(self._rebuilding, day, flushed)
            if not await self._add_segments(found):
                return False
        except LogIncomplete:
            self._day = None
            raise
        if await self._is_rollup_wrong(found):
            self.changed = manifest.are_bases_wrong = True
            await self._replace_rollup(found)
            if not await self.rebuild_bases():
                return False
        # From here on nothing is awaited, so the part and the log are of one position.
        self._rebuilding = self._day = None
        found.add(self.folder.tables.commits(flushed))
        parts = {part.source: part.totals for part in self.folder.parts_of(day)}
        if _texts_of(found.parts) != _texts_of(parts):
            self.changed = True
            self._replace_part(found)
        return True

    async def repair(self, damage: TotalsDamaged, flushed: int) -> None:
        """Make one step of rebuilding totals that are damaged; report them if it is impossible.

        Raises `StoreUnavailable`, and `TotalsDamaged` for other totals that are to be repaired
        first.
        """
        folder, day = self.folder, keys.rollup_day(damage.key)
        if day is None:
            await self.rebuild_bases()
            return
        try:
            found = self._repairing = self._started(self._repairing, day, flushed)
            if await self._add_segments(found):
                await self._replace_rollup(found)
                self._repairing = None
                folder.tables.set_value(_FAILING, {})
        except LogIncomplete as error:
            self._give_up(damage.key, f"{damage}; {error}")

    async def restore_part(self, flushed: int) -> None:
        """Make one step of adding up a part that the checkpoint has lost."""
        folder, day = self.folder, min(self.folder.lost)
        try:
            found = self._repairing = self._started(self._repairing, day, flushed)
            if not await self._add_segments(found):
                return
            found.add(folder.tables.commits(flushed))
            self._repairing = None
            self._replace_part(found)
            folder.tables.set_value(_FAILING, {})
        except LogIncomplete as error:
            self._give_up(f"part {day}", str(error))
        folder.lost.discard(day)

    async def rebuild_bases(self) -> bool:
        """Make one step of adding up the bases from the roll-ups; return whether it is complete.

        Raises `StoreUnavailable` and `TotalsDamaged`.
        """
        folder = self.folder
        manifest = folder.manifest
        if self._sum is None or self._sum.version != manifest.version:
            self._sum = _Sum(manifest.version)
        found = self._sum
        days = folder.tables.rollups(found.until, manifest.day)
        for day in sorted(days)[:_ROLLUPS_PER_STEP]:
            rollup = await folder.load(StoredTotals(*days[day]))
            rollup.close_days(manifest.day)
            await folder.merge(found.totals, rollup)
            found.until = day + 1
        if len(days) > _ROLLUPS_PER_STEP:
            return False
        if not found.is_named:
            found.version, found.is_named = folder.next_version(), True
        folder.set_bases(await folder.put_bases(found.version, manifest.day, found.totals, {}))
        self._sum = None
        manifest.are_bases_wrong = False
        folder.store_manifest()
        return True

    def _started(self, found: _Day | None, day: int, flushed: int) -> _Day:
        """Return the progress with a day, which starts again if its roll-up was replaced.

        Raises `LogIncomplete` if segments with events of the day may have expired.
        """
        tables = self.folder.tables
        until = tables.rollup_until(day)
        if found is not None and (found.day, found.until) == (day, until):
            return found
        oldest = tables.oldest_segment()
        if flushed < until:
            raise LogIncomplete("the newest segments are not written yet")
        if flushed and (oldest is None or (oldest.first > 1 and oldest.at_ms >= day * DAY_MS)):
            raise LogIncomplete(
                f"KV keeps segments for {constants.SEGMENT_DAYS} days, and some that may have"
                " events of this day have expired"
            )
        return _Day(day, until, self.folder.imports.undone)

    async def _add_segments(self, found: _Day) -> bool:
        """Add some segments; return whether these were the last ones. Raises `LogIncomplete`."""
        folder, limit = self.folder, constants.REBUILD_SEGMENTS_MAX
        firsts = folder.tables.segments_of(found.day, found.after, limit)
        for first in firsts:
            key = keys.segment(folder.number, first)
            value = (await get_all(folder.store, [key]))[key]
            try:
                found.add(decode_segment(value, folder.number, first))
            except SegmentUnreadable as error:
                self._rebuilding = self._repairing = None
                raise LogIncomplete(str(error)) from error
            found.after = first
            self.segments += 1
        return len(firsts) < limit

    async def _is_rollup_wrong(self, found: _Day) -> bool:
        from metering.usage.days import usage_rows  # noqa: PLC0415 (see `Folder.usage`)

        stored = self.folder.rollup_of(found.day)
        if stored is None:
            return False
        try:
            totals = await self.folder.load(stored)
        except TotalsDamaged:
            return True
        return (
            stored.key in self.folder.manifest.damaged
            or _text_of(totals) != _text_of(found.rollup)
            or self.folder.usage.day(found.day) != usage_rows(found.rollup)
        )

    async def _is_base_damaged(self) -> bool:
        manifest = self.folder.manifest
        try:
            for stored in (manifest.overall, *manifest.week.values()):
                await self.folder.load(stored)
        except TotalsDamaged:
            return True
        return False

    async def _replace_rollup(self, found: _Day) -> None:
        folder = self.folder
        if found.version != folder.manifest.version:
            found.version = folder.next_version()
        key = keys.rollup(folder.number, found.day, found.version)
        stored = await folder.put(key, Rollup(found.rollup))
        folder.set_rollup(found.day, stored, found.until, found.rollup)
        for name in [*folder.manifest.damaged]:
            if keys.rollup_day(name) == found.day:
                del folder.manifest.damaged[name]
        folder.store_manifest()

    def _replace_part(self, found: _Day) -> None:
        """Use the totals from the log as the parts of the day, which readers get as a whole."""
        folder = self.folder
        folder.parts.pop(found.day, None)
        for part in folder.imports.parts_of(found.day):
            del folder.imports.parts[found.day, part.source]
        newest, opened_ms = folder.newest_position(), folder.clock.now_ms()
        for source, totals in found.parts.items():
            ids = sorted(totals.apis)
            if not ids and not totals.dropped:
                continue
            # Different positions, so that the rows of a large part are not one response.
            changed = {api_id: max(1, newest - index) for index, api_id in enumerate(ids)}
            name = PartName(found.day, folder.next_version())
            part = OpenPart(name, opened_ms, totals, changed, source)
            if source:
                folder.imports.parts[found.day, source] = part
            else:
                folder.parts[found.day] = part
        # The next part of the day gets another name.
        folder.next_version()
        folder.checkpoint()

    def _give_up(self, name: str, reason: str) -> None:
        """Report totals as damaged for good, unless they may become readable soon."""
        folder = self.folder
        now_ms = folder.clock.now_ms()
        # In the database, because an object that often restarts would never give up.
        failing = folder.tables.value(_FAILING, {})
        if name not in failing:
            folder.tables.set_value(_FAILING, {**failing, name: now_ms})
        if now_ms < failing.get(name, now_ms) + constants.REPAIR_MS:
            raise StoreUnavailable(reason)
        folder.tables.set_value(_FAILING, {})
        folder.manifest.damaged[name] = reason
        folder.store_manifest()


def _texts_of(parts: Mapping[str, Totals]) -> Mapping[str, str]:
    """Return the text of each part that is not empty."""
    texts = {source: _text_of(totals) for source, totals in parts.items()}
    return {source: text for source, text in texts.items() if text != _text_of(Totals())}


def _text_of(totals: Totals) -> str:
    header, apis = totals.encode()
    return json.dumps([header, list(apis)])

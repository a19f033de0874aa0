"""Folding: the part of a closed UTC day becomes a roll-up, and new bases are built from it.

A fold starts by setting the part aside; later events open another part of the day. Everything is
computed from values that do not change any more, and written under new keys. So a fold that was
interrupted is repeated with the same result. Until it ends, readers use the old bases and the part.

`overall` has everything before the manifest's day; `week` has what its window needs on that day,
and on the day after, until that day is folded in turn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core import constants, keys
from core.calendar import DAY_MS, HOURS_PER_DAY
from core.errors import StoreUnavailable, SummaryUnreadable
from core.ports import Clock, Json, KeyValueStore
from metering.imports.undoing import Imports
from metering.manifests import Bases, Folding, Manifest
from metering.parts import OpenPart, PartName, closed
from metering.rollups import Rollup, StoredTotals, base_of, get_rollups, put_rollup
from metering.sketches.periods import Counts
from metering.tables import Tables
from metering.totals import Totals

if TYPE_CHECKING:
    from metering.usage.tables import UsageTables

_WEEK_DAYS = 6
"""The UTC days before today in the window `week`."""

_MISSING_DAYS = 5
"""Days whose usage one run adds, each of which takes up to a second of CPU time."""

_OBSOLETE_DELETES = 20
"""Keys that one run deletes."""

_SETTLE_MS = 2 * constants.KV_SETTLE_SECONDS * 1000
"""How long after a write KV may still report totals as missing."""

_STATE = "manifest"
_PUBLISHED = "published"
"""The version of the manifest that KV has."""


class TotalsDamaged(Exception):
    """Totals that a fold needs are missing or damaged: `key`."""

    def __init__(self, key: str, damage: str) -> None:
        """Take the key and the damage."""
        super().__init__(f"{key}: {damage}")
        self.key = key


@dataclass(slots=True)
class Folder:
    """Folds the parts of one shard.

    Args:
        number: The shard's number.
        tables: Its database.
        store: `USAGE_KV`.
        clock: Its clock.
        parts: Its open parts by day, without those of imports and those that are being folded.
        imports: Its imports, which have further open parts.
        checkpoint: Stores all parts in the database.
        newest_position: Returns the position of the newest commit.
    """

    number: int
    tables: Tables
    store: KeyValueStore
    clock: Clock
    parts: dict[int, OpenPart]
    imports: Imports
    checkpoint: Callable[[], None]
    newest_position: Callable[[], int]
    manifest: Manifest = field(default_factory=Manifest)
    set_aside: list[OpenPart] = field(default_factory=list)
    """The parts of a day that are being folded."""
    lost: set[int] = field(default_factory=set)
    """The days whose part must be added up again from the log."""
    usage_missing: list[int] = field(default_factory=list)
    """The days that were folded before this software stored usage by day, the newest first."""

    def recover(self) -> None:
        """Read the manifest from the database."""
        stored = self.tables.value(_STATE)
        if stored is not None:
            self.manifest = Manifest.decode(stored)
        self.usage_missing = [*self.usage.missing_days()]

    @property
    def usage(self) -> UsageTables:
        """The usage by day of folded days."""
        # Most isolates have no shard, so its modules are loaded on first use.
        from metering.usage.tables import UsageTables  # noqa: PLC0415

        return UsageTables(self.tables.sql)

    def adopt(self, part: OpenPart) -> None:
        """Take a part from a checkpoint."""
        if self._is_folding(part.name):
            self.set_aside.append(part)
        elif part.source:
            self.imports.parts[part.name.day, part.source] = part
        else:
            self.parts[part.name.day] = part

    def lose(self, name: PartName) -> None:
        """Note that the checkpoint of a part is unreadable."""
        self.lost.add(name.day)
        if self._is_folding(name):
            # The other parts of the day are added up again with this one.
            self.manifest.folding = None
            self.set_aside.clear()

    def all_parts(self) -> Sequence[OpenPart]:
        """Return all open parts, including those that are being folded."""
        return [*self.parts.values(), *self.imports.parts.values(), *self.set_aside]

    def parts_of(self, day: int) -> Sequence[OpenPart]:
        """Return the open parts of a day, without those that are being folded."""
        return [*filter(None, [self.parts.get(day)]), *self.imports.parts_of(day)]

    def undo_until_ms(self, name: str) -> int | None:
        """Return when the first day of an import will be folded; None if it has no open part."""
        days = [day for day, source in self.imports.parts if source == name]
        return min(map(self._due_of, days), default=None)

    def _is_folding(self, name: PartName) -> bool:
        folding = self.manifest.folding
        return folding is not None and name.day == folding.day and name.number in folding.numbers

    def document(self, now_ms: int) -> Json:
        """Return the manifest for readers: bases, and the roll-ups that they may need as well."""
        today = now_ms // DAY_MS
        # A reader's clock may be behind by some minutes, so the week may start a day earlier.
        days = self.tables.rollups(today - _WEEK_DAYS - 1, today + 2)
        for day in {part.name.day for part in self.all_parts()}:
            days = {**days, **self.tables.rollups(day, day + 1)}
        return {
            "day": self.manifest.day,
            "overall": self.manifest.overall,
            "week": {str(day): stored for day, stored in self.manifest.week.items()},
            "rollups": {str(day): stored for day, stored in days.items()},
            "hours": {
                str(day): counts
                for day, counts in self.manifest.hours.items()
                if day >= today - constants.COMPARED_DAYS
            },
            "damaged": sorted(self.manifest.damaged),
        }

    def late_apis(self) -> int:
        """Return how many APIs the parts of past days have, which are in memory until a fold."""
        today = self.clock.now_ms() // DAY_MS
        return sum(len(part.totals.apis) for part in self.all_parts() if part.name.day < today)

    def due_ms(self) -> int | None:
        """Return when something is to be done; None if no part is open."""
        is_behind = self.lost or self.usage_missing or self.manifest.are_bases_wrong
        if self.set_aside or is_behind:
            return 0
        return min(map(self._due_of, self._open_days()), default=None)

    async def run(self) -> None:
        """Fold every part that is due, then delete what is obsolete; one call at a time.

        Raises `StoreUnavailable`, and `TotalsDamaged` if a fold needs totals that are damaged.
        """
        while self._start():
            await self._fold()
        for day in self.usage_missing[:_MISSING_DAYS]:
            await self._add_missing_usage(day)
        await self._publish()
        await self._delete_obsolete()

    def _open_days(self) -> set[int]:
        return {*self.parts, *(day for day, _ in self.imports.parts)}

    def _due_of(self, day: int) -> int:
        """Return when the open parts of a day are to be folded."""
        is_folded = day < self.manifest.day
        ended_ms = 0 if is_folded else (day + 1) * DAY_MS + constants.FOLD_DELAY_MS
        # Collect late events of a folded day for some time, in which an import can be undone.
        collecting = self.parts_of(day) if is_folded else self.imports.parts_of(day)
        if not collecting:
            return ended_ms
        now_ms = self.clock.now_ms()
        is_crowded = day < now_ms // DAY_MS and self.late_apis() > constants.LATE_APIS_MAX
        opened_ms = [min(part.opened_ms, now_ms) for part in collecting if not is_crowded]
        return max([ended_ms, *(at_ms + constants.FOLD_LATE_MS for at_ms in opened_ms)])

    def _start(self) -> bool:
        """Set aside the parts of the oldest day that is due; return whether there are any."""
        if self.set_aside:
            return True
        now_ms = self.clock.now_ms()
        due = [day for day in self._open_days() if self._due_of(day) <= now_ms]
        if not due or self.lost:
            return False
        day = min(due)
        self.set_aside = [*self.parts_of(day)]
        self.parts.pop(day, None)
        sources = [part.source for part in self.set_aside if part.source]
        for source in sources:
            del self.imports.parts[day, source]
        self.imports.close(sources)
        numbers = [part.name.number for part in self.set_aside]
        self.manifest.folding = Folding(day, numbers, self.newest_position(), self.next_version())
        self.store_manifest()
        self.checkpoint()
        return True

    async def _fold(self) -> None:
        """Write the roll-up of the parts' day, and the bases that contain it."""
        manifest = self.manifest
        folding = manifest.folding
        assert folding is not None
        day, version = folding.day, folding.version
        late = self.set_aside[0].totals
        if len(self.set_aside) > 1:
            late = Totals()
            for part in self.set_aside:
                await self.merge(late, part.totals)
        rollup = await self.load(self.rollup_of(day))
        await self.merge(rollup, late)
        key = keys.rollup(self.number, day, version)
        stored = await self.put(key, Rollup(rollup))
        end = max(manifest.day, day + 1)
        overall = await self.load(manifest.overall)
        await self.merge(overall, closed(late, rollup, end))
        bases = await self.put_bases(version, end, overall, {day: rollup})
        self.set_aside.clear()
        manifest.folding = None
        lost = {key: why for key, why in manifest.damaged.items() if keys.rollup_day(key) == day}
        self.set_rollup(day, stored, folding.until, rollup)
        # What the roll-up had is still missing, until the day is rebuilt.
        manifest.damaged.update(lost)
        self.set_bases(bases)
        self.store_manifest()
        self.checkpoint()

    def next_version(self) -> int:
        """Return a number by which nothing is named yet, nor by the object after a restart."""
        self.manifest.version += 1
        self.manifest.written.clear()
        self.store_manifest()
        return self.manifest.version

    def set_rollup(self, day: int, stored: StoredTotals, until: int, totals: Totals) -> None:
        """Use a new roll-up of a day, with its events up to a position."""
        self._rename_fold()
        self._drop([self.rollup_of(day)], {stored})
        self.tables.set_rollup(day, *stored, until)
        self._set_usage(day, totals)
        self._note_hours(day, totals)

    async def _add_missing_usage(self, day: int) -> None:
        """Store the usage of a day that was folded by an older version of the software."""
        stored = self.rollup_of(day)
        totals = await self.load(stored)
        if self.rollup_of(day) == stored:
            self._set_usage(day, totals)

    def _set_usage(self, day: int, totals: Totals) -> None:
        from metering.usage.days import usage_rows  # noqa: PLC0415

        self.usage.set_day(day, usage_rows(totals))
        if day in self.usage_missing:
            self.usage_missing.remove(day)

    def set_bases(self, bases: Bases) -> None:
        """Use new bases."""
        self._rename_fold()
        manifest = self.manifest
        kept = {bases.overall, *bases.week.values()}
        self._drop([manifest.overall, *manifest.week.values()], kept)
        manifest.day, manifest.overall, manifest.week = bases.day, bases.overall, dict(bases.week)

    def _rename_fold(self) -> None:
        """Let an unfinished fold write under other keys, because its result will be another."""
        folding = self.manifest.folding
        if folding is not None:
            self.manifest.folding = folding._replace(version=self.manifest.version + 1)
            self.next_version()

    def _drop(
        self, replaced: Iterable[StoredTotals | None], kept: Container[StoredTotals | None]
    ) -> None:
        """Let replaced totals be deleted from KV later."""
        for old in replaced:
            if old is not None and old not in kept:
                self.tables.add_obsolete(keys.pieces(*old), self.clock.now_ms())
                self.manifest.damaged.pop(old.key, None)
        self.manifest.changed_ms = self.clock.now_ms()

    def _note_hours(self, day: int, rollup: Totals) -> None:
        """Note the calls and revenue of a day's hours, which readers compare with today's."""
        hours = range(day * HOURS_PER_DAY, (day + 1) * HOURS_PER_DAY)
        counts = dict(rollup.series.hours.items())
        noted = self.manifest.hours
        noted[day] = [
            (found.calls, found.revenue_micros)
            for found in (counts.get(hour, Counts()) for hour in hours)
        ]
        for oldest in sorted(noted)[: -constants.COMPARED_DAYS]:
            del noted[oldest]

    async def put_bases(
        self, version: int, end: int, overall: Totals, new: Mapping[int, Totals]
    ) -> Bases:
        """Write bases named by `version`, with everything before the day `end`: `overall`.

        `new` has roll-ups, by day, that are not in use yet, and that KV may not show yet.
        """
        overall.forget_days(end - constants.TREND_DAYS)
        overall_key = keys.base(self.number, "overall", end, version)
        stored = await self.put(overall_key, base_of(overall))
        week: Mapping[int, StoredTotals] = self.manifest.week
        if not new or max(new) >= end - _WEEK_DAYS:
            week = {
                used_on: await self._put_week(version, used_on, end, new)
                for used_on in (end, end + 1)
            }
        return Bases(end, stored, week)

    async def load(self, stored: StoredTotals | None) -> Totals:
        """Read totals; none for `None`, and for damaged ones that cannot be rebuilt.

        Raises `StoreUnavailable`, and `TotalsDamaged` the first time.
        """
        if stored is None or stored.key in self.manifest.damaged:
            return Totals()
        found = (await get_rollups(self.store, [stored]))[stored.key]
        if isinstance(found, SummaryUnreadable):
            if self.clock.now_ms() < self.manifest.changed_ms + _SETTLE_MS:
                raise StoreUnavailable(f"KV may not show {stored.key} yet: {found}")
            raise TotalsDamaged(stored.key, str(found))
        return found.totals

    async def merge(self, totals: Totals, other: Totals) -> None:
        """Add totals, with pauses in which the shard serves other calls."""
        for _ in totals.merge_in_steps(other):
            await self.clock.sleep_ms(0)

    def rollup_of(self, day: int) -> StoredTotals | None:
        """Return where the roll-up of a day is; None if there is none."""
        stored = self.tables.rollups(day, day + 1).get(day)
        return None if stored is None else StoredTotals(*stored)

    def store_manifest(self) -> None:
        """Store the manifest in the database."""
        self.tables.set_value(_STATE, self.manifest.encode())

    async def _put_week(
        self, version: int, used_on: int, end: int, new: Mapping[int, Totals]
    ) -> StoredTotals:
        """Write what the window `week` needs on a day: the six days before it that are folded."""
        totals = Totals()
        days = range(used_on - _WEEK_DAYS, min(used_on, end))
        known = self.tables.rollups(days.start, days.stop)
        for day in days:
            if day in new:
                await self.merge(totals, new[day])
            elif day in known:
                await self.merge(totals, await self.load(StoredTotals(*known[day])))
        totals.close_days(used_on)
        key = keys.base(self.number, "week", used_on, version)
        return await self.put(key, base_of(totals))

    async def put(self, key: str, rollup: Rollup) -> StoredTotals:
        """Write totals, without the pieces that an interrupted attempt has written."""

        def note(name: str) -> None:
            self.manifest.written.append(name)
            self.store_manifest()

        return await put_rollup(self.store, key, rollup, self.manifest.written, note)

    async def _publish(self) -> None:
        """Write the manifest to KV, if it changed since that was done last."""
        version = self.manifest.version
        if self.tables.value(_PUBLISHED, 0) != version and not self.set_aside:
            document = json.dumps(self.document(self.clock.now_ms()))
            await self.store.put(keys.manifest(self.number), document, {})
            self.tables.set_value(_PUBLISHED, version)

    async def _delete_obsolete(self) -> None:
        now_ms = self.clock.now_ms()
        # KV counts a segment's lifetime from before it was noted.
        self.tables.delete_segments(now_ms - (constants.SEGMENT_DAYS - 1) * DAY_MS)
        for name in self.tables.obsolete(now_ms - constants.OBSOLETE_MS, _OBSOLETE_DELETES):
            await self.store.delete(name)
            self.tables.delete_obsolete(name)

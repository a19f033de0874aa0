"""Late batches: finds them by their marks, and has what they belong to made again.

A writer that commits a batch long after its minute puts a mark first. Owns when
a mark is looked at, and when it may go. Refuses to know how a batch is written.

A minute that has marks is looked at each minute while they are new, again when
the listing has had time to show their batches, and for the last time when
clocks and listings have settled and every run is over that knew less: then all
batches that its marks speak of are listed, or never will be. What was made of
them is made again in any case, because such a run may have written over it.

When a minute was looked at is in `Progress.late`. Should a run with older
progress write over it, then also the last look is forgotten and is had again. A
mark is deleted when progress, as it was read from KV, says that the last look
was longer ago than any run takes.
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
"""How long a run may still be under way after another one, and read what was before that:
Cloudflare ends cron's after 15 minutes, and reads are out of date by one or two.
(https://developers.cloudflare.com/workers/platform/limits/#wall-time-limits-by-invocation-type)"""

_LAST_MINUTES = SETTLE_MINUTES + _OVERLAP_MINUTES
"""How long after a mark was written the last look at its minute is due."""

_LOOKS = (_LAST_MINUTES, SETTLE_MINUTES, 3)
"""How long after a mark was written single looks are due, the first because listings lag by up
to two minutes. Before that, one is due each minute."""

_FORGOTTEN_MARKS_MAX = 200
"""Marks deleted by one run, so that with its budget it stays below Cloudflare's 1,000."""


@dataclass(slots=True)
class LateArrivals:
    """The marks as one run of compaction finds them; `now_minute` is its own clock's."""

    maker: SummaryBuilder
    now_minute: int
    _finished: list[str] = field(default_factory=list)

    async def look(self) -> None:
        """Look for late batches where it is due, and make the minutes again that have some.

        What these minutes are part of becomes stale. Raises `StoreUnavailable`
        and `BudgetSpent`; where it ended, it goes on the next time.
        """
        progress = self.maker.progress
        marks = await self._marks()
        progress.late = {minute: at for minute, at in progress.late.items() if minute in marks}
        if not progress.stale:
            self._note_finished(marks)
        # First where nobody has looked yet, then where that is longest ago.
        for minute in sorted(marks, key=lambda one: progress.late.get(one, -1)):
            # What is not made yet will be, from all that is listed by then.
            if minute < progress.made:
                await self._look_at(minute, [mark for _, mark in marks[minute]])

    async def forget(self) -> None:
        """Delete marks that are done with.

        Beyond the budget: when it was spent on late batches, they would be late for ever.
        """
        with suppress(StoreUnavailable):
            for name in self._finished[:_FORGOTTEN_MARKS_MAX]:
                await self.maker.store.store.delete(name)

    async def _marks(self) -> Mapping[int, Sequence[tuple[str, LateMarker]]]:
        marks: dict[int, list[tuple[str, LateMarker]]] = {}
        for name in await all_names(self.maker.store, keys.LATE_PREFIX):
            try:
                mark = keys.parse_late_marker(name)
            except KeyMalformed:
                self._finished.append(name)
            else:
                marks.setdefault(mark.minute, []).append((name, mark))
        return marks

    def _note_finished(self, marks: Mapping[int, Sequence[tuple[str, LateMarker]]]) -> None:
        for minute, looked in self.maker.progress.late.items():
            if looked + _OVERLAP_MINUTES <= self.now_minute:
                self._finished += [
                    name for name, mark in marks[minute] if mark.written + _LAST_MINUTES <= looked
                ]

    async def _look_at(self, minute: int, marks: Sequence[LateMarker]) -> None:
        progress = self.maker.progress
        looked = progress.late.get(minute)
        due = [mark for mark in marks if looked is None or looked < self._due(mark)]
        if not due:
            return
        names = await self.maker.names(minute)
        listed = frozenset(names)
        seen = [mark for mark in due if mark.batch_key in listed]
        is_last = any(mark.written + _LAST_MINUTES <= self.now_minute for mark in seen)
        if is_last or (seen and not self.maker.is_made_of(minute, names)):
            await self.maker.make_minute(minute, names)
            progress.outdate(minute)
        progress.late[minute] = self.now_minute

    def _due(self, mark: LateMarker) -> int:
        """Tell from when on a look for the batch of this mark is recent enough."""
        for minutes in _LOOKS:
            if mark.written + minutes <= self.now_minute:
                return mark.written + minutes
        return self.now_minute

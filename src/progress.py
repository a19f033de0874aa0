"""How far compaction has come: one value that compaction writes and every read starts with.

Owns its form. A value that is lost or out of date costs time, never figures:
whatever it says is made exists, and making it again gives the same. Where it is
lost, `recovery` finds out what there is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from periods import MINUTES_PER_DAY, MINUTES_PER_HOUR, Period, containing

LEVELS = ("minute", "hour", "day", "month")

SETTLE_MINUTES = 20
"""When a minute is looked at for the last time: 5 min for a writer's clock that is behind
and 5 for ours ahead, 5 in which a late writer does not leave a mark, 2 for the listing's
lag, and some to spare."""

WEEK_DAYS = 6
"""Days before today that the window `week` has."""

KEPT_MINUTES = {
    "minute": 3 * MINUTES_PER_HOUR,
    "hour": 2 * MINUTES_PER_DAY,
    "day": 40 * MINUTES_PER_DAY,
}
"""How long the tree remembers a level's fingerprints after they went into a larger period."""

PROGRESS_VERSION = 3
_STALE_LEVELS = (*LEVELS, "base")


@dataclass(slots=True)
class Progress:
    """How far compaction has come.

    Every minute before `made` has its summary unless it had no batches, and
    every one before `settled` for the last time. `bases` is the minute up to which
    there are bases, and `earlier_bases` that of those before them, for readers
    whom KV does not show the newest yet. `tree` has the fingerprint of
    each summary that is not yet part of a larger one, or still of use to
    readers, by level and start; of periods that start before `known_from` it may not
    know all children. `version` changes whenever bases are made. At `listed_ms` a run
    began that found in the summaries of all minutes up to `made` every batch that KV listed.

    `late` has, by minute, when the batches of minutes with marks were looked at
    the last time (`late.LateBatches`), and `stale` what is to be made again
    because of what was found then; among it a period of level `base` stands for
    all bases, and starts with an hour that they lack something of. Both go back
    with everything else when an older value is written over this one, and so
    does what they vouch for.
    """

    made: int = 0
    settled: int = 0
    bases: int = 0
    earlier_bases: int = 0
    known_from: int = 0
    version: int = 0
    listed_ms: int = 0
    tree: dict[str, dict[int, str]] = field(default_factory=lambda: {level: {} for level in LEVELS})
    late: dict[int, int] = field(default_factory=dict)
    stale: set[Period] = field(default_factory=set)

    def prune(self) -> None:
        """Forget what is part of something larger and of no more use to readers.

        What late batches belong to is kept: reads of what was written for them may
        still be out of date, and then only the tree knows of it.
        """
        for level, kept_minutes in KEPT_MINUTES.items():
            oldest = self.earlier_bases - kept_minutes
            late = {containing(level, minute).start for minute in self.late}
            marks = self.tree[level].items()
            self.tree[level] = {
                start: mark for start, mark in marks if start >= oldest or start in late
            }

    def outdate(self, minute: int) -> None:
        """Note that this minute was made again, so that what it is part of must be, too."""
        for level in LEVELS[1:]:
            period = containing(level, minute)
            if period.end <= self.settled:
                self.stale.add(period)
        if minute < self.bases:
            self.stale.add(Period("base", containing("hour", minute).start))

    def stale_from(self, first: int, end: int | None) -> int | None:
        """Tell from when on summaries within these minutes may lack something; None for never."""
        starts = [
            max(first, start)
            for level, start in self.stale
            if (end is None or start < end)
            and (start if level == "base" else Period(level, start).end - 1) >= first
        ]
        return min(starts, default=None)

    def in_order(self) -> Sequence[Period]:
        """Sort what is stale, so that parts come before what they are part of."""
        return sorted(self.stale, key=lambda one: (_STALE_LEVELS.index(one.level), one.start))

    def encode(self) -> str:
        """Write it as JSON."""
        tree = {level: sorted(parts.items()) for level, parts in self.tree.items()}
        pointers = [self.made, self.settled, self.bases, self.earlier_bases, self.known_from]
        late = sorted(self.late.items())
        form = [PROGRESS_VERSION, pointers, self.version, self.listed_ms]
        content = [*form, tree, late, self.in_order()]
        return json.dumps(content, separators=(",", ":"))


def decode_progress(value: str | None) -> Progress | None:
    """Read progress back; None when there is none or it is of another version."""
    if value is None:
        return None
    try:
        form, pointers, version, listed_ms, tree, late, stale = json.loads(value)
        if form != PROGRESS_VERSION:
            return None
        made, settled, bases, earlier_bases, known_from = map(int, pointers)
        return Progress(
            made,
            settled,
            bases,
            earlier_bases,
            known_from,
            int(version),
            int(listed_ms),
            {level: dict(tree[level]) for level in LEVELS},
            dict(late),
            {Period(level, start) for level, start in stale},
        )
    except (ValueError, TypeError, KeyError):
        return None


def read_reconciled(value: str | None) -> int | None:
    """Read up to when all payments are reconciled, in milliseconds; None when nobody knows."""
    return int(value) if value is not None and value.isdecimal() else None

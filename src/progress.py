"""How far compaction has come: one value that compaction writes and every read starts with.

Owns its form. A value that is lost or out of date costs time, never figures:
whatever it says is made exists, and making it again gives the same. Where it is
lost, `recovery` finds out what there is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from periods import MINUTES_PER_DAY, MINUTES_PER_HOUR

LEVELS = ("minute", "hour", "day", "month")

WEEK_DAYS = 6
"""Days before today that the window `week` has."""

KEPT_MINUTES = {
    "minute": 3 * MINUTES_PER_HOUR,
    "hour": 2 * MINUTES_PER_DAY,
    "day": 40 * MINUTES_PER_DAY,
}
"""How long the tree remembers a level's fingerprints after they went into a larger period."""

_PROGRESS_VERSION = 2


@dataclass(slots=True)
class Progress:
    """How far compaction has come.

    Every minute before `made` has its summary unless it had no batches, and
    every one before `settled` for the last time. `bases` is the minute up to which
    there are bases, and `earlier_bases` that of those before them, for readers
    whom KV does not show the newest yet. `tree` has the fingerprint of
    each summary that is not yet part of a larger one, or still of use to
    readers, by level and start; of periods that start before `known_from` it may not
    know all children. `version` changes whenever bases are made.
    """

    made: int = 0
    settled: int = 0
    bases: int = 0
    earlier_bases: int = 0
    known_from: int = 0
    version: int = 0
    tree: dict[str, dict[int, str]] = field(default_factory=lambda: {level: {} for level in LEVELS})

    def prune(self) -> None:
        """Forget what is part of something larger and of no more use to readers."""
        for level, kept_minutes in KEPT_MINUTES.items():
            oldest = self.earlier_bases - kept_minutes
            marks = self.tree[level].items()
            self.tree[level] = {start: mark for start, mark in marks if start >= oldest}

    def encode(self) -> str:
        """Write it as JSON."""
        tree = {level: sorted(parts.items()) for level, parts in self.tree.items()}
        pointers = [self.made, self.settled, self.bases, self.earlier_bases, self.known_from]
        content = [_PROGRESS_VERSION, pointers, self.version, tree]
        return json.dumps(content, separators=(",", ":"))


def decode_progress(value: str | None) -> Progress | None:
    """Read progress back; None when there is none or it is of another version."""
    if value is None:
        return None
    try:
        form, pointers, version, tree = json.loads(value)
        if form != _PROGRESS_VERSION:
            return None
        made, settled, bases, earlier_bases, known_from = map(int, pointers)
        parts = {level: dict(tree[level]) for level in LEVELS}
        return Progress(made, settled, bases, earlier_bases, known_from, int(version), parts)
    except (ValueError, TypeError, KeyError):
        return None

"""How far compaction has come: one value that compaction writes and every read starts with.

Owns its form. A value that is lost or out of date costs time, never figures:
whatever it says is made exists, and making it again gives the same.
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

_PROGRESS_VERSION = 1


@dataclass(slots=True)
class Progress:
    """How far compaction has come.

    Every minute before `made` has its summary unless it had no batches, and
    every one before `settled` for the last time. `bases` is the minute up to which
    there are bases, and `earlier_bases` that of those before them, for readers
    whom KV does not show the newest yet. `tree` has the fingerprint of
    each summary that is not yet part of a larger one, or still of use to
    readers, by level and start. `version` changes whenever bases are made.
    """

    made: int = 0
    settled: int = 0
    bases: int = 0
    earlier_bases: int = 0
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
        pointers = (self.made, self.settled, self.bases, self.earlier_bases, self.version)
        return json.dumps([_PROGRESS_VERSION, *pointers, tree], separators=(",", ":"))


def decode_progress(value: str | None) -> Progress | None:
    """Read progress back; None when there is none or it is of another version."""
    if value is None:
        return None
    try:
        form, made, settled, bases, earlier_bases, version, tree = json.loads(value)
        if form != _PROGRESS_VERSION:
            return None
        parts = {level: dict(tree[level]) for level in LEVELS}
        return Progress(
            int(made), int(settled), int(bases), int(earlier_bases), int(version), parts
        )
    except (ValueError, TypeError, KeyError):
        return None


def read_reconciled(value: str | None) -> int | None:
    """Read up to when all payments are reconciled, in milliseconds; None when nobody knows."""
    return int(value) if value is not None and value.isdecimal() else None

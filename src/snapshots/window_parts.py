"""What a window consists of: stored totals of folded days, and open parts.

A shard's window is its base, every open part in its range, and the roll-ups of those days that
neither has: the shard may have folded a day that the reader's clock has not finished yet, or be
too idle to have built a base for today.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core.calendar import DAY_MS
from metering.parts import PartName
from metering.rollups import StoredTotals
from snapshots.shard_reader import ReadManifest, ReadPart, ShardState

WINDOWS = ("today", "week", "overall")
"""The values of the parameter `window`."""

_WEEK_DAYS = 7


class PartId(NamedTuple):
    """Identifies an open part of any shard."""

    shard: int
    name: PartName


@dataclass(slots=True)
class WindowParts:
    """The parts of a window.

    Attributes:
        stored: The bases and roll-ups.
        parts: The open parts.
        closed: For open parts of days that a base already has: the day's roll-up, which has the
            hours that the base lacks.
    """

    stored: list[StoredTotals] = field(default_factory=list)
    parts: dict[PartId, ReadPart] = field(default_factory=dict)
    closed: dict[PartId, StoredTotals] = field(default_factory=dict)


def days_of(window: str, now_ms: int) -> Sequence[int] | None:
    """Return the UTC days of `window` at `now_ms`, oldest first; None means all days.

    A window ends with the current day, not with the current instant, because the clocks of
    isolates differ: an event may be some milliseconds ahead of the reader's clock. Events of
    later days are only in `overall`.
    """
    today = now_ms // DAY_MS
    match window:
        case "today":
            return [today]
        case "week":
            return range(today - _WEEK_DAYS + 1, today + 1)
        case _:
            return None


def parts_of(window: str, states: Mapping[int, ShardState], now_ms: int) -> WindowParts:
    """Return what a window consists of at `now_ms`, from the states of all shards by number."""
    days = days_of(window, now_ms)
    found = WindowParts()
    for shard, state in states.items():
        base, base_days = _base_of(window, state.manifest, now_ms // DAY_MS)
        if base is not None:
            found.stored.append(base)
        if days is not None:
            found.stored += [
                stored
                for day, stored in sorted(state.manifest.rollups.items())
                if day in days and day not in base_days
            ]
        for name, part in state.parts.items():
            if days is None or name.day in days:
                part_id = PartId(shard, name)
                found.parts[part_id] = part
                rollup = state.manifest.rollups.get(name.day)
                if rollup is not None and name.day in base_days:
                    found.closed[part_id] = rollup
    return found


def _base_of(window: str, manifest: ReadManifest, today: int) -> tuple[StoredTotals | None, range]:
    """Return a window's base, and the days that it has."""
    if window == "overall":
        return manifest.overall, range(manifest.day if manifest.overall else 0)
    base = manifest.week.get(today) if window == "week" else None
    if base is None:
        return None, range(0)
    return base, range(today - _WEEK_DAYS + 1, min(today, manifest.day))

"""The manifest of a shard: where its newest totals are, and which part is being folded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core.ports import Json
from metering.rollups import StoredTotals


class Folding(NamedTuple):
    """A fold that has started.

    Attributes:
        day: The day of the parts.
        numbers: The numbers of the parts.
        until: The parts have the day's events up to this position.
        version: Names what the fold writes.
    """

    day: int
    numbers: Sequence[int]
    until: int
    version: int

    @staticmethod
    def decode(value: Json) -> Folding:
        """Decode a stored fold; until imports could be undone, it had one part."""
        day, numbers, until, version = value
        return Folding(day, numbers if isinstance(numbers, list) else [numbers], until, version)


class Bases(NamedTuple):
    """The bases of all days before `day`; `week` by the day on which they are used."""

    day: int
    overall: StoredTotals | None
    week: Mapping[int, StoredTotals]


@dataclass(slots=True)
class Manifest:
    """Where the newest totals of a shard are.

    Attributes:
        day: Bases have what is before this UTC day; 0 if nothing was folded yet.
        overall: The base of the window `overall`.
        week: The bases of the window `week`, by the day on which they are used.
        version: Names keys and parts; grows before anything is named by it.
        folding: The parts that are being folded.
        damaged: The keys of totals that could not be used, and why.
        hours: The calls and revenue of each hour of the days that were folded last, by day.
        changed_ms: When totals were replaced last.
        are_bases_wrong: Whether the bases must be added up again from the roll-ups.
        written: The keys of that version in KV, so that an interrupted fold does not write them
            again.
    """

    day: int = 0
    overall: StoredTotals | None = None
    week: dict[int, StoredTotals] = field(default_factory=dict)
    version: int = 0
    folding: Folding | None = None
    damaged: dict[str, str] = field(default_factory=dict)
    hours: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    changed_ms: int = 0
    are_bases_wrong: bool = False
    written: list[str] = field(default_factory=list)

    def encode(self) -> Json:
        """Encode for the database."""
        return [
            self.day,
            self.overall,
            [[day, *stored] for day, stored in sorted(self.week.items())],
            self.version,
            self.folding,
            self.damaged,
            [[day, counts] for day, counts in sorted(self.hours.items())],
            self.changed_ms,
            self.are_bases_wrong,
            self.written,
        ]

    @staticmethod
    def decode(value: Json) -> Manifest:
        """Decode what `encode` returned."""
        day, overall, week, version, folding, damaged, hours, changed_ms, *rest = value
        are_bases_wrong, written = rest
        return Manifest(
            day,
            StoredTotals(*overall) if overall else None,
            {used_on: StoredTotals(key, pieces) for used_on, key, pieces in week},
            version,
            Folding.decode(folding) if folding else None,
            damaged,
            dict(hours),
            changed_ms,
            are_bases_wrong,
            written,
        )

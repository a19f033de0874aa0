"""Which imports can be undone, which were undone, and which events belong to them.

An import is open from its first event on. It is folded when one of its parts is set aside for a
fold, and undone by a commit that names it; neither changes any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from metering.batches import Batch
from metering.parts import OpenPart, PartName
from metering.segments import Commit
from metering.tables import Tables

UNKNOWN, OPEN, FOLDED, UNDONE = "unknown", "open", "folded", "undone"
"""The states of an import."""

IMPORT_UNDONE = "import_undone"
"""The error of a batch whose import was undone."""

_IMPORTS_PER_COMMIT = 100_000
"""More than any commit has."""


@dataclass(slots=True)
class Imports:
    """The imports of one shard.

    Attributes:
        undone: The names of those that were undone.
        parts: The open parts of those that can be undone, by day and import.
    """

    tables: Tables
    undone: set[str] = field(default_factory=set)
    parts: dict[tuple[int, str], OpenPart] = field(default_factory=dict)
    _states: dict[str, str] = field(default_factory=dict)

    def recover(self) -> None:
        """Read the states from the database."""
        self._states = dict(self.tables.imports())
        self.undone = {name for name, state in self._states.items() if state == UNDONE}

    def state(self, name: str) -> str:
        """Return the state of an import."""
        return self._states.get(name, UNKNOWN)

    def count(self, name: str) -> int:
        """Return how many events an open import has."""
        return self.tables.count_undoable(name)

    def without_known(self, batch: Batch, others: set[str]) -> Batch:
        """Return an imported batch with those of its events that are new.

        Events of an import that is folded already do not belong to it: they cannot be undone.

        Args:
            batch: The batch.
            others: Ids of the events of the same commit, to which it adds.
        """
        known = self.tables.imported([event.request_id for event in batch.events])
        events = []
        for event in batch.events:
            if event.request_id not in known and event.request_id not in others:
                others.add(event.request_id)
                events.append(event)
        source = "" if self.state(batch.source) == FOLDED else batch.source
        return batch._replace(events=events, source=source)

    def add(self, batch: Batch) -> None:
        """Note the events of a committed batch of imported events, or that it undoes an import."""
        if batch.undoes:
            self.undone.add(batch.undoes)
            self._set([batch.undoes], UNDONE)
            self.tables.undo_import(batch.undoes)
            for key in [key for key in self.parts if key[1] == batch.undoes]:
                del self.parts[key]
            return
        names = [event.request_id for event in batch.events]
        self.tables.add_imported(names)
        if batch.source:
            self.tables.add_undoable(batch.source, names)
            if self.state(batch.source) == UNKNOWN:
                self._set([batch.source], OPEN)

    def counted(self, batches: Sequence[Batch]) -> Iterator[tuple[int, str, Sequence[Batch]]]:
        """Yield the batches of a commit that count, by their import, which is empty for none.

        Each comes with the index of its import, which does not change if another one is undone.
        """
        for index, name in enumerate(dict.fromkeys(batch.source for batch in batches)):
            if name not in self.undone:
                yield index, name, [batch for batch in batches if batch.source == name]

    def part(self, commit: Commit, day: int, name: str, index: int) -> OpenPart:
        """Return the part of a day of an import; a commit opens it if there is none.

        `index` is that of the import among those of the commit.
        """
        part = self.parts.get((day, name))
        if part is None:
            # The same number again if the commit is read again after a restart.
            number = -(commit.position * _IMPORTS_PER_COMMIT + index)
            part = OpenPart(PartName(day, number), commit.at_ms, source=name)
            self.parts[day, name] = part
        return part

    def parts_of(self, day: int) -> Sequence[OpenPart]:
        """Return the parts of a day."""
        if not self.parts:
            return ()
        return [part for part in self.parts.values() if part.name.day == day]

    def close(self, names: Collection[str]) -> None:
        """Note that the parts of these imports are being folded."""
        self._set(names, FOLDED)
        for name in names:
            self.tables.forget_undoable(name)

    def _set(self, names: Collection[str], state: str) -> None:
        for name in names:
            self._states[name] = state
            self.tables.set_import(name, state)


def without_undone(batches: Sequence[Batch], undone: Collection[str]) -> Sequence[Batch]:
    """Return the batches that count: all but those of imports that were undone."""
    return [batch for batch in batches if batch.source not in undone] if undone else batches

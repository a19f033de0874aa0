"""One API of a window, as the summaries have it.

Owns its aggregates by summary and what follows from them, made when asked for.
Refuses to know the newest batches.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from aggregates import Aggregate, Description, merged, newest
from figures import ApiId, directory_of
from ranking import Row, Span, row_of


class PartId(NamedTuple):
    """A summary by its key and what it was made of."""

    key: str
    mark: str


@dataclass(slots=True)
class Standing:
    """One API: its aggregates by summary, what those but the base come to, and its row."""

    base: Aggregate | None = None
    others: dict[PartId, Aggregate] = field(default_factory=dict)
    recent: Aggregate | None = None
    row: Row | None = None
    described_by: Description | None = None

    @property
    def directory(self) -> str:
        """The category that the summaries have it in."""
        return directory_of(self.described_by)

    def parts(self) -> list[Aggregate]:
        """Give the least aggregates that come to all that the summaries have of it."""
        if self.recent is None and self.others:
            self.recent = merged(self.others.values())
        return [part for part in (self.base, self.recent) if part is not None]

    def take(self, part: PartId, aggregate: Aggregate) -> None:
        """Add what one more summary has of it."""
        self.others[part] = aggregate
        if self.recent is not None:
            self.recent.merge(aggregate)
        self.described_by = newest(self.described_by, aggregate.described_by)
        self.row = None

    def row_in(self, identity: ApiId, span: Span) -> Row:
        """Give its row, made once: `span` is the last one's until `row` is forgotten."""
        if self.row is None:
            parts = self.parts()
            self.row = row_of(identity, parts[0] if len(parts) == 1 else merged(parts), span)
        return self.row

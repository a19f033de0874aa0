"""One API of a window, as the summaries have it.

Owns its aggregates by summary and what follows from them, made when asked for.
Refuses to know the newest batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from metering.aggregate import Aggregate, Description, merged, newest
from metering.events import Batch
from metering.totals import ApiId, Totals, directory_of
from snapshots.ranking import Row, TrendRange, api_row


@dataclass(slots=True)
class TailTotals:
    """Figures of some batches, each counted once."""

    figures: Totals = field(default_factory=Totals)
    _counted: dict[str, Batch] = field(default_factory=dict)

    def goes_on(self, batches: Mapping[str, Batch]) -> bool:
        """Tell whether `batches`, by key, have all that is counted."""
        return all(
            name in batches and _has_grown(batch, batches[name])
            for name, batch in self._counted.items()
        )

    def add(self, batches: Mapping[str, Batch]) -> Totals:
        """Count what is new in `batches`, which have all that is counted, and give that."""
        new = Totals()
        for name, batch in batches.items():
            known = self._counted.get(name)
            if known is None:
                new.add(batch)
            elif known is not batch:
                rest = batch.events[len(known.events) :]
                new.add(Batch(rest, batch.dropped - known.dropped))
            self._counted[name] = batch
        self.figures.merge(new)
        return new


def _has_grown(known: Batch, batch: Batch) -> bool:
    """Tell whether a batch under the same key is the same or has more, as it is only added to."""
    return known is batch or (
        len(known.events) <= len(batch.events) and known.dropped <= batch.dropped
    )


class SummaryRef(NamedTuple):
    """A summary by its key and what it was made of."""

    key: str
    mark: str


@dataclass(slots=True)
class ApiState:
    """One API: its aggregates by summary, what those but the base come to, and its row."""

    base: Aggregate | None = None
    others: dict[SummaryRef, Aggregate] = field(default_factory=dict)
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

    def take(self, part: SummaryRef, aggregate: Aggregate) -> None:
        """Add what one more summary has of it."""
        self.others[part] = aggregate
        if self.recent is not None:
            self.recent.merge(aggregate)
        self.described_by = newest(self.described_by, aggregate.described_by)
        self.row = None

    def row_in(self, identity: ApiId, span: TrendRange) -> Row:
        """Give its row, made once: `span` is the last one's until `row` is forgotten."""
        if self.row is None:
            parts = self.parts()
            self.row = api_row(identity, parts[0] if len(parts) == 1 else merged(parts), span)
        return self.row

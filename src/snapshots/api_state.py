"""What a window's cache keeps between reads: the totals of each API, and of the newest batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from metering.aggregate import Aggregate, Description, merged, newest
from metering.events import Batch
from metering.totals import ApiId, Totals, directory_of
from snapshots.ranking import ApiRow, TrendRange, api_row


@dataclass(slots=True)
class TailTotals:
    """The totals of the newest batches, each counted once."""

    totals: Totals = field(default_factory=Totals)
    _counted: dict[str, Batch] = field(default_factory=dict)

    def extends(self, batches: Mapping[str, Batch]) -> bool:
        """Return whether `batches`, by key, have everything that is counted here.

        If not, a summary now has some of it, and the totals must be counted again.
        """
        return all(
            name in batches and _has_grown(batch, batches[name])
            for name, batch in self._counted.items()
        )

    def add(self, batches: Mapping[str, Batch]) -> Totals:
        """Count what is new in `batches`, which must have everything counted so far.

        Returns the totals of the new events.
        """
        new = Totals()
        for name, batch in batches.items():
            known = self._counted.get(name)
            if known is None:
                new.add(batch)
            elif known is not batch:
                rest = batch.events[len(known.events) :]
                new.add(Batch(rest, batch.dropped - known.dropped))
            self._counted[name] = batch
        self.totals.merge(new)
        return new


def _has_grown(known: Batch, batch: Batch) -> bool:
    """Return whether `batch` is `known` or has more: a batch with the same key only grows."""
    return known is batch or (
        len(known.events) <= len(batch.events) and known.dropped <= batch.dropped
    )


class SummaryRef(NamedTuple):
    """A summary, identified by its key and the fingerprint of its sources."""

    key: str
    fingerprint: str


@dataclass(slots=True)
class ApiState:
    """One API: its aggregates by summary, their sum without the base, and its row."""

    base: Aggregate | None = None
    others: dict[SummaryRef, Aggregate] = field(default_factory=dict)
    recent: Aggregate | None = None
    row: ApiRow | None = None
    described_by: Description | None = None

    @property
    def directory(self) -> str:
        """The API's category by its newest description in the summaries."""
        return directory_of(self.described_by)

    def parts(self) -> list[Aggregate]:
        """Return as few aggregates as possible whose sum is all that the summaries have."""
        if self.recent is None and self.others:
            self.recent = merged(self.others.values())
        return [part for part in (self.base, self.recent) if part is not None]

    def add(self, summary: SummaryRef, aggregate: Aggregate) -> None:
        """Add the API's aggregate of one more summary."""
        self.others[summary] = aggregate
        if self.recent is not None:
            self.recent.merge(aggregate)
        self.described_by = newest(self.described_by, aggregate.described_by)
        self.row = None

    def row_of(self, api_id: ApiId, trend: TrendRange) -> ApiRow:
        """Return the API's row, which is cached: reset `row` when `trend` changes."""
        if self.row is None:
            parts = self.parts()
            self.row = api_row(api_id, parts[0] if len(parts) == 1 else merged(parts), trend)
        return self.row

"""What an isolate keeps of one window between reads, so that a read costs what has changed.

Owns the summaries of the last read, the row of every API made of them, and
the callers of each category. Everything shown equals what a fold over the
whole reading gives: what changed is folded again, the rest is taken as it
was. Memory is bounded by the window's own summaries. Refuses to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aggregates import Aggregate, Description, merged, newest
from caller_union import CallerUnion
from figures import ApiId, Figures, directory_of
from periods import Period
from ranking import Row, Span, row_of
from summaries import Summary

_OPEN_MAX = 64
"""APIs that are kept unfolded, some tens of kilobytes each: those in the newest batches."""


class PartId(NamedTuple):
    """A summary by its key and what it was made of."""

    key: str
    mark: str


class DirectoryRow(NamedTuple):
    """One category in a window. Money is in micro-dollars."""

    name: str
    calls: int
    revenue_micros: int
    apis: int
    callers: int


class Shown(NamedTuple):
    """A window's rows in the order of their ranks, its categories, and all distinct callers."""

    rows: Sequence[Row]
    directories: Sequence[DirectoryRow]
    callers: int


@dataclass(slots=True)
class _Standing:
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


@dataclass(slots=True)
class WindowView:
    """One window, as it was when it was last read."""

    _summaries: Mapping[PartId, Summary] = field(default_factory=dict)
    _apis: dict[ApiId, _Standing] = field(default_factory=dict)
    _directories: dict[str, CallerUnion] = field(default_factory=dict)
    _callers: CallerUnion = field(default_factory=CallerUnion)
    _open: dict[ApiId, Aggregate] = field(default_factory=dict)
    _span: Span | None = None

    def kept(self, part: PartId) -> Summary | None:
        """Find a summary of the last read, which need not be read again."""
        return self._summaries.get(part)

    def show(self, summaries: Mapping[PartId, Summary], tail: Figures, span: Span) -> Shown:
        """Fold a reading, made of `summaries` and the batches in `tail`, into what is shown.

        `summaries` become those that are kept. Trends show the periods of `span`.
        """
        self._turn_to(summaries)
        if span != self._span:
            # Another hour or day has begun, so every trend goes on.
            self._span = span
            for standing in self._apis.values():
                standing.row = None
        rows = self._rows(tail, span)
        callers = self._callers.copy()
        callers.add(tail.callers)
        ranked = sorted(rows.values(), key=lambda row: row.order)
        return Shown(ranked, self._directory_rows(rows, tail), callers.distinct())

    def _forget(self) -> None:
        self._summaries, self._apis, self._directories, self._open = {}, {}, {}, {}
        self._callers = CallerUnion()

    def _turn_to(self, summaries: Mapping[PartId, Summary]) -> None:
        """Let the standings be those of `summaries`, and no others."""
        by_period = {summary.period: summary for summary in summaries.values()}
        gone = [part for part in self._summaries if part not in summaries]
        new = [part for part in summaries if part not in self._summaries]
        if any(summaries[part].period.level == "base" for part in new) or not all(
            _has_grown(self._summaries[part], by_period) for part in gone
        ):
            self._forget()
            gone, new = [], list(summaries)
        for part in gone:
            # What it had is in its successor too, so callers and descriptions stay.
            for identity in self._summaries[part].figures.apis:
                standing = self._apis[identity]
                del standing.others[part]
                standing.recent = standing.row = None
                self._open.pop(identity, None)
        for part in sorted(new, key=lambda part: summaries[part].period.level != "base"):
            summary = summaries[part]
            self._callers.add(summary.figures.callers)
            if summary.period.level == "base":
                self._start_from(summary)
            else:
                self._take(part, summary)
        self._summaries = summaries

    def _start_from(self, base: Summary) -> None:
        for identity, aggregate in base.figures.apis.items():
            self._apis[identity] = _Standing(aggregate, described_by=aggregate.described_by)
        for name, sketch in base.directories.items():
            self._directories[name] = CallerUnion()
            self._directories[name].add(sketch)

    def _take(self, part: PartId, summary: Summary) -> None:
        for identity, aggregate in summary.figures.apis.items():
            standing = self._apis.get(identity)
            if standing is None:
                standing = self._apis[identity] = _Standing(described_by=aggregate.described_by)
            before = standing.directory
            standing.take(part, aggregate)
            self._open.pop(identity, None)
            if standing.directory == before:
                if before in self._directories:
                    self._directories[before].add(aggregate.callers)
            else:
                self._directories.pop(before, None)
                self._directories.pop(standing.directory, None)

    def _rows(self, tail: Figures, span: Span) -> dict[ApiId, Row]:
        """Give the row of every API that was called, or paid for a call of before."""
        rows = {}
        for identity, standing in self._apis.items():
            newest_part = tail.apis.get(identity)
            if newest_part is not None:
                row = row_of(
                    identity, merged([self._opened(identity, standing), newest_part]), span
                )
            elif standing.row is None:
                row = standing.row = row_of(identity, _all_of(standing.parts()), span)
            else:
                row = standing.row
            rows[identity] = row
        for identity, aggregate in tail.apis.items():
            if identity not in self._apis:
                rows[identity] = row_of(identity, aggregate, span)
        # A payment may be settled after the window in which its request was a call has ended.
        return {name: row for name, row in rows.items() if row.calls or row.revenue_micros}

    def _opened(self, identity: ApiId, standing: _Standing) -> Aggregate:
        """Give what the summaries have of an API as one aggregate, ready to be merged."""
        found = self._open.get(identity)
        if found is None:
            if len(self._open) >= _OPEN_MAX:
                self._open.clear()
            found = self._open[identity] = merged(standing.parts())
            found.callers.open()
        return found

    def _directory_rows(self, rows: Mapping[ApiId, Row], tail: Figures) -> Sequence[DirectoryRow]:
        """Give the categories, the most called first."""
        unions = self._callers_by_directory(rows, tail)
        members: dict[str, list[Row]] = {}
        for row in rows.values():
            members.setdefault(row.directory, []).append(row)
        found = [
            DirectoryRow(
                name,
                sum(row.calls for row in own),
                sum(row.revenue_micros for row in own),
                sum(row.calls > 0 for row in own),
                unions[name].distinct(),
            )
            for name, own in members.items()
        ]
        return sorted(found, key=lambda row: (-row.calls, row.name))

    def _callers_by_directory(
        self, rows: Mapping[ApiId, Row], tail: Figures
    ) -> Mapping[str, CallerUnion]:
        missing = {
            standing.directory for standing in self._apis.values()
        } - self._directories.keys()
        self._directories.update({name: CallerUnion() for name in missing})
        if missing:
            for standing in self._apis.values():
                if standing.directory in missing:
                    for part in standing.parts():
                        self._directories[standing.directory].add(part.callers)
        found: dict[str, CallerUnion] = {}
        for identity, aggregate in tail.apis.items():
            row = rows.get(identity)
            if row is None:
                continue
            if identity in self._apis and self._apis[identity].directory != row.directory:
                # The newest batches moved an API to another category: add up all anew.
                return self._callers_anew(rows, tail)
            union = found.get(row.directory)
            if union is None:
                known = self._directories.get(row.directory)
                union = found[row.directory] = CallerUnion() if known is None else known.copy()
            union.add(aggregate.callers)
        return {**self._directories, **found}

    def _callers_anew(self, rows: Mapping[ApiId, Row], tail: Figures) -> Mapping[str, CallerUnion]:
        found: dict[str, CallerUnion] = {}
        for identity, row in rows.items():
            union = found.setdefault(row.directory, CallerUnion())
            for part in self._apis[identity].parts() if identity in self._apis else ():
                union.add(part.callers)
            if identity in tail.apis:
                union.add(tail.apis[identity].callers)
        return found


def _has_grown(old: Summary, by_period: Mapping[Period, Summary]) -> bool:
    """Tell whether a summary has a successor that was made of the same batches and more."""
    successor = by_period.get(old.period)
    return (
        successor is not None
        and old.period.level == "minute"
        and set(old.sources) <= set(successor.sources)
    )


def _all_of(parts: Sequence[Aggregate]) -> Aggregate:
    return parts[0] if len(parts) == 1 else merged(parts)

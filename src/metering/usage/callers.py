"""The busiest callers of an API in a range.

A day with up to 300 callers has their hashes and calls. A day with more has only sums of calls by
cells (`sketches.heavy_hitters`), which bound the calls of any caller whose hash is known. So hashes
come from the other days, and from samples of the log.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core.errors import SegmentUnreadable
from metering.segments import Commit, batches_of
from metering.sketches.callers import UNKNOWN, CallerSketch
from metering.sketches.heavy_hitters import Cells
from metering.sketches.many_callers import CALL, PAID
from metering.totals import ApiId

CALLERS_MAX = 100
"""Callers of one response."""

SAMPLED_SEGMENTS = 8
SAMPLED_EVENTS = 5_000
"""What is read of the log at most, if a day has more than 300 callers."""


class CallerCalls(NamedTuple):
    """The calls of one caller in a bucket; `caller` is its hash, 0 for all others together."""

    bucket: int
    caller: int
    calls: int
    has_paid: bool = False


@dataclass(slots=True)
class BusyCallers:
    """Adds up the callers of some APIs, which share a slug, by bucket.

    `fuzzy_days` are the days with more than 300 callers, and `fuzzy_calls` all calls of these.
    """

    api_ids: set[ApiId] = field(default_factory=set)
    fuzzy_days: set[int] = field(default_factory=set)
    fuzzy_calls: int = 0
    sampled: int = 0
    _calls: Counter[int] = field(default_factory=Counter)
    """All calls by bucket."""
    _known: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Calls of named callers by bucket and hash."""
    _payers: set[int] = field(default_factory=set)
    _cells: dict[int, list[Cells]] = field(default_factory=dict)
    _sampled: set[int] = field(default_factory=set)

    def add(self, bucket: int, day: int, api_id: ApiId, calls: int, sketch: CallerSketch) -> None:
        """Add the callers of an API on a day. Raises `SummaryUnreadable`."""
        self.api_ids.add(api_id)
        self._calls[bucket] += calls
        named, registers = sketch.state()
        for caller, did in named.items():
            self._known[bucket, caller] += did // CALL
            if did & PAID:
                self._payers.add(caller)
        if registers is not None:
            self.fuzzy_days.add(day)
            self.fuzzy_calls += calls
            self._cells.setdefault(bucket, []).append(registers.cells)

    def sample(self, commits: Iterable[Commit]) -> None:
        """Learn hashes of callers from some of the log."""
        # Decoding is slow, and most commits of a busy log have nothing of an API.
        marks = [f'"{api_id.slug}"' for api_id in self.api_ids]
        for commit in commits:
            if self.sampled >= SAMPLED_EVENTS:
                return
            if not any(mark in commit.batches for mark in marks):
                continue
            try:
                batches = batches_of(commit)
            except SegmentUnreadable:
                continue
            for event in (event for batch in batches for event in batch.events):
                if event.counted and event.api and ApiId(*event.api[:2]) in self.api_ids:
                    self.sampled += 1
                    self._sampled.add(int(event.caller, 16) if event.caller else UNKNOWN)

    def busiest(self) -> Iterator[CallerCalls]:
        """Yield the calls by bucket of the busiest callers, and those of all others."""
        candidates = sorted(self._sampled.union(caller for _, caller in self._known))
        for bucket, several in self._cells.items():
            for cells in several:
                for caller, calls in zip(candidates, cells.calls_of(candidates), strict=True):
                    self._known[bucket, caller] += calls
        totals: Counter[int] = Counter()
        for (_, caller), calls in self._known.items():
            totals[caller] += calls
        # Of callers with equal calls, always the same ones are shown.
        shown = set(heapq.nlargest(CALLERS_MAX, totals, key=lambda one: (totals[one], one)))
        rest = Counter(self._calls)
        for (bucket, caller), calls in sorted(self._known.items()):
            if caller in shown and calls:
                rest[bucket] -= calls
                yield CallerCalls(bucket, caller, calls, caller in self._payers)
        for bucket, calls in sorted(rest.items()):
            # The calls of named callers may be too high.
            if calls > 0:
                yield CallerCalls(bucket, 0, calls)


def spread(firsts: Sequence[int], count: int) -> Sequence[int]:
    """Return up to `count` values, evenly spread over `firsts`."""
    if len(firsts) <= count:
        return firsts
    return [firsts[(2 * number + 1) * len(firsts) // (2 * count)] for number in range(count)]

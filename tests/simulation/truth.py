"""Counts what really happened in a run, independently of the code under test."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core.calendar import DAY_MS, HOUR_MS
from metering.batches import Batch, batch_from
from metering.events import Api, UsageEvent
from metering.segments import Commit


class Sums(NamedTuple):
    """Sums that can only grow."""

    calls: int = 0
    errors: int = 0
    revenue_micros: int = 0

    def plus(self, other: Sums) -> Sums:
        return Sums(*map(sum, zip(self, other, strict=True)))

    def within(self, other: Sums) -> bool:
        """Return whether no sum is above the other's."""
        return all(mine <= theirs for mine, theirs in zip(self, other, strict=True))


def shown_id(api: Api) -> str:
    """Return an API's id as a snapshot shows it."""
    return f"{api.tenant_id}:{api.slug}"


def is_error(event: UsageEvent) -> bool:
    return event.status >= 500 or event.status in (408, 429) or event.outcome == "worker_not_found"


def sums_of(event: UsageEvent) -> Sums:
    if not event.counted:
        return Sums(0, 0, event.revenue_micros)
    return Sums(1, int(is_error(event)), event.revenue_micros)


@dataclass(slots=True)
class Count:
    """A count of events by API, UTC day and hour."""

    events: dict[str, UsageEvent] = field(default_factory=dict)
    by_day: dict[int, dict[str, Sums]] = field(default_factory=lambda: defaultdict(dict))
    by_hour: dict[int, Sums] = field(default_factory=dict)
    callers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, event: UsageEvent) -> None:
        self.events[event.request_id] = event
        if event.api is None:
            return
        sums, api = sums_of(event), shown_id(event.api)
        day, hour = event.at_ms // DAY_MS, event.at_ms // HOUR_MS
        self.by_day[day][api] = self.by_day[day].get(api, Sums()).plus(sums)
        self.by_hour[hour] = self.by_hour.get(hour, Sums()).plus(sums)
        if event.counted:
            self.callers[api][event.caller] += 1

    def by_api(self, days: Sequence[int] | None) -> dict[str, Sums]:
        """Return the sums of `days` (None: all) by API."""
        total: dict[str, Sums] = {}
        for day, apis in self.by_day.items():
            if days is None or day in days:
                for api, sums in apis.items():
                    total[api] = total.get(api, Sums()).plus(sums)
        return total

    def by_period(self, hours: int) -> dict[int, Sums]:
        """Return the sums by periods of `hours` hours."""
        total: dict[int, Sums] = {}
        for hour, sums in self.by_hour.items():
            total[hour // hours] = total.get(hour // hours, Sums()).plus(sums)
        return total


def count_of(events: Iterable[UsageEvent]) -> Count:
    count = Count()
    for event in events:
        count.add(event)
    return count


class Committed(NamedTuple):
    """A commit, decoded, with the times of its events as the log counts them."""

    position: int
    at_ms: int
    batches: Sequence[Batch]


@dataclass(slots=True)
class ShardTruth:
    """What one shard has committed durably; `known` commits are read already."""

    known: int = 0
    commits: list[Committed] = field(default_factory=list)


@dataclass(slots=True)
class LogTruth:
    """What all shards have committed durably: every event, each of which must be new.

    `count` has the events that count, `ever` also those of imports that were undone: their names
    are in `undone`.
    """

    count: Count = field(default_factory=Count)
    ever: Count = field(default_factory=Count)
    imports: dict[str, list[UsageEvent]] = field(default_factory=lambda: defaultdict(list))
    undone: set[str] = field(default_factory=set)
    shard_of: dict[str, int] = field(default_factory=dict)
    dropped: Counter[int] = field(default_factory=Counter)
    payments: list[str] = field(default_factory=list)
    shards: dict[int, ShardTruth] = field(default_factory=lambda: defaultdict(ShardTruth))
    problems: list[str] = field(default_factory=list)

    def read(self, shard: int, commits: Sequence[Commit]) -> None:
        """Add the commits of a shard that are new since the last call."""
        truth = self.shards[shard]
        for commit in commits[truth.known :]:
            truth.known += 1
            if commit.position != truth.known:
                self.problems.append(f"shard {shard} commits {commit.position} as {truth.known}")
            batches = [_effective(batch, commit.at_ms) for batch in decoded(commit)]
            truth.commits.append(Committed(commit.position, commit.at_ms, batches))
            for batch in batches:
                self.dropped[commit.at_ms // DAY_MS] += batch.dropped
                if batch.settlement is not None:
                    self.payments.append(batch.settlement.payment_id)
                if batch.undoes:
                    self._undo(batch.undoes)
                if batch.source in self.undone:
                    self.problems.append(f"{batch.source} has events after it was undone")
                for event in batch.events:
                    if event.request_id in self.count.events:
                        self.problems.append(f"{event.request_id} is in the log twice")
                    self.count.add(event)
                    self.ever.add(event)
                    self.shard_of[event.request_id] = shard
                    if batch.source:
                        self.imports[batch.source].append(event)

    def _undo(self, name: str) -> None:
        """Count without the events of an import."""
        self.undone.add(name)
        gone = {event.request_id for event in self.imports[name]}
        kept = [event for one, event in self.count.events.items() if one not in gone]
        self.count = count_of(kept)


def decoded(commit: Commit) -> Sequence[Batch]:
    """Decode the batches of a commit."""
    return [batch_from(document) for document in json.loads(commit.batches)]


def _effective(batch: Batch, at_ms: int) -> Batch:
    """Return a batch whose events are not later than its commit."""
    events = [event._replace(at_ms=min(event.at_ms, at_ms)) for event in batch.events]
    return batch._replace(events=events)

"""Segments: consecutive commits of a shard as one immutable value in `USAGE_KV`.

A segment is lines of text: a header with the checksum of the rest, then a line for each commit.
Everything that is derived from the log uses batches that are `bounded`, so that what is rebuilt
from segments equals what the shard added up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core.calendar import DAY_MS
from core.errors import BatchUnreadable, SegmentUnreadable
from metering.batches import IMPORTED, Batch, batch_from
from metering.events import UsageEvent

SEGMENT_VERSION = 1
_OLDEST_MS = 1_735_689_600_000
"""2025-01-01T00:00Z."""


class Commit(NamedTuple):
    """What a shard committed at once.

    Attributes:
        position: The shard's counter, from 1.
        at_ms: The shard's time of the commit, in milliseconds since 1970 UTC.
        batches: The accepted batches, as the JSON text of an array.
    """

    position: int
    at_ms: int
    batches: str


class Contents(NamedTuple):
    """How many events a commit has, and those of an API by UTC day.

    The day of the commit is always there, because dropped events count on it.
    """

    events: int
    days: Mapping[int, Sequence[UsageEvent]]


def encode_segment(shard: int, commits: Sequence[Commit]) -> str:
    """Encode at least one commit; equal commits have the same encoding."""
    body = "\n".join(f"{commit.position} {commit.at_ms} {commit.batches}" for commit in commits)
    header = {
        "v": SEGMENT_VERSION,
        "shard": shard,
        "first": commits[0].position,
        "last": commits[-1].position,
        "digest": _digest(body),
    }
    return f"{json.dumps(header, separators=(',', ':'))}\n{body}"


def decode_segment(value: str | None, shard: int, first: int) -> Sequence[Commit]:
    """Decode the segment of a shard that starts at position `first`.

    Raises `SegmentUnreadable` if it is missing, damaged, of another version or another segment.
    """
    if value is None:
        raise SegmentUnreadable(f"segment {first} of shard {shard} is missing")
    head, _, body = value.partition("\n")
    try:
        header = json.loads(head)
        found = (header["v"], header["shard"], header["first"], header["digest"])
        commits = [
            Commit(int(position), int(at_ms), batches)
            for position, at_ms, batches in (line.split(" ", 2) for line in body.split("\n"))
        ]
    except (ValueError, TypeError, LookupError) as error:
        raise SegmentUnreadable(f"segment {first} of shard {shard} is damaged: {error}") from error
    if found != (SEGMENT_VERSION, shard, first, _digest(body)):
        raise SegmentUnreadable(f"segment {first} of shard {shard} has the header {head}")
    return commits


def batches_of(commit: Commit) -> Sequence[Batch]:
    """Decode the batches of a commit, each `bounded`. Raises `SegmentUnreadable`."""
    try:
        batches = [batch_from(document) for document in json.loads(commit.batches)]
    except (ValueError, BatchUnreadable) as error:
        raise SegmentUnreadable(f"commit {commit.position} is unreadable: {error}") from error
    return [bounded(batch, commit.at_ms) for batch in batches]


def contents_of(commit: Commit, batches: Sequence[Batch]) -> Contents:
    """Return what a commit has; `batches` are its batches, `bounded`."""
    count = 0
    days: dict[int, list[UsageEvent]] = {commit.at_ms // DAY_MS: []}
    for batch in batches:
        count += len(batch.events)
        own = {event.at_ms // DAY_MS for event in batch.events if event.api is not None}
        for day in own:
            days.setdefault(day, []).extend(
                batch.events
                if len(own) == 1
                else (event for event in batch.events if event.at_ms // DAY_MS == day)
            )
    return Contents(count, days)


def bounded(batch: Batch, at_ms: int) -> Batch:
    """Return a batch with the times of its events bounded by the shard's clock at its commit.

    An event cannot be later than its commit, so the clock that says so is fast. An event from
    before this software existed has a clock that was never set, unless it is imported.
    """
    oldest_ms = 0 if batch.writer == IMPORTED else _OLDEST_MS
    times = [event.at_ms for event in batch.events]
    if not times or oldest_ms <= min(times) <= max(times) <= at_ms:
        return batch
    return batch._replace(
        events=[
            event if oldest_ms <= event.at_ms <= at_ms else event._replace(at_ms=at_ms)
            for event in batch.events
        ]
    )


def _digest(body: str) -> str:
    return hashlib.blake2b(body.encode(), digest_size=16).hexdigest()

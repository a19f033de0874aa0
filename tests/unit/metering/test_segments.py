"""A segment contains its commits exactly; anything else is reported as unreadable."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from core.calendar import DAY_MS
from core.errors import SegmentUnreadable
from metering.batches import IMPORTED, Batch, encode_batch
from metering.events import UsageEvent
from metering.segments import Commit, batches_of, decode_segment, encode_segment
from tests.support.builders import event, numbered
from tests.support.fakes import NOON_MS


def commit(position: int, *batches: Batch, at_ms: int = NOON_MS) -> Commit:
    return Commit(position, at_ms, f"[{','.join(map(encode_batch, batches))}]")


COMMITS = [commit(5, numbered(1), numbered(2)), commit(6, numbered(3)), commit(7)]
SEGMENT = encode_segment(2, COMMITS)


def events_of(found: Commit) -> Sequence[UsageEvent]:
    return [one for batch in batches_of(found) for one in batch.events]


def test_a_segment_decodes_to_its_commits() -> None:
    assert decode_segment(SEGMENT, 2, 5) == COMMITS


def test_equal_commits_have_the_same_segment() -> None:
    assert encode_segment(2, list(COMMITS)) == SEGMENT


def test_the_header_names_the_shard_and_the_positions() -> None:
    header = json.loads(SEGMENT.partition("\n")[0])
    assert (header["v"], header["shard"], header["first"], header["last"]) == (1, 2, 5, 7)


def test_a_change_of_any_character_of_the_commits_is_detected() -> None:
    for index in range(SEGMENT.index("\n"), len(SEGMENT)):
        changed = SEGMENT[:index] + chr(ord(SEGMENT[index]) ^ 1) + SEGMENT[index + 1 :]
        with pytest.raises(SegmentUnreadable):
            decode_segment(changed, 2, 5)


@pytest.mark.parametrize("value", [None, "", "{}", "[]\n", "\n", SEGMENT[:-1], SEGMENT + "\n"])
def test_a_missing_or_truncated_segment_is_reported(value: str | None) -> None:
    with pytest.raises(SegmentUnreadable, match="segment 5 of shard 2"):
        decode_segment(value, 2, 5)


@pytest.mark.parametrize(("shard", "first"), [(1, 5), (2, 6)])
def test_another_segment_is_not_taken_for_the_wanted_one(shard: int, first: int) -> None:
    with pytest.raises(SegmentUnreadable):
        decode_segment(SEGMENT, shard, first)


def test_an_event_of_the_future_is_counted_at_the_time_of_its_commit() -> None:
    late, early = event(NOON_MS + 1), event(NOON_MS)
    assert [one.at_ms for one in events_of(commit(1, numbered(1, late, early)))] == [NOON_MS] * 2


def test_an_event_of_a_clock_that_was_never_set_is_counted_at_the_time_of_its_commit() -> None:
    assert [one.at_ms for one in events_of(commit(1, numbered(1, event(DAY_MS))))] == [NOON_MS]


def test_an_old_event_keeps_its_time() -> None:
    old = event(NOON_MS - 300 * DAY_MS)
    assert events_of(commit(1, numbered(1, old))) == [old]


def test_an_imported_event_keeps_its_time_unless_it_is_of_the_future() -> None:
    batch = Batch(IMPORTED, 0, 0, [event(DAY_MS), event(NOON_MS + DAY_MS)])
    assert [one.at_ms for one in events_of(commit(1, batch))] == [DAY_MS, NOON_MS]


@pytest.mark.parametrize("batches", ["", '{"v":1}', "[1]", '[{"v":1}]', "[null]"])
def test_an_unreadable_commit_is_reported_with_its_position(batches: str) -> None:
    with pytest.raises(SegmentUnreadable, match="commit 9"):
        batches_of(Commit(9, NOON_MS, batches))

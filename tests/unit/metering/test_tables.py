"""The tables of a shard return what was stored, in the order that their users rely on."""

from __future__ import annotations

import pytest

from metering.segments import Commit
from metering.tables import SegmentRow, Tables
from tests.support.fake_sql import FakeSql


@pytest.fixture
def tables() -> Tables:
    found = Tables(FakeSql())
    found.create()
    return found


def add_commits(tables: Tables, count: int) -> list[Commit]:
    commits = [Commit(position, 1_000 * position, "[]") for position in range(1, count + 1)]
    for commit in commits:
        tables.add_commit(commit)
    return commits


def add_segments(tables: Tables, *rows: tuple[int, int, int, int, set[int]]) -> None:
    for first, last, events, at_ms, days in rows:
        tables.add_segment(SegmentRow(first, last, events, at_ms), days)


def test_tables_that_exist_are_kept(tables: Tables) -> None:
    tables.set_value("name", [1])
    tables.create()
    assert tables.value("name") == [1]


def test_a_value_that_was_not_set_has_its_default(tables: Tables) -> None:
    assert tables.value("name", 5) == 5
    tables.set_value("name", {"a": None})
    tables.set_value("name", {"a": 7})
    assert tables.value("name", 5) == {"a": 7}


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 35])
def test_commits_are_read_in_order_however_many_there_are(tables: Tables, count: int) -> None:
    commits = add_commits(tables, count)
    assert list(tables.commits(0)) == commits
    assert list(tables.commits(3)) == commits[3:]
    assert list(tables.commits(3, 20)) == commits[3:20]
    assert list(tables.commits(0, newest_first=True)) == commits[::-1]
    assert list(tables.commits(0, 4, newest_first=True)) == commits[:4][::-1]


def test_commits_are_deleted_up_to_a_position(tables: Tables) -> None:
    commits = add_commits(tables, 5)
    tables.delete_commits(3)
    assert list(tables.commits(0)) == commits[3:]


def test_a_position_is_never_used_twice(tables: Tables) -> None:
    add_commits(tables, 1)
    with pytest.raises(Exception, match="UNIQUE"):
        tables.add_commit(Commit(1, 1, "[]"))


def test_the_segments_of_a_day_are_exactly_those_that_have_something_of_it(tables: Tables) -> None:
    add_segments(
        tables,
        (1, 4, 9, 50, {7}),
        (5, 8, 9, 60, {6, 7, 9}),
        (9, 9, 1, 70, {8}),
        (10, 12, 3, 80, {7}),
    )
    assert tables.segments_of(7, 0, 10) == [1, 5, 10]
    assert tables.segments_of(7, 1, 1) == [5]
    assert tables.segments_of(8, 0, 10) == [9]
    assert tables.segments_of(5, 0, 10) == []


def test_a_page_of_events_needs_no_segment_without_events(tables: Tables) -> None:
    add_segments(tables, (1, 4, 9, 50, {7}), (5, 8, 0, 60, {7}))
    found = tables.segment_before(20)
    assert found == SegmentRow(1, 4, 9, 50)
    assert tables.segment_before(0) is None


def test_segments_that_expired_are_forgotten_with_their_days(tables: Tables) -> None:
    add_segments(tables, (1, 4, 9, 50, {7}), (5, 8, 9, 60, {7}), (9, 9, 9, 70, {7}))
    tables.delete_segments(70)
    assert tables.oldest_segment() == SegmentRow(9, 9, 9, 70)
    assert tables.segments_of(7, 0, 10) == [9]


def test_looking_for_expired_segments_reads_no_further_than_the_first_that_is_not(
    tables: Tables,
) -> None:
    add_segments(tables, (1, 4, 9, 50, {7}), (5, 8, 9, 70, {7}), (9, 9, 9, 60, {7}))
    tables.delete_segments(65)
    assert tables.oldest_segment() == SegmentRow(5, 8, 9, 70)


def test_a_payment_is_noted_once(tables: Tables) -> None:
    assert not tables.has_settlement("a")
    tables.add_settlement("a", 5, "first")
    tables.add_settlement("a", 6, "second")
    assert tables.has_settlement("a")
    assert tables.settlements((100, ""), 0, 10) == [(5, "a", "first")]


def test_settlements_are_paged_by_claim_and_id_without_gaps(tables: Tables) -> None:
    for name, claimed_at_ms in (("a", 5), ("b", 5), ("c", 5), ("d", 4), ("e", 9), ("f", 1)):
        tables.add_settlement(name, claimed_at_ms, name)
    found, before = [], ((1 << 53) - 1, "")
    while page := tables.settlements(before, 2, 2):
        found += [name for _, name, _ in page]
        before = page[-1][:2]
    assert found == ["e", "c", "b", "a", "d"]


@pytest.mark.parametrize("count", [0, 1, 100, 101, 250])
def test_imported_ids_are_known_however_many_there_are(tables: Tables, count: int) -> None:
    names = [f"id-{number}" for number in range(count)]
    tables.add_imported(names)
    tables.add_imported(names[:5])
    assert tables.imported([*names, "other"]) == set(names)


def test_a_rollup_is_replaced_with_its_position(tables: Tables) -> None:
    assert tables.rollup_until(7) == 0
    tables.set_rollup(7, "one", 1, 50)
    tables.set_rollup(7, "two", 2, 60)
    tables.set_rollup(9, "nine", 1, 70)
    assert tables.rollups(7, 9) == {7: ("two", 2)}
    assert tables.rollup_until(7) == 60


def test_obsolete_keys_are_deleted_later(tables: Tables) -> None:
    tables.add_obsolete(["a", "b"], 10)
    tables.add_obsolete(["c"], 20)
    assert tables.obsolete(10, 5) == []
    assert sorted(tables.obsolete(20, 5)) == ["a", "b"]
    tables.delete_obsolete("a")
    assert tables.obsolete(20, 5) == ["b"]


def test_a_checkpoint_replaces_the_one_before(tables: Tables) -> None:
    tables.set_checkpoint({"old": ["x"], "part": ["1", "2", "3"]})
    tables.set_checkpoint({"part": ["4", "5"], "writers": [""], "none": []})
    assert list(tables.checkpoint()) == [("part", ["4", "5"]), ("writers", [""])]

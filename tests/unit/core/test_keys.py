"""Keys sort in the order of what they name, and no two values share one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import keys
from core.calendar import timestamp

SHARDS = st.integers(0, 63)
POSITIONS = st.integers(1, 10**12 - 1)
DAYS = st.integers(20_089, 60_000)
VERSIONS = st.integers(1, 10**6)


@given(SHARDS, POSITIONS, POSITIONS)
def test_segments_sort_by_position(shard: int, one: int, other: int) -> None:
    first, second = keys.segment(shard, one), keys.segment(shard, other)
    assert (first < second) == (one < other)


@given(SHARDS, SHARDS, st.integers(1, 10**8 - 1))
def test_a_spilled_batch_is_listed_for_its_shard_only(
    shard: int, other: int, sequence: int
) -> None:
    key = keys.spill(shard, "f6a3edeed6e543e1", sequence)
    assert key.startswith(keys.spills(other)) == (shard == other)


@given(SHARDS, DAYS, VERSIONS)
def test_the_key_of_a_rollup_tells_its_day(shard: int, day: int, version: int) -> None:
    key = keys.rollup(shard, day, version)
    assert keys.rollup_day(key) == day
    assert timestamp(day * 86_400_000)[:10] in key
    assert keys.rollup_day(keys.base(shard, "overall", day, version)) is None


@given(SHARDS, DAYS, VERSIONS, VERSIONS)
def test_each_version_of_totals_has_its_own_key(shard: int, day: int, one: int, other: int) -> None:
    assert (keys.rollup(shard, day, one) == keys.rollup(shard, day, other)) == (one == other)
    bases = [keys.base(shard, "week", day, version) for version in (one, other)]
    assert (bases[0] == bases[1]) == (one == other)


@pytest.mark.parametrize("count", [1, 2, 12])
def test_the_first_piece_of_totals_has_their_key(count: int) -> None:
    names = keys.pieces("rollup/0/2026-11-22.3", count)
    assert (names[0], len(set(names))) == ("rollup/0/2026-11-22.3", count)

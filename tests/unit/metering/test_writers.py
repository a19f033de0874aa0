"""A shard knows exactly which batches of each writer it has, in whichever order they arrived."""

from __future__ import annotations

import json
from random import Random

import pytest

from metering.writers import Writers


def arrived(*sequences: int) -> Writers:
    writers = Writers()
    for sequence in sequences:
        writers.add("a", sequence, 1_000)
    return writers


@pytest.mark.parametrize("seed", range(20))
def test_exactly_what_arrived_is_known(seed: int) -> None:
    random = Random(seed)
    sequences = [random.randrange(1, 30) for _ in range(random.randrange(40))]
    writers = arrived(*sequences)
    assert [s for s in range(1, 40) if writers.has("a", s)] == sorted(set(sequences))
    missing = max(sequences, default=0) - len(set(sequences))
    assert writers.gaps() == ({"a": missing} if missing else {})


def test_writers_do_not_share_sequences() -> None:
    writers = arrived(1, 2)
    assert not writers.has("b", 1)


def test_a_batch_that_never_arrives_costs_one_range_however_many_follow() -> None:
    writers = arrived(*range(1, 100), *range(101, 10_000))
    assert writers.gaps() == {"a": 1}
    assert writers.encode() == [["a", 1_000, [(1, 99), (101, 9_999)]]]


def test_a_batch_that_arrives_late_closes_its_gap() -> None:
    writers = arrived(1, 3)
    writers.add("a", 2, 1_000)
    assert writers.gaps() == {}
    assert writers.encode() == [["a", 1_000, [(1, 3)]]]


def test_a_writer_is_remembered_from_the_last_time_it_was_heard_of() -> None:
    writers = arrived(1)
    writers.add("a", 2, 5_000)
    writers.add("a", 3, 2_000)
    writers.forget(5_000)
    assert writers.has("a", 3)
    writers.forget(5_001)
    assert not writers.has("a", 3)
    assert len(writers) == 0


def test_writers_decode_to_what_was_encoded() -> None:
    writers = arrived(4, 1, 2)
    decoded = Writers.decode(json.loads(json.dumps(writers.encode())))
    assert decoded.encode() == writers.encode()
    assert decoded.gaps() == {"a": 1}

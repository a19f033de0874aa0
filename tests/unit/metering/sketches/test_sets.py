"""Network sketches: exact up to the limit, and unions obey the laws of sets."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SummaryUnreadable
from metering.sketches.sets import NetworkSketch

LOW_LIMIT = 4
EXACT_NETWORKS_MAX = NetworkSketch.EXACT_MAX


@pytest.fixture(scope="module", params=[2, 500], autouse=True)
def low_limits(request: pytest.FixtureRequest) -> Iterator[None]:
    """Lower the limits, so that a few networks exceed them in most of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NetworkSketch, "EXACT_MAX", LOW_LIMIT)
        patch.setattr(NetworkSketch, "PENDING_MAX", request.param)
        yield


def name(number: int) -> str:
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}"


groups = st.lists(st.integers(1, 12).map(name), max_size=20)


def of(some: Sequence[str]) -> NetworkSketch:
    sketch = NetworkSketch()
    for network in some:
        sketch.add(network)
    return sketch


def merged(*sketches: NetworkSketch) -> NetworkSketch:
    result = NetworkSketch()
    for sketch in sketches:
        result.merge(sketch)
    return result


def encoded(sketch: NetworkSketch) -> str:
    return json.dumps(sketch.encode())


@given(groups, groups, groups)
def test_sketches_obey_the_laws_of_sets(one: list[str], other: list[str], third: list[str]) -> None:
    left = merged(merged(of(one), of(other)), of(third))
    right = merged(of(third), merged(of(other), of(one)), of(one), NetworkSketch())
    assert left == right == of([*one, *other, *third])
    assert encoded(left) == encoded(right) == encoded(of([*one, *other, *third]))


@given(groups)
def test_the_number_is_exact_when_there_are_few(some: list[str]) -> None:
    assert of(some).distinct() == len({*some})


@given(st.lists(groups, max_size=4), st.data())
def test_packing_decoding_and_results_in_between_change_nothing(
    some: list[list[str]], data: st.DataObject
) -> None:
    sketch = NetworkSketch()
    for group in some:
        sketch.merge(of(group))
        match data.draw(st.integers(0, 3)):
            case 1:
                sketch.pack()
            case 2:
                sketch = NetworkSketch.decode(json.loads(encoded(sketch)))
            case 3:
                sketch.distinct()
        for network in group:
            sketch.add(network)
    whole = of([network for group in some for network in group])
    assert sketch == whole
    assert encoded(sketch) == encoded(whole)


@given(groups, groups)
def test_merging_does_not_change_the_other_sketch(one: list[str], other: list[str]) -> None:
    source = of(one)
    target = merged(source)
    target.merge(of(other))
    target.add(name(99))
    assert source == of(one)


def test_the_real_limit_is_128_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NetworkSketch, "EXACT_MAX", EXACT_NETWORKS_MAX)
    names = [name(number) for number in range(129)]
    assert of(names[:128]).distinct() == 128
    assert abs(of(names).distinct() - 129) <= 10
    assert len(of(names[:128]).encode()) == 2
    assert len(of(names).encode()) == 3


@pytest.mark.parametrize("count", [500, 3_000, 40_000])
def test_an_estimate_is_within_ten_per_cent_and_short(count: int) -> None:
    chance = random.Random(3)
    for _ in range(3):
        sketch = of([f"{chance.getrandbits(64):016x}" for _ in range(count)])
        assert abs(sketch.distinct() / count - 1) < 0.1
        assert len(encoded(sketch)) < 1_300


@pytest.mark.parametrize(
    "bad",
    [
        None,
        7,
        [0, ""],
        [1, "?"],
        [1, "AAA="],
        [2, "AAAAAA=="],
        [True, "AAAAAA=="],
        [2, "AAAAAAAAAAA="],
        [1, "x", "AAAA"],
        [-1, "", "AAAA"],
        [1, "", ""],
    ],
)
def test_an_invalid_encoding_is_rejected(bad: object) -> None:
    with pytest.raises(SummaryUnreadable):
        NetworkSketch.decode(bad)


def test_invalid_registers_are_rejected_when_they_are_merged_or_counted() -> None:
    damaged = [9, "", "AAAA"]
    with pytest.raises(SummaryUnreadable):
        of([name(1)]).merge(NetworkSketch.decode(damaged))
    sketch = NetworkSketch.decode(damaged)
    sketch.add(name(1))
    with pytest.raises(SummaryUnreadable):
        sketch.distinct()

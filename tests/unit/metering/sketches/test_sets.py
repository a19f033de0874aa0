"""Network sketches: exact up to the limit, and unions obey the laws of sets.

A member is a caller of a network, written `NETWORK/CALLER`.
"""

from __future__ import annotations

import json
import random
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SummaryUnreadable
from metering.sketches.packing import encode_numbers
from metering.sketches.sets import NetworkSketch

LOW_LIMIT = 4
EXACT_MAX = NetworkSketch.EXACT_MAX


@pytest.fixture(scope="module", params=[2, 500], autouse=True)
def low_limits(request: pytest.FixtureRequest) -> Iterator[None]:
    """Lower the limits, so that a few networks exceed them in most of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NetworkSketch, "EXACT_MAX", LOW_LIMIT)
        patch.setattr(NetworkSketch, "PENDING_MAX", request.param)
        yield


def name(number: int) -> str:
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}"


def member(network: int, caller: int) -> str:
    return f"{name(network)}/{name(caller)}"


groups = st.lists(st.builds(member, st.integers(1, 4), st.integers(1, 12)), max_size=30)


def counted(some: Sequence[str]) -> int:
    """Count members, at most four of each network."""
    of_networks = Counter(one.partition("/")[0] for one in {*some})
    return sum(min(4, callers) for callers in of_networks.values())


def of(some: Sequence[str]) -> NetworkSketch:
    sketch = NetworkSketch()
    for one in some:
        network, _, caller = one.partition("/")
        sketch.add(network, caller)
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NetworkSketch, "EXACT_MAX", EXACT_MAX)
        assert of(some).distinct() == counted(some)


@given(groups)
def test_the_number_is_never_more_than_four_of_each_network(some: list[str]) -> None:
    assert of(some).distinct() <= 4 * len({one.partition("/")[0] for one in some})


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
        sketch.merge(of(group))
    whole = of([network for group in some for network in group])
    assert sketch == whole
    assert encoded(sketch) == encoded(whole)


@given(groups, groups)
def test_merging_does_not_change_the_other_sketch(one: list[str], other: list[str]) -> None:
    source = of(one)
    target = merged(source)
    target.merge(of(other))
    target.add(name(99), name(99))
    assert source == of(one)


def test_the_real_limit_is_128_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NetworkSketch, "EXACT_MAX", EXACT_MAX)
    names = [member(number, number) for number in range(129)]
    assert of(names[:128]).distinct() == 128
    assert abs(of(names).distinct() - 129) <= 10
    assert len(of(names[:128]).encode()) == 3
    assert len(of(names).encode()) == 4


def test_many_callers_of_one_network_take_bounded_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NetworkSketch, "EXACT_MAX", EXACT_MAX)
    sketch = of([member(1, number) for number in range(5_000)])
    assert sketch.distinct() == 4
    assert len(encoded(sketch)) < 300


@pytest.mark.parametrize(("networks", "callers"), [(500, 1), (3_000, 1), (20_000, 1), (500, 20)])
def test_an_estimate_is_within_ten_per_cent_and_short(networks: int, callers: int) -> None:
    chance = random.Random(3)
    for _ in range(3):
        some = [f"{chance.getrandbits(64):016x}" for _ in range(networks)]
        each = [f"{chance.getrandbits(64):016x}" for _ in range(callers)]
        sketch = of([f"{network}/{caller}" for network in some for caller in each])
        assert abs(sketch.distinct() / counted([f"{a}/{b}" for a in some for b in each]) - 1) < 0.1
        assert len(encoded(sketch)) < 1_300


def test_one_machine_among_many_networks_adds_at_most_four() -> None:
    honest = [member(number, number) for number in range(1, 1_001)]
    made_up = [member(7, number) for number in range(2_000, 4_000)]
    # What registers are wrong by is little beside two thousand names.
    assert of([*honest, *made_up]).distinct() - of(honest).distinct() <= 40


def test_the_previous_form_counts_four_callers_of_each_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(NetworkSketch, "EXACT_MAX", EXACT_MAX)
    networks = array("I", [5, 9])
    assert NetworkSketch.decode([2, encode_numbers(networks)]).distinct() == 8
    with pytest.raises(SummaryUnreadable):
        NetworkSketch.decode([3, encode_numbers(networks)])


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
        [2],
        [2, 1],
        [2, 1, "AAAAAA=="],
        [2, 2, "AAAAAAAAAAA="],
        [2, True, "AAAAAAAAAAA="],
        [2, -1, "", "AAAA"],
        [3, 1, "AAAAAAAAAAA="],
    ],
)
def test_an_invalid_encoding_is_rejected(bad: object) -> None:
    with pytest.raises(SummaryUnreadable):
        NetworkSketch.decode(bad)


def test_invalid_registers_are_rejected_when_they_are_merged_or_counted() -> None:
    damaged = [2, 9, "", "AAAA"]
    with pytest.raises(SummaryUnreadable):
        of([member(1, 1)]).merge(NetworkSketch.decode(damaged))
    sketch = NetworkSketch.decode(damaged)
    sketch.add(name(1), name(1))
    with pytest.raises(SummaryUnreadable):
        sketch.distinct()

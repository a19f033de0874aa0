"""Packing is reversible, and invalid texts are rejected."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SummaryUnreadable
from metering.sketches.packing import pack, pack_counts, unpack, unpack_counts


@given(st.binary(max_size=5_000))
def test_packed_bytes_are_unpacked(raw: bytes) -> None:
    assert unpack(pack(raw), len(raw)) == raw


def test_the_same_bytes_give_the_same_text() -> None:
    assert pack(b"clawr" * 100) == pack(b"clawr" * 100)


def test_bytes_that_repeat_take_less() -> None:
    assert len(pack(bytes(16_384))) < 200


def test_more_bytes_than_possible_are_rejected() -> None:
    with pytest.raises(SummaryUnreadable, match="at most 4 are possible"):
        unpack(pack(b"12345"), 4)


counts = st.lists(st.one_of(st.integers(0, 300), st.integers(0, 2**64 - 1)), max_size=50)


@given(counts)
def test_packed_counts_are_unpacked(some: list[int]) -> None:
    numbers = array("Q", some)
    assert unpack_counts(pack_counts(numbers), len(some)).tolist() == some


@pytest.mark.parametrize(
    ("largest", "width"), [(0, "1"), (255, "1"), (256, "2"), (65_536, "4"), (2**32, "8")]
)
def test_counts_take_as_few_bytes_as_the_largest_needs(largest: int, width: str) -> None:
    assert pack_counts(array("Q", [largest, 1]))[0] == width


@pytest.mark.parametrize(
    "value", [None, 7, "", "3" + pack(b"123"), "2" + pack(b"123"), "1", "1" + pack(b"12345")]
)
def test_invalid_counts_are_rejected(value: object) -> None:
    with pytest.raises(SummaryUnreadable):
        unpack_counts(value, 4)


@pytest.mark.parametrize("value", ["", "?", "AAA", None, 7, pack(b"12345")[:-4], pack(b"1") + "AA"])
def test_an_invalid_text_is_rejected(value: object) -> None:
    with pytest.raises(SummaryUnreadable):
        unpack(value, 5)


def test_a_compression_bomb_is_not_decompressed() -> None:
    with pytest.raises(SummaryUnreadable, match="101 bytes are packed"):
        unpack(pack(bytes(100_000_000)), 100)

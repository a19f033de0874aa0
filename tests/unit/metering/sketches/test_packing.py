"""Bytes come back from their text, and nothing else is taken for such a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.sketches.packing import pack, unpack


@given(st.binary(max_size=5_000))
def test_bytes_come_back(raw: bytes) -> None:
    assert unpack(pack(raw), len(raw)) == raw


def test_the_same_bytes_give_the_same_text() -> None:
    assert pack(b"clawr" * 100) == pack(b"clawr" * 100)


def test_bytes_that_repeat_take_less() -> None:
    assert len(pack(bytes(16_384))) < 200


@pytest.mark.parametrize("length", [0, 4, 6])
def test_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="should have"):
        unpack(pack(b"12345"), length)


@pytest.mark.parametrize(
    "value", ["", "?", "AAAA", None, 7, pack(b"12345")[:-4], pack(b"1") + "AA"]
)
def test_what_was_not_packed_is_refused(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (each says something else)
        unpack(value, 5)


def test_a_bomb_is_not_unfolded() -> None:
    with pytest.raises(ValueError, match="has 101 bytes"):
        unpack(pack(bytes(100_000_000)), 100)

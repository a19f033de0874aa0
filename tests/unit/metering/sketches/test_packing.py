"""Packing is reversible, and invalid texts are rejected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.sketches.packing import pack, unpack


@given(st.binary(max_size=5_000))
def test_packed_bytes_are_unpacked(raw: bytes) -> None:
    assert unpack(pack(raw), len(raw)) == raw


def test_the_same_bytes_give_the_same_text() -> None:
    assert pack(b"clawr" * 100) == pack(b"clawr" * 100)


def test_bytes_that_repeat_take_less() -> None:
    assert len(pack(bytes(16_384))) < 200


@pytest.mark.parametrize("length", [0, 4, 6])
def test_another_length_is_rejected(length: int) -> None:
    with pytest.raises(ValueError, match="should have"):
        unpack(pack(b"12345"), length)


@pytest.mark.parametrize(
    "value", ["", "?", "AAAA", None, 7, pack(b"12345")[:-4], pack(b"1") + "AA"]
)
def test_an_invalid_text_is_rejected(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (the messages differ)
        unpack(value, 5)


def test_a_compression_bomb_is_not_decompressed() -> None:
    with pytest.raises(ValueError, match="has 101 bytes"):
        unpack(pack(bytes(100_000_000)), 100)

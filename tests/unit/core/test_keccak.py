"""Keccak-256 is that of Ethereum for any length."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak
from hypothesis import example, given
from hypothesis import strategies as st

from core.keccak import keccak_256


@pytest.mark.parametrize(
    ("content", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
    ],
)
def test_it_has_the_published_values(content: bytes, digest: str) -> None:
    assert keccak_256(content).hex() == digest


@given(st.binary(max_size=300))
@example(bytes(135))
@example(bytes(136))
@example(bytes(137))
def test_it_agrees_with_the_official_library(content: bytes) -> None:
    assert keccak_256(content) == keccak(content)

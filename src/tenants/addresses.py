"""Addresses of accounts and contracts on EVM networks, and the checksum in their letter case.

Source: EIP-55 (https://eips.ethereum.org/EIPS/eip-55).
"""

from __future__ import annotations

import re
from functools import lru_cache

from core.keccak import keccak_256

ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
"""An account or a contract on an EVM network, in any letter case."""

_CACHE_ENTRIES = 10_000


@lru_cache(maxsize=_CACHE_ENTRIES)
def is_address(text: str) -> bool:
    """Tell whether `text` is an address, with a valid checksum if it has letters of both cases.

    The cache is for directories that are parsed again: a checksum costs about a millisecond.
    """
    if not ADDRESS.fullmatch(text):
        return False
    digits = text[2:]
    return digits in (digits.lower(), digits.upper()) or text == checksummed(text)


def checksummed(address: str) -> str:
    """Return an address in the letter case that has the checksum."""
    digits = address[2:].lower()
    nibbles = keccak_256(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if nibble >= "8" else digit
        for digit, nibble in zip(digits, nibbles, strict=False)
    )

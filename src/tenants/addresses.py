"""Addresses of accounts and tokens: on EVM networks with a checksum, on Solana in base58.

Sources: EIP-55 (https://eips.ethereum.org/EIPS/eip-55) for the checksum, which is in the letter
case, and draft-msporny-base58 with Bitcoin's alphabet for base58.
"""

from __future__ import annotations

import re
from functools import lru_cache

from core.keccak import keccak_256

ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
"""An account or a contract on an EVM network, in any letter case."""

_CACHE_ENTRIES = 10_000
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58_VALUES = {letter: value for value, letter in enumerate(_BASE58)}
_SOLANA_BYTES = 32


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


def is_solana_address(text: str) -> bool:
    """Tell whether `text` is the address of an account or a mint on Solana."""
    return decode_base58(text, _SOLANA_BYTES) is not None


def decode_base58(text: str, size: int) -> bytes | None:
    """Return the `size` bytes of a text in base58; None if it is not one of exactly that size."""
    # A byte is 1.37 letters. A longer text is not decoded, because that takes quadratic time.
    if not 0 < len(text) <= 2 * size or not all(map(_BASE58_VALUES.__contains__, text)):
        return None
    number = 0
    for letter in text:
        number = number * 58 + _BASE58_VALUES[letter]
    content = number.to_bytes((number.bit_length() + 7) // 8, "big")
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + content if zeros + len(content) == size else None


def encode_base58(content: bytes) -> str:
    """Write bytes in base58."""
    number, letters = int.from_bytes(content, "big"), ""
    while number:
        number, value = divmod(number, 58)
        letters = _BASE58[value] + letters
    return "1" * (len(content) - len(content.lstrip(b"\0"))) + letters

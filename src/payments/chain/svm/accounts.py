"""The account in which an owner has a token on Solana.

Source: the program Associated Token Account, and program derived addresses
(https://solana.com/docs/core/pda).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from tenants.addresses import decode_base58

_KEY_BYTES = 32
_CACHE_ENTRIES = 1_000
_PROGRAM = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"
_MARK = b"ProgramDerivedAddress"

# The curve of Ed25519: -x² + y² = 1 + d·x²·y², modulo a prime.
_PRIME = 2**255 - 19
_D = -121665 * pow(121666, -1, _PRIME) % _PRIME


@lru_cache(maxsize=_CACHE_ENTRIES)
def token_account(owner: bytes, program: bytes, mint: bytes) -> bytes:
    """Return the associated account of `owner` for a token of a token program.

    It is the first of 256 hashes that is no public key, so that there is no private key for it.
    """
    own = decode_base58(_PROGRAM, _KEY_BYTES)
    assert own is not None
    seeds = owner + program + mint
    hashes = (
        hashlib.sha256(b"".join((seeds, bytes([bump]), own, _MARK))).digest()
        for bump in range(255, -1, -1)
    )
    return next(found for found in hashes if not _is_public_key(found))


def _is_public_key(content: bytes) -> bool:
    """Tell whether 32 bytes are a point of the curve: its y, and the sign of its x in one bit."""
    y = int.from_bytes(content, "little") % 2**255
    # x² = u/v, which must be a square: by Euler's criterion, and so must u·v be.
    u, v = y * y - 1, _D * y * y + 1
    return pow(u * v, (_PRIME - 1) // 2, _PRIME) in (0, 1)

"""Keccak-256, the hash of Ethereum; `hashlib` has only SHA-3, whose padding differs.

Pure Python, a fraction of a millisecond for each 136 bytes on CPython and about three times that
in Pyodide, so it must not be called for each request.

Source: the Keccak reference, version 3.0 (https://keccak.team/files/Keccak-reference-3.0.pdf).
"""

from __future__ import annotations

_RATE_BYTES = 136
_DIGEST_BYTES = 32
_MASK = (1 << 64) - 1


def _round_constants() -> tuple[int, ...]:
    """Return the constant of each of the 24 rounds: bits of a linear feedback shift register."""
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for position in range(7):
            if register & 1:
                constant |= 1 << ((1 << position) - 1)
            register = register << 1 ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return tuple(constants)


def _moves() -> tuple[tuple[int, int, int], ...]:
    """Return for each lane the lane that `rho` and `pi` move there, and its rotation.

    The rotation is a number of bits to the left and the rest of 64 to the right.
    """
    moves = {0: (0, 0, 64)}
    x, y = 1, 0
    for step in range(24):
        bits = (step + 1) * (step + 2) // 2 % 64
        moves[y + 5 * ((2 * x + 3 * y) % 5)] = (x + 5 * y, bits, 64 - bits)
        x, y = y, (2 * x + 3 * y) % 5
    return tuple(moves[lane] for lane in range(25))


_ROUND_CONSTANTS = _round_constants()
_MOVES = _moves()
_ROWS = tuple(
    (row + x, row + (x + 1) % 5, row + (x + 2) % 5) for row in range(0, 25, 5) for x in range(5)
)
"""Each lane with the two lanes after it in its row."""


def keccak_256(content: bytes) -> bytes:
    """Return the Keccak-256 hash of `content`: 32 bytes."""
    padding = bytearray(_RATE_BYTES - len(content) % _RATE_BYTES)
    padding[0] ^= 0x01
    padding[-1] ^= 0x80
    padded = content + bytes(padding)
    lanes = [0] * 25
    for start in range(0, len(padded), _RATE_BYTES):
        for lane in range(_RATE_BYTES // 8):
            at = start + 8 * lane
            lanes[lane] ^= int.from_bytes(padded[at : at + 8], "little")
        _permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[: _DIGEST_BYTES // 8])


def _permute(lanes: list[int]) -> None:
    """Apply Keccak-f[1600] to the 25 lanes of 64 bits; lane `x + 5y` is at column x, row y."""
    for constant in _ROUND_CONSTANTS:
        a, b, c, d, e = (
            lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20]
            for x in range(5)
        )
        parities = (
            e ^ (b << 1 & _MASK | b >> 63),
            a ^ (c << 1 & _MASK | c >> 63),
            b ^ (d << 1 & _MASK | d >> 63),
            c ^ (e << 1 & _MASK | e >> 63),
            d ^ (a << 1 & _MASK | a >> 63),
        ) * 5
        mixed = [lane ^ parity for lane, parity in zip(lanes, parities, strict=True)]
        moved = [
            (mixed[source] << left & _MASK) | mixed[source] >> right
            for source, left, right in _MOVES
        ]
        lanes[:] = [moved[lane] ^ (~moved[first] & moved[second]) for lane, first, second in _ROWS]
        lanes[0] ^= constant

"""Packs bytes and numbers as text, mostly as deflate without a header, then base64."""

from __future__ import annotations

import binascii
import operator
import zlib
from array import array
from collections.abc import Mapping
from typing import Literal

from core.errors import SummaryUnreadable
from core.ports import Json

LANE_TYPES: Mapping[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}
"""The array type of counts, by the bytes of each."""

_LEVEL = 6
_WITHOUT_HEADER = -zlib.MAX_WBITS
_MEMORY_LEVEL = 9


def pack(raw: bytes) -> str:
    """Compress bytes to text.

    Registers and counts are mostly zeros, and have no repeated strings. So deflate only looks for
    runs: that makes them a quarter shorter than its usual search, and takes less time.
    """
    deflate = zlib.compressobj(
        _LEVEL, zlib.DEFLATED, _WITHOUT_HEADER, _MEMORY_LEVEL, strategy=zlib.Z_RLE
    )
    packed = deflate.compress(raw) + deflate.flush()
    return binascii.b2a_base64(packed, newline=False).decode("ascii")


def unpack(value: Json, length_max: int) -> bytes:
    """Decompress bytes. Raises `SummaryUnreadable` if they are invalid or over `length_max`."""
    inflate = zlib.decompressobj(_WITHOUT_HEADER)
    try:
        raw = inflate.decompress(binascii.a2b_base64(value, strict_mode=True), length_max + 1)
    except (zlib.error, TypeError, ValueError) as error:
        raise SummaryUnreadable(f"a packed text is invalid: {error}") from error
    if len(raw) > length_max or not inflate.eof or inflate.unused_data:
        raise SummaryUnreadable(f"{len(raw)} bytes are packed, at most {length_max} are possible")
    return raw


def encode_numbers(numbers: array[int]) -> str:
    """Encode little-endian integers as base64."""
    return binascii.b2a_base64(numbers, newline=False).decode("ascii")


def decode_numbers(value: Json, kind: Literal["I", "Q"]) -> array[int]:
    """Decode distinct integers in ascending order. Raises `SummaryUnreadable`."""
    try:
        numbers = array(kind, binascii.a2b_base64(value, strict_mode=True))
    except (ValueError, TypeError) as error:
        raise SummaryUnreadable(f"numbers are invalid: {error}") from error
    if not all(map(operator.lt, numbers, numbers[1:])):
        raise SummaryUnreadable("numbers are not in ascending order")
    return numbers


def pack_counts(counts: array[int]) -> str:
    """Pack counts, in as few bytes each as the largest needs."""
    width = width_of(max(counts, default=0))
    if counts.itemsize != width:
        counts = array(LANE_TYPES[width], counts)
    return pack_lanes(counts.tobytes(), width)


def pack_lanes(raw: bytes, width: int) -> str:
    """Pack little-endian integers of `width` bytes each, which is 1, 2, 4 or 8.

    The text is `width`, then, packed, the lowest byte of each integer, then the next byte of each,
    and so on, because the higher bytes are mostly 0.
    """
    return f"{width}{pack(b''.join(raw[byte::width] for byte in range(width)))}"


def unpack_counts(value: Json, count_max: int) -> array[int]:
    """Unpack what `pack_lanes` packed.

    Raises `SummaryUnreadable` for an invalid form, and for more than `count_max` integers.
    """
    if not isinstance(value, str) or value[:1] not in {"1", "2", "4", "8"}:
        raise SummaryUnreadable("counts start with 1, 2, 4 or 8")
    width = int(value[0])
    packed = unpack(value[1:], count_max * width)
    count, rest = divmod(len(packed), width)
    if rest:
        raise SummaryUnreadable(f"{len(packed)} bytes are no counts of {width} bytes each")
    raw = bytearray(len(packed))
    for byte in range(width):
        raw[byte::width] = packed[byte * count : (byte + 1) * count]
    return array(LANE_TYPES[width], bytes(raw))


def width_of(largest: int) -> int:
    """Return the bytes that a count needs: 1, 2, 4 or 8."""
    return 1 if largest < 1 << 8 else 2 if largest < 1 << 16 else 4 if largest < 1 << 32 else 8


def widened(counts: array[int]) -> array[int]:
    """Return the counts with twice as many bytes each."""
    return array(LANE_TYPES[2 * counts.itemsize], counts)

"""Packs bytes as text: deflate without a header, then base64."""

from __future__ import annotations

import binascii
import zlib

from core.ports import Json

_FASTEST = 1
"""Registers and cells shrink to a third. Higher levels gain little and take three times as long."""

_WITHOUT_HEADER = -zlib.MAX_WBITS


def pack(raw: bytes) -> str:
    """Compress bytes to text."""
    deflate = zlib.compressobj(_FASTEST, zlib.DEFLATED, _WITHOUT_HEADER)
    packed = deflate.compress(raw) + deflate.flush()
    return binascii.b2a_base64(packed, newline=False).decode("ascii")


def unpack(value: Json, length: int) -> bytes:
    """Decompress exactly `length` bytes, never more. Raises `ValueError` for anything else."""
    inflate = zlib.decompressobj(_WITHOUT_HEADER)
    try:
        raw = inflate.decompress(binascii.a2b_base64(value, strict_mode=True), length + 1)
    except (zlib.error, TypeError) as error:
        raise ValueError(str(error)) from error
    if len(raw) != length or not inflate.eof or inflate.unused_data:
        raise ValueError(f"it has {len(raw)} bytes, and should have {length}")
    return raw

"""Bytes as compressed text, for what is stored by the megabyte.

Owns the form: deflate without a header, then base64. What it holds is checked
by whoever wrote it. Refuses to know what the bytes are.
"""

from __future__ import annotations

import binascii
import zlib

from core.ports import Json

_FASTEST = 1
"""Registers and cells shrink to a third at once; more effort wins little for thrice the time."""

_WITHOUT_HEADER = -zlib.MAX_WBITS


def pack(raw: bytes) -> str:
    """Write bytes as text."""
    deflate = zlib.compressobj(_FASTEST, zlib.DEFLATED, _WITHOUT_HEADER)
    packed = deflate.compress(raw) + deflate.flush()
    return binascii.b2a_base64(packed, newline=False).decode("ascii")


def unpack(value: Json, length: int) -> bytes:
    """Read `length` bytes back, and never hold more. Raises `ValueError` for anything else."""
    inflate = zlib.decompressobj(_WITHOUT_HEADER)
    try:
        raw = inflate.decompress(binascii.a2b_base64(value, strict_mode=True), length + 1)
    except (zlib.error, TypeError) as error:
        raise ValueError(str(error)) from error
    if len(raw) != length or not inflate.eof or inflate.unused_data:
        raise ValueError(f"it has {len(raw)} bytes, and should have {length}")
    return raw

"""Cursors: where a page of a list ended, as text for a URL.

Owns their form: base64url of a checksum and what it is about. With the
checksum, whatever this software did not write for the same list is refused
here, and never reaches KV, which fails for a cursor of its own that it does
not know.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from core.calendar import timestamp
from core.safe_json import read_json
from metering.pages import Position

CURSOR_PATTERN = r"^[A-Za-z0-9_-]{8,4096}$"
_CURSOR = re.compile(CURSOR_PATTERN)
_CHECKSUM_BYTES = 6
_EVENTS = b"events"
_LISTING = b"listing"


def encode_position(position: Position) -> str:
    """Write a position in the events."""
    return _encode(_EVENTS, json.dumps(position, separators=(",", ":")))


def decode_position(cursor: str) -> Position:
    """Read what `encode_position` wrote. Raises `ValueError` for anything else."""
    match read_json(_decode(_EVENTS, cursor)):
        case [int(at_ms), str(request_id), str() | None as listing] if at_ms >= 0:
            try:
                timestamp(at_ms)
            except (OverflowError, OSError) as error:
                raise ValueError("its time is out of range") from error
            return Position(at_ms, request_id, listing)
    raise ValueError("it is no position")


def encode_listing(cursor: str) -> str:
    """Write KV's own cursor of a listing."""
    return _encode(_LISTING, cursor)


def decode_listing(cursor: str) -> str:
    """Read what `encode_listing` wrote. Raises `ValueError` for anything else."""
    return _decode(_LISTING, cursor)


def _encode(kind: bytes, text: str) -> str:
    content = text.encode()
    return urlsafe_b64encode(_checksum(kind, content) + content).decode().rstrip("=")


def _decode(kind: bytes, cursor: str) -> str:
    # The decoder leaves out, in silence, what is not of its alphabet.
    if _CURSOR.fullmatch(cursor) is None:
        raise ValueError("it is no cursor")
    raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    content = raw[_CHECKSUM_BYTES:]
    if _checksum(kind, content) != raw[:_CHECKSUM_BYTES]:
        raise ValueError("it is no cursor of this list")
    return content.decode()


def _checksum(kind: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_CHECKSUM_BYTES, person=kind).digest()

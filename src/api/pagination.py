"""Cursors of paginated lists: base64url of a checksum and a position.

The checksum rejects text that is no cursor of the same list. Without it, such
text would reach KV, whose `list` fails for an unknown cursor.
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
    """Encode a position in the usage events."""
    return _encode(_EVENTS, json.dumps(position, separators=(",", ":")))


def decode_position(cursor: str) -> Position:
    """Decode what `encode_position` returned. Raises `ValueError` for other text."""
    match read_json(_decode(_EVENTS, cursor)):
        case [int(at_ms), str(request_id), str() | None as listing] if at_ms >= 0:
            try:
                timestamp(at_ms)
            except (OverflowError, OSError) as error:
                raise ValueError("the time is out of range") from error
            return Position(at_ms, request_id, listing)
    raise ValueError("not a position")


def encode_listing(cursor: str) -> str:
    """Encode the cursor that KV returned with a page of keys."""
    return _encode(_LISTING, cursor)


def decode_listing(cursor: str) -> str:
    """Decode what `encode_listing` returned. Raises `ValueError` for other text."""
    return _decode(_LISTING, cursor)


def _encode(kind: bytes, text: str) -> str:
    content = text.encode()
    return urlsafe_b64encode(_checksum(kind, content) + content).decode().rstrip("=")


def _decode(kind: bytes, cursor: str) -> str:
    # `urlsafe_b64decode` silently skips characters outside its alphabet.
    if _CURSOR.fullmatch(cursor) is None:
        raise ValueError("not a cursor")
    raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    content = raw[_CHECKSUM_BYTES:]
    if _checksum(kind, content) != raw[:_CHECKSUM_BYTES]:
        raise ValueError("not a cursor of this list")
    return content.decode()


def _checksum(kind: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_CHECKSUM_BYTES, person=kind).digest()

"""Cursors of paginated lists: base64url of a checksum and a position.

The checksum rejects text that is no cursor of the same list.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import NamedTuple

from core import constants
from core.ports import Json
from core.safe_json import read_json

CURSOR_PATTERN = r"^[A-Za-z0-9_-]{8,4096}$"
_CURSOR = re.compile(CURSOR_PATTERN)
_CHECKSUM_BYTES = 6
_EVENTS = b"events"
_SETTLEMENTS = b"settlements"


class LogPlace(NamedTuple):
    """A place in the log of one shard: before an event of a commit, counted from 0."""

    position: int
    event: int


NEWEST = LogPlace(constants.INTEGER_MAX, 0)
"""The place after all events."""


class ClaimPlace(NamedTuple):
    """A place in the settlement events: before this claim's time and payment id."""

    claimed_at_ms: int
    payment_id: str


NEWEST_CLAIM = ClaimPlace(constants.INTEGER_MAX, "")
"""The place after all settlement events."""


def encode_places(places: Sequence[LogPlace]) -> str:
    """Encode a place in the log of each shard, by its number."""
    return _encode(_EVENTS, places)


def decode_places(cursor: str) -> Sequence[LogPlace]:
    """Decode what `encode_places` returned. Raises `ValueError` for other text."""
    found = _decode(_EVENTS, cursor)
    if not isinstance(found, list) or not found:
        raise ValueError("not a list of places")
    return [_place(one) for one in found]


def encode_claim(place: ClaimPlace) -> str:
    """Encode a place in the settlement events."""
    return _encode(_SETTLEMENTS, place)


def decode_claim(cursor: str) -> ClaimPlace:
    """Decode what `encode_claim` returned. Raises `ValueError` for other text."""
    match _decode(_SETTLEMENTS, cursor):
        case [int(at_ms), str(payment_id)] if 0 <= at_ms <= constants.INTEGER_MAX:
            return ClaimPlace(at_ms, payment_id)
    raise ValueError("not a place")


def _place(value: Json) -> LogPlace:
    match value:
        case [int(position), int(event)] if 0 <= position <= constants.INTEGER_MAX and event >= 0:
            return LogPlace(position, event)
    raise ValueError("not a place")


def _encode(kind: bytes, value: Json) -> str:
    content = json.dumps(value, separators=(",", ":")).encode()
    return urlsafe_b64encode(_checksum(kind, content) + content).decode().rstrip("=")


def _decode(kind: bytes, cursor: str) -> Json:
    # `urlsafe_b64decode` silently skips characters outside its alphabet.
    if _CURSOR.fullmatch(cursor) is None:
        raise ValueError("not a cursor")
    raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    content = raw[_CHECKSUM_BYTES:]
    if _checksum(kind, content) != raw[:_CHECKSUM_BYTES]:
        raise ValueError("not a cursor of this list")
    return read_json(content.decode())


def _checksum(kind: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_CHECKSUM_BYTES, person=kind).digest()

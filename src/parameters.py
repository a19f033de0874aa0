"""Query parameters: what they may be, and what is said when they are not.

Owns reading them. Everything here raises `InvalidParameter` with the name of
the parameter and what it must be.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import keys
import limits
from documents import read_json
from errors import InvalidParameter
from event_pages import Position

Parameters = Mapping[str, str]

_DIGITS = re.compile(r"[0-9]{1,9}")
_PARAMETERS_MAX = 100


def parse_query(query: str) -> Parameters:
    """Take a query apart that is empty or starts with `?`. Of repeated names the first counts."""
    try:
        pairs = parse_qsl(query[1:], keep_blank_values=True, max_num_fields=_PARAMETERS_MAX)
    except ValueError as error:
        raise InvalidParameter("query", f"at most {_PARAMETERS_MAX} parameters") from error
    return dict(reversed(pairs))


def whole_number(parameters: Parameters, name: str, default: int, maximum: int) -> int:
    """Read a whole number from 1 to `maximum`."""
    text = parameters.get(name)
    if text is None:
        return default
    # Longer texts are no such number, and Python would take them however long they are.
    value = int(text) if _DIGITS.fullmatch(text) else 0
    if not 1 <= value <= maximum:
        raise InvalidParameter(name, f"a whole number from 1 to {maximum}")
    return value


def minute_of(parameters: Parameters, name: str) -> int:
    """Read a time as the UTC minute that it is in."""
    try:
        at = datetime.fromisoformat(parameters.get(name, ""))
    except ValueError:
        at = None
    # A time without a zone could be anybody's.
    if at is None or at.tzinfo is None or not limits.FIRST_YEAR <= at.year < limits.LAST_YEAR:
        raise InvalidParameter(name, "a time such as 2026-11-22T18:00Z")
    return int(at.timestamp()) // 60


def day_of(parameters: Parameters, name: str, default: int) -> int:
    """Read a date as the number of that UTC day since 1970."""
    text = parameters.get(name)
    if text is None:
        return default
    try:
        at = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        at = None
    if at is None or not limits.FIRST_YEAR <= at.year < limits.LAST_YEAR:
        raise InvalidParameter(name, "a day such as 2026-11-22")
    return int(at.timestamp()) // (keys.DAY_MS // 1000)


def encode_text(text: str) -> str:
    """Write any text as one that needs no escaping in a URL."""
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_text(cursor: str | None) -> str | None:
    """Read a cursor back that `encode_text` wrote."""
    if cursor is None:
        return None
    try:
        return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        raise InvalidParameter("cursor", "the `cursor` of an earlier answer") from None


def encode_cursor(position: Position) -> str:
    """Write a position in the events as text for a URL."""
    return encode_text(json.dumps(position, separators=(",", ":")))


def decode_cursor(cursor: str | None) -> Position | None:
    """Read a position back that `cursor` wrote."""
    if cursor is None:
        return None
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        match read_json(text):
            case [int(at_ms), str(request_id), str() | None as listing] if at_ms >= 0:
                keys.timestamp(at_ms)
                return Position(at_ms, request_id, listing)
    except (ValueError, OverflowError, OSError):
        pass
    raise InvalidParameter("cursor", "the `cursor` of an earlier answer")

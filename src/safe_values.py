"""Single values from others, made safe to show: text, counts, amounts and times.

Owns what "safe" means for one value, whatever it was: a page may print it, add
it up and compare it without looking again. Making it safe twice changes
nothing more. Refuses to know which fields there are, and never raises.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import keys
from ports import Json

WHOLE_MAX = 2**53 - 1
"""The largest whole number that JavaScript holds exactly (`Number.MAX_SAFE_INTEGER`)."""

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""Control characters, those that change the direction of what follows or are invisible, and
halves of characters. Joiners (U+200C, U+200D) stay: scripts and emoji are written with them."""

_TIME_LENGTH_MAX = 40
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""


def safe_text(value: Json, default: str, length_max: int) -> str:
    """Give text as one line of at most `length_max` characters; `default` when none is left."""
    if not isinstance(value, str):
        return default
    # What is removed may be anywhere, so more than is shown is looked at, but not all there is.
    line = _UNSEEN.sub("", value[: 4 * length_max]).strip()
    return line[:length_max].rstrip() or default


def is_number(value: Json) -> bool:
    """Tell whether a value is a number that is not negative; truth values are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def safe_amount(value: Json, maximum: int = WHOLE_MAX) -> int | float:
    """Give a number from 0 to `maximum`: 0 for what is none or negative, at most the maximum."""
    # Not `max(0, value)`, which would keep a zero's sign.
    return min(value, maximum) if is_number(value) and value > 0 else 0


def safe_whole(value: Json, maximum: int = WHOLE_MAX) -> int:
    """Give a whole number from 0 to `maximum`, as `safe_amount` does, without its fraction."""
    return int(safe_amount(value, maximum))


def safe_time(value: Json) -> str | None:
    """Give a time with a zone as RFC 3339 in UTC with milliseconds; None for anything else."""
    if not isinstance(value, str) or len(value) > _TIME_LENGTH_MAX:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    at_ms = (at - _EPOCH) // timedelta(milliseconds=1)
    return keys.timestamp(at_ms) if 0 <= at_ms <= _LAST_MS else None
